"""What a job costs: a start and an amount of work, from resources/costs.tsv.

Each figure has its interval, its source and its basis: published, measured (by this project, at scales that a small
machine can run) or assumed. `when` names configuration keys and the values for which the figure holds; of several that
fit, the first counts. The units of work are those of `scripts/plan/work.py`.

    seconds of a job = start + units × seconds a unit / (cores or GPUs of the job, if more of them are faster)
"""

import csv
import dataclasses
import fnmatch
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.common.errors import InputError
from scripts.plan.jobs import Job
from scripts.plan.ranges import NOTHING, Range, total
from scripts.plan.work import Work

COSTS = Path("resources/costs.tsv")
BASES = ("published", "measured", "assumed")
WHATS = ("time", "start", "length", "disk", "watts")
SPEED = re.compile(r"(\w+)s/(GPU|core|job)-second")


@dataclasses.dataclass(frozen=True)
class Figure:
    """One row of the table.

    Args:
        rule: a rule's name, or a pattern (report_*).
        what: time (of the work), start (of a job), length (of a text), disk or watts.
        range: value and interval.
        unit: e.g. texts/core-second, seconds/job, bytes/text.
        when: e.g. llm.engine=vllm, several with spaces between; empty: always.
        basis: published, measured or assumed; or `this run` or `pilot`.
        source: where it is from.
    """

    rule: str
    what: str
    range: Range
    unit: str
    when: str
    basis: str
    source: str

    def holds(self, rule: str, what: str, config: Mapping[str, Any]) -> bool:
        """Whether it tells this of the rule."""
        if what != self.what or not fnmatch.fnmatchcase(rule, self.rule):
            return False
        return all(_look_up(config, key) == value for key, value in (word.split("=") for word in self.when.split()))


@dataclasses.dataclass(frozen=True)
class Cost:
    """What one job is expected to take.

    Args:
        seconds: wall time.
        bytes: files that stay.
        units: its work, in the unit of its figure of time; 0 when only its start is known.
        basis: that of the figure of its work, or else of its start.
        source: its source.
    """

    seconds: Range
    bytes: Range
    units: float
    basis: str
    source: str


def _look_up(config: Mapping[str, Any], path: str) -> Any:
    for step in path.split("."):
        config = config[step]
    return config


def read_costs(path: Path = COSTS) -> list[Figure]:
    """The figures of the table, in its order.

    Raises:
        InputError: a row with an unknown word, or an interval that does not hold its value.
    """
    figures = []
    with path.open(encoding="utf-8", newline="") as handle:
        for number, row in enumerate(csv.DictReader(handle, delimiter="\t"), start=2):
            try:
                values = Range(float(row["value"]), float(row["low"]), float(row["high"]))
            except (TypeError, ValueError) as error:
                raise InputError(f"{path} row {number}: value, low and high must be numbers ({error}).") from error
            if not 0 < values.low <= values.value <= values.high:
                raise InputError(
                    f"{path} row {number}: {values.value:g} is not between {values.low:g} and {values.high:g}."
                )
            for column, known in (("basis", BASES), ("what", WHATS)):
                if row[column] not in known:
                    raise InputError(
                        f"{path} row {number}: `{column}` is {row[column]!r}; known are {', '.join(known)}."
                    )
            if row["what"] == "time" and not SPEED.fullmatch(row["unit"]):
                raise InputError(
                    f"{path} row {number}: a time is given in <unit>s/GPU-second, /core-second or /job-second."
                )
            if not row["source"]:
                raise InputError(f"{path} row {number}: a figure needs a source.")
            fields = {key: row[key] for key in ("rule", "what", "unit", "when", "basis", "source")}
            figures.append(Figure(range=values, **fields))
    return figures


def find(figures: Sequence[Figure], rule: str, what: str, config: Mapping[str, Any]) -> Figure | None:
    """The first figure that holds."""
    return next((figure for figure in figures if figure.holds(rule, what, config)), None)


def estimate(job: Job, figures: Sequence[Figure], config: Mapping[str, Any], work: Work) -> Cost:
    """What one job is expected to take."""
    start, time, disk = (find(figures, job.rule, what, config) for what in ("start", "time", "disk"))
    if not job.benchmark:  # a target that only gathers files
        return Cost(NOTHING, NOTHING, 0.0, "none", "")
    parts, units = [start.range] if start else [], 0.0
    if time:
        unit, counted = SPEED.fullmatch(time.unit).groups()
        units = work.units(unit, job.wildcards, job.rule)
        shared = {"GPU": max(1, job.gpus), "core": job.threads, "job": 1}[counted]
        parts.append(work.in_texts(time.range.inverse().times(units / shared), unit, units))
    stays = NOTHING
    if disk:
        unit = disk.unit.removeprefix("bytes/")
        stays = disk.range.times(work.units(unit, job.wildcards, job.rule))
    told = time or start
    return Cost(total(parts), stays, units, told.basis if told else "assumed", told.source if told else "")
