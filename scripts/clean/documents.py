"""The documents of a part that are still in: sealed texts that clean kept, in prompt order.

Deduplication, decontamination and the dataset all read texts through here, so that they count the same documents and
all see a text as clean left it: where clean changed one, its text and length stand in for the sealed ones. They come in
Arrow batches, which make no Python string of any text, or row by row.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from scripts.common.errors import InputError
from scripts.common.schemas import DECISIONS, GENERATIONS
from scripts.common.tables import iterate_batches, read_table

CHANGED = ("text", "text_token_length")


def kept_documents(
    generations: str | Path,
    decisions: str | Path,
    columns: Sequence[str] = ("prompt_id", "text"),
    without: Collection[str] = (),
) -> Iterator[dict[str, Any]]:
    """Yields the sealed rows of one part that clean kept; arguments and errors as in `kept_batches`."""
    for batch in kept_batches(generations, decisions, columns, without):
        yield from batch.to_pylist()


def kept_batches(
    generations: str | Path,
    decisions: str | Path,
    columns: Sequence[str] = ("prompt_id", "text"),
    without: Collection[str] = (),
) -> Iterator[pa.RecordBatch]:
    """Yields the sealed rows of one part that clean kept, as clean left them, but for the ids in `without`.

    Args:
        generations: the sealed part.
        decisions: what clean decided of it.
        columns: columns to read, `prompt_id` among them.
        without: ids to leave out.

    Raises:
        InputError: the two files do not belong together, a prompt has two texts, or a kept text is none.
    """
    table = read_table(decisions, DECISIONS, ["prompt_id", "decision", *CHANGED])
    ids = table["prompt_id"]
    if pc.count_distinct(ids, mode="all").as_py() != len(ids):
        counted = pc.value_counts(ids)
        repeated = counted.field("values").filter(pc.greater(counted.field("counts"), 1))[0]
        raise InputError(
            f"{generations} and {decisions} have prompt {repeated} more than once. "
            "Its text would count twice: delete both files and run again."
        )
    left_out = pc.is_in(ids, value_set=pa.array(list(without), pa.string()))
    keep = pc.and_not(pc.equal(table["decision"], "kept"), left_out)
    start = 0
    for batch in iterate_batches(generations, GENERATIONS, columns):
        decided = table.slice(start, batch.num_rows)
        part = pa.Table.from_batches([batch])
        if not part["prompt_id"].equals(decided["prompt_id"]):
            raise _mismatch(generations, decisions)
        changed = pc.is_valid(decided["text"])
        for name in set(CHANGED) & set(columns):
            if pc.any(changed).as_py():
                values = pc.if_else(changed, decided[name], part[name])
                part = part.set_column(part.schema.get_field_index(name), name, values)
        # Filtered first: the text of a removed row may not be valid UTF-8.
        for kept in part.filter(keep.slice(start, batch.num_rows)).combine_chunks().to_batches():
            if "text" in columns:
                _check_texts(kept, generations, decisions)
            yield kept
        start += batch.num_rows
    if start != table.num_rows:
        raise _mismatch(generations, decisions)


def _check_texts(batch: pa.RecordBatch, generations: str | Path, decisions: str | Path) -> None:
    """Refuses a batch with a text that is null or not valid UTF-8."""
    texts = batch.column("text")
    try:
        texts.validate(full=True)
        if not texts.null_count:
            return
    except pa.ArrowInvalid:
        pass
    for prompt_id, text in zip(batch.column("prompt_id").to_pylist(), texts.cast(pa.binary()).to_pylist(), strict=True):
        if text is None or not _is_utf8(text):
            raise InputError(
                f"{generations}: the text of {prompt_id} is {'missing' if text is None else 'not UTF-8'}, though "
                f"{decisions} keeps it. Delete the second file and run again: clean removes such texts."
            )


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _mismatch(generations: str | Path, decisions: str | Path) -> InputError:
    return InputError(
        f"{decisions} does not decide of the rows of {generations}, one by one and in their order. "
        "Delete the first file and run again."
    )
