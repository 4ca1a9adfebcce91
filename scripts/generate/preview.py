"""A few texts of each template before all are paid for: one job over the first part of a source.

Of every template the prompts with the lowest ids are taken; ids are hashes, so this is a random sample, and the same
one in every run. The job writes into the part's ledger, like every generation job: the full run finds these texts there
and does not make them again, and a preview after a full run loads no engine. The output holds the sample's prompts with
their texts.
"""

import argparse
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from scripts.common.logging import get_logger, run
from scripts.common.tables import PREVIEW, PROMPTS, iterate_batches, write_table
from scripts.generate import ledger, recipe
from scripts.generate.slice import add_arguments, generate

log = get_logger(__name__)


def sample(path: Path, number: int) -> list[dict[str, Any]]:
    """The so many prompts of each template with the lowest ids, the first of every template first, as PROMPTS rows."""
    lowest: dict[str, list[str]] = {}
    for batch in iterate_batches(path, PROMPTS, ["prompt_id", "template_id"]):
        for prompt_id, template_id in zip(*batch.to_pydict().values(), strict=True):
            lowest.setdefault(template_id, []).append(prompt_id)
        lowest = {template_id: sorted(set(ids))[:number] for template_id, ids in lowest.items()}
    wanted = pa.array([prompt_id for ids in lowest.values() for prompt_id in ids], pa.string())
    rows = {}
    for batch in iterate_batches(path, PROMPTS):
        rows |= {row["prompt_id"]: row for row in batch.filter(pc.is_in(batch["prompt_id"], wanted)).to_pylist()}
    ranks = {prompt_id: (rank, name) for name, ids in lowest.items() for rank, prompt_id in enumerate(ids)}
    return sorted(rows.values(), key=lambda row: ranks[row["prompt_id"]])


def answers(folder: Path, recipe_id: str, prompt_ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """Prompt id → the row that stands for it, as sealing chooses it: a text before an error, the lowest attempt."""
    wanted = pa.array(prompt_ids, pa.string())
    found: dict[str, tuple[tuple, dict[str, Any]]] = {}
    for table in ledger.segments(folder):
        mask = pc.and_(pc.equal(table["recipe"], recipe_id), pc.is_in(table["prompt_id"], wanted))
        for row in table.filter(mask).to_pylist():
            rank = (row["finish_reason"] not in ledger.USABLE, row["attempt"], row["job"])
            found[row["prompt_id"]] = min(
                (rank, row), found.get(row["prompt_id"], (rank, row)), key=lambda pair: pair[0]
            )
    return {prompt_id: row for prompt_id, (_, row) in found.items()}


def previewed(prompts: Sequence[dict[str, Any]], rows: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """PREVIEW rows: the prompts with their texts; a prompt that failed has none."""
    nothing = {"text": None, "text_token_length": None, "finish_reason": "error"}
    for prompt in prompts:
        row = rows.get(prompt["prompt_id"], nothing)
        shown = {name: row[name] for name in nothing}
        yield prompt | (
            shown if shown["finish_reason"] in ledger.USABLE else nothing | {"finish_reason": shown["finish_reason"]}
        )


def main(argv: Sequence[str] | None = None) -> None:
    """Generates the texts of the sample that the ledger lacks, and writes the sample."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--preview", type=int, default=200, help="texts of each template")
    add_arguments(parser)
    args = parser.parse_args(argv)

    prompts = sample(args.prompts, args.preview)
    asked = {row["prompt_id"]: row["prompt"] for row in prompts}
    generate(f"{args.source} part {args.part} preview", asked, args)
    rows = answers(args.ledger, recipe.recipe_from(args).id, asked)
    write_table(args.output, list(previewed(prompts, rows)), PREVIEW)
    log.info("%s: %d prompts of %d templates", args.output, len(prompts), len({row["template_id"] for row in prompts}))


if __name__ == "__main__":
    run(main)
