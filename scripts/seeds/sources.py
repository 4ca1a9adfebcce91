"""The registry of sources, resources/sources.tsv: where each one is found, what its rows look like, on which terms.

A row describes one source at one place (`where` is sample or hub). `location` is one of three things:

* a file `*.jsonl` or a folder ending in `/`: JSON Lines on this machine, read as they are;
* an address `https://…`: one text or JSON Lines file that `seeds_download` fetches;
* anything else: a dataset of the Hugging Face Hub, `owner/name` or `owner/name@revision`.

`columns` tells the reader which column plays which role (`text=content; url=url`). `filters` keeps or drops rows by
value, without regard to case: `source!=a|b` drops a and b, `language=english|` keeps english and unset.
"""

import csv
import dataclasses
import difflib
from collections.abc import Mapping
from pathlib import Path

from scripts.common.errors import InputError
from scripts.seeds.readers import READERS

SCHEMA = Path(__file__).parents[2] / "workflow" / "schemas" / "sources.schema.yaml"


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
    """One row of the registry; `columns` maps roles to columns, `revision` is empty for the newest."""

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
    note: str

    @property
    def is_local(self) -> bool:
        """Whether the rows lie on this machine already."""
        return self.location.endswith((".jsonl", "/"))

    @property
    def kept_columns(self) -> list[str]:
        """The columns that reading needs; a download keeps no others."""
        return sorted({*self.columns.values(), *(rule.column for rule in self.filters)})


def read_entry(table: str | Path, source: str, where: str) -> Entry:
    """One source of the registry.

    Raises:
        InputError: the source is unknown, or its row breaks a rule of workflow/schemas/sources.schema.yaml.
    """
    rows = read_rows(table)
    matching = [(line, row) for line, row in rows if (row["source"], row["where"]) == (source, where)]
    if not matching:
        known = sorted({row["source"] for _, row in rows if row["where"] == where})
        near = difflib.get_close_matches(source, known, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(known) or 'none'}."
        raise InputError(
            f"unknown source `{source}`: {table} has no row with source={source} and where={where}; {hint}"
        )
    line, row = matching[0]
    place = f"{table}, line {line} (source={source}, where={where})"
    _check(row, place)
    columns = {role.strip(): column.strip() for role, column in (part.split("=") for part in _parts(row["columns"]))}
    if missing := [role for role in READERS[row["reader"]].roles if role not in columns]:
        raise InputError(
            f"{place}: `columns` must say which column is {', '.join(missing)} for reader {row['reader']}."
        )
    web_address = row["location"].startswith("https://")
    location, _, revision = (row["location"], "", "") if web_address else row["location"].partition("@")
    return Entry(
        location=location,
        revision=revision,
        columns=columns,
        filters=tuple(parse_filter(part) for part in _parts(row["filters"])),
        **{name: row[name] for name in ("source", "where", "config", "split", "reader", "kind", "licence", "note")},
    )


def read_rows(table: str | Path) -> list[tuple[int, dict[str, str]]]:
    """All rows with their line numbers."""
    if not Path(table).exists():
        raise InputError(f"the registry of sources {table} does not exist: give its path with --sources.")
    with Path(table).open(encoding="utf-8", newline="") as handle:
        reader = csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE, restkey="cells too many")
        if not {"source", "where"} <= set(reader.fieldnames or ()):
            raise InputError(f"{table} is no registry of sources: its first line must name the columns, tab-separated.")
        return list(enumerate(reader, start=2))


def local_files(entry: Entry) -> list[Path]:
    """The JSON Lines files of a local source, sorted by name; empty when there are none."""
    path = Path(entry.location)
    if path.is_dir():
        return sorted(path.glob("*.jsonl"))
    return [path] if path.is_file() else []


def parse_filter(text: str) -> Filter:
    """`column=a|b` or `column!=a|b`."""
    column, _, values = text.partition("=")
    return Filter(column.rstrip("!").strip(), tuple(v.strip().lower() for v in values.split("|")), column.endswith("!"))


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(";") if part.strip()]


def _check(row: Mapping[str, str], place: str) -> None:
    import yaml

    from scripts.workflow.config import check

    findings = check(row, yaml.safe_load(SCHEMA.read_text(encoding="utf-8")))
    if findings:
        raise InputError(f"{place} is not valid:\n" + "\n".join(f"  - {finding}" for finding in findings))
