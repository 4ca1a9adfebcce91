"""What was generated: prompts, texts and tokens of every source, how the texts ended, by which model and sampling.

`coverage` is the share of the prompts that generation was done with: all but those rejected as `not_generated`, which
there are only where a run was sealed before its end (1 where there are no prompts). Every sealed part is checked to be
of the recipe that the manifest names.
"""

import argparse
import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts import engines
from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.files import write_json
from scripts.common.logging import run
from scripts.common.schemas import GENERATIONS
from scripts.common.tables import read_table
from scripts.generate import recipe
from scripts.generate.recipe import Recipe


def summarise(parts: Mapping[Path, Counts], plan: Recipe) -> dict[str, Any]:
    """The manifest of sealed parts and their counts.

    Raises:
        InputError: a part and its counts, or a part and the recipe, do not belong together.
    """
    sources: dict[str, Counter[str]] = {}
    reasons: dict[str, Counter[str]] = {}
    rejected: dict[str, Counter[str]] = {}
    names: Counter[str] = Counter()
    for path, counts in parts.items():
        table = read_table(path, GENERATIONS, ["text_token_length", "finish_reason", "recipe", "engine"])
        foreign = set(table["recipe"].to_pylist()) - {plan.id}
        if foreign or len(table) != counts.rows_out:
            what = "was made with another model or sampling" if foreign else "does not agree with its counts"
            raise InputError(f"{path} {what}. Delete it and run again: finished texts are taken from the ledger")
        tokens = sum(table["text_token_length"].to_pylist())
        totals = {"parts": 1, "prompts": counts.rows_in, "texts": counts.rows_out, "tokens": tokens}
        sources.setdefault(counts.source, Counter()).update(totals)
        reasons.setdefault(counts.source, Counter()).update(table["finish_reason"].to_pylist())
        rejected.setdefault(counts.source, Counter()).update(counts.rejected)
        names.update(table["engine"].to_pylist())
    by_source = {name: _summary(totals, reasons[name], rejected[name]) for name, totals in sources.items()}
    total = _summary(*(sum(each.values(), Counter()) for each in (sources, reasons, rejected)))
    return {
        "model": plan.model,
        "revision": plan.revision,
        "sampling": dataclasses.asdict(plan.sampling),
        "seed": plan.seed,
        "recipe": plan.id,
        "engines": dict(names),
        "sources": by_source,
        "total": total,
    }


def _summary(totals: Counter[str], reasons: Counter[str], rejected: Counter[str]) -> dict[str, Any]:
    """The entry of a source, or of all."""
    prompts = totals["prompts"]
    coverage = (prompts - rejected["not_generated"]) / prompts if prompts else 1.0
    keys = ("parts", "prompts", "texts", "tokens")
    return {key: totals[key] for key in keys} | {
        "coverage": round(coverage, 6),
        "finish_reasons": dict(reasons),
        "rejected": dict(rejected),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the manifest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", type=Path, nargs="+", required=True, help="sealed parts")
    parser.add_argument("--counts", type=Path, nargs="+", required=True, help="their counts, in the same order")
    parser.add_argument("--output", type=Path, required=True)
    recipe.add_arguments(parser)
    engines.add_arguments(parser)
    args = parser.parse_args(argv)
    parts = dict(zip(args.parts, map(Counts.read, args.counts), strict=True))
    write_json(args.output, summarise(parts, recipe.recipe_from(args)))


if __name__ == "__main__":
    run(main)
