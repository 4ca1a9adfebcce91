"""Which row of a run an id, or the beginning of one, means, and in which parts it stands.

An id does not tell its part, so the id columns of all parts are read, in batches and nothing else of the tables: those
of the prompts, then those of the seeds and of the rows that were kept aside. A whole prompt id ends the search where it
is found. What it costs is told in scripts/dataset/explain.py.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from scripts.common.errors import InputError
from scripts.common.ids import ID_DIGITS
from scripts.common.schemas import CANDIDATES, PROMPTS, REJECTED, SEEDS
from scripts.common.tables import find_rows, iterate_batches

SHORTEST = 6
PROMPT, SEED, ROW = "prompt", "seed", "row"
LISTED = 5

Place = tuple[str, str]
"""Source and part, as in file names."""


@dataclasses.dataclass(frozen=True)
class Target:
    """What is asked for: a prompt, a seed, or a row of a source that gave no seed (then `id` is its place)."""

    kind: str
    id: str
    places: tuple[Place, ...]


@dataclasses.dataclass(frozen=True)
class Step:
    """What one step did with a row.

    Args:
        name: of the step.
        state: one of those below.
        summary: the same in a few words.
        facts: whatever else is known, in the order in which it is read.
    """

    name: str
    state: str
    summary: str
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


PASSED, REMOVED, WAITING, SKIPPED = "passed", "removed", "waiting", "skipped"
"""The row went on; it was left out here; the run has not come here yet; the step does not concern the row."""


def beginning(text: str | None, characters: int = 200) -> str:
    """The first characters of a text, on one line."""
    line = " ".join((text or "").split())
    return line if len(line) <= characters else line[:characters] + " …"


class Run:
    """The files of a run's results.

    Raises:
        InputError: the folder is none, or has no seeds yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not folder.is_dir():
            others = ", ".join(sorted(str(path) for path in folder.parent.glob("*/") if path.is_dir())) or "none"
            raise InputError(f"{folder} is no folder of results. Folders beside it: {others}.")
        if not any(True for _ in self.tables("seeds")):
            raise InputError(f"{folder} holds no seeds: nothing of this run is finished yet (`snakemake seeds`).")

    def table(self, stage: str, place: Place, kind: str = "") -> Path:
        """The table of one part, e.g. of stage `clean`, or its `rejected` rows; it may not be there."""
        source, part = place
        return self.folder / stage / source / f"part-{part}{'.' if kind else ''}{kind}.parquet"

    def tables(self, stage: str, kind: str = "") -> Iterator[tuple[Place, Path]]:
        """The tables of all parts that are there, by source and number."""
        for path in sorted(
            self.folder.glob(f"{stage}/*/part-*.parquet"), key=lambda path: (path.parent, len(path.name), path.name)
        ):
            part, _, found = path.stem.removeprefix("part-").partition(".")
            if found == kind:
                yield (path.parent.name, part), path


def find(run: Run, given: str) -> Target:
    """The one row that is meant.

    Args:
        run: its results.
        given: a prompt id or seed id or the first digits of one; or file and row of a row that gave no seed, as the
            tables of rejected rows write it.

    Raises:
        InputError: there is none, or more than one.
    """
    given = given.strip()
    if not given:
        raise InputError(
            "no id is given. `snakemake explain_document --config document=<id>` takes a prompt id or a seed id, as in "
            "the columns prompt_id and seed_id of the dataset, or its first six digits or more."
        )
    digits = given.lower()
    if re.fullmatch(r"[0-9a-f]+", digits):
        if not SHORTEST <= len(digits) <= ID_DIGITS:
            raise InputError(
                f"{given} has {len(digits)} digits; an id has {ID_DIGITS}, of which give {SHORTEST} or more."
            )
        found = _by_id(run, digits)
    else:
        found = _by_place(run, given)
    if not found:
        raise InputError(_unknown(run, given))
    if len(found) > 1:
        some = "; ".join(
            f"{kind} {name} in {_written(places)}" for (kind, name), places in sorted(found.items())[:LISTED]
        )
        more = f"; {len(found) - LISTED} more" if len(found) > LISTED else ""
        raise InputError(f"{len(found)} ids begin with {given}: {some}{more}. Give more digits.")
    ((kind, name), places) = next(iter(found.items()))
    return Target(kind, name, tuple(places))


def one(path: Path, schema: pa.Schema, column: str, value: str) -> tuple[int, dict[str, Any]]:
    """Number and columns of the row that a table must have.

    Raises:
        InputError: it has none.
    """
    for found in find_rows(path, schema, column, value):
        return found
    raise InputError(
        f"{path} has no row with {column} {value}: it is not of the same run as the tables before it. Delete it and "
        "run again."
    )


def _by_id(run: Run, digits: str) -> dict[tuple[str, str], list[Place]]:
    found: dict[tuple[str, str], list[Place]] = {}

    def add(kind: str, ids: list[str], place: Place) -> None:
        for name in ids:
            places = found.setdefault((kind, name), [])
            if place not in places:
                places.append(place)

    for place, path in run.tables("prompts"):
        add(PROMPT, _beginning(path, PROMPTS, "prompt_id", digits), place)
        if found and len(digits) == ID_DIGITS:
            break
    for place, path in run.tables("prompts", "rejected"):
        add(PROMPT, _beginning(path, REJECTED, "id", digits, reason="duplicate_prompt"), place)
    if found and len(digits) == ID_DIGITS:
        return found
    for place, path in run.tables("seeds"):
        add(SEED, _beginning(path, SEEDS, "seed_id", digits), place)
    for place, path in run.tables("prompts/built"):
        add(PROMPT, _beginning(path, CANDIDATES, "prompt_id", digits), place)
    return found


def _by_place(run: Run, given: str) -> dict[tuple[str, str], list[Place]]:
    found: dict[tuple[str, str], list[Place]] = {}
    for place, path in run.tables("seeds", "rejected"):
        for batch in iterate_batches(path, REJECTED, ["id"]):
            for name in batch.filter(pc.equal(batch["id"], given))["id"].to_pylist():
                found.setdefault((ROW, name), []).append(place)
    return found


def _beginning(path: Path, schema: pa.Schema, column: str, digits: str, reason: str = "") -> list[str]:
    """The different ids of a table that begin with these digits; with a reason, of its rows alone."""
    found: set[str] = set()
    columns = [column, "reason"] if reason else [column]
    for batch in iterate_batches(path, schema, columns, batch_size=65_536):
        fits = pc.starts_with(batch[column], digits)
        if reason:
            fits = pc.and_(fits, pc.equal(batch["reason"], reason))
        found.update(batch[column].filter(fits).to_pylist())
    return sorted(found)


def _written(places: list[Place]) -> str:
    return ", ".join(f"{source} part {part}" for source, part in places)


def _unknown(run: Run, given: str) -> str:
    parts = sum(1 for _ in run.tables("prompts"))
    return (
        f"{run.folder} has no prompt, seed or rejected row {given}; {parts} parts of prompts were read. Take an id "
        "from the column prompt_id or seed_id of the dataset, or a row (file:number) from "
        "seeds/*/part-*.rejected.parquet. "
        "A prompt that the mix or `fraction` left out is not listed anywhere: ask for its seed. Is it of another run?"
    )
