"""The one row of a ledger that stands for a prompt, where a prompt has several.

Only rows of the recipe count. Where two writers finished the same prompt, the row with the lowest attempt is taken, and
of those the one of the job whose name sorts first. A prompt without a text has its refusal, else its last error.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from scripts.common.schemas import GENERATIONS
from scripts.generate import ledger

COLUMNS = ["prompt_id", "finish_reason", "attempt", "job"]


@dataclasses.dataclass
class Chosen:
    """The chosen rows: `table` holds them among others, `places` tells attempt, job and row of each finished prompt,
    `failures` tells (whether it was refused, attempt, job, message) of prompts that failed."""

    table: pa.Table
    places: dict[str, tuple[int, str, int]]
    failures: dict[str, tuple[bool, int, str, str]]

    def row(self, prompt_id: str) -> dict[str, Any]:
        """The row of a finished prompt, without its job."""
        return self.table.slice(self.places[prompt_id][2], 1).to_pylist()[0] | {"job": None}

    def rows(self, prompt_ids: Iterable[str]) -> pa.Table:
        """The rows of finished prompts in this order, without their jobs."""
        table = self.table.take(pa.array([self.places[prompt_id][2] for prompt_id in prompt_ids], pa.int64()))
        jobs = pa.nulls(len(table), pa.string())
        return table.set_column(table.schema.get_field_index("job"), GENERATIONS.field("job"), jobs)


def choose(tables: Iterable[pa.Table], recipe_id: str) -> Chosen:
    """Decides between the rows of each prompt; all of them are in memory."""
    ours = [table.filter(pc.equal(table["recipe"], recipe_id)) for table in tables]
    chosen = Chosen(pa.concat_tables([GENERATIONS.empty_table(), *ours]).combine_chunks(), {}, {})
    columns = chosen.table.select(COLUMNS).to_pydict().values()
    for place, (prompt_id, reason, attempt, job) in enumerate(zip(*columns, strict=True)):
        if reason in ledger.USABLE:
            candidate = (attempt, job, place)
            chosen.places[prompt_id] = min(candidate, chosen.places.get(prompt_id, candidate))
        else:
            failure = (reason == ledger.REFUSED, attempt, job, chosen.table["text"][place].as_py())
            chosen.failures[prompt_id] = max(failure, chosen.failures.get(prompt_id, failure))
    return chosen
