"""Ends the processes that a program leaves behind when it is killed: an engine's workers, which would keep the GPU.

`watch()` starts this file as a program of its own. Once a second, and when `look()` asks for it, it notes which
processes descend from its parent, their children included. When the parent is gone without having called `close()`,
whatever was noted gets SIGTERM, and SIGKILL after a grace period. Processes are told apart by id and start time, as
/proc/<pid>/stat has them (Linux), so a number that is used again is not mistaken. The program ignores the signals by
which a scheduler ends a job, since it is needed just then.
"""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

GRACE = 10.0
TICK = 1.0
LOOK, CLOSED = b"L", b"C"


def watch(grace: float = GRACE) -> "Watcher":
    """Starts to watch over this process; what it has started before is left alone."""
    command = [sys.executable, "-I", __file__, str(os.getpid()), str(grace)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    watcher = Watcher(process)
    watcher.look()
    return watcher


class Watcher:
    """The watching process, seen from the watched one."""

    def __init__(self, process: subprocess.Popen) -> None:
        self._process = process

    def look(self) -> None:
        """Has the processes of this moment noted, and returns when they are."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(LOOK)
        self._process.stdin.flush()
        self._process.stdout.read(1)

    def close(self) -> None:
        """Ends the watch and no process."""
        self._process.communicate(CLOSED)


def stat(pid: int) -> tuple[int, str, str] | None:
    """Parent, state and start time of a process; None if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return int(fields[1]), fields[0], fields[19]


def processes() -> set[int]:
    """Ids of all processes."""
    return {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()}


class Family:
    """The processes that descend from one, as far as they were seen while their parents lived."""

    def __init__(self, parent: int) -> None:
        self._parent = parent
        self._seen = processes()
        self._members: dict[int, str] = {}

    def look(self) -> None:
        """Notes new descendants."""
        now = processes()
        new = {pid: found for pid in sorted(now - self._seen) if (found := stat(pid)) is not None}
        self._seen = now
        before = -1
        while before != len(self._members):
            before = len(self._members)
            for pid, (parent, _, start) in new.items():
                if parent == self._parent or parent in self._members:
                    self._members[pid] = start

    def alive(self) -> list[int]:
        """Members that still run."""
        found = {pid: stat(pid) for pid in self._members}
        return [
            pid
            for pid, process in found.items()
            if process is not None and process[1] not in "ZX" and process[2] == self._members[pid]
        ]

    def signal(self, number: int) -> None:
        """Sends a signal to the members that still run."""
        for pid in self.alive():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue


def main(parent: int, grace: float) -> None:
    """Watches over a parent process until it says that all is well, or is gone."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    family = Family(parent)
    while os.getppid() == parent:
        spoken = bool(select.select([0], [], [], TICK)[0])
        word = os.read(0, 1) if spoken else b""
        if word == CLOSED:
            return
        family.look()
        if word == LOOK:
            os.write(1, word)
        elif spoken:
            break  # the parent has left, or closes its end to have the rest ended
    family.signal(signal.SIGTERM)
    end = time.monotonic() + grace
    while family.alive() and time.monotonic() < end:
        time.sleep(0.1)
        family.look()
    family.signal(signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
