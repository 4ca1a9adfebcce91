"""The documents of a part that are still in: sealed texts that clean kept, in prompt order.

Deduplication, decontamination and the dataset all read texts through here, so that they count the same documents and
all see a text as clean left it: where clean changed one, its text and length stand in for the sealed ones.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from scripts.common.errors import InputError
from scripts.common.tables import DECISIONS, GENERATIONS, iterate_batches, read_table

CHANGED = ("text", "text_token_length")


def kept_documents(
    generations: str | Path,
    decisions: str | Path,
    columns: Sequence[str] = ("prompt_id", "text"),
    without: Collection[str] = (),
) -> Iterator[dict[str, Any]]:
    """Yields the sealed rows of one part that clean kept, as clean left them, but for the ids in `without`.

    Args:
        generations: the sealed part.
        decisions: what clean decided of it.
        columns: columns to read, `prompt_id` among them.
        without: ids to leave out.

    Raises:
        InputError: the two files do not belong together.
    """
    table = read_table(decisions, DECISIONS, ["prompt_id", "decision", *CHANGED])
    keep = [decision == "kept" for decision in table["decision"].to_pylist()]
    start = 0
    for batch in iterate_batches(generations, GENERATIONS, columns):
        part = slice(start, start + batch.num_rows)
        decided = table.slice(start, batch.num_rows)
        if batch.column("prompt_id").to_pylist() != decided["prompt_id"].to_pylist():
            raise _mismatch(generations, decisions)
        kept = pa.array(keep[part], pa.bool_())
        changes = decided.select(CHANGED).filter(kept).to_pylist()
        # Only kept rows become Python strings: the text of a removed one may not be valid UTF-8.
        for row, change in zip(batch.filter(kept).to_pylist(), changes, strict=True):
            if row["prompt_id"] in without:
                continue
            if change["text"] is not None:
                row |= {name: value for name, value in change.items() if name in row}
            yield row
        start += batch.num_rows
    if start != table.num_rows:
        raise _mismatch(generations, decisions)


def _mismatch(generations: str | Path, decisions: str | Path) -> InputError:
    return InputError(
        f"{decisions} does not decide of the rows of {generations}, one by one and in their order. "
        "Delete the first file and run again."
    )
