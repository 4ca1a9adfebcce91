"""Progress of a generation job: plain lines in its log, and a status file of its own beside its segments.

The status file, `<ledger>/<job>.status.json`, is what `progress` knows about a job besides its rows: where it runs, on
what it works, how fast. It is replaced whole every 15 seconds by a thread of its own, so that no slow disk holds the
generation up and no silent engine makes a job look dead. All durations are of the monotonic clock; only `started` and
`updated` are times of the node's clock. A status that cannot be written is reported once and never ends a job.
"""

import datetime
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from scripts.common.files import write_json
from scripts.common.logging import get_logger

INTERVAL = 30.0
SHOWN_FAILURES = 20
BEAT = 15.0
RECENT = 300.0
SAMPLES = 128
SUFFIX = ".status.json"
PREVIEW_SLICE = "preview"
"""In place of a slice's number: a job that takes its prompts from all slices of its part."""

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
        self._texts = self._tokens = self._failures = self._refused = 0
        self._start = self._last = self._last_answer = time.monotonic()

    def text(self, row: Mapping[str, Any]) -> None:
        """One more text."""
        self._texts += 1
        self._tokens += row["text_token_length"]
        self._tick()

    def failure(self, row: Mapping[str, Any]) -> None:
        """One more failed attempt; the first of them are logged one by one."""
        self._failures += 1
        self._refused += row["finish_reason"] == "refused"
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

    def counts(self) -> dict[str, Any]:
        """What there is: texts of the slice, and what this job did in how many seconds."""
        now = time.monotonic()
        return {
            "total": self._total,
            "done": self._before + self._texts,
            "texts": self._texts,
            "tokens": self._tokens,
            "failed_attempts": self._failures,
            "refused": self._refused,
            "seconds": round(now - self._start, 3),
            "seconds_without_answer": round(now - self._last_answer, 3),
        }

    def _tick(self) -> None:
        self._last_answer = time.monotonic()
        if self._last_answer - self._last >= INTERVAL:
            self.report()


class StatusFile:
    """Keeps the status file of a job while the `with` block runs; at its end the file says how the job ended.

    The states are running, finished, ended (by a signal) and failed. `history` holds the job's course as rows of
    seconds, texts, tokens and failed attempts: at most 128, for when it is full every second one is dropped.

    Args:
        path: the file.
        status: counts the job.
        facts: what else it says, plain values: source, part, slice, recipe and so on. No endpoint and no key.
        ended: whether the job has been told to end.
        in_flight: requests in the engine.
        texts: what there is to say of the texts (`Monitor.summary`).
    """

    def __init__(
        self,
        path: Path,
        status: Status,
        facts: Mapping[str, Any],
        ended: Callable[[], bool],
        in_flight: Callable[[], int],
        texts: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self._path, self._status, self._ended, self._in_flight = path, status, ended, in_flight
        self._texts = texts
        self._facts = dict(facts) | {
            "job": path.name.removesuffix(SUFFIX),
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "slurm_job_id": os.environ.get("SLURM_JOB_ID", ""),
            "started": _wall_time(),
        }
        self._recent: deque[tuple[float, int, int]] = deque([(0.0, 0, 0)])
        self._history: list[tuple[float, int, int, int]] = []
        self._spacing = BEAT
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="status", daemon=True)
        self._can_write = True

    def __enter__(self) -> "StatusFile":
        self.write("running")
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.write("failed" if kind else "ended" if self._ended() else "finished")

    def write(self, state: str) -> None:
        """Replaces the file."""
        counts = self._status.counts()
        self._sample(counts, last=state != "running")
        earlier = self._recent[0]
        recent = (counts["seconds"] - earlier[0], counts["texts"] - earlier[1], counts["tokens"] - earlier[2])
        shown = {
            "state": state,
            "updated": _wall_time(),
            "in_flight": self._in_flight() if state == "running" else 0,
            "recent": dict(zip(("seconds", "texts", "tokens"), recent, strict=True)),
            "history": self._history,
            "looks": self._texts(),
        }
        try:
            write_json(self._path, self._facts | counts | shown)
        except OSError as error:
            if self._can_write:
                log.warning("the status file cannot be written, the job goes on without (%s)", error)
            self._can_write = False

    def _beat(self) -> None:
        while not self._stop.wait(BEAT):
            self.write("running")

    def _sample(self, counts: Mapping[str, Any], last: bool) -> None:
        seconds, texts, tokens = counts["seconds"], counts["texts"], counts["tokens"]
        self._recent.append((seconds, texts, tokens))
        while len(self._recent) > 2 and seconds - self._recent[1][0] >= RECENT:
            self._recent.popleft()
        if last or not self._history or seconds - self._history[-1][0] >= self._spacing:
            self._history.append((seconds, texts, tokens, counts["failed_attempts"]))
        if len(self._history) > SAMPLES:
            self._history = self._history[::2]
            self._spacing *= 2


def _wall_time() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
