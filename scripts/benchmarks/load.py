"""Loads the rows of benchmarks with the loaders of the seeds: files as scripts/seeds/files.py reads them (lines of any
length, a byte order mark, compressed or not), the Hub as scripts/seeds/hub.py does.

A folder holds one file a benchmark, JSON Lines with the Hub's columns: the shipped sample, or what
scripts/downloads/benchmarks.py has fetched.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.benchmarks.rows import Item, known, to_item
from scripts.common.errors import InputError
from scripts.common.logging import get_logger
from scripts.seeds.files import read_files
from scripts.seeds.locks import read_lock
from scripts.seeds.readers import BadRow
from scripts.seeds.rows import parse
from scripts.seeds.sources import Entry

LOCKED_AS = "benchmarks/"
"""Sets the names of benchmarks in config/sources.lock.tsv apart from those of sources."""


class BenchmarkEntry(Entry):
    """A benchmark as the loaders of the Hub see a source."""

    registry = "scripts/benchmarks/rows.py"

    @property
    def key(self) -> str:
        """The benchmark's key in `BENCHMARKS`."""
        return self.source.removeprefix(LOCKED_AS)

    @property
    def called(self) -> str:
        """The beginning of every message about it."""
        return f"benchmark `{self.key}`"

    @property
    def how_to_leave_out(self) -> str:
        """The end of every message about a benchmark that cannot be had."""
        return f"or take {self.key} out of decontaminate.benchmarks and evaluate.benchmarks"


def to_entry(benchmark: str, locks: str | Path | None = None) -> Entry:
    """Where the Hub has a benchmark, at the locked commit if there is one.

    Args:
        benchmark: a key of `BENCHMARKS`.
        locks: config/sources.lock.tsv; may be absent.

    Raises:
        InputError: the benchmark is unknown.
    """
    spec, name = known(benchmark), f"{LOCKED_AS}{benchmark}"
    lock = read_lock(locks, name, spec.location) if locks else None
    place = {"where": "hub", "location": spec.hub, "config": spec.config, "split": spec.split}
    unused = {"reader": "", "kind": "", "columns": {}, "filters": (), "licence": ""}
    revision = lock.revision if lock else spec.revision
    return BenchmarkEntry(source=name, revision=revision, lock=lock, **place, **unused)


def read_rows(benchmark: str, folder: str | Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields (place, row) for a benchmark's rows with the Hub's own columns, in their published order.

    Args:
        benchmark: a key of `BENCHMARKS`.
        folder: holds `<benchmark>.jsonl`.

    Raises:
        InputError: the benchmark is unknown, its file absent or without a row, or a line is not a JSON object.
    """
    name, path = known(benchmark).name, Path(folder) / f"{benchmark}.jsonl"
    if not path.is_file():
        raise InputError(f"{path} does not exist. Put the rows of {name} there, one JSON object a line.")
    place = ""
    for place, raw in read_files([path]):
        try:
            yield place, parse(raw)
        except BadRow as error:
            raise InputError(f"{path.parent / place}: {': '.join(error.args)}. Mend or remove this line.") from error
    if not place:
        raise InputError(f"{name} has no row: {path} is empty. Fetch it again, or leave the benchmark out.")


def read_items(benchmark: str, folder: str | Path) -> Iterator[Item]:
    """Yields every item of a benchmark; arguments and errors as in `read_rows` and `to_item`.

    Rows that repeat an id are all kept, so that each is protected; the log lists them, and the second becomes <id>#2.
    """
    seen: dict[str, int] = {}
    for number, (place, row) in enumerate(read_rows(benchmark, folder)):
        item = to_item(benchmark, row, number, place)
        seen[item.row] = times = seen.get(item.row, 0) + 1
        if times > 1:
            name = f"{item.row}#{times}"
            get_logger("benchmarks").warning("%s repeats the id %s: it is called %s here", place, item.row, name)
            item = dataclasses.replace(item, row=name)
        yield item
