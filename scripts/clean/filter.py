"""Decides of every sealed text of one part whether it is kept; a removed one carries the rule's name and its evidence.

Rules, the first that fails names the reason:

error      the engine gave an error message instead of a text
broken     the text is not valid UTF-8, as a lone surrogate leaves it
empty      the text is absent or white space
too_short  fewer tokens than `--minimum-tokens` (150 in the Cosmopedia dataset)

A new rule is one function here, its place in RULES and its line above. Nothing is dropped: the table of decisions has
one row per sealed text, in the same order.
"""

import argparse
import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from scripts.common.counts import Counts
from scripts.common.logging import get_logger, run
from scripts.common.tables import DECISIONS, GENERATIONS, iterate_batches, write_batches

COLUMNS = ("prompt_id", "text", "text_token_length", "finish_reason")


@dataclasses.dataclass(frozen=True)
class Limits:
    """What the rules measure against.

    Args:
        minimum_tokens: the shortest text that is kept, in tokens of the writing model.
    """

    minimum_tokens: int = 150


Verdict = tuple[bool, str]
"""Whether the text is kept, and what was found."""


def error(row: Mapping[str, Any], limits: Limits) -> Verdict:
    """The engine finished with a text; the detail is its message otherwise."""
    return row["finish_reason"] != "error", str(row["text"] or "")[:200]


def broken(row: Mapping[str, Any], limits: Limits) -> Verdict:
    """Every character of the text can be stored; the detail is the place of the first that cannot."""
    try:
        (row["text"] or "").encode("utf-8")
    except UnicodeEncodeError as problem:
        return False, f"character {problem.start}"
    return True, ""


def empty(row: Mapping[str, Any], limits: Limits) -> Verdict:
    """There is something to read."""
    return bool(row["text"] and not row["text"].isspace()), ""


def too_short(row: Mapping[str, Any], limits: Limits) -> Verdict:
    """The text has enough tokens; the detail is their number."""
    tokens = row["text_token_length"] or 0
    return tokens >= limits.minimum_tokens, f"{tokens} tokens"


RULES: dict[str, Callable[[Mapping[str, Any], Limits], Verdict]] = {
    "error": error,
    "broken": broken,
    "empty": empty,
    "too_short": too_short,
}
"""Reason → rule, in the order in which they are asked."""


def decide(row: Mapping[str, Any], limits: Limits) -> dict[str, str]:
    """The decision (a DECISIONS row) on one sealed text; `reason` and `detail` are empty for a kept one."""
    for reason, rule in RULES.items():
        keep, detail = rule(row, limits)
        if not keep:
            detail = detail.encode("utf-8", "replace").decode("utf-8")
            return {"prompt_id": row["prompt_id"], "decision": "removed", "reason": reason, "detail": detail}
    return {"prompt_id": row["prompt_id"], "decision": "kept", "reason": "", "detail": ""}


def decisions(path: str, limits: Limits, tally: Counter[str]) -> Iterator[list[dict[str, str]]]:
    """Yields the decisions on a part in batches and counts their reasons in `tally`, "" for the kept ones."""
    for batch in iterate_batches(path, GENERATIONS, COLUMNS):
        found = [decide(row, limits) for row in _rows(batch)]
        tally.update(decision["reason"] for decision in found)
        yield found


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """Rows of a batch, in which bytes that are not UTF-8 have become lone surrogates instead of an error."""
    texts = batch.column("text").cast(pa.binary()).to_pylist()
    others = batch.drop_columns("text").to_pylist()
    for row, text in zip(others, texts, strict=True):
        yield {**row, "text": None if text is None else text.decode("utf-8", "surrogateescape")}


def main(argv: Sequence[str] | None = None) -> None:
    """Filters one part."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--generations", required=True, help="sealed texts of the part")
    parser.add_argument("--source", required=True)
    parser.add_argument("--part", required=True, help="number as in the file name, e.g. 000")
    parser.add_argument("--minimum-tokens", type=int, default=150)
    parser.add_argument("--output", required=True)
    parser.add_argument("--counts", required=True)
    args = parser.parse_args(argv)

    tally: Counter[str] = Counter()
    rows = write_batches(args.output, decisions(args.generations, Limits(args.minimum_tokens), tally), DECISIONS)
    kept = tally.pop("", 0)
    Counts("clean_filter", rows, kept, dict(tally), args.source, args.part).write(args.counts)
    get_logger(__name__).info("%d of %d texts kept; removed: %s", kept, rows, dict(sorted(tally.items())))


if __name__ == "__main__":
    run(main)
