"""Runs Python code that a language model wrote, where it can do no harm: bubblewrap, Linux namespaces and limits.

The program sees the interpreter and the system's libraries, read-only, and a small empty /tmp; no network, no home, no
project, no other process, no environment, no terminal. It may start no process: a system call filter refuses that, so
that the limits below, which Linux counts for each process, hold for all of it. Only the standard library is there.

Limits: processor time, wall time (twice that), memory, file size, open files. When bubblewrap, user namespaces or the
filter are missing, nothing is run at all: `Sandbox.start` says why.
"""

import dataclasses
import os
import platform
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from scripts.common.errors import InputError

SECONDS = 5
MEMORY = 512 * 2**20
TEMPORARY = 4 * 2**20
"""Bytes that fit in /tmp."""

RUNNER = """
import resource, sys
seconds, memory = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_NPROC, (64, 64))
code = sys.stdin.buffer.read().decode()
sys.argv[1:] = []
del resource, seconds, memory
exec(compile(code, "<text>", "exec"), {"__name__": "__main__"})
"""
"""First what the sandboxed interpreter runs: it gives up what it may use, then becomes the text's program."""

BEYOND = re.compile(
    r"(?:[\w.]+\.)?(?:ModuleNotFoundError|ImportError|EOFError|FileNotFoundError|BlockingIOError|gaierror|URLError)\b"
    r"|OSError: \[Errno \d+\] (?:Network is unreachable|No space left|File too large|Read-only file system)"
    r"|RuntimeError: can't start new thread"
)
"""Errors that tell of the sandbox and not of the code: other packages, input, files, processes, the network."""

_SYSTEM = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache")
_ARCHITECTURES = {"x86_64": (0xC000003E, 56, (57, 58)), "aarch64": (0xC00000B7, 220, ())}
"""Machine → its number for seccomp, that of clone, those of other calls that make a process."""


@dataclasses.dataclass(frozen=True)
class Result:
    """How a program ended.

    Args:
        ok: it came to its end, or failed by what the sandbox does not offer.
        detail: the last line of its error, also of one that tells what the sandbox does not offer; "" without one.
    """

    ok: bool
    detail: str = ""


class Sandbox:
    """Runs programs one after another; made by `start`. `outcomes` counts how they ended: ended, failed, beyond."""

    def __init__(self, command: list[str], seconds: int = SECONDS, memory: int = MEMORY) -> None:
        self._command, self._seconds, self._memory = command, seconds, memory
        self.outcomes: Counter[str] = Counter()

    @classmethod
    def start(cls, seconds: int = SECONDS, memory: int = MEMORY) -> "Sandbox":
        """A sandbox that was tried once.

        Raises:
            InputError: this machine cannot hold one; the message says what is missing.
        """
        hint = "Code is never run outside the sandbox: install it, or set the config key `clean.run_code` to false."
        bwrap = shutil.which("bwrap")
        if platform.system() != "Linux" or platform.machine() not in _ARCHITECTURES:
            raise InputError(f"running code needs Linux on {' or '.join(_ARCHITECTURES)}. {hint}")
        if not bwrap:
            raise InputError(
                f"running code needs bubblewrap (0.8 or later), and there is no program `bwrap` here. {hint}"
            )
        sandbox = cls([bwrap, *_arguments()], seconds, memory)
        try:
            returncode, errors = sandbox._run("print()")
        except (OSError, subprocess.TimeoutExpired) as error:
            returncode, errors = 1, str(error)
        if returncode:
            raise InputError(f"bubblewrap cannot make a sandbox here ({_last_line(errors)}). {hint}")
        return sandbox

    def run(self, source: str) -> Result:
        """Runs a Python program; one that fails gives the last line of its error."""
        result = self._result(source)
        self.outcomes["failed" if not result.ok else "beyond" if result.detail else "ended"] += 1
        return result

    def _result(self, source: str) -> Result:
        try:
            returncode, errors = self._run(source)
        except subprocess.TimeoutExpired:
            return Result(False, self._too_long())
        if not returncode:
            return Result(True)
        detail = _last_line(errors)
        if returncode in (-9, -24, 137, 152):
            return Result(False, self._too_long())
        if BEYOND.match(detail):
            return Result(True, detail)
        return Result(False, detail or f"ended with exit status {returncode}")

    def _too_long(self) -> str:
        return f"no end after {self._seconds} seconds of processor time or {2 * self._seconds} in all"

    def _run(self, source: str) -> tuple[int, str]:
        runner = ["-I", "-S", "-B", "-c", RUNNER, str(self._seconds), str(self._memory)]
        # Errors go to a file and not to a pipe: the limit on file sizes ends a flood.
        with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as calls:
            calls.write(_filter())
            calls.seek(0)
            process = subprocess.run(
                [self._command[0], "--seccomp", str(calls.fileno()), *self._command[1:], *runner],
                input=source.encode("utf-8", "replace"),
                stdout=subprocess.DEVNULL,
                stderr=errors,
                timeout=2 * self._seconds,
                pass_fds=[calls.fileno()],
                env={},
                cwd="/",
                check=False,
            )
            errors.seek(max(errors.seek(0, os.SEEK_END) - 10_000, 0))
            return process.returncode, errors.read().decode("utf-8", "replace")


