"""Runs at the start of every program of the chaos tests (this folder is on its PYTHONPATH) and does as told.

CHAOS_SIGNAL=KILL:17:/folder  sends the process this signal just before its 17th change in this folder (file opened for
                              writing, fsync, rename, removal, mkdir); CHAOS_LOG gets a line for each.
CHAOS_CLOCK=7                 the wall clock jumps back and forth by up to 60 years with every look, by this seed; the
                              modification times of files that are opened in CHAOS_FOLDER jump as well.
"""

import os
import signal
import sys
from pathlib import Path


def _path(argument: object) -> str:
    """The path of an audit event; a file descriptor has none."""
    return os.fsdecode(argument) if isinstance(argument, str | bytes | os.PathLike) else ""


def _signal_at(order: str) -> None:
    name, number, folder = order.split(":", 2)
    left = [int(number)]
    prefix = folder.rstrip("/") + "/"

    def count(event: str, arguments: tuple) -> None:
        if event not in ("open", "os.rename", "os.remove", "os.mkdir", "os.truncate", "os.link", "os.fsync"):
            return
        path = _path(arguments[0])
        reads = event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if reads or not f"{path}/".startswith(prefix):
            return
        left[0] -= 1
        log = os.environ.get("CHAOS_LOG")
        if log:
            line = f"{os.getpid()} {event} {Path(path).name}{' <-' if not left[0] else ''}\n"
            descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(descriptor, line.encode())
            os.close(descriptor)
        if left[0] == 0:
            os.kill(os.getpid(), getattr(signal, f"SIG{name}"))

    sys.addaudithook(count)
    sync = os.fsync

    def fsync(file: int) -> None:
        descriptor = file if isinstance(file, int) else file.fileno()
        sys.audit("os.fsync", str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        sync(file)

    os.fsync = fsync


def _jump(seed: str) -> None:
    import random
    import time

    jumps = random.Random(seed)
    real, real_ns = time.time, time.time_ns
    years = 365 * 24 * 3600
    time.time = lambda: real() + jumps.uniform(-50, 60) * years
    time.time_ns = lambda: real_ns() + int(jumps.uniform(-50, 60) * years) * 10**9
    folder = os.environ["CHAOS_FOLDER"].rstrip("/") + "/"

    def touch(event: str, arguments: tuple) -> None:
        path = _path(arguments[0]) if event == "open" else ""
        if path.startswith(folder) and Path(path).exists():
            stamp = jumps.uniform(0, 4 * 10**9)
            os.utime(path, (stamp, stamp))

    sys.addaudithook(touch)


if "CHAOS_SIGNAL" in os.environ:
    _signal_at(os.environ["CHAOS_SIGNAL"])
if "CHAOS_CLOCK" in os.environ:
    _jump(os.environ["CHAOS_CLOCK"])
