"""The final prompts of one part: what prompts_build made, less what occurs earlier in the source.

The account of both steps is closed here, so that one count file and one table of rejected rows tell what became of
every seed of the part.
"""

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from scripts.common.counts import Counts
from scripts.common.logging import get_logger, run
from scripts.common.tables import PROMPTS, REJECTED, in_batches, iterate_rows, read_table, write_batches, write_table


def first_occurrences(
    prompts: Iterable[Mapping[str, Any]], place: str, first: Mapping[str, str], rejected: list[dict[str, str]]
) -> Iterator[Mapping[str, Any]]:
    """Yields the prompts whose first occurrence is here and adds a row to `rejected` for each of the others.

    Args:
        prompts: rows of the part.
        place: the part as the duplicates table writes it (web/part-000).
        first: prompt id → place of its first occurrence, for repeated prompts.
        rejected: list to add to.
    """
    seen: set[str] = set()
    for prompt in prompts:
        identifier = prompt["prompt_id"]
        if identifier in first and (first[identifier] != place or identifier in seen):
            detail = f"seed {prompt['seed_id']}, first in {first[identifier]}"
            rejected.append({"id": identifier, "reason": "duplicate_prompt", "detail": detail})
            continue
        seen.add(identifier)
        yield prompt


def close_account(built: Counts, sealed: int, repeated: int) -> Counts:
    """The counts of build and seal together."""
    rejected = dict(built.rejected) | ({"duplicate_prompt": repeated} if repeated else {})
    return Counts("prompts_seal", built.rows_in, sealed, rejected, built.source, built.part, built.added)


def main(argv: Sequence[str] | None = None) -> None:
    """Seals the prompts of one part."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--prompts", required=True, help="the part's prompts from prompts_build")
    parser.add_argument("--built-rejected", required=True, help="its rejected rows")
    parser.add_argument("--built-counts", required=True, help="its counts")
    parser.add_argument("--duplicates", required=True, help="repeated prompts of the source")
    parser.add_argument("--output", required=True)
    parser.add_argument("--rejected", required=True)
    parser.add_argument("--counts", required=True)
    args = parser.parse_args(argv)

    built = Counts.read(args.built_counts)
    first = {row["id"]: row["detail"] for row in iterate_rows(args.duplicates, REJECTED)}
    repeated: list[dict[str, str]] = []
    prompts = first_occurrences(
        iterate_rows(args.prompts, PROMPTS), f"{built.source}/part-{built.part}", first, repeated
    )
    rows = write_batches(args.output, in_batches(prompts), PROMPTS)
    counts = close_account(built, rows, len(repeated))
    write_table(args.rejected, read_table(args.built_rejected, REJECTED).to_pylist() + repeated, REJECTED)
    counts.write(args.counts)
    get_logger(__name__).info("%d prompts, %d of them repeated and left out", counts.rows_out, len(repeated))


if __name__ == "__main__":
    run(main)
