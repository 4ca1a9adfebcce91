"""What the ledgers of a run hold: texts, failures and tokens of every part, and the status files of the jobs.

A prompt counts once, however many rows two writers left of it, and only if it is among the part's prompts, so that the
figures are those that sealing would give. Of two texts of a prompt the tokens of the one count that sealing takes
(lowest attempt, then first job). Rows of each recipe are counted by themselves.
"""

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from scripts.common.schemas import GENERATIONS, PROMPTS
from scripts.common.tables import read_table
from scripts.generate import ledger
from scripts.generate.status import PREVIEW_SLICE, SUFFIX

NOTHING = pa.schema([GENERATIONS.field(name) for name in ledger.KEYS]).empty_table()
"""The rows of an empty ledger."""


@dataclasses.dataclass(frozen=True)
class Tally:
    """Prompts and what became of them.

    Args:
        prompts: different prompts of the part, None where there is no table of prompts.
        done: prompts with a text.
        failed: prompts that were asked and have no text, without the refused ones.
        given_up: those of them that have failed so often that they are not asked again.
        refused: prompts that the engine will never answer.
        tokens: of the texts.
        outside: prompts with a text that are not among the part's prompts (any more).
    """

    prompts: int | None = None
    done: int = 0
    failed: int = 0
    given_up: int = 0
    refused: int = 0
    tokens: int = 0
    outside: int = 0

    def __add__(self, other: Self) -> "Tally":
        fields = [field.name for field in dataclasses.fields(self) if field.name != "prompts"]
        known = [tally.prompts for tally in (self, other) if tally.prompts is not None]
        sums = {name: getattr(self, name) + getattr(other, name) for name in fields}
        return Tally(sum(known) if known else None, **sums)


def parts(results: Path, sources: Sequence[str] | None = None) -> list[tuple[str, str]]:
    """(source, part number) of all parts that have prompts or a ledger; only of these sources and in their order."""
    found = {(path.parent.name, path.name) for path in results.glob("generations/ledger/*/part-*")}
    found |= {(path.parent.name, path.name.split(".")[0]) for path in results.glob("prompts/*/part-*.parquet")}
    order = list(sources or sorted({source for source, _ in found}))
    known = ((source, part.removeprefix("part-")) for source, part in found if source in order)
    return sorted(known, key=lambda pair: (order.index(pair[0]), pair[1]))


def tally_part(results: Path, source: str, part: str, max_attempts: int) -> dict[str, Tally]:
    """Recipe → what the ledger of a part holds of it; the key "" is there always and has the part's prompts alone."""
    table = results / f"prompts/{source}/part-{part}.parquet"
    ids = None
    if table.exists():
        ids = read_table(table, PROMPTS, ["prompt_id"])["prompt_id"].unique()
    tables = ledger.keys(results / f"generations/ledger/{source}/part-{part}")
    return tally(pa.concat_tables([NOTHING, *tables]).combine_chunks(), ids, max_attempts)


def tally(rows: pa.Table, ids: pa.Array | None, max_attempts: int) -> dict[str, Tally]:
    """Recipe → its tally, of the rows of a ledger; see `tally_part`."""
    prompts = None if ids is None else len(ids)
    result = {"": Tally(prompts)}
    usable = pc.is_in(rows["finish_reason"], pa.array(ledger.USABLE))
    texts, errors = rows.filter(usable), rows.filter(pc.invert(usable))
    for recipe in pc.unique(rows["recipe"]).to_pylist():
        every = _one_each(_where(texts, "recipe", recipe))
        own = every if ids is None else every.filter(pc.is_in(every["prompt_id"], ids))
        failures = _where(errors, "recipe", recipe)
        refused = _where(failures, "finish_reason", ledger.REFUSED)["prompt_id"].unique()
        failed = _without(failures["prompt_id"].unique(), refused)
        last = failures.filter(pc.greater_equal(failures["attempt"], max_attempts))["prompt_id"].unique()
        n_failed, n_given_up, n_refused = (
            _count(found, ids, own["prompt_id"]) for found in (failed, _without(last, refused), refused)
        )
        result[recipe] = Tally(
            prompts,
            done=len(own),
            failed=n_failed,
            given_up=n_given_up,
            refused=n_refused,
            tokens=pc.sum(own["text_token_length"]).as_py() or 0,
            outside=len(every) - len(own),
        )
    return result


def _where(rows: pa.Table, column: str, value: str) -> pa.Table:
    mask = pc.equal(rows[column], value)
    return rows if pc.all(mask).as_py() else rows.filter(mask)


def _one_each(texts: pa.Table) -> pa.Table:
    """One text of each prompt, that of the lowest attempt and first job; few prompts have several."""
    columns = ["prompt_id", "text_token_length"]
    codes = texts["prompt_id"].combine_chunks().dictionary_encode().indices  # in the order of `value_counts`
    several = pc.greater(pc.value_counts(codes).field("counts").take(codes), 1)
    ordered = texts.filter(several).sort_by([("attempt", "ascending"), ("job", "ascending")])
    first = ordered.group_by("prompt_id", use_threads=False).aggregate([("text_token_length", "first")])
    alone = texts.filter(pc.invert(several)).select(columns)
    return pa.concat_tables([alone, first.rename_columns(columns)])


def _without(ids: pa.Array, others: pa.Array) -> pa.Array:
    return ids.filter(pc.invert(pc.is_in(ids, others))) if len(ids) else ids


def _count(found: pa.Array, ids: pa.Array | None, done: pa.ChunkedArray) -> int:
    """How many are among the part's prompts and not done."""
    waiting = _without(found, done.combine_chunks())
    return len(waiting) if ids is None or not len(waiting) else pc.sum(pc.is_in(waiting, ids)).as_py()


def read_jobs(results: Path, sources: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yields the status of every job, with `changed`, the file's time as the file system gives it.

    A file that is no status (damaged, or of another version of this program) is passed over.
    """
    for source, part in parts(results, sources):
        for path in sorted((results / f"generations/ledger/{source}/part-{part}").glob(f"*{SUFFIX}")):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                status = json.loads(path.read_bytes())
                yield status | {"changed": path.stat().st_mtime} | _checked(status)


def _checked(status: dict[str, Any]) -> dict[str, Any]:
    """The fields that are computed with; an error where one is missing or no number."""
    recent = {key: float(status["recent"][key]) for key in ("seconds", "texts", "tokens")}
    counts = ("n_slices", "gpus", "total", "done", "texts", "tokens", "in_flight")
    words = ("state", "source", "part", "job", "host", "slurm_job_id", "recipe", "model", "engine", "updated")
    return {
        "slice": PREVIEW_SLICE if status["slice"] == PREVIEW_SLICE else int(status["slice"]),
        **{key: int(status[key]) for key in counts},
        **{key: str(status[key]) for key in words},
        "seconds": float(status["seconds"]),
        "seconds_without_answer": float(status["seconds_without_answer"]),
        "recent": recent,
    }
