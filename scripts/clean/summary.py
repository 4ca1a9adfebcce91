"""What the quality filter found, by rule, source and format, summed over all parts.

For every rule: what it does (`action`), texts that it `removed`, texts kept that it `flagged`, and texts kept of which
it `cut` a part. A text is removed by one rule alone and may be flagged by several, so flags do not add up to texts.
Code blocks of kept texts are counted by language: parsed, failed, not_judged. `programs` counts the texts whose Python
was run: ended, failed, or beyond, which needed what the sandbox does not offer (packages, files, input, the network).
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.clean.blocks import FAILED, PARSED, UNJUDGED, Block
from scripts.clean.rules import CUT, OPENING, REMOVE, RULES
from scripts.common.errors import InputError
from scripts.common.files import read_json, write_json
from scripts.common.logging import run

OUTCOMES = ("removed", "flagged", "cut")
ALWAYS = dict.fromkeys(("error", "broken", "empty"), REMOVE)
LANGUAGES = 30
"""Words after a fence that are told apart, the most frequent; a model may invent any number of them."""


class Tally:
    """Takes note of the decisions on the texts of one source.

    Args:
        source: its name.
        actions: rule → what it does.
    """

    def __init__(self, source: str, actions: Mapping[str, str]) -> None:
        self._source = source
        self._actions = {rule: (ALWAYS | actions)[rule] for rule in (*ALWAYS, OPENING, *RULES)}
        self._texts: Counter[tuple[str, str]] = Counter()
        self._found: Counter[tuple[str, str, str]] = Counter()
        self._code: Counter[tuple[str, str]] = Counter()

    def add(self, decision: Mapping[str, Any], format: str) -> None:
        """Counts a decision (a DECISIONS row) on a text of this format."""
        self._texts[format, decision["decision"]] += 1
        if decision["reason"]:
            self._found[format, decision["reason"], "removed"] += 1
        for flag in decision["flags"]:
            rule = flag["rule"]
            self._found[format, rule, "cut" if self._actions[rule] == CUT else "flagged"] += 1

    def add_code(self, judged: Iterable[tuple[Block, str, str]]) -> None:
        """Counts the code blocks of a kept text."""
        self._code.update((block.language, outcome) for block, outcome, _ in judged)

    def summary(self) -> dict[str, Any]:
        """All counts, as they are written and as `together` adds them."""
        formats = {
            format: self._group([found for found in self._found if found[0] == format], {format})
            for format in sorted({format for format, _ in self._texts})
        }
        everything = self._group(self._found, set(formats))
        rules = {
            rule: {"action": action} | {outcome: everything[outcome].get(rule, 0) for outcome in OUTCOMES}
            for rule, action in self._actions.items()
        }
        languages = sorted({language for language, _ in self._code})
        return {
            "texts": everything["texts"],
            "kept": everything["kept"],
            "rules": rules,
            "sources": {self._source: everything},
            "formats": formats,
            "code": {
                language: {outcome: self._code[language, outcome] for outcome in (PARSED, FAILED, UNJUDGED)}
                for language in languages
            },
        }

    def _group(self, found: Iterable[tuple[str, str, str]], formats: set[str]) -> dict[str, Any]:
        """Texts and findings of some formats."""
        by_outcome: dict[str, Counter[str]] = {outcome: Counter() for outcome in OUTCOMES}
        for key in found:
            by_outcome[key[2]][key[1]] += self._found[key]
        kept = sum(self._texts[format, "kept"] for format in formats)
        removed = sum(self._texts[format, "removed"] for format in formats)
        return {"texts": kept + removed, "kept": kept} | {name: dict(each) for name, each in by_outcome.items()}


def together(summaries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The sum of the summaries of all parts; rare words after a fence become `other`.

    Raises:
        InputError: they were made with different rules.
    """
    result: dict[str, Any] = {}
    for summary in summaries:
        _add(result, summary)
    ranked = sorted(result["code"].items(), key=lambda item: (-sum(item[1].values()), item[0]))
    result["code"] = dict(ranked[:LANGUAGES])
    for _, rare in ranked[LANGUAGES:]:
        _add(result["code"].setdefault("other", {}), rare)
    return result


def _add(total: dict[str, Any], other: Mapping[str, Any]) -> None:
    """Adds numbers at the same place; words must be equal."""
    for key, value in other.items():
        if isinstance(value, Mapping):
            _add(total.setdefault(key, {}), value)
        elif isinstance(value, str):
            if total.setdefault(key, value) != value:
                raise InputError(
                    f"some parts were cleaned with a rule as `{total[key]}`, others as `{value}`. "
                    "Run `snakemake --forcerun clean_filter`."
                )
        else:
            total[key] = total.get(key, 0) + value


def main(argv: Sequence[str] | None = None) -> None:
    """Sums up all parts."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--parts", required=True, nargs="+", type=Path, help="summaries of all parts")
    parser.add_argument("--output", required=True)
    args = parser.parse_args(argv)
    write_json(args.output, together([read_json(path) for path in args.parts]))


if __name__ == "__main__":
    run(main)
