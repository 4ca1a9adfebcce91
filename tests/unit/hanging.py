"""A generation job of ten prompts on an engine that hangs, for tests of how jobs end: `python -m tests.unit.hanging`.

Arguments: folder of the ledger; where it hangs (`step`, `close`; `deep` is a step in code that no signal interrupts);
minutes to stall; seconds to end. It writes its child's process id to standard output once it hangs.
"""

import ctypes
import multiprocessing
import signal
import sys
import threading
from pathlib import Path

from scripts.common.ids import content_id
from scripts.common.logging import run
from scripts.engines import Sampling
from scripts.generate import ledger
from scripts.generate.ending import Drain, Watch
from scripts.generate.job import Job, Limits
from scripts.generate.recipe import Recipe
from tests.unit.echo import Echo

PLAN = Recipe("m", "r", Sampling(0.6, 0.95, 50, 1.2, 100), seed=1)
PROMPTS = {content_id(str(number)): f"prompt {number}" for number in range(10)}


def stubborn() -> None:
    """A child process that does not end when it is asked to."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Event().wait()


class Hanging(Echo):
    """Gives five texts, then hangs; it has a child process, as vLLM does."""

    def __init__(self, where: str) -> None:
        super().__init__(before_step=lambda step: self.hang() if step == 5 and where != "close" else None)
        self.where = where

    def hang(self) -> None:
        child = multiprocessing.Process(target=stubborn)
        child.start()
        print(child.pid, flush=True)
        if self.where == "deep":
            lock = ctypes.create_string_buffer(64)
            for _ in range(2):
                ctypes.CDLL(None).pthread_mutex_lock(lock)
        threading.Event().wait()

    def close(self) -> None:
        super().close()
        if self.where == "close":
            self.hang()


def main(argv: None) -> None:
    folder, where, stall_minutes, to_end = sys.argv[1:]
    drain = Drain()
    before = ledger.finished(Path(folder), PLAN.id)
    job = Job(PROMPTS, before, ledger.Writer(Path(folder), ledger.job_name(), 4), PLAN, "hanging")
    with (
        drain.listening(),
        Watch("the job", drain, float(stall_minutes), float(to_end)) as watch,
        watch.closing(Hanging(where)) as engine,
        watch.working(),
    ):
        job.generate(engine, Limits(2, 4, 3, 1.0), drain, [watch])
    sys.exit(f"error: the job {drain.reason}" if drain.requested() else 0)


if __name__ == "__main__":
    run(main)
