"""Published figures (resources/claims.tsv) and how ours compare with them.

Sources that contradict each other stand in the table one by one, and each is compared: none is picked in silence.
"""

import csv
import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scripts.common.errors import InputError

CHECKS = ("exact", "band", "informational")
FULL_SCALE = "full"
BOUNDS = "<>≤≥"
"""Signs that may stand before a published number."""


@dataclasses.dataclass(frozen=True)
class Claim:
    """One published figure; the columns are told in workflow/schemas/claims.schema.yaml."""

    id: str
    stage: str
    what: str
    published: str
    unit: str
    check: str
    low: str
    high: str
    scale: str
    source: str
    ours: str
    note: str

    def judge(self, ours: Any, scale: str) -> str:
        """What the comparison gives.

        Args:
            ours: our figure; None where the run has none.
            scale: the scale of the run.

        Returns:
            equal, within (the band), differs, informational, scale (not comparable at this scale) or absent.
        """
        if ours is None:
            return "absent"
        if self.check == "informational":
            return "informational"
        if self.scale == FULL_SCALE != scale:
            return "scale"
        if self.check == "band":
            return "within" if float(self.low) <= float(ours) <= float(self.high) else "differs"
        return "equal" if same(self.published, ours) else "differs"


class Claims:
    """All claims in the order of the table."""

    def __init__(self, claims: Iterable[Claim]) -> None:
        self.claims = list(claims)

    @classmethod
    def read(cls, path: Path) -> "Claims":
        """Reads the table.

        Raises:
            InputError: a row lacks a column, has a check that is not known, or a band without numbers.
        """
        with path.open(encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))
        claims = []
        for number, row in enumerate(rows, 2):
            try:
                claim = Claim(**row)
                if claim.check == "band":
                    float(claim.low), float(claim.high)
            except (TypeError, ValueError) as error:
                raise InputError(f"{path}, row {number}: {error}. See workflow/schemas/claims.schema.yaml.") from error
            if claim.check not in CHECKS:
                raise InputError(
                    f"{path}, row {number}: unknown check {claim.check!r}: use one of {', '.join(CHECKS)}."
                )
            claims.append(claim)
        return cls(claims)

    def of(self, path: str) -> list[Claim]:
        """The claims about one of our figures."""
        return [claim for claim in self.claims if path and claim.ours == path]

    def value(self, path: str) -> float | None:
        """The first published number for one of our figures."""
        return next((float(claim.published) for claim in self.of(path) if is_number(claim.published)), None)

    def text(self, path: str) -> str:
        """All published values for one of our figures, e.g. "107, 110 or 130"; empty without any."""
        values = list(dict.fromkeys(show(claim.published, claim.unit, brief=True) for claim in self.of(path)))
        return " or ".join([", ".join(values[:-1]), values[-1]]) if len(values) > 1 else "".join(values)


def compare(claims: Claims, numbers: Mapping[str, Any], scale: str) -> dict[str, list[dict[str, Any]]]:
    """Stage → its claims with our figure and the verdict; what depends on the clock is left to the timing page."""
    stages: dict[str, list[dict[str, Any]]] = {}
    for claim in claims.claims:
        if claim.ours.startswith("timing."):
            continue
        ours = look_up(numbers, claim.ours)
        verdict = claim.judge(ours, scale)
        row = {
            "claim": claim,
            "published": show(claim.published, claim.unit),
            "ours": show(ours, claim.unit, brief=True),
            "verdict": verdict,
            "band": f"{show(claim.low, claim.unit, True)} to {show(claim.high, claim.unit, True)}",
        }
        stages.setdefault(claim.stage, []).append(row)
    return stages


def look_up(numbers: Mapping[str, Any], path: str) -> Any:
    """The figure at a dotted path, None where there is none.

    >>> look_up({"topics": {"clusters": 12}}, "topics.clusters")
    12
    """
    value: Any = numbers
    for step in path.split(".") if path else [""]:
        if not isinstance(value, Mapping) or step not in value:
            return None
        value = value[step]
    return value


def same(published: str, ours: Any) -> bool:
    """Whether our value equals a published one; numbers as numbers, a list of one text as the text."""
    if isinstance(ours, bool):
        return published == str(ours).lower()
    if isinstance(ours, list):
        return published == " ".join(map(str, ours))
    if is_number(published) and is_number(ours):
        return math.isclose(float(published), float(ours), rel_tol=1e-9)
    return published == str(ours)


def is_number(value: Any) -> bool:
    """Whether a value, or a text, is a plain number."""
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def show(value: Any, unit: str, brief: bool = False) -> str:
    r"""A figure for people; `brief` leaves words of the unit away.

    >>> show("31060000", "texts"), show(0.5, "share"), show(None, ""), show("145", "clusters", brief=True)
    ('31.06\xa0M texts', '50\xa0%', '–', '145')
    >>> show(">10000", "hours"), show("<1", "%")
    ('>\xa010,000 hours', '<\xa01\xa0%')
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return " ".join(map(str, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{key.replace('_', ' ')} {json.dumps(item)}" for key, item in value.items())
    if isinstance(value, str) and value[:1] in BOUNDS and is_number(value[1:]):
        return f"{value[0]}\xa0{show(value[1:], unit, brief)}"
    if not is_number(value):
        return f"{value}\xa0%" if unit == "%" else value
    number = float(value)
    if unit in ("share", "%"):
        return f"{100 * number if unit == 'share' else number:.4g}\xa0%"
    return f"{compact(number)}{' ' + unit if unit and not brief else ''}"


def compact(number: float) -> str:
    r"""A number as people write it: 0.6, 1,310,720, 31.06 M, 25 B.

    >>> compact(0.6), compact(1310720), compact(31.06e6), compact(183.5e9), compact(0.00003)
    ('0.6', '1,310,720', '31.06\xa0M', '183.5\xa0B', '3e-05')
    """
    for limit, unit in ((1e9, "B"), (1e6, "M")):
        scaled = number / limit
        if abs(scaled) >= 1 and math.isclose(scaled, float(f"{scaled:.4g}"), rel_tol=1e-12):
            return f"{scaled:.4g}\xa0{unit}"
    return f"{number:,.0f}" if number == round(number) else f"{number:.4g}"
