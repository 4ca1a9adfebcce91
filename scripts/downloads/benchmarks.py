"""Fetches the rows of benchmarks from the Hub as JSON Lines, one file a benchmark, in the layout of the sample."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from scripts.benchmarks.rows import BENCHMARKS, HUB, read_rows
from scripts.common.errors import InputError
from scripts.common.files import atomic_path
from scripts.common.logging import get_logger, run
from scripts.seeds.patience import PATIENCE, Transient, retrying


def fetch_benchmark(benchmark: str, path: Path) -> int:
    """Writes the rows of one benchmark and returns their number.

    Raises:
        Transient: the Hub does not answer.
        InputError: it does not have the benchmark.
    """
    from datasets.exceptions import DatasetsError
    from httpx import HTTPError

    try:
        with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as handle:
            lines = (json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in read_rows(benchmark, HUB))
            return sum(1 for line in lines if handle.write(line))
    except (DatasetsError, ValueError) as error:
        raise InputError(f"{BENCHMARKS[benchmark].hub} cannot be read from the Hub ({error}).") from error
    except (HTTPError, OSError) as error:
        raise Transient(f"{BENCHMARKS[benchmark].hub}: {type(error).__name__} {error}") from error


def main(argv: Sequence[str] | None = None) -> None:
    """Fetches all benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, nargs="+", required=True, help="<benchmark>.jsonl, for each benchmark")
    args = parser.parse_args(argv)
    for path in args.output:
        benchmark = path.stem
        try:
            rows = retrying(PATIENCE)(fetch_benchmark, benchmark, path)
        except Transient as error:
            raise InputError(f"{error}. Check the network and HF_HUB_OFFLINE, and run again later.") from error
        get_logger("downloads_benchmarks").info("%s: %d rows", benchmark, rows)


if __name__ == "__main__":
    run(main)
