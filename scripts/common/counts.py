"""Counts that reconcile: at every step, rows in = rows out + rows rejected by named reason."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from scripts.common.files import read_json, write_json


@dataclasses.dataclass(frozen=True)
class Counts:
    """What one job of one step did with its rows.

    Args:
        step: the rule's name.
        rows_in: rows read.
        rows_out: rows passed on.
        rejected: reason → rows kept aside.
        source: the source, or "" for a step over all of them.
        part: the part's number as in its file name, or "".
        added: rows that one input row gave beyond itself (a book becomes many units, a seed many prompts).
    """

    step: str
    rows_in: int
    rows_out: int
    rejected: Mapping[str, int] = dataclasses.field(default_factory=dict)
    source: str = ""
    part: str = ""
    added: int = 0

    def __post_init__(self) -> None:
        rejected = sum(self.rejected.values())
        if self.rows_in + self.added != self.rows_out + rejected:
            raise ValueError(
                f"{self.step} {self.source} {self.part}: the counts do not add up. "
                f"{self.rows_in} rows in + {self.added} added ≠ {self.rows_out} rows out + {rejected} rejected "
                f"({dict(self.rejected)}). Rows were lost or doubled: a defect of the program, please report it."
            )

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Reads a count file and checks it again."""
        return cls(**read_json(path))

    def write(self, path: str | Path) -> None:
        """Writes the counts as JSON."""
        write_json(path, dataclasses.asdict(self) | {"rejected": dict(sorted(self.rejected.items()))})


def total(counts: Iterable[Counts], step: str) -> Counts:
    """The sum over parts and sources."""
    rows_in = rows_out = added = 0
    rejected: Counter[str] = Counter()
    for item in counts:
        rows_in += item.rows_in
        rows_out += item.rows_out
        added += item.added
        rejected.update(item.rejected)
    return Counts(step, rows_in, rows_out, dict(rejected), added=added)
