"""The documents that are clustered: those with the lowest hash, so that the sample does not depend on parts or order.

100,000 documents in the text-clustering repository, which shuffles with seed 42; a hash chooses as evenly and keeps its
choice when documents are added. A seed that stands in several parts is taken once.
"""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from scripts.common.ids import unit_interval
from scripts.common.logging import get_logger, run
from scripts.common.schemas import EMBEDDINGS
from scripts.common.tables import read_table, write_table


def choose(parts: Iterable[Sequence[str]], size: int) -> list[str]:
    """The `size` ids with the lowest hash, in the order of the hash."""
    chosen: list[tuple[float, str]] = []
    for ids in parts:
        chosen = sorted({*chosen, *((unit_interval(seed_id, "cluster-sample"), seed_id) for seed_id in ids)})[:size]
    return [seed_id for _, seed_id in chosen]


def collect(paths: Iterable[Path], chosen: Sequence[str]) -> pa.Table:
    """The embeddings of the chosen ids, in their order, one row each."""
    wanted = pa.array(chosen, pa.string())
    tables = [EMBEDDINGS.empty_table()]
    for path in paths:
        table = read_table(path, EMBEDDINGS)
        tables.append(table.filter(pc.is_in(table.column("seed_id"), value_set=wanted)))
    found = pa.concat_tables(tables)
    rows = pc.index_in(wanted, value_set=found.column("seed_id").combine_chunks())
    return found.take(rows)


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the sample's embeddings."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--embeddings", type=Path, nargs="+", required=True, help="all parts of the clustered sources")
    parser.add_argument("--sample-size", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args(argv)
    ids = (read_table(path, EMBEDDINGS, ["seed_id"]).column("seed_id").to_pylist() for path in args.embeddings)
    chosen = choose(ids, args.sample_size)
    write_table(args.output, collect(args.embeddings, chosen), EMBEDDINGS)
    get_logger("cluster_sample").info("%d of at most %d documents", len(chosen), args.sample_size)


if __name__ == "__main__":
    run(main)
