"""How many documents of each group were removed for each benchmark, in the layout of the published table.

A cell holds the removed documents and, in brackets, the different benchmark rows that they repeat. The published
figures stand beside ours; they and their source come from resources/claims.tsv, where the blog post gives one figure
for both parts of ARC and "<4" where it names no number. They come from 31 M documents; SIQA was checked there but is in
no published table. What was removed for holding a row too short for an n-gram, which the published rule does not do, is
counted apart.

Of documents, only the ids of those removed are held: some 600 in the published table.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.benchmarks.rows import BENCHMARKS
from scripts.common.counts import Counts
from scripts.common.files import write_json
from scripts.common.logging import get_logger, run
from scripts.common.schemas import BENCHMARK_ROWS, CONTAMINATION
from scripts.common.tables import iterate_rows
from scripts.report.claims import Claim, Claims

GROUPS = {
    "web, stanford, openstax": ("web", "stanford", "openstax"),
    "auto_math_text, khanacademy": ("auto_math_text", "khanacademy"),
    "stories": ("ultrachat", "openhermes"),
}
"""The published groups and their sources; any other source falls into `OTHERS`."""

OTHERS = "others"
NGRAM, SHORT = "ngram", "short_row"
COLUMNS = ("prompt_id", "benchmark", "row", "rule", "decision")


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


def published(claims: Claims, group: str) -> dict[str, Any] | None:
    """The published cells of a group and where they were published; None where nothing was."""
    cells, sources = {}, []
    for benchmark in BENCHMARKS:
        path = f"{group.replace(', ', '_')}.{benchmark}"
        both = path.replace("arc_easy", "arc").replace("arc_challenge", "arc")
        for name, remark in ((path, ""), (both, ", both parts of ARC")):
            removed, repeated = _claim(claims, f"groups.{name}"), _claim(claims, f"rows.{name}")
            if removed and benchmark not in cells:
                cells[benchmark] = f"{removed.published}{f' ({repeated.published})' if repeated else ''}{remark}"
                sources.append(removed.source)
    return {"source": ", ".join(dict.fromkeys(sources)), "cells": cells} if cells else None


def _claim(claims: Claims, path: str) -> Claim | None:
    return next(iter(claims.of(f"contamination.{path}")), None)


class Removed:
    """Documents removed and benchmark rows that they repeat, by group, benchmark and rule."""

    def __init__(self, pairs: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Args: pairs: source and contamination row of every pair found."""
        self.documents: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        self.rows: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        for source, pair in pairs:
            if pair["decision"] == "removed":
                cell = group_of(source), pair["benchmark"], pair["rule"] or NGRAM
                self.documents[cell].add(pair["prompt_id"])
                self.rows[cell].add(pair["row"])

    def cell(self, group: str, benchmark: str) -> dict[str, int]:
        """The numbers of one cell."""
        found = {}
        for prefix, rule in (("", NGRAM), ("short_", SHORT)):
            found[f"{prefix}documents"] = len(self.documents.get((group, benchmark, rule), ()))
            found[f"{prefix}rows"] = len(self.rows.get((group, benchmark, rule), ()))
        return found

    def by_short_rows_alone(self, group: str) -> int:
        """Documents of a group that only the check of short rows removed."""
        held = {rule: set() for rule in (NGRAM, SHORT)}
        for (name, _, rule), documents in self.documents.items():
            if name == group:
                held[rule] |= documents
        return len(held[SHORT] - held[NGRAM])


def groups(
    removed: Removed, counts: Sequence[Counts], benchmarks: Sequence[str], claims: Claims
) -> list[dict[str, Any]]:
    """The lines of the table.

    Args:
        removed: what was removed.
        counts: what the scans counted.
        benchmarks: the columns.
        claims: with the published figures.
    """
    lines = []
    for group in (*GROUPS, OTHERS):
        own = [count for count in counts if group_of(count.source) == group]
        lines.append(
            {
                "group": group,
                "sources": sorted({count.source for count in own}),
                "documents": sum(count.rows_in for count in own),
                "removed": sum(count.rows_in - count.rows_out for count in own),
                "removed_by_short_rows_alone": removed.by_short_rows_alone(group),
                "cells": {benchmark: removed.cell(group, benchmark) for benchmark in benchmarks},
                "published": published(claims, group),
            }
        )
    return lines


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--parts", required=True, nargs="+", type=Path, help="scanned parts, <source>/part-<number>")
    parser.add_argument("--counts", required=True, nargs="+", help="their counts")
    parser.add_argument("--rows", required=True, help="benchmark rows")
    parser.add_argument("--uncheckable", required=True, help="benchmark rows that are too short")
    parser.add_argument("--claims", required=True, type=Path, help="resources/claims.tsv")
    parser.add_argument("--output", required=True)
    args = parser.parse_args(argv)

    columns = ["benchmark"]
    benchmarks = coverage(
        iterate_rows(args.rows, BENCHMARK_ROWS, columns), iterate_rows(args.uncheckable, BENCHMARK_ROWS, columns)
    )
    removed = Removed(
        (path.parent.name, row) for path in args.parts for row in iterate_rows(path, CONTAMINATION, COLUMNS)
    )
    counts = [Counts.read(path) for path in args.counts]
    lines = groups(removed, counts, [line["benchmark"] for line in benchmarks], Claims.read(args.claims))
    write_json(args.output, {"benchmarks": benchmarks, "groups": lines})
    get_logger(__name__).info("%d documents removed", sum(line["removed"] for line in lines))


if __name__ == "__main__":
    run(main)
