"""The benchmark rows that documents are compared with, normalised once for all parts.

A row with fewer tokens than one n-gram cannot share one with any document, be it short or empty: it is written to a
table of its own, so that the report can tell how much of each benchmark was checked. Benchmarks stand in the order of
scripts/benchmarks/rows.py, whatever the order they are named in.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from scripts.benchmarks.load import read_items
from scripts.benchmarks.rows import BENCHMARKS, decontamination_text, known
from scripts.common.logging import get_logger, run
from scripts.common.schemas import BENCHMARK_ROWS
from scripts.common.tables import write_table
from scripts.decontaminate.matching import tokenize


def benchmark_rows(benchmark: str, folder: str) -> Iterator[dict[str, Any]]:
    """Yields the rows of one benchmark (BENCHMARK_ROWS); errors as in `read_items`."""
    for item in read_items(benchmark, folder):
        text = decontamination_text(item)
        tokens = tokenize(text)
        yield {
            "benchmark": benchmark,
            "row": item.row,
            "text": text,
            "tokens": " ".join(tokens),
            "n_tokens": len(tokens),
        }


def in_order(benchmarks: Iterable[str]) -> list[str]:
    """Every benchmark once, in the order of `BENCHMARKS`.

    Raises:
        InputError: one is unknown.
    """
    named = {key for key in benchmarks if known(key)}
    return [key for key in BENCHMARKS if key in named]


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the rows of all benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--benchmarks", required=True, nargs="*", help=f"among {', '.join(BENCHMARKS)}")
    parser.add_argument("--location", required=True, help="folder of <benchmark>.jsonl")
    parser.add_argument("--ngram", type=int, default=10)
    parser.add_argument("--output", required=True)
    parser.add_argument("--uncheckable", required=True, help="rows shorter than one n-gram")
    args = parser.parse_args(argv)

    checkable, uncheckable = [], []
    for benchmark in in_order(args.benchmarks):
        for row in benchmark_rows(benchmark, args.location):
            (checkable if row["n_tokens"] >= args.ngram else uncheckable).append(row)
    write_table(args.output, checkable, BENCHMARK_ROWS)
    write_table(args.uncheckable, uncheckable, BENCHMARK_ROWS)
    get_logger(__name__).info("%d rows can be checked, %d are too short", len(checkable), len(uncheckable))


if __name__ == "__main__":
    run(main)
