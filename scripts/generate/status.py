"""Progress of a generation job, as plain lines that read well in a log file: how far, how fast, how long still."""

import datetime
import time
from collections.abc import Mapping
from typing import Any

from scripts.common.logging import get_logger

INTERVAL = 30.0
SHOWN_FAILURES = 20

log = get_logger(__name__)


class Status:
    """Counts texts and tokens of a job that it observes and writes a line at most every 30 seconds.

    Args:
        name: of the job.
        total: texts there will be.
        done: texts there were before this job.
    """

    def __init__(self, name: str, total: int, done: int) -> None:
        self._name = name
        self._total = total
        self._before = done
        self._texts = self._tokens = self._failures = 0
        self._start = self._last = time.monotonic()

    def text(self, row: Mapping[str, Any]) -> None:
        """One more text."""
        self._texts += 1
        self._tokens += row["text_token_length"]
        self._tick()

    def failure(self, row: Mapping[str, Any]) -> None:
        """One more failed attempt; the first of them are logged one by one."""
        self._failures += 1
        if self._failures <= SHOWN_FAILURES:
            log.warning(
                "%s: prompt %s, attempt %d: %s%s",
                self._name,
                row["prompt_id"],
                row["attempt"],
                row["text"],
                " (later failures are counted only)" if self._failures == SHOWN_FAILURES else "",
            )
        self._tick()

    def report(self) -> None:
        """Writes a line now."""
        seconds = max(time.monotonic() - self._start, 1e-9)
        done = self._before + self._texts
        rate = self._texts / seconds
        left = datetime.timedelta(seconds=round((self._total - done) / rate)) if rate else "unknown time"
        log.info(
            "%s: %d/%d texts (%d %%), %.2f texts/s, %.0f tokens/s, %s left, %d failed attempts",
            self._name,
            done,
            self._total,
            100 * done // max(self._total, 1),
            rate,
            self._tokens / seconds,
            left,
            self._failures,
        )
        self._last = time.monotonic()

    def _tick(self) -> None:
        if time.monotonic() - self._last >= INTERVAL:
            self.report()
