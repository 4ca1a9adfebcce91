"""The mix: how many prompts each cell of a source is to have.

A cell is what a prompt asks for, format/audience/language. `prompts.mix` gives each source a number, or a mapping of
patterns (format/audience or format/audience/language, * for any run of letters) to numbers. A number of at least 1 is
a count of prompts, one below 1 a share of `prompts.total`; it is spread evenly over the cells that match. Cells that no
pattern matches are not asked for, and their templates not used. A source of published prompts has one cell, `*`: what
its prompts ask for is known only when they are read.

The numbers follow from configuration and template files alone, so a wrong table is found before any job starts.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from scripts.common.errors import InputError
from scripts.prompts.templates import Template, load, nearest

PUBLISHED_CELL = "*"


def packs(folder: Path, languages: Sequence[str]) -> list[Template]:
    """The templates of the languages in use, ordered by id.

    Raises:
        InputError: a language without a folder, or an unsound template.
    """
    known = sorted(path.name for path in folder.iterdir() if path.is_dir())
    for language in languages:
        if language not in known:
            raise InputError(f"`prompts.languages`: there is no {folder}/{language}{nearest(language, known)}.")
    return load(path for language in languages for path in (folder / language).glob("*/*.yaml"))


def fitting(templates: Iterable[Template], source: str, kind: str) -> list[Template]:
    """The templates that are made for a source."""
    return [template for template in templates if template.takes(source, kind)]


def numbers(asked: float | Mapping[str, float], total: int, cells: Collection[str], source: str) -> dict[str, int]:
    """Cell → prompts asked for, without the cells that are not.

    Args:
        asked: the source's entry of `prompts.mix`.
        total: what shares refer to.
        cells: the source's cells, as `Template.cell` writes them.
        source: for messages.

    Raises:
        InputError: a pattern that matches no cell, two that match one, or a number that is neither count nor share.
    """
    if not isinstance(asked, Mapping):
        return _spread(_count(asked, total, source), cells, f"prompts.mix.{source}")
    if cells == [PUBLISHED_CELL]:
        raise InputError(f"`prompts.mix.{source}`: what published prompts ask for is not chosen: give one number.")
    result: dict[str, int] = {}
    chosen: dict[str, str] = {}
    for pattern, number in asked.items():
        place = f"prompts.mix.{source}.{pattern}"
        matching = [cell for cell in cells if _matches(pattern, cell)]
        for cell in matching:
            if cell in chosen:
                raise InputError(f"`{place}` and `{chosen[cell]}` both match {cell}: a cell takes one number.")
            chosen[cell] = pattern
        if not matching:
            raise InputError(f"`{place}` matches no cell of {source}{_hint(pattern, cells)}.")
        result |= _spread(_count(number, total, f"{source}.{pattern}"), matching, place)
    return result


def check_sources(mix: Mapping[str, object], wanted: Iterable[str], known: Collection[str]) -> None:
    """Stops at an unknown source in the mix, and at a source of the run that it does not mention."""
    for source in mix:
        if source not in known:
            raise InputError(f"`prompts.mix`: unknown source `{source}`{nearest(source, known)}.")
    for source in wanted:
        if source not in mix:
            raise InputError(
                f"`prompts.mix` does not mention `{source}`, which `seeds.sources` reads. Say how many prompts it "
                f"is to give, for instance with --config 'prompts={{mix: {{{source}: 1000}}}}'; 0 for none."
            )


def check_templates(templates: Iterable[Template], known: Collection[str]) -> None:
    """Stops at a template made for a source that the registry does not have."""
    for template in templates:
        for source in template.sources:
            if source not in known:
                raise InputError(f"{template.file}: unknown source `{source}` in `sources`{nearest(source, known)}.")


def _count(number: float, total: int, place: str) -> int:
    if number >= 1 and number != int(number):
        raise InputError(f"`prompts.mix.{place}`: {number} must be a whole number of prompts or a share below 1.")
    return int(number) if number >= 1 else round(number * total)


def _spread(count: int, cells: Collection[str], place: str) -> dict[str, int]:
    """Equal numbers; what does not divide goes to the first cells."""
    if count and not cells:
        raise InputError(f"`{place}`: no template fits this source in the languages of `prompts.languages`.")
    shares = {cell: count // len(cells) + (rank < count % len(cells)) for rank, cell in enumerate(sorted(cells))}
    return {cell: share for cell, share in shares.items() if share}


def _matches(pattern: str, cell: str) -> bool:
    steps, names = pattern.split("/"), cell.split("/")
    return len(steps) in (2, 3) and all(map(fnmatchcase, names, steps))


def _hint(pattern: str, cells: Collection[str]) -> str:
    """Which step of a pattern is wrong, and what it could be."""
    steps = pattern.split("/")
    if len(steps) not in (2, 3):
        return ": a pattern is format/audience or format/audience/language"
    for step, names in zip(steps, zip(*(cell.split("/") for cell in cells), strict=True), strict=False):
        if not any(fnmatchcase(name, step) for name in names):
            return f", `{step}` none of its values{nearest(step, sorted(set(names)))}"
    return f"; known are {', '.join(sorted(cells))}"
