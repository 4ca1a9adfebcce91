"""Which licences are permissive: those of resources/licences.tsv that say so, and no others.

Permissive means: texts may be used, changed and passed on by anyone, for money too, under any terms, at most with the
author named and notices kept. Each row of the list is a pattern (`*` for any text) with its reason; the first one that
fits decides, and a licence that none fits is not permissive. Case is ignored, and white space stands for a hyphen, so
that `CC BY 4.0` is CC-BY-4.0. Of `A OR B` one has to be permissive, of `A AND B` both, of an expression with
brackets all.
"""

import csv
import dataclasses
import fnmatch
import re
from collections.abc import Sequence
from pathlib import Path

from scripts.common.errors import InputError

COLUMNS = ["licence", "permissive", "reason"]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether a licence is permissive, and why."""

    permissive: bool
    reason: str


class Licences:
    """The list of licences.

    Raises:
        InputError: the file is not such a list.
    """

    def __init__(self, path: Path) -> None:
        with path.open(encoding="utf-8", newline="") as handle:
            rows = list(csv.reader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))
        if rows[:1] != [COLUMNS]:
            raise InputError(f"{path} is no list of licences: its first line must be {', '.join(COLUMNS)}, by tabs.")
        for line, row in enumerate(rows[1:], start=2):
            if len(row) != len(COLUMNS) or row[1] not in ("yes", "no"):
                raise InputError(f"{path}, line {line}: give a licence, yes or no, and a reason, separated by tabs.")
        self._rules = [(_normalised(pattern), Verdict(word == "yes", reason)) for pattern, word, reason in rows[1:]]
        self._known: dict[str | None, Verdict] = {}

    def judge(self, licence: str | None) -> Verdict:
        """The verdict on the licence of a row."""
        if licence not in self._known:
            self._known[licence] = self._judge(licence or "")
        return self._known[licence]

    def _judge(self, expression: str) -> Verdict:
        if "(" in expression:
            alternatives = [re.split(r"\s(?:OR|AND)\s", expression)]
        else:
            alternatives = [re.split(r"\sAND\s", alternative) for alternative in re.split(r"\sOR\s", expression)]
        verdicts = [self._all(licences) for licences in alternatives]
        return next((verdict for verdict in verdicts if verdict.permissive), verdicts[0])

    def _all(self, licences: Sequence[str]) -> Verdict:
        """Of joint licences the first that is not permissive decides."""
        verdicts = [self._one(licence) for licence in licences]
        return next((verdict for verdict in verdicts if not verdict.permissive), verdicts[0])

    def _one(self, licence: str) -> Verdict:
        name = _normalised(licence)
        if not name:
            return Verdict(False, "No licence is stated.")
        fitting = (verdict for pattern, verdict in self._rules if fnmatch.fnmatchcase(name, pattern))
        return next(fitting, Verdict(False, "Not in the list of licences."))


def _normalised(licence: str) -> str:
    return re.sub(r"[\s_]+", "-", licence.strip(" ()\t").casefold())
