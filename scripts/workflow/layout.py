"""How a run is cut: sources into parts, parts into slices, sources into the splits of the dataset.

A part is `documents_per_part` rows of one source and keeps its number from seeds to sealed generations. A slice is one
generation job: the k-th of K equal runs of a part's prompts. Both follow from the configuration alone, so the job graph
needs no checkpoint; a part may turn out empty.
"""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

from scripts.seeds.sources import Entry, is_at, read_entry, read_rows


@dataclasses.dataclass(frozen=True)
class Source:
    """One source of a run, from resources/sources.tsv and the configuration.

    Args:
        name: the id, e.g. web.
        rows: rows read at most.
        parts: number of parts.
        slices: generation jobs of one part.
        split: the split of the dataset that its texts go to.
        entry: where and how it is read.
    """

    name: str
    rows: int
    parts: int
    slices: int
    split: str
    entry: Entry


def read_sources(table: Path, config: Mapping, locks: Path) -> dict[str, Source]:
    """The sources that the configuration asks for, in its order, as the lock has them.

    Raises:
        InputError: a source that the table does not have at the place (`seeds.where`) asked for, or a broken row.
    """
    where = config["seeds"]["where"]
    rows = {row["source"]: row for _, row in read_rows(table) if is_at(row, where)}
    return {
        name: _source(read_entry(table, name, where, locks), rows[name], maximum, config)
        for name, maximum in config["seeds"]["sources"].items()
        if maximum
    }


def unlocked(sources: Mapping[str, Source]) -> list[str]:
    """The sources that may change between two downloads, because no lock tells which version is meant."""
    return [source.name for source in sources.values() if not source.entry.is_locked]


def splits(sources: Mapping[str, Source]) -> dict[str, list[str]]:
    """Split → its sources, in their order."""
    result: dict[str, list[str]] = {}
    for source in sources.values():
        result.setdefault(source.split, []).append(source.name)
    return result


def number(index: int) -> str:
    """How parts and slices are written: three digits at least."""
    return f"{index:03d}"


def _source(entry: Entry, row: Mapping[str, str], maximum: int, config: Mapping) -> Source:
    per_part = config["seeds"]["documents_per_part"]
    templates = config["prompts"]["templates_per_seed"].get(row["source"], 4)
    prompts = min(maximum, per_part) * float(row["seeds_per_row"]) * templates * config["fraction"]
    return Source(
        name=row["source"],
        rows=maximum,
        parts=math.ceil(maximum / per_part),
        slices=max(1, math.ceil(prompts / config["generate"]["prompts_per_slice"])),
        split=row["dataset_split"],
        entry=entry,
    )
