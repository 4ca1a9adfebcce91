"""How a job ends before its work is done: it is told to by a signal, or its engine hangs.

The first SIGTERM or SIGINT asks the job to end (while the engine is still loading it ends at once). A signal after a
SIGINT has its usual effect: a person insists. SIGTERM may come twice by itself, from Slurm and through srun. The same
is asked when no answer came for `stall_minutes`. A job that does not follow within 20 seconds, since its engine never
returns, is ended from a thread, with its child processes: Slurm kills 30 seconds after SIGTERM unless the site sets
another KillWait (slurm.conf). What was finished is in the ledger in any case. Shortly before Slurm's time limit a job
is asked to end as well (scripts/common/limit.py).

A thread counts the time, second by second: a jump of the clock, or a job that a scheduler had suspended, is no stall.
"""

import contextlib
import faulthandler
import multiprocessing
import os
import select
import signal
import sys
import threading
import weakref
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from scripts.common.limit import TimeLimit
from scripts.engines import Engine

TICK = 1.0
TO_END = 20
TO_CLOSE = 120
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Drain:
    """Whether a job has to end, and why; notes SIGTERM and SIGINT; after a SIGINT both have their usual effect."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self.reason = ""
        self.ends_at_once = False
        self._usual: dict[int, Any] = {}
        self._heard, self._wakeup = os.pipe()
        for end in (self._heard, self._wakeup):
            os.set_blocking(end, False)
            # not at the program's exit, where the watching thread may still listen
            weakref.finalize(self, os.close, end).atexit = False

    def request(self, reason: str) -> None:
        """Asks the job to end; the first reason stands."""
        self.reason = self.reason or reason

    def requested(self) -> bool:
        """Whether the job has been told to end."""
        return bool(self.reason)

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Replaces the handlers of both signals for the time of a block."""
        self._usual = {number: signal.getsignal(number) for number in SIGNALS}
        before = signal.set_wakeup_fd(self._wakeup, warn_on_full_buffer=False)
        _listening.append(self)
        for number in SIGNALS:
            signal.signal(number, self._note)
        try:
            yield
        finally:
            self.restore()
            signal.set_wakeup_fd(before)
            _listening.remove(self)

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """In this block, where there is nothing to finish, a signal ends the program with SystemExit.

        `ends_at_once` stays true when the block is left by that, or by an engine that cannot start.
        """
        self.ends_at_once = True
        self._leave()
        yield
        self.ends_at_once = False

    def wait(self, seconds: float) -> bool:
        """Waits for a signal in a thread, which hears it even while the main thread is stuck; False: there was none."""
        if not select.select([self._heard], [], [], seconds)[0]:
            return False
        for number in set(os.read(self._heard, 512)) & set(SIGNALS):
            self._remember(number)
        return True

    def _note(self, number: int, _: Any) -> None:
        self._remember(number)
        if number == signal.SIGINT:
            self.restore()
        self._leave()

    def _remember(self, number: int) -> None:
        self.signal = self.signal or signal.Signals(number)
        self.request(f"was ended by {self.signal.name}")

    def _leave(self) -> None:
        if self.ends_at_once and self.requested():
            sys.exit(f"error: the job {self.reason} before its engine was ready; nothing was generated")

    def restore(self) -> None:
        """Gives both signals their usual effect again."""
        for number, handler in self._usual.items():
            signal.signal(number, handler)


_listening: list[Drain] = []


def _forget_in_child() -> None:
    """A forked process (an engine's worker) has its own way to end, and must not tell its signals to its parent."""
    for drain in _listening:
        signal.set_wakeup_fd(-1)
        drain.restore()
    _listening.clear()


os.register_at_fork(after_in_child=_forget_in_child)


class Watch:
    """Ends a job whose engine hangs; an observer of the job, since every answer shows that the engine is alive.

    Args:
        name: of the job.
        drain: asked to end the job; what it was asked by others is enforced as well.
        stall_minutes: longest time without an answer; 0: any.
        to_end: seconds that the job has to end once it is asked to.
        limit: of the job's time.
    """

    def __init__(
        self, name: str, drain: Drain, stall_minutes: float, to_end: float = TO_END, limit: TimeLimit | None = None
    ) -> None:
        self._name = name
        self._time_limit = limit
        self._drain = drain
        self._stall_minutes = stall_minutes
        self._to_end = to_end
        self._ticks = 0
        self._working = False
        self._limit: float | None = None
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops watching, unless the program is to end: then it has to, whatever an engine's processes still do."""
        if not self._drain.requested():
            self._left.set()

    def text(self, row: Mapping[str, Any]) -> None:
        """An answer."""
        self._ticks = 0

    def failure(self, row: Mapping[str, Any]) -> None:
        """An answer, too."""
        self._ticks = 0

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """The block in which answers are expected."""
        self._ticks, self._working = 0, True
        try:
            yield
        finally:
            self._working = False

    @contextlib.contextmanager
    def closing(self, engine: Engine) -> Iterator[Engine]:
        """Closes an engine after the block, and ends the process if that takes more than two minutes."""
        try:
            yield engine
        finally:
            if self._limit is None:
                self._ticks, self._limit = 0, TO_CLOSE
            engine.close()
            if not self._drain.requested():
                self._limit = None

    def _run(self) -> None:
        while not self._left.is_set():
            silent = not self._drain.wait(TICK)
            self._ticks += silent  # not in one statement, which would read the number first and so undo an answer
            self._look()

    def _look(self) -> None:
        stalled = self._working and 0 < self._stall_minutes * 60 / TICK < self._ticks
        if stalled and not self._drain.requested():
            minutes = f"{self._stall_minutes:g} minutes (generate.stall_minutes)"
            self._drain.request(f"was ended because no answer came for {minutes}")
        if self._time_limit is not None and self._time_limit.near() and not self._drain.requested():
            self._drain.request("has come near its time limit")
        if self._drain.requested() and self._limit != self._to_end:
            self._ticks, self._limit = 0, self._to_end
            if not self._drain.ends_at_once:  # else it has its last words already
                self._say(
                    f"{self._drain.reason}: it has {self._to_end:g} seconds to end; finished texts stay in the ledger"
                )
        if self._limit is not None and self._ticks > self._limit / TICK:
            self._end()

    def _end(self) -> NoReturn:
        """Ends the process without the main thread."""
        self._say(f"{self._drain.reason or 'is done'}, but its engine does not return; this is where it stands:")
        faulthandler.dump_traceback(file=2, all_threads=True)
        self._say("ends now; finished texts are in the ledger, the next run generates the others")
        children = multiprocessing.active_children()
        for child in children:
            child.kill()
        for child in children:
            child.join(timeout=TICK)
        os._exit(1)

    def _say(self, what: str) -> None:
        """Writes past the logging module, whose lock a thread that hangs may hold."""
        os.write(2, f"error: {self._name} {what}\n".encode())
