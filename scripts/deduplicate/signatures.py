"""MinHash signatures of one part: datatrove's MinhashDedupSignature over the documents that clean kept.

The output folder is in datatrove's layout, one sorted file a bucket (bucket_000/00000.minhash.sig). A document shorter
than one shingle gets no signature: by this measure it can have no near-duplicate.
"""

import argparse
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.clean.documents import kept_documents
from scripts.common.logging import get_logger, run
from scripts.deduplicate.minhash import add_arguments, settings

if TYPE_CHECKING:
    from datatrove.data import Document
    from datatrove.pipeline.dedup.minhash import MinhashConfig

SHINGLES_AT_ONCE = 20_000
"""Hashing takes about 2 kB a shingle at a time; a 5 MB document has a million of them."""


def documents(rows: Iterator[Mapping[str, Any]]) -> Iterator["Document"]:
    """Rows as datatrove's documents."""
    from datatrove.data import Document

    for row in rows:
        yield Document(text=row["text"], id=row["prompt_id"])


def write_signatures(rows: Iterator[Mapping[str, Any]], folder: Path, config: "MinhashConfig") -> None:
    """Writes the signature files of one part into a folder, whatever was there before."""
    from datatrove.pipeline.dedup.minhash import MinhashDedupSignature

    class Signatures(MinhashDedupSignature):
        """datatrove's step; a long document is hashed piece by piece, with the same result in flat memory."""

        def get_signature(self, shingles: Any) -> list[list[int]]:
            pieces = [
                super(Signatures, self).get_signature(shingles[start : start + SHINGLES_AT_ONCE])
                for start in range(0, len(shingles), SHINGLES_AT_ONCE)
            ]
            return [[min(values) for values in zip(*bucket, strict=True)] for bucket in zip(*pieces, strict=True)]

    shutil.rmtree(folder, ignore_errors=True)
    Signatures(str(folder), config).run(documents(rows), rank=0, world_size=1)


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the signatures of one part."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--generations", required=True, help="sealed texts of the part")
    parser.add_argument("--decisions", required=True, help="what clean decided of them")
    parser.add_argument("--output", required=True, type=Path, help="folder")
    add_arguments(parser)
    args = parser.parse_args(argv)

    write_signatures(kept_documents(args.generations, args.decisions), args.output, settings(args))
    size = (args.output / "bucket_000" / "00000.minhash.sig").stat().st_size
    get_logger(__name__).info("%d documents signed", size // (8 * args.hashes_per_bucket + 4))


if __name__ == "__main__":
    run(main)
