"""Decides of every sealed text of one part whether it is kept; a removed one carries the rule's name and its evidence.

The rules are told in scripts/clean/rules.py. The first one that fails and may remove names the reason; a kept text
lists all others that it fails as flags. Nothing is dropped: the table of decisions has one row per sealed text, in the
same order, and for a text whose opening was cut the text that is left, its tokens counted anew by the tokenizer of the
config key tokenize.tokenizer. The sealed part keeps the original.
"""

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from scripts.clean import rules
from scripts.clean.rules import OPENING, RULES, Settings, Text
from scripts.clean.sandbox import Sandbox
from scripts.clean.summary import Tally
from scripts.common import phrases
from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.files import write_json
from scripts.common.logging import get_logger, run
from scripts.common.schemas import DECISIONS, GENERATIONS, PROMPTS
from scripts.common.tables import iterate_batches, iterate_rows, write_batches

COLUMNS = ("prompt_id", "text", "text_token_length", "finish_reason")

Row = Mapping[str, Any]


class Filter:
    """Judges texts by the settings.

    Args:
        settings: rules and thresholds.
        count_tokens: length of a text that was changed.
        tally: takes note of every decision.
    """

    def __init__(self, settings: Settings, count_tokens: Callable[[str], int], tally: Tally) -> None:
        self._settings, self._count_tokens, self._tally = settings, count_tokens, tally

    def decide(self, row: Row, prompt: Row) -> dict[str, Any]:
        """The decision (a DECISIONS row) on one sealed text, for a prompt with `language` and `format`."""
        reason, detail, flags, changed = self._judge(row, prompt["language"])
        decision = {
            "prompt_id": row["prompt_id"],
            "decision": "removed" if reason else "kept",
            "reason": reason,
            "detail": _storable(detail),
            "flags": [] if reason else [{"rule": rule, "detail": _storable(found)} for rule, found in flags],
            "text": changed.text if changed and not reason else None,
            "text_token_length": changed.tokens if changed and not reason else None,
        }
        self._tally.add(decision, prompt["format"])
        return decision

    def _judge(self, row: Row, language: str) -> tuple[str, str, list[tuple[str, str]], Text | None]:
        """Reason and detail ("" for a kept text), flags, and the text if it was changed."""
        written, flags, changed = row["text"] or "", [], None
        if row["finish_reason"] == "error":
            return "error", written[:200], flags, None
        try:
            written.encode("utf-8")
        except UnicodeEncodeError as problem:
            return "broken", f"character {problem.start}", flags, None
        text = Text(written, row["text_token_length"] or 0, row["finish_reason"], language)
        opening = phrases.boilerplate_opening(written) if self._settings.asks(OPENING) else None
        if opening:
            flags.append((OPENING, opening[0].strip()))
            if self._settings.actions[OPENING] == rules.CUT:
                changed = text = Text(opening[1], self._count_tokens(opening[1]), text.finish_reason, language)
        if not text.text.strip():
            return "empty", "nothing but an opening" if opening else "", flags, None
        for name, rule in RULES.items():
            found = rule(text, self._settings) if self._settings.asks(name) else None
            if found is None:
                continue
            if self._settings.actions[name] == rules.REMOVE:
                return name, found, flags, None
            flags.append((name, found))
        if self._settings.asks("code"):
            self._tally.add_code(text.judged)
        return "", "", flags, changed


def decisions(path: str, prompts: Mapping[str, Row], judge: Filter) -> Iterator[list[dict[str, Any]]]:
    """Yields the decisions on a part in batches.

    Raises:
        InputError: a text has no prompt.
    """
    for batch in iterate_batches(path, GENERATIONS, COLUMNS):
        rows = list(_rows(batch))
        for row in rows:
            if row["prompt_id"] not in prompts:
                raise InputError(
                    f"{path}: the prompts of this part do not have {row['prompt_id']}. "
                    "The files are of different runs: delete the first one and run again."
                )
        yield [judge.decide(row, prompts[row["prompt_id"]]) for row in rows]


def token_counter(tokenizer: str) -> Callable[[str], int]:
    """A function from a text to its number of tokens; the tokenizer is loaded at the first call."""
    loaded: list[Any] = []

    def count(text: str) -> int:
        if not loaded:
            from scripts.tokenize.tokenizer import load_tokenizer

            loaded.append(load_tokenizer(tokenizer).backend)
        return len(loaded[0].encode(text, add_special_tokens=False).ids)

    return count


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """Rows of a batch, in which bytes that are not UTF-8 have become lone surrogates instead of an error."""
    texts = batch.column("text").cast(pa.binary()).to_pylist()
    others = batch.drop_columns("text").to_pylist()
    for row, text in zip(others, texts, strict=True):
        yield {**row, "text": None if text is None else text.decode("utf-8", "surrogateescape")}


def _storable(detail: str) -> str:
    return detail.encode("utf-8", "replace").decode("utf-8")


def main(argv: Sequence[str] | None = None) -> None:
    """Filters one part."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--generations", required=True, help="sealed texts of the part")
    parser.add_argument("--prompts", required=True, help="prompts of the part")
    parser.add_argument("--source", required=True)
    parser.add_argument("--part", required=True, help="number as in the file name, e.g. 000")
    parser.add_argument("--minimum-tokens", type=int, required=True)
    parser.add_argument("--minimum-characters", type=int, required=True)
    parser.add_argument("--rules", type=json.loads, required=True, help="rule → remove, flag or ignore, as JSON")
    parser.add_argument("--repetition", type=json.loads, required=True, help="measure → largest share, as JSON")
    parser.add_argument("--run-code", action=argparse.BooleanOptionalAction, required=True)
    parser.add_argument("--tokenizer", required=True, help="folder or Hub id; counts the tokens of changed texts")
    parser.add_argument("--output", required=True)
    parser.add_argument("--counts", required=True)
    parser.add_argument("--summary", required=True)
    args = parser.parse_args(argv)

    sandbox = Sandbox.start() if args.run_code else None
    settings = Settings(args.rules, args.minimum_tokens, args.minimum_characters, args.repetition, sandbox)
    columns = ["prompt_id", "language", "format"]
    prompts = {row["prompt_id"]: row for row in iterate_rows(args.prompts, PROMPTS, columns)}
    tally = Tally(args.source, {rule: args.rules[rule] if settings.asks(rule) else rules.IGNORE for rule in args.rules})
    judge = Filter(settings, token_counter(args.tokenizer), tally)
    n_texts = write_batches(args.output, decisions(args.generations, prompts, judge), DECISIONS)
    summary = tally.summary()
    removed = Counter({rule: each["removed"] for rule, each in summary["rules"].items() if each["removed"]})
    kept = n_texts - removed.total()
    Counts("clean_filter", n_texts, kept, dict(removed), args.source, args.part).write(args.counts)
    write_json(args.summary, summary | {"programs": dict(sandbox.outcomes) if sandbox else {}})
    get_logger(__name__).info("%d of %d texts kept; removed: %s", kept, n_texts, dict(sorted(removed.items())))


if __name__ == "__main__":
    run(main)
