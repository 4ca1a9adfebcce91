"""What a check found, and how checks are run: all at the same time, none longer than its time."""

import dataclasses
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

OK, WARNING, FAILS = "ok", "warning", "fails"


@dataclasses.dataclass(frozen=True)
class Finding:
    """One line of the result.

    Args:
        check: what was looked at.
        level: ok, warning (it may go wrong, or could not be checked) or fails (it would go wrong).
        found: what was found.
        advice: what to do; empty where nothing is.
    """

    check: str
    level: str
    found: str
    advice: str = ""


def ok(check: str, found: str) -> Finding:
    """All is well."""
    return Finding(check, OK, found)


def warning(check: str, found: str, advice: str = "") -> Finding:
    """It may go wrong, or could not be checked."""
    return Finding(check, WARNING, found, advice)


def fails(check: str, found: str, advice: str) -> Finding:
    """It would go wrong."""
    return Finding(check, FAILS, found, advice)


@dataclasses.dataclass(frozen=True)
class Check:
    """A check and the seconds after which it is given up."""

    name: str
    run: Callable[[], Sequence[Finding]]
    seconds: float = 30.0


def run_checks(checks: Sequence[Check]) -> list[Finding]:
    """The findings of all checks, in the order of the checks.

    Each check has a thread of its own that does not keep the program alive: one that hangs in a dead file system, which
    nothing can interrupt, is left behind. A check that breaks says so and hides no other.
    """
    results: list[list[Finding]] = [[] for _ in checks]
    threads = [
        threading.Thread(target=_run, args=(check, result), daemon=True)
        for check, result in zip(checks, results, strict=True)
    ]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    findings = []
    for check, thread, result in zip(checks, threads, results, strict=True):
        thread.join(max(0.0, check.seconds - (time.monotonic() - started)))
        late = warning(check.name, f"could not be checked within {check.seconds:.0f} s", "Look at it by hand")
        findings += [late] if thread.is_alive() else result
    return findings


def _run(check: Check, result: list[Finding]) -> None:
    try:
        result.extend(check.run())
    except Exception as error:
        problem = f"could not be checked ({type(error).__name__}: {error})"
        result.append(warning(check.name, problem, "Look at it by hand"))


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a command printed; `code` is None when it was not there or gave no answer in time."""

    code: int | None
    out: str
    error: str

    @property
    def good(self) -> bool:
        """Whether the command did what it was asked."""
        return self.code == 0

    @property
    def problem(self) -> str:
        """Its last words, on one line."""
        lines = [line.strip() for line in f"{self.error}\n{self.out}".splitlines() if line.strip()]
        return "; ".join(lines[-2:]) or f"it ended with {self.code}"


def call(command: Sequence[str], seconds: float = 10.0, **options) -> Answer:
    """Runs a command of the system; never raises because of what the command does."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False, **options)
    except FileNotFoundError:
        return Answer(None, "", f"there is no command {command[0]} here")
    except OSError as error:
        return Answer(None, "", f"{command[0]} cannot be run: {error}")
    except subprocess.TimeoutExpired:
        return Answer(None, "", f"{command[0]} gave no answer within {seconds:.0f} s")
    return Answer(done.returncode, done.stdout, done.stderr)


def nearest_folder(path: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    path = path.absolute()
    return next(place for place in (path, *path.parents) if place.is_dir())
