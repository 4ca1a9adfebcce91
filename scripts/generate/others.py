"""What other jobs finish meanwhile: two may work on the same prompts, when Snakemake was killed and its jobs live on.

Each job begins at a place of its own in the slice (slice.py) and asks now and then what the ledger holds, so that such
jobs share the work: done twice is what finished between two looks and what was in flight. A look reads the keys of the
part's ledger; there are at least 30 seconds between two, and a hundred times as long as the last one took.
"""

import time
from pathlib import Path

from scripts.common.logging import get_logger
from scripts.generate import ledger

SECONDS = 30.0
SHARE = 0.01

log = get_logger(__name__)


class Others:
    """Looks at a ledger for texts of a recipe; `seconds` is the shortest time between two looks."""

    def __init__(self, folder: Path, recipe: str, seconds: float = SECONDS) -> None:
        self._folder = folder
        self._recipe = recipe
        self._seconds = seconds
        self._next = time.monotonic() + seconds

    def __call__(self) -> frozenset[str]:
        """Ids of prompts that have a text; none while it is too early to look again, or the drive stumbles."""
        start = time.monotonic()
        if start < self._next:
            return frozenset()
        try:
            return ledger.finished(self._folder, self._recipe).done
        except OSError as error:
            log.warning("the ledger %s cannot be read at the moment, the job goes on without: %s", self._folder, error)
            return frozenset()
        finally:
            now = time.monotonic()
            self._next = now + max(self._seconds, (now - start) / SHARE)
