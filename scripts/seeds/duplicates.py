"""Seeds that occur in more than one part: the first of the parts, in the order given, keeps the seed.

Only ids are read and held, 16 bytes each: 18 M seeds (full scale) need about 1 GB. The table has one row for each such
seed; `detail` is the part that keeps it, e.g. `web/part-000`, and every other part has to drop it.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scripts.common.counts import Counts
from scripts.common.logging import get_logger, run
from scripts.common.schemas import REJECTED, SEEDS
from scripts.common.tables import read_table, write_table


def read_ids(path: Path) -> np.ndarray:
    """The ids of one part, each as two 64-bit numbers: shape (rows, 2)."""
    ids = read_table(path, SEEDS, ["seed_id"]).column("seed_id").to_pylist()
    return np.frombuffer(bytes.fromhex("".join(ids)), dtype=">u8").reshape(-1, 2)


def find_duplicates(parts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, int]:
    """Ids that occur more than once.

    Args:
        parts: ids of each part, shape (rows, 2).

    Returns:
        The ids in ascending order, shape (n, 2); the index of the part that keeps each, shape (n,); the number of
        occurrences to be dropped.
    """
    ids = np.concatenate(parts).astype(np.uint64)
    places = np.repeat(np.arange(len(parts), dtype=np.int32), [len(part) for part in parts])
    order = np.lexsort((places, ids[:, 1], ids[:, 0]))
    ids, places = ids[order], places[order]
    first = np.ones(len(ids), dtype=bool)
    first[1:] = (ids[1:] != ids[:-1]).any(axis=1)
    repeated = first.copy()
    repeated[:-1] &= ~first[1:]
    repeated[-1:] = False
    return ids[repeated], places[repeated], int((~first).sum())


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the table of duplicate seeds and the counts over all parts."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=Path, nargs="+", required=True, help="all parts; earlier ones win")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--counts", type=Path, required=True)
    args = parser.parse_args(argv)
    parts = [read_ids(path) for path in args.seeds]
    ids, kept, dropped = find_duplicates(parts)
    names = [f"{path.parent.name}/{path.stem}" for path in args.seeds]
    rows = [
        {"id": f"{high:016x}{low:016x}", "reason": "duplicate_seed", "detail": names[place]}
        for (high, low), place in zip(ids.tolist(), kept.tolist(), strict=True)
    ]
    write_table(args.output, rows, REJECTED)
    total = sum(map(len, parts))
    Counts("seeds_duplicates", total, total - dropped, {"duplicate_seed": dropped}).write(args.counts)
    get_logger("seeds_duplicates").info("%d seeds, %d occur again in a later part", total, dropped)


if __name__ == "__main__":
    run(main)
