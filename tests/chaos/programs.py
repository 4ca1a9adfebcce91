"""A part and the programs that work on it, as processes with the command lines that the rules give them."""

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from scripts.common.counts import Counts
from scripts.common.ids import content_id
from scripts.common.schemas import GENERATIONS, PROMPTS
from scripts.common.tables import read_table, write_table
from scripts.generate import ledger
from tests.chaos.server import DEADLINE, Endpoint

ROOT = Path(__file__).resolve().parents[2]
IN_FLIGHT = 6
ROWS = 5
SAMPLING = [
    *("--temperature", "0.6", "--top-p", "0.95", "--top-k", "50", "--repetition-penalty", "1.2"),
    *("--max-new-tokens", "100", "--seed", "1"),
]
LIMITS = ["--max-attempts", "3", "--max-failure-rate", "0.3"]
NAMES = ["--source", "web", "--part", "000"]
OPTIONS = '{"timeout": 30, "retries": 8, "backoff": 0.001}'


def prompt(number: int) -> str:
    """The text of a prompt."""
    return f"Explain entry {number} to a gardener."


def wait_for(condition: Callable[[], Any], what: str, every: float = 0.001) -> Any:
    """Looks until something is there."""
    end = time.monotonic() + DEADLINE
    while not (found := condition()):
        assert time.monotonic() < end, f"waited {DEADLINE:.0f} s for {what}"
        time.sleep(every)
    return found


@dataclasses.dataclass(eq=False)
class Program:
    """A started program, its output going to a file."""

    process: subprocess.Popen
    log: Path

    def wait(self) -> int:
        """Waits for its end; returns its exit status, minus the signal that killed it."""
        return self.process.wait(DEADLINE)

    def kill(self) -> int:
        """Kills it as nothing can prevent."""
        self.process.kill()
        return self.wait()

    def send(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        self.process.send_signal(number)

    @property
    def said(self) -> str:
        """What it wrote on its outputs."""
        return self.log.read_text(errors="replace")


class Part:
    """A part in a folder: prompts, ledger, markers, sealed table.

    Args:
        folder: new or empty.
        count: of prompts.
        engine: flags of the engine.
    """

    def __init__(self, folder: Path, count: int, engine: Sequence[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.engine = folder, list(engine)
        self.ledger, self.prompts = folder / "ledger", folder / "prompts.parquet"
        self.rows_per_segment = ROWS
        self._started = 0
        self.grow(count)

    def grow(self, count: int) -> None:
        """Gives the part its first `count` prompts, more or fewer than before."""
        self.count = count
        rows = [{"prompt_id": content_id(str(number)), "prompt": prompt(number)} for number in range(count)]
        write_table(self.prompts, rows, PROMPTS)

    def command(self, number: int = 0, n_slices: int = 1, *more: str) -> list[str]:
        """The command line of one slice."""
        places = ["--prompts", self.prompts, "--ledger", self.ledger, "--output", self.marker(number, n_slices)]
        which = ["--slice", str(number), "--n-slices", str(n_slices)]
        limits = [*LIMITS, "--rows-per-segment", str(self.rows_per_segment)]
        words = [*places, *NAMES, *which, *limits, *SAMPLING, *self.engine, *more]
        return [sys.executable, "-m", "scripts.generate.slice", *map(str, words)]

    def marker(self, number: int = 0, n_slices: int = 1) -> Path:
        """The marker of a slice."""
        return self.folder / f"slice-{number}-of-{n_slices}.json"

    def start(self, number: int = 0, n_slices: int = 1, *more: str, **environment: str) -> Program:
        """Starts a slice."""
        return self.launch(self.command(number, n_slices, *more), **environment)

    def launch(self, command: Sequence[str], **environment: str) -> Program:
        """Starts a program in a session (and process group) of its own."""
        self._started += 1
        log = self.folder / f"log-{self._started:03}"
        inside = str(Path(__file__).parent / "inside")
        base = {key: value for key, value in os.environ.items() if not key.startswith("CHAOS_")}
        env = {**base, "PYTHONPATH": inside, "HF_HUB_OFFLINE": "1", "CHAOS_FOLDER": str(self.ledger), **environment}
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, cwd=ROOT, env=env, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True
            )
        return Program(process, log)

    def run(self, number: int = 0, n_slices: int = 1, *more: str, **environment: str) -> Program:
        """Runs a slice to its end, which must be a good one."""
        program = self.start(number, n_slices, *more, **environment)
        assert program.wait() == 0, program.said
        assert Counts.read(self.marker(number, n_slices)).rows_in >= 0
        return program

    def seal_command(self) -> list[str]:
        """The command line of the sealing."""
        places = ["--prompts", self.prompts, "--ledger", self.ledger, "--output", self.sealed]
        outputs = ["--rejected", self.folder / "rejected.parquet", "--counts", self.folder / "counts.json"]
        words = [*places, *outputs, *NAMES, *SAMPLING, *self.engine]
        return [sys.executable, "-m", "scripts.generate.seal", *map(str, words)]

    @property
    def sealed(self) -> Path:
        """The sealed table."""
        return self.folder / "sealed.parquet"

    def seal(self) -> Program:
        """Seals what the ledger holds; whether it went well is in the program's status."""
        program = self.launch(self.seal_command())
        program.wait()
        return program

    def rows(self) -> list[dict[str, Any]]:
        """All rows that the ledger holds now, read from a copy so that looking changes nothing."""
        with tempfile.TemporaryDirectory() as copy:
            target = Path(copy) / "ledger"
            if self.ledger.exists():
                shutil.copytree(self.ledger, target, ignore=lambda *_: [], copy_function=_copy_if_there)
            return [row for table in ledger.segments(target) for row in table.to_pylist()]

    def texts(self) -> Counter[str]:
        """Prompt id → how often its text was made; a row that lies in two files of the ledger was made once."""
        made = {(row["prompt_id"], row["job"]) for row in self.rows() if row["finish_reason"] in ledger.USABLE}
        return Counter(prompt_id for prompt_id, _ in made)

    def files(self, pattern: str = "*") -> list[Path]:
        """Files of the ledger, hidden ones included, not those set aside."""
        return sorted(path for path in self.ledger.glob(pattern) if path.is_file())


def _copy_if_there(source: str, target: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.copy2(source, target)


def openai_flags(endpoint: Endpoint, options: str = OPTIONS) -> list[str]:
    """The flags of the cheap engine."""
    words = ["--engine", "openai", "--model", "a-model", "--endpoint", endpoint.url, "--options", options]
    return [*words, "--max-in-flight", str(IN_FLIGHT)]


def check_sealed(part: Part, undisturbed: bytes) -> None:
    """Every prompt exactly once, in the order of the prompts, and the same bytes as a run that nothing disturbed."""
    ids = read_table(part.sealed, GENERATIONS, ["prompt_id"])["prompt_id"].to_pylist()
    assert ids == [content_id(str(number)) for number in range(part.count)]
    assert part.sealed.read_bytes() == undisturbed


def spinning(seconds: float) -> Iterator[None]:
    """Yields until a moment has passed."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        yield
