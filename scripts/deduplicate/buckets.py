"""Documents of all parts that share one bucket of their signature: datatrove's MinhashDedupBuckets, one rank.

The output is datatrove's .dups file: pairs of (rank, place) as four little-endian 32-bit numbers.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.common.files import atomic_path
from scripts.common.logging import get_logger, run
from scripts.deduplicate.minhash import add_arguments, by_rank, linked_folder, settings

if TYPE_CHECKING:
    from datatrove.pipeline.dedup.minhash import MinhashConfig

PAIR_BYTES = 16


def write_pairs(signatures: Sequence[Path], bucket: int, output: Path, config: "MinhashConfig") -> None:
    """Writes the pairs of one bucket; `signatures` are the parts' folders."""
    from datatrove.pipeline.dedup.minhash import MinhashDedupBuckets

    folder = f"bucket_{bucket:03d}"
    links = {
        f"{folder}/{rank:05d}.minhash.sig": part / folder / "00000.minhash.sig"
        for rank, part in enumerate(by_rank(signatures))
    }
    record = 8 * config.hashes_per_bucket + 4
    with linked_folder(links, record) as inputs, tempfile.TemporaryDirectory(prefix="minhash-") as outputs:
        step = MinhashDedupBuckets(str(inputs), outputs, config=config)
        step.run(rank=bucket, world_size=config.num_buckets)
        with atomic_path(output) as temporary:
            temporary.write_bytes((Path(outputs) / f"{bucket:05d}_00.dups").read_bytes())


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the pairs of one bucket."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--signatures", required=True, nargs="+", type=Path, help="the folders of all parts")
    parser.add_argument("--bucket", required=True, type=int, help="counted from 0")
    parser.add_argument("--output", required=True, type=Path)
    add_arguments(parser)
    args = parser.parse_args(argv)

    write_pairs(args.signatures, args.bucket, args.output, settings(args))
    pairs = args.output.stat().st_size // PAIR_BYTES
    get_logger(__name__).info("bucket %d: %d pairs in %d parts", args.bucket, pairs, len(args.signatures))


if __name__ == "__main__":
    run(main)