def _arguments() -> list[str]:
    """What bubblewrap is told: namespaces, folders, and the interpreter to run."""
    python = Path(os.path.realpath(sys.executable))
    prefix = Path(sys.base_prefix)
    folders = dict.fromkeys([*_SYSTEM, str(prefix / "bin"), str(prefix / "lib"), str(python.parent)])
    for private in (Path.home(), Path.cwd()):
        if seen := next((folder for folder in folders if private.resolve().is_relative_to(folder)), None):
            raise InputError(f"running code would show {private} to it, which lies in {seen}. Use another Python.")
    binds = [word for folder in folders for word in ("--ro-bind-try", folder, folder)]
    namespaces = [f"--unshare-{kind}" for kind in ("user", "ipc", "pid", "net", "uts", "cgroup-try")]
    return [
        *namespaces,
        *("--disable-userns", "--uid", "65534", "--gid", "65534", "--cap-drop", "ALL"),
        *("--die-with-parent", "--new-session", "--clearenv"),
        *binds,
        *("--dev", "/dev", "--remount-ro", "/dev"),
        *("--size", str(TEMPORARY), "--tmpfs", "/tmp", "--chdir", "/tmp", "--remount-ro", "/"),
        *("--", str(python)),
    ]


def _filter() -> bytes:
    """A seccomp filter (BPF) that refuses new processes; threads stay, which clone makes with CLONE_THREAD.

    clone3 hides its flags from filters, hence ENOSYS: the C library then takes clone. Another instruction set than the
    machine's own would have other numbers, so its calls end the process.
    """
    machine, clone, others = _ARCHITECTURES[platform.machine()]
    load, equal, greater, any_bit, give = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, kill, again, unknown = 0x7FFF0000, 0x80000000, 0x00050000 | 11, 0x00050000 | 38
    lines = [
        (load, 0, 0, 4),
        (equal, 1, 0, machine),
        (give, 0, 0, kill),
        (load, 0, 0, 0),
        (greater, 0, 1, 0x40000000),
        (give, 0, 0, kill),
        (equal, 0, 1, 435),
        (give, 0, 0, unknown),
        *(line for number in others for line in ((equal, 0, 1, number), (give, 0, 0, again))),
        (equal, 0, 3, clone),
        (load, 0, 0, 16),
        (any_bit, 1, 0, 0x00010000),
        (give, 0, 0, again),
        (give, 0, 0, allow),
    ]
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def _last_line(text: str) -> str:
    return next((line.strip()[:200] for line in reversed(text.splitlines()) if line.strip()), "")
