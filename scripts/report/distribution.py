"""Exact distributions of whole numbers with flat memory: how often each value occurred."""

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclasses.dataclass
class Distribution:
    """How often each whole number occurred; quantiles are exact.

    >>> import pyarrow as pa
    >>> lengths = Distribution()
    >>> lengths.add(pa.array([10, 20, 30, 40]))
    >>> lengths.total, lengths.mean, lengths.quantile(0.5), lengths.sum
    (4, 25.0, 20, 100)
    """

    counts: "np.ndarray | None" = None

    def add(self, values: "pa.Array") -> None:
        """Adds non-negative whole numbers; nulls are left out."""
        import numpy as np

        self.merge(Distribution(np.bincount(values.drop_null().to_numpy(zero_copy_only=False))))

    def merge(self, other: "Distribution") -> None:
        """Adds the numbers of another distribution."""
        import numpy as np

        both = [each.counts for each in (self, other) if each.counts is not None]
        self.counts = np.zeros(max(map(len, both), default=0), dtype=np.int64)
        for counts in both:
            self.counts[: len(counts)] += counts

    @property
    def total(self) -> int:
        """How many numbers."""
        return 0 if self.counts is None else int(self.counts.sum())

    @property
    def sum(self) -> int:
        """Their sum."""
        return 0 if self.counts is None else sum(value * int(n) for value, n in enumerate(self.counts))

    @property
    def mean(self) -> float | None:
        """Their mean; None of nothing."""
        return self.sum / self.total if self.total else None

    def quantile(self, q: float) -> int | None:
        """The smallest number with at least the share `q` at or below it; None of nothing."""
        import numpy as np

        if not self.total:
            return None
        return int(np.searchsorted(np.cumsum(self.counts), q * self.total))

    def summary(self) -> dict[str, float | None]:
        """Mean, fifth, 50th, 95th and 99th percentile."""
        return {"mean": self.mean} | {f"p{q}": self.quantile(q / 100) for q in (5, 50, 95, 99)}
