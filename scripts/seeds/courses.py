"""Courses of one part of a source of catalogues, each one once: what the language model is asked to outline.

Rows and courses that cannot be used are left out here without a word; seeds_load meets them again, keeps them aside and
counts them.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from scripts.common.logging import get_logger, run
from scripts.common.schemas import COURSES
from scripts.common.tables import in_batches, write_batches
from scripts.seeds.catalogues import Course
from scripts.seeds.checks import find_problem
from scripts.seeds.readers import BadRow, Draft, courses
from scripts.seeds.rows import parse, raw_rows
from scripts.seeds.sources import Entry, read_entry


def read_courses(entry: Entry, rows: Iterable[tuple[str, str | bytes]]) -> Iterator[dict[str, str]]:
    """Yields the usable courses of (place, JSON text) rows as rows of the table (COURSES)."""
    seen = set()
    for place, text in rows:
        try:
            row = parse(text)
            found = list(courses(row, entry.columns)) if all(rule.keeps(row) for rule in entry.filters) else []
        except BadRow:
            continue
        for number, course in enumerate(found, start=1):
            if not isinstance(course, Course) or course.id in seen:
                continue
            if find_problem(Draft(course.description, course.title), entry.kind) is None:
                seen.add(course.id)
                yield {"course_id": course.id, "place": f"{place}#{number}"} | vars(course)


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the courses of one part."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sources", type=Path, required=True, help="resources/sources.tsv")
    parser.add_argument("--source", required=True, help="which of its sources")
    parser.add_argument("--where", required=True, choices=["sample", "original"])
    parser.add_argument("--downloads", type=Path, required=True, help="folder that seeds_download fills")
    parser.add_argument("--start", type=int, required=True, help="first row of the part")
    parser.add_argument("--stop", type=int, required=True, help="row after its last one")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args(argv)
    entry = read_entry(args.sources, args.source, args.where)
    rows = raw_rows(entry, args.downloads, args.start, args.stop)
    written = write_batches(args.output, in_batches(read_courses(entry, rows)), COURSES)
    get_logger("seeds_courses").info("%d courses", written)


if __name__ == "__main__":
    run(main)
