"""Runs a launcher of many processes (torchrun, srun), keeps what it says, and ends it with everything below it."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from scripts.common.errors import InputError
from scripts.common.logging import get_logger
from scripts.engines.orphans import Family

TICK = 1.0
GRACE = 40.0
"""Seconds between SIGTERM and SIGKILL; torchrun itself gives its workers 30."""

log = get_logger("train_model")


def run_logged(
    command: Sequence[str], environment: Mapping[str, str], path: Path, ends: Callable[[], bool] = lambda: False
) -> bool:
    """Runs a command, sends its output to our log and appends it to a file.

    Args:
        command: and its arguments.
        environment: of the command.
        path: file of the output.
        ends: is asked every second, in a thread, whether the command has to end.

    Returns:
        Whether it ran to its end; False: it was ended.

    Raises:
        InputError: the command failed.
    """
    log.info("running %s", " ".join(command))
    over, ended = threading.Event(), threading.Event()
    family = Family(os.getpid())

    def watch() -> None:
        while not over.wait(TICK):
            family.look()
            if ends():
                ended.set()
                end(process, family)
                return

    with path.open("a", encoding="utf-8") as kept:
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        watching = threading.Thread(target=watch, daemon=True)
        watching.start()
        for line in process.stdout:
            kept.write(line)
            sys.stderr.write(line)
    code = process.wait()
    over.set()
    watching.join()
    if code and not ended.is_set():
        raise InputError(f"nanotron ended with status {code}; its output is in {path}. Mend the cause and run again.")
    return not ended.is_set()


def end(process: subprocess.Popen, family: Family) -> None:
    """Ends a launcher with SIGTERM, which it passes on to what it started, and after a while all that is left.

    Args:
        process: the launcher.
        family: this process's descendants, as far as they were seen.
    """
    process.terminate()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        log.warning("it does not end by itself: killed")
    family.look()
    family.signal(signal.SIGKILL)
