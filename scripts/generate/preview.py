"""A few texts of each template before all are paid for: one job over the first part of a source.

Of every template the prompts with the lowest ids are taken; ids are hashes, so this is a random sample, and the same
one in every run. The job writes into the part's ledger, like every generation job: the full run finds these texts there
and does not make them again, and a preview after a full run loads no engine. The output holds the sample's prompts with
their texts.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from scripts.common.logging import get_logger, run
from scripts.common.schemas import PREVIEW, PROMPTS
from scripts.common.tables import iterate_batches, write_table
from scripts.generate import ledger, recipe
from scripts.generate.choose import choose
from scripts.generate.prompts import read_prompts
from scripts.generate.slice import add_arguments, generate
from scripts.generate.status import PREVIEW_SLICE

log = get_logger(__name__)


def sample(path: Path, number: int) -> list[dict[str, Any]]:
    """The so many prompts of each template with the lowest ids, the first of every template first, as PROMPTS rows."""
    lowest: dict[str, list[str]] = {}
    for batch in iterate_batches(path, PROMPTS, ["prompt_id", "template_id"]):
        for prompt_id, template_id in zip(*batch.to_pydict().values(), strict=True):
            lowest.setdefault(template_id, []).append(prompt_id)
        lowest = {template_id: sorted(ids)[:number] for template_id, ids in lowest.items()}
    wanted = pa.array([prompt_id for ids in lowest.values() for prompt_id in ids], pa.string())
    rows = {}
    for batch in iterate_batches(path, PROMPTS):
        rows |= {row["prompt_id"]: row for row in batch.filter(pc.is_in(batch["prompt_id"], wanted)).to_pylist()}
    ranks = {prompt_id: (rank, name or "") for name, ids in lowest.items() for rank, prompt_id in enumerate(ids)}
    return sorted(rows.values(), key=lambda row: ranks[row["prompt_id"]])


def previewed(prompts: Sequence[dict[str, Any]], folder: Path, recipe_id: str) -> Iterator[dict[str, Any]]:
    """PREVIEW rows: the prompts with the texts that the ledger has of them; a prompt that failed has none."""
    wanted = pa.array([row["prompt_id"] for row in prompts], pa.string())
    segments = ledger.segments(folder)
    chosen = choose((table.filter(pc.is_in(table["prompt_id"], wanted)) for table in segments), recipe_id)
    for prompt in prompts:
        prompt_id = prompt["prompt_id"]
        if prompt_id in chosen.places:
            row = chosen.row(prompt_id)
        else:
            refused = chosen.failures.get(prompt_id, (False,))[0]
            row = {"finish_reason": ledger.REFUSED if refused else "error"}
        yield prompt | {name: row.get(name) for name in ("text", "text_token_length", "finish_reason")}


def main(argv: Sequence[str] | None = None) -> None:
    """Generates the texts of the sample that the ledger lacks, and writes the sample."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--preview", type=int, default=200, help="texts of each template")
    add_arguments(parser)
    args = parser.parse_args(argv, argparse.Namespace(slice=PREVIEW_SLICE, n_slices=1))

    read_prompts(args.prompts, range(0))
    prompts = sample(args.prompts, args.preview)
    asked = {row["prompt_id"]: row["prompt"] for row in prompts}
    generate(f"{args.source} part {args.part} preview", asked, args)
    write_table(args.output, list(previewed(prompts, args.ledger, recipe.recipe_from(args).id)), PREVIEW)
    log.info("%s: %d prompts of %d templates", args.output, len(prompts), len({row["template_id"] for row in prompts}))


if __name__ == "__main__":
    run(main)
