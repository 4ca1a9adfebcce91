"""Seals a part: one row for each prompt, in the order of the prompts, taken from the part's ledger.

Only rows of the recipe count. Where two writers finished the same prompt, the row with the lowest attempt is taken, and
of those the one of the job whose name sorts first. A prompt that has nothing but errors is rejected with reason
`failed` and its last error; a prompt id that the part holds twice is sealed once and its further rows are rejected as
`duplicate_prompt`. A prompt that the ledger does not know at all stops the sealing: work is missing.

A sealed part does not tell which job made a row (`job` is null; the ledger keeps it): with an engine whose texts depend
on nothing but the request, the part has the same bytes however the work was divided or interrupted.
"""

import argparse
import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from scripts import engines
from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.logging import get_logger, run
from scripts.common.tables import GENERATIONS, PROMPTS, REJECTED, iterate_rows, write_batches, write_table
from scripts.generate import ledger, recipe

BATCH = 1000

log = get_logger(__name__)


@dataclasses.dataclass
class Chosen:
    """The rows of a ledger that stand for their prompts; texts stay in Arrow memory until they are written."""

    tables: list[pa.Table] = dataclasses.field(default_factory=list)
    places: dict[str, tuple[int, str, int, int]] = dataclasses.field(default_factory=dict)
    errors: dict[str, tuple[int, str, str]] = dataclasses.field(default_factory=dict)

    def row(self, prompt_id: str) -> dict[str, Any]:
        """The row of a finished prompt, without its job."""
        _, _, table, place = self.places[prompt_id]
        return self.tables[table].slice(place, 1).to_pylist()[0] | {"job": None}


def choose(folder: Path, recipe_id: str) -> Chosen:
    """Reads a ledger and decides between rows of the same prompt."""
    chosen = Chosen()
    for segment in ledger.segments(folder):
        table = segment.filter(pc.equal(segment["recipe"], recipe_id))
        number = len(chosen.tables)
        chosen.tables.append(table)
        keys = table.select(["prompt_id", "finish_reason", "attempt", "job"]).to_pydict().values()
        for place, (prompt_id, reason, attempt, job) in enumerate(zip(*keys, strict=True)):
            if reason in ledger.USABLE:
                candidate = (attempt, job, number, place)
                chosen.places[prompt_id] = min(candidate, chosen.places.get(prompt_id, candidate))
            else:
                error = (attempt, job, table["text"][place].as_py())
                chosen.errors[prompt_id] = max(error, chosen.errors.get(prompt_id, error))
    return chosen


def seal(prompt_ids: Sequence[str], chosen: Chosen) -> tuple[list[str], list[dict[str, str]], list[str]]:
    """Divides the prompts of a part into finished ids, rejected rows and missing ids, in order."""
    finished, rejected, missing = [], [], []
    seen: set[str] = set()
    for prompt_id in prompt_ids:
        if prompt_id in seen:
            detail = "the part holds this prompt more than once"
            rejected.append({"id": prompt_id, "reason": "duplicate_prompt", "detail": detail})
        elif prompt_id in chosen.places:
            finished.append(prompt_id)
        elif prompt_id in chosen.errors:
            attempt, _, message = chosen.errors[prompt_id]
            rejected.append({"id": prompt_id, "reason": "failed", "detail": f"attempt {attempt}: {message}"})
        else:
            missing.append(prompt_id)
        seen.add(prompt_id)
    return finished, rejected, missing


def _batches(finished: Sequence[str], chosen: Chosen) -> Iterator[list[dict[str, Any]]]:
    for first in range(0, len(finished), BATCH):
        yield [chosen.row(prompt_id) for prompt_id in finished[first : first + BATCH]]


def main(argv: Sequence[str] | None = None) -> None:
    """Seals one part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=Path, required=True)
    parser.add_argument("--ledger", type=Path, required=True, help="folder of the part's segments")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--rejected", type=Path, required=True)
    parser.add_argument("--counts", type=Path, required=True)
    parser.add_argument("--source", required=True)
    parser.add_argument("--part", required=True)
    recipe.add_arguments(parser)
    engines.add_arguments(parser)
    args = parser.parse_args(argv)

    prompt_ids = [row["prompt_id"] for row in iterate_rows(args.prompts, PROMPTS, ["prompt_id"])]
    chosen = choose(args.ledger, recipe.recipe_from(args).id)
    finished, rejected, missing = seal(prompt_ids, chosen)
    if missing:
        raise InputError(
            f"{len(missing)} of {len(prompt_ids)} prompts of {args.source} part {args.part} are missing from the "
            f"ledger {args.ledger} (the first is {missing[0]}). Delete the markers of the part's slices and run again: "
            "only the missing texts will be generated"
        )
    write_batches(args.output, _batches(finished, chosen), GENERATIONS)
    write_table(args.rejected, rejected, REJECTED)
    reasons = Counter(row["reason"] for row in rejected)
    Counts("generate_seal", len(prompt_ids), len(finished), reasons, args.source, args.part).write(args.counts)
    log.info("%s part %s: %d texts sealed, %d rejected", args.source, args.part, len(finished), len(rejected))


if __name__ == "__main__":
    run(main)
