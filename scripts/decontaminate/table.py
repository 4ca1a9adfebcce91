"""How many documents of each group were removed for each benchmark, in the layout of the published table.

A cell holds the removed documents and, in brackets, the different benchmark rows that they repeat. The published
figures stand beside ours with their source: the dataset card of HuggingFaceTB/cosmopedia for the first group, the
Cosmopedia blog post for the other two, which gives one figure for both parts of ARC and "<4" where it names no number.
They come from 31 M documents; SIQA was checked there but is in no published table.
"""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.benchmarks.rows import BENCHMARKS
from scripts.common.counts import Counts
from scripts.common.files import write_json
from scripts.common.logging import get_logger, run
from scripts.common.tables import BENCHMARK_ROWS, CONTAMINATION, iterate_rows

GROUPS = {
    "web, stanford, openstax": ("web", "stanford", "openstax"),
    "auto_math_text, khanacademy": ("auto_math_text", "khanacademy"),
    "stories": ("ultrachat", "openhermes"),
}
"""The published groups and their sources; any other source falls into `OTHERS`."""

OTHERS = "others"

_BOTH_ARC = "both parts of ARC"
PUBLISHED = {
    "web, stanford, openstax": {
        "source": "dataset card of HuggingFaceTB/cosmopedia",
        "cells": {
            "arc_easy": "30 (13)",
            "arc_challenge": "19 (3)",
            "boolq": "386 (41)",
            "hellaswag": "6 (5)",
            "mmlu": "1 (1)",
            "openbookqa": "0 (0)",
            "piqa": "5 (3)",
            "winogrande": "0 (0)",
        },
    },
    "auto_math_text, khanacademy": {
        "source": "Cosmopedia blog post",
        "cells": {
            "arc_easy": f"17 (6), {_BOTH_ARC}",
            "arc_challenge": f"17 (6), {_BOTH_ARC}",
            "boolq": "34 (7)",
            "hellaswag": "1 (1)",
            "mmlu": "<4",
            "openbookqa": "<4",
            "piqa": "0 (0)",
            "winogrande": "<4",
        },
    },
    "stories": {
        "source": "Cosmopedia blog post",
        "cells": {
            "arc_easy": f"53 (32), {_BOTH_ARC}",
            "arc_challenge": f"53 (32), {_BOTH_ARC}",
            "boolq": "27 (21)",
            "hellaswag": "3 (3)",
            "mmlu": "<4",
            "openbookqa": "<4",
            "piqa": "6 (4)",
            "winogrande": "<4",
        },
    },
}
"""Samples removed (unique benchmark rows), as published."""


def group_of(source: str) -> str:
    """The published group that a source belongs to."""
    return next((group for group, sources in GROUPS.items() if source in sources), OTHERS)


def coverage(rows: Iterable[Mapping], uncheckable: Iterable[Mapping]) -> list[dict[str, Any]]:
    """Each benchmark with the number of its rows that were checked and of those too short to be."""
    numbers: dict[str, dict[str, int]] = {}
    for name, table in (("checked", rows), ("uncheckable", uncheckable)):
        for row in table:
            numbers.setdefault(row["benchmark"], {"checked": 0, "uncheckable": 0})[name] += 1
    return [{"benchmark": key, "name": BENCHMARKS[key].name, **numbers[key]} for key in BENCHMARKS if key in numbers]


def groups(
    pairs: Iterable[tuple[str, Mapping[str, Any]]], counts: Sequence[Counts], benchmarks: Sequence[str]
) -> list[dict[str, Any]]:
    """The lines of the table.

    Args:
        pairs: source and contamination row of every pair found.
        counts: what the scans counted.
        benchmarks: the columns.
    """
    documents: dict[tuple[str, str], set[str]] = {}
    rows: dict[tuple[str, str], set[str]] = {}
    for source, pair in pairs:
        if pair["decision"] == "removed":
            cell = group_of(source), pair["benchmark"]
            documents.setdefault(cell, set()).add(pair["prompt_id"])
            rows.setdefault(cell, set()).add(pair["row"])
    return [
        {
            "group": group,
            "sources": sorted({count.source for count in counts if group_of(count.source) == group}),
            "documents": sum(count.rows_in for count in counts if group_of(count.source) == group),
            "removed": sum(count.rows_in - count.rows_out for count in counts if group_of(count.source) == group),
            "cells": {
                benchmark: {
                    "documents": len(documents.get((group, benchmark), ())),
                    "rows": len(rows.get((group, benchmark), ())),
                }
                for benchmark in benchmarks
            },
            "published": PUBLISHED.get(group),
        }
        for group in (*GROUPS, OTHERS)
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--parts", required=True, nargs="+", type=Path, help="scanned parts, <source>/part-<number>")
    parser.add_argument("--counts", required=True, nargs="+", help="their counts")
    parser.add_argument("--rows", required=True, help="benchmark rows")
    parser.add_argument("--uncheckable", required=True, help="benchmark rows that are too short")
    parser.add_argument("--output", required=True)
    args = parser.parse_args(argv)

    columns = ["benchmark"]
    benchmarks = coverage(
        iterate_rows(args.rows, BENCHMARK_ROWS, columns), iterate_rows(args.uncheckable, BENCHMARK_ROWS, columns)
    )
    pairs = ((path.parent.name, row) for path in args.parts for row in iterate_rows(path, CONTAMINATION))
    lines = groups(pairs, [Counts.read(path) for path in args.counts], [line["benchmark"] for line in benchmarks])
    write_json(args.output, {"benchmarks": benchmarks, "groups": lines})
    get_logger(__name__).info("%d documents removed", sum(line["removed"] for line in lines))


if __name__ == "__main__":
    run(main)
