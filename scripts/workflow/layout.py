"""How a run is cut: sources into parts, parts into slices, sources into the splits of the dataset.

A part is `documents_per_part` rows of one source and keeps its number from seeds to sealed generations. A slice is one
generation job: the k-th of K equal runs of a part's prompts. Both follow from the configuration, the registry and the
templates alone, so the job graph needs no checkpoint; a part may turn out empty.
"""

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.prompts import mix, upstream
from scripts.prompts.templates import Template
from scripts.seeds.sources import Entry, is_at, read_entry, read_rows

RECIPE = Path("resources/upstream.yaml")


@dataclasses.dataclass(frozen=True)
class Source:
    """One source of a run, from resources/sources.tsv and the configuration.

    Args:
        name: the id, e.g. web.
        rows: rows read at most.
        parts: number of parts.
        slices: generation jobs of one part.
        prompts: prompts to be expected of all its parts.
        split: the split of the dataset that its texts go to.
        cells: the cells of the mix (format/audience/language) → prompts asked for.
        templates: the template files of these cells.
        entry: where and how it is read.
    """

    name: str
    rows: int
    parts: int
    slices: int
    prompts: float
    split: str
    cells: Mapping[str, int]
    templates: Sequence[Path]
    entry: Entry


def read_sources(
    table: Path,
    config: Mapping,
    locks: Path | None = None,
    folder: Path = Path("config/templates"),
    recipe: Path = RECIPE,
) -> dict[str, Source]:
    """The sources that the configuration asks for, in its order, as the lock has them.

    Args:
        table: resources/sources.tsv.
        config: the resolved configuration.
        locks: config/sources.lock.tsv; may be absent.
        folder: the packs of templates, one folder a language.
        recipe: where the original wording stands.

    Raises:
        InputError: a source that the table does not have at the place (`seeds.where`) asked for, a broken row or
            template, a mix that does not fit the templates.
    """
    where, prompts = config["seeds"]["where"], config["prompts"]
    every = [row for _, row in read_rows(table)]
    rows = {row["source"]: row for row in every if is_at(row, where)}
    wanted = {name: maximum for name, maximum in config["seeds"]["sources"].items() if maximum}
    entries = {name: read_entry(table, name, where, locks) for name in wanted}
    known = sorted({row["source"] for row in every})
    mix.check_sources(prompts["mix"], wanted, known)
    own = mix.packs(folder, prompts["languages"])
    mix.check_templates(own, known)
    original = upstream.planned(upstream.read_recipe(recipe)) if prompts["templates"] == "upstream" else []
    fitting = {name: _fitting(name, entry.kind, own, original, prompts["languages"]) for name, entry in entries.items()}
    cells = {
        name: mix.numbers(prompts["mix"][name], prompts["total"], _cells(entry, fitting[name]), name)
        for name, entry in entries.items()
    }
    fetched, result = upstream_folder(config), {}
    for name, entry in entries.items():
        used = [template for template in fitting[name] if template.cell in cells[name]]
        parts = math.ceil(wanted[name] / config["seeds"]["documents_per_part"])
        expected = _expected(wanted[name] * float(rows[name]["seeds_per_row"]), cells[name], used) * config["fraction"]
        result[name] = Source(
            name=name,
            rows=wanted[name],
            parts=parts,
            slices=max(1, math.ceil(expected / parts / config["generate"]["prompts_per_slice"])),
            prompts=expected,
            split=rows[name]["dataset_split"],
            cells=cells[name],
            templates=sorted({(fetched if template in original else folder) / template.file for template in used}),
            entry=entry,
        )
    return result


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


def upstream_folder(config: Mapping) -> Path:
    """Where the original wording is kept once it is fetched, shared by all runs."""
    return Path(config["seeds"]["downloads"]) / "upstream"


def upstream_files(recipe: Path = RECIPE) -> list[str]:
    """The template files that the original wording gives, in that folder."""
    return sorted({template.file for template in upstream.planned(upstream.read_recipe(recipe))})


def _fitting(
    source: str, kind: str, own: Sequence[Template], original: Sequence[Template], languages: Sequence[str]
) -> list[Template]:
    """The templates of a source; the original wording, where there is one, replaces ours in its language."""
    found = mix.fitting(original, source, kind) if upstream.LANGUAGE in languages else []
    return [
        *found,
        *(t for t in mix.fitting(own, source, kind) if not found or t.language != upstream.LANGUAGE),
    ]


def _cells(entry: Entry, templates: Sequence[Template]) -> list[str]:
    """The cells that a source can fill."""
    if entry.kind == "prompt":
        return [mix.PUBLISHED_CELL]
    return sorted({template.cell for template in templates})


def _expected(seeds: float, cells: Mapping[str, int], templates: Sequence[Template]) -> float:
    """The prompts to be expected of a source: what the mix asks for, as far as seeds and templates go."""
    candidates = Counter(template.cell for template in templates)
    return sum(min(asked, seeds * max(1, candidates[cell])) for cell, asked in cells.items())
