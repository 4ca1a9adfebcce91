"""A figure with its interval, and the little arithmetic that plans need.

Intervals are added end to end: what makes one job of a rule slower than thought makes all of them slower, and so, on
one machine, do other rules. The sum of intervals is then the honest one, and the root of summed squares is not.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

LEAST = 0.1
"""Half the width of any measured interval, at least, as a share: another node, another hour of the day."""

FEW = 0.5
"""… and of one from fewer than three jobs."""


class Range(NamedTuple):
    """A value with the lowest and the highest to be expected."""

    value: float
    low: float
    high: float

    def times(self, factor: float) -> "Range":
        """The range in another unit."""
        return Range(*(number * factor for number in self))

    def by(self, other: "Range") -> "Range":
        """The product of two ranges."""
        return Range(*(one * two for one, two in zip(self, other, strict=True)))

    def inverse(self) -> "Range":
        """Seconds a text from texts a second; the ends change places."""
        return Range(1 / self.value, 1 / self.high, 1 / self.low)


NOTHING = Range(0.0, 0.0, 0.0)


def total(ranges: Iterable[Range]) -> Range:
    """The sum, end to end."""
    return Range(*(sum(ends) for ends in zip(NOTHING, *ranges, strict=True)))


def measured(value: float, sample: Sequence[float]) -> Range:
    """The value with the interval that the spread of a sample gives it: two standard errors of its mean.

    >>> measured(2.0, [1.9, 2.0, 2.1, 2.0])
    Range(value=2.0, low=1.8, high=2.2)
    """
    mean = sum(sample) / len(sample)
    share = FEW
    if len(sample) >= 3 and mean:
        deviation = math.sqrt(sum((number - mean) ** 2 for number in sample) / (len(sample) - 1))
        share = max(LEAST, 2 * deviation / mean / math.sqrt(len(sample)))
    return Range(value, value * max(0.0, 1 - share), value * (1 + share))
