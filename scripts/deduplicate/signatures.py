"""MinHash signatures of one part: the documents that clean kept, in datatrove's files, many times faster.

The files hold the same bytes as those of datatrove's MinhashDedupSignature, so that its later steps run on them: one a
bucket (bucket_000/00000.minhash.sig), a record for each document, eight hashes and its place in the part, sorted. Round
r is datatrove's step with the seed r + 1, and its bucket b is here bucket r · 14 + b. A document shorter than one
shingle gets no signature: by this measure it can have no near-duplicate.

Records are written block by block and sorted bucket by bucket, so memory hardly grows with the part: 420 MB of
libraries, up to 100 MB of remembered words, 50 MB to sort 250,000 records, 35 MB for each MB of a long document. On
disk a document takes 3.8 kB in 4 rounds.
"""

import argparse
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from scripts.clean.documents import kept_documents
from scripts.common.logging import get_logger, run
from scripts.deduplicate.minhash import add_arguments, rounds
from scripts.deduplicate.shingles import Shingles

if TYPE_CHECKING:
    import numpy as np
    from datatrove.pipeline.dedup.minhash import MinhashConfig

BLOCK = 2048
"""Documents whose records are written at once."""


def signatures(
    rows: Iterator[Mapping[str, Any]], configs: Sequence["MinhashConfig"]
) -> Iterator[tuple[int, "np.ndarray"]]:
    """Yields the place of each document that has a shingle, and its hashes.

    Args:
        rows: documents.
        configs: the settings of each round, which differ in their seeds alone.

    Yields:
        (place, hashes), the hashes of shape (rounds · buckets · hashes of a bucket,), uint64.
    """
    import numpy as np
    from datatrove.pipeline.dedup.minhash import MinhashDedupSignature

    from scripts.deduplicate.kernels import minima

    steps = [MinhashDedupSignature("/nowhere", config) for config in configs]
    factors, summands = (np.hstack(values).ravel() for values in zip(*(step.parameters for step in steps), strict=True))
    shingles = Shingles(configs[0].n_grams)
    for place, row in enumerate(rows):
        hashes = shingles(row["text"])
        if hashes.size:
            yield place, minima(hashes, factors, summands)


def write_signatures(rows: Iterator[Mapping[str, Any]], folder: Path, configs: Sequence["MinhashConfig"]) -> int:
    """Writes the signature files of one part into a folder, whatever was there before; returns how many were signed."""
    buckets = sum(config.num_buckets for config in configs)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
        finished = Path(temporary) / "finished"
        paths = [finished / f"bucket_{bucket:03d}" / "00000.minhash.sig" for bucket in range(buckets)]
        for path in paths:
            path.parent.mkdir(parents=True)
        signed = _write_records(paths, signatures(rows, configs), configs[0].hashes_per_bucket)
        for path in paths:
            _sort_records(path, configs[0].hashes_per_bucket)
        shutil.rmtree(folder, ignore_errors=True)
        finished.rename(folder)
    return signed


def _record(order: str, width: int) -> "np.dtype":
    """The hashes of one bucket and the document's place, in one order of bytes."""
    import numpy as np

    return np.dtype([("hashes", f"{order}u8", (width,)), ("place", f"{order}u4")])


def _write_records(paths: Sequence[Path], signed: Iterable[tuple[int, "np.ndarray"]], width: int) -> int:
    """Writes records as they come, most significant byte first, to one file a bucket; returns how many there are."""
    import numpy as np

    number = 0
    block = np.empty((len(paths), BLOCK), _record(">", width))
    with ExitStack() as stack:
        files = [stack.enter_context(path.open("wb")) for path in paths]
        for place, hashes in signed:
            column = number % BLOCK
            block["hashes"][:, column] = hashes.reshape(-1, width)
            block["place"][:, column] = place
            number += 1
            if column == BLOCK - 1:
                _append(files, block)
        _append(files, block[:, : number % BLOCK])
    return number


def _append(files: Sequence[BinaryIO], block: "np.ndarray") -> None:
    for file, records in zip(files, block, strict=True):
        file.write(records.tobytes())


def _sort_records(path: Path, width: int) -> None:
    """Sorts a bucket's records and writes them least significant byte first, as datatrove reads them."""
    import numpy as np

    # Most significant byte first, records compare as their bytes do, which numpy sorts faster than by fields.
    records = np.fromfile(path, f"S{_record('>', width).itemsize}")
    records.sort()
    path.write_bytes(records.view(_record(">", width)).astype(_record("<", width)).tobytes())


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the signatures of one part."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--generations", required=True, help="sealed texts of the part")
    parser.add_argument("--decisions", required=True, help="what clean decided of them")
    parser.add_argument("--output", required=True, type=Path, help="folder")
    add_arguments(parser)
    args = parser.parse_args(argv)

    signed = write_signatures(kept_documents(args.generations, args.decisions), args.output, rounds(args))
    get_logger(__name__).info("%d documents signed", signed)


if __name__ == "__main__":
    run(main)
