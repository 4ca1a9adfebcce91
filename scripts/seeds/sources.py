"""The registry of sources, resources/sources.tsv: where each one is found, what its rows look like, on which terms.

A row describes one source at one place. `where` tells what `location` is:

* sample: a file, or a folder ending in `/`, shipped with the workflow;
* local: the same, but the original data, which the user collects;
* url: an address `https://…` of one file, fetched whole;
* hub: a dataset of the Hugging Face Hub, `owner/name`, which is streamed; or one file of it, `owner/name/file.json`,
  which is fetched whole because it cannot be streamed (a JSON array). `@revision` at the end pins it.

A run reads either the samples or the originals (`seeds.where`). `columns` tells the reader which column plays which
role (`text=content; url=url`). `filters` keeps or drops rows by value, without regard to case: `source!=a|b` drops a
and b, `language=english|` keeps english and unset.
"""

import csv
import dataclasses
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from scripts.common.errors import InputError
from scripts.seeds.locks import Lock, read_lock
from scripts.seeds.readers import READERS

SCHEMA = Path(__file__).parents[2] / "workflow" / "schemas" / "sources.schema.yaml"
CELLS = ("source", "where", "config", "split", "reader", "kind", "licence", "terms", "note")


@dataclasses.dataclass(frozen=True)
class Filter:
    """A rule on one column: the row stays if its value is among `values`, or, with `drop`, if it is not."""

    column: str
    values: tuple[str, ...]
    drop: bool

    def keeps(self, row: Mapping) -> bool:
        """Whether the row passes; an absent or null value counts as the empty one."""
        value = row.get(self.column)
        return (("" if value is None else str(value).strip().lower()) in self.values) != self.drop


@dataclasses.dataclass(frozen=True)
class Entry:
    """One row of the registry.

    Args:
        columns: role → column.
        revision: of the Hub, from the registry or the lock; empty for the newest.
        lock: what lock_sources resolved, or None.
    """

    source: str
    where: str
    location: str
    revision: str
    config: str
    split: str
    reader: str
    kind: str
    columns: Mapping[str, str]
    filters: tuple[Filter, ...]
    licence: str
    terms: str = ""
    note: str = ""
    lock: Lock | None = None

    registry: ClassVar[str] = "resources/sources.tsv"
    """Where a wrong location is corrected."""

    @property
    def is_local(self) -> bool:
        """Whether the rows lie on this machine already."""
        return self.where in ("sample", "local")

    @property
    def is_file(self) -> bool:
        """Whether the download is one file, kept as it is; else it is a stream of rows, cut into shards."""
        return self.where == "url" or (self.where == "hub" and self.hub_file != "")

    @property
    def is_locked(self) -> bool:
        """Whether the data cannot change between two runs: its commit or its checksum is known."""
        return self.is_local or self.lock is not None or is_commit(self.revision)

    @property
    def dataset(self) -> str:
        """The Hub's name of the dataset, `owner/name`; a dataset in a folder is named by its path."""
        return self.location if self.location.startswith("/") else "/".join(self.location.split("/")[:2])

    @property
    def hub_file(self) -> str:
        """The file of a Hub dataset; empty for the whole dataset."""
        return self.location.removeprefix(self.dataset).strip("/")

    @property
    def kept_columns(self) -> list[str]:
        """The columns that reading needs; a download keeps no others."""
        return sorted({*self.columns.values(), *(rule.column for rule in self.filters)})

    @property
    def called(self) -> str:
        """The beginning of every message about it."""
        return f"source `{self.source}`"

    @property
    def how_to_leave_out(self) -> str:
        """The end of every message about a source that cannot be had."""
        return f"or leave the source out with --config 'seeds={{sources: {{{self.source}: 0}}}}'"


def read_entry(table: str | Path, source: str, where: str, locks: str | Path | None = None) -> Entry:
    """One source of the registry, with its lock if there is one.

    Args:
        table: resources/sources.tsv.
        source: its id.
        where: sample or original.
        locks: config/sources.lock.tsv; may be absent.

    Raises:
        InputError: the source is unknown, or its row breaks a rule of workflow/schemas/sources.schema.yaml.
    """
    rows = [(line, row) for line, row in read_rows(table) if is_at(row, where)]
    matching = [(line, row) for line, row in rows if row["source"] == source]
    if not matching:
        known = sorted({row["source"] for _, row in rows})
        near = difflib.get_close_matches(source, known, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(known) or 'none'}."
        raise InputError(f"unknown source `{source}`: {table} has no {where} row for it; {hint}")
    line, row = matching[0]
    entry = _entry(row, f"{table}, line {line} (source={source}, where={row['where']})")
    lock = None if entry.is_local or locks is None else read_lock(locks, source, row["location"])
    return dataclasses.replace(entry, lock=lock, revision=lock.revision or entry.revision) if lock else entry


def is_at(row: Mapping[str, str], where: str) -> bool:
    """Whether a row of the registry is a sample or an original, as asked for."""
    return (row["where"] == "sample") == (where == "sample")


def is_commit(revision: str) -> bool:
    """Whether a revision is a commit, which cannot move, and not a branch."""
    return len(revision) == 40 and set(revision) <= set("0123456789abcdef")


def read_rows(table: str | Path) -> list[tuple[int, dict[str, str]]]:
    """All rows with their line numbers."""
    if not Path(table).exists():
        raise InputError(f"the registry of sources {table} does not exist: give its path with --sources.")
    with Path(table).open(encoding="utf-8", newline="") as handle:
        reader = csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE, restkey="cells too many")
        if not {"source", "where"} <= set(reader.fieldnames or ()):
            raise InputError(f"{table} is no registry of sources: its first line must name the columns, tab-separated.")
        return list(enumerate(reader, start=2))


def parse_filter(text: str) -> Filter:
    """`column=a|b` or `column!=a|b`."""
    column, _, values = text.partition("=")
    return Filter(column.rstrip("!").strip(), tuple(v.strip().lower() for v in values.split("|")), column.endswith("!"))


def _entry(row: Mapping[str, str], place: str) -> Entry:
    _check(row, place)
    columns = {role.strip(): column.strip() for role, column in (part.split("=") for part in _parts(row["columns"]))}
    if missing := [role for role in READERS[row["reader"]].roles if role not in columns]:
        raise InputError(
            f"{place}: `columns` must say which column is {', '.join(missing)} for reader {row['reader']}."
        )
    location, _, revision = row["location"].partition("@") if row["where"] == "hub" else (row["location"], "", "")
    return Entry(
        location=location,
        revision=revision,
        columns=columns,
        filters=tuple(parse_filter(part) for part in _parts(row["filters"])),
        **{name: row[name] for name in CELLS},
    )


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(";") if part.strip()]


def _check(row: Mapping[str, str], place: str) -> None:
    import yaml

    from scripts.workflow.config import check

    findings = check(row, yaml.safe_load(SCHEMA.read_text(encoding="utf-8")))
    if findings:
        raise InputError(f"{place} is not valid:\n" + "\n".join(f"  - {finding}" for finding in findings))
