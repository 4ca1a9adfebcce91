"""The prompts of a part, checked while they are read: every row has an id of its own and something to answer.

The whole part is checked by every slice of it (memory: the ids, and the prompts that are wanted), so that a file that
is not right is refused before an engine is loaded, and by all jobs alike.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from scripts.common.errors import InputError
from scripts.common.schemas import PROMPTS
from scripts.common.tables import iterate_batches, iterate_rows


def read_prompts(path: Path, wanted: range | None = None) -> dict[str, str]:
    """Prompt id → prompt of some rows of a part (from 0; None: all), in order.

    Raises:
        InputError: the file is no table of prompts, or a row, also one that is not wanted, has no id, the id of an
            earlier row, or no prompt; it names the row (from 1).
    """
    rows: dict[str, int] = {}
    prompts: dict[str, str] = {}
    for batch in iterate_batches(path, PROMPTS, ["prompt_id", "prompt"], batch_size=10_000):
        _check_types(path, batch)
        filled = pc.not_equal(pc.utf8_length(pc.utf8_trim_whitespace(batch["prompt"])), 0)
        usable = pc.fill_null(filled, False).to_pylist()
        for prompt_id, has_prompt in zip(batch["prompt_id"].to_pylist(), usable, strict=True):
            _check_row(path, rows, prompt_id, has_prompt)
            rows[prompt_id] = len(rows) + 1
        prompts |= _wanted(batch, range(len(rows) - len(batch), len(rows)), wanted)
    return prompts


def templates(path: Path) -> dict[str, str]:
    """Prompt id → template of the prompts of a part."""
    rows = iterate_rows(path, PROMPTS, ["prompt_id", "template_id"])
    return {row["prompt_id"]: sys.intern(row["template_id"] or "no template") for row in rows}


def _check_types(path: Path, batch: pa.RecordBatch) -> None:
    for name in ("prompt_id", "prompt"):
        kind = batch.schema.field(name).type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            raise InputError(f"{path}: the column {name} holds {kind}, not text. {_REMEDY}")


def _check_row(path: Path, rows: dict[str, int], prompt_id: str | None, has_prompt: bool) -> None:
    row = len(rows) + 1
    if not prompt_id:
        raise InputError(f"{path}, row {row}: the prompt has no id. {_REMEDY}")
    if prompt_id in rows:
        raise InputError(f"{path}: rows {rows[prompt_id]} and {row} have the same id {prompt_id}. {_REMEDY}")
    if not has_prompt:
        raise InputError(f"{path}, row {row}: prompt {prompt_id} is empty. {_REMEDY}")


def _wanted(batch: pa.RecordBatch, rows: range, wanted: range | None) -> Iterator[tuple[str, str]]:
    """The pairs of a batch that are wanted."""
    first, end = (rows.start, rows.stop) if wanted is None else (wanted.start, wanted.stop)
    start, stop = max(first, rows.start), min(end, rows.stop)
    piece = batch.slice(start - rows.start, max(stop - start, 0))
    return zip(piece["prompt_id"].to_pylist(), piece["prompt"].to_pylist(), strict=True)


_REMEDY = (
    "Every prompt needs an id of its own and a text; files that the workflow wrote have both, so delete it and run "
    "again, or mend it where it was made by other means"
)
