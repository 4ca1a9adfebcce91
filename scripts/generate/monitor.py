"""Watches the texts of a generation job: the measures of measures.py over the last 200 texts of each template.

They are computed whenever a template has a hundred new texts; a line in the log tells when some of them become bad or
fine again. A stop rule (off by default) ends the job when a measure exceeds its limit over a full window; the job's
finished texts are in the ledger all the same. With stop rules a job first looks at what the part's ledger holds, so
that the jobs that come after, and the retries of a scheduler, end before they load a model.

Watching costs 0.3 ms a text of 600 words, at 20 texts a second 0.6 % of a CPU (benchmarks/monitor.py), and needs no
library that an engine's environment lacks.
"""

import itertools
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from scripts.common.errors import InputError
from scripts.common.logging import get_logger
from scripts.generate import ledger
from scripts.generate.measures import MEASURES, WATCHED, measure, openings
from scripts.generate.texts import Seen, look_at

WINDOW = 200
EXAMPLES = 3

log = get_logger(__name__)


class Monitor:
    """An observer of a job.

    Args:
        templates: prompt id → template.
        rules: measure (of `WATCHED`) → its limit.
        window: texts of a template that are looked at together.
    """

    def __init__(
        self, templates: Mapping[str, str], rules: Mapping[str, float] | None = None, window: int = WINDOW
    ) -> None:
        self._rules = dict(rules or {})
        if unknown := sorted(set(self._rules) - set(WATCHED)):
            raise InputError(
                f"generate.stop_rules: {', '.join(unknown)} cannot be watched; the measures are {', '.join(WATCHED)}"
            )
        self._templates = templates
        self._window = window
        self._seen: dict[str, deque[Seen]] = {}
        self._texts: Counter[str] = Counter()
        self._found: dict[str, dict[str, Any]] = {}

    def remember(self, tables: Iterable[pa.Table], recipe_id: str) -> None:
        """Fills the windows with texts that a ledger holds, if there are rules to hold them against.

        Raises:
            InputError: they are over the limit of a rule already.
        """
        if not self._rules:
            return
        for table in tables:
            for row in self._latest(table, recipe_id):
                self._look(self._templates[row["prompt_id"]], row)
        for template in sorted(self._seen):
            if len(self._seen[template]) == self._window:
                self._evaluate(template)

    def _latest(self, table: pa.Table, recipe_id: str) -> Iterator[dict[str, Any]]:
        """The last texts of each template in a ledger's table, no more than a window holds."""
        usable = pc.is_in(table["finish_reason"], pa.array(ledger.USABLE))
        table = table.filter(pc.and_(usable, pc.equal(table["recipe"], recipe_id)))
        places: dict[str, deque[int]] = defaultdict(lambda: deque(maxlen=self._window))
        for place, prompt_id in enumerate(table["prompt_id"].to_pylist()):
            if prompt_id in self._templates:
                places[self._templates[prompt_id]].append(place)
        wanted = sorted(itertools.chain.from_iterable(places.values()))
        yield from table.take(pa.array(wanted, pa.int64())).to_pylist()

    def text(self, row: Mapping[str, Any]) -> None:
        """Looks at one more text.

        Raises:
            InputError: a measure is over the limit of its stop rule.
        """
        template = self._templates.get(row["prompt_id"], "unknown template")
        self._look(template, row)
        self._texts[template] += 1
        if self._texts[template] % max(self._window // 2, 1) == 0:
            self._evaluate(template)

    def failure(self, row: Mapping[str, Any]) -> None:
        """A failed attempt has no text to look at."""

    def summary(self) -> dict[str, Any]:
        """What was found when each template was last measured: texts so far, the values, and which of them are bad."""
        return {"window": self._window, "templates": dict(self._found)}

    def _look(self, template: str, row: Mapping[str, Any]) -> None:
        """Takes a text into its template's window; a defect in looking is reported and must not cost the job."""
        try:
            seen = look_at(row)
        except Exception:
            log.exception("prompt %s: its text cannot be measured, please report it", row["prompt_id"])
        else:
            self._seen.setdefault(template, deque(maxlen=self._window)).append(seen)

    def _evaluate(self, template: str) -> None:
        seen = list(self._seen.get(template, ()))
        found = measure(seen, WATCHED)
        bad = [name for name, each in found.items() if each["mark"] == "bad"]
        before = self._found.get(template, {"bad": []})["bad"]
        if bad != before:
            told = ", ".join(f"{MEASURES[name].title.lower()} {found[name]['value']:.0%}" for name in bad)
            log.warning("%s, its last %d texts: %s", template, len(seen), told or "nothing bad any more")
        values = {name: each["value"] for name, each in found.items()}
        self._found[template] = {"texts": self._texts[template], "measures": values, "bad": bad}
        if len(seen) == self._window:
            for name, limit in self._rules.items():
                if values[name] > limit:
                    raise InputError(self._told(template, name, values[name], limit, seen))

    def _told(self, template: str, name: str, value: float, limit: float, seen: list[Seen]) -> str:
        """Why the job ends."""
        heads = "; ".join(f"“{' '.join(text.head.split())[:100]} …”" for text in seen[-EXAMPLES:])
        opening, number = openings(seen)[0]
        repeated = f"The most frequent opening is “{opening}” ({number} texts). " if number > 1 else ""
        return (
            f"template {template}: {name} is {value:.3g} over its last {len(seen)} texts, and generate.stop_rules "
            f"ends the job over {limit:g} ({MEASURES[name].definition}). The last texts begin: {heads} "
            f"{repeated}Finished texts are in the ledger and stay. To go on, "
            f"mend the template (its prompts and texts will be new), or raise or remove "
            f"generate.stop_rules.{name}, and run again: the texts that are missing are generated"
        )
