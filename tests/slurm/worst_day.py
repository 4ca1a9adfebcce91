"""What goes wrong on a cluster, done for real to the throw-away one, and a run of the workflow that lives with it."""

import contextlib
import hashlib
import os
import re
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow.parquet as pq

from tests.chaos.server import Endpoint, Handler, text_of, well
from tests.slurm import cluster
from tests.snakemake import ROOT, command, environment, snakemake

CONFIG = "--configfile=tests/slurm/failures.yaml"
RESULTS = ROOT / "results" / "test-failures"
LEDGER = RESULTS / "generations" / "ledger" / "wikihow" / "part-000"
SLICES = "results/test-failures/generations/slices/wikihow/part-000"
ROWS = 60
DEADLINE = 300.0
"""Seconds after which something that should have happened is a failure; long, for machines with much else to do."""


class Texts(Endpoint):
    """An endpoint that answers half of the prompts at once and the others when it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.behave = self._behave

    def hold(self) -> None:
        """Keeps half of the answers back, from now on."""
        self.released.clear()

    def _behave(self, handler: Handler, prompt: str, seed: int, time_asked: int) -> None:
        if hashlib.sha256(prompt.encode()).digest()[0] % 2:
            while not self.released.is_set() and not select.select([handler.connection], [], [], 0.05)[0]:
                pass
        well(handler, prompt, seed, time_asked)


class Cluster:
    """The cluster's commands."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = environment

    def call(self, *words: str) -> str:
        """What a command prints; it may fail, since jobs may have ended meanwhile."""
        return subprocess.run(
            words, env=self.environment, capture_output=True, text=True, check=False, timeout=DEADLINE
        ).stdout

    def slices(self, *states: str) -> dict[str, str]:
        """Slurm job → node ("" while it waits) of the generation jobs in these states, oldest first."""
        lines = self.call("squeue", "-h", "-r", "--sort=i", "-o", "%i|%T|%N|%k").splitlines()
        rows = [line.split("|") for line in lines if "rule_generate_slice" in line]
        return {job: node for job, state, node, _ in rows if not states or state in states}

    def start_now(self, *jobs: str) -> None:
        """Slurm lets two minutes pass before a requeued job may start; nobody waits for that here."""
        for job in jobs:
            self.call("scontrol", "update", f"jobid={job}", "StartTime=now")

    def crash(self, node: str) -> None:
        """All that runs on a node ends at once, its slurmd too, and the controller takes note."""
        os.kill(int((self.folder / f"slurmd-{node}.pid").read_text()), signal.SIGKILL)
        self.call("scontrol", "update", f"nodename={node}", "state=down", "reason=crashed")
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                variables = (process / "environ").read_bytes().split(b"\0")
                if {f"SLURMD_NODENAME={node}".encode(), self._configuration()} <= set(variables):
                    os.kill(int(process.name), signal.SIGKILL)

    def _configuration(self) -> bytes:
        return f"SLURM_CONF={self.environment['SLURM_CONF']}".encode()

    def restart_controller(self) -> None:
        """slurmctld ends and, once commands fail, begins again with its state."""
        pid = self.folder / "slurmctld.pid"
        os.kill(int(pid.read_text()), signal.SIGTERM)
        until(lambda: not pid.exists())
        assert not self.call("squeue")
        subprocess.run(["slurmctld", "-f", str(self.folder / "slurm.conf")], env=self.environment, check=True)
        until(lambda: bool(self.call("squeue")))


class Run:
    """One call of Snakemake for all slices of the test's prompts."""

    def __init__(self, slurm: Cluster, texts: Texts, output: Path, *more: str, rows_per_job: int = 10) -> None:
        self._output = output
        self._config = [f"llm={{endpoint: {texts.url}}}", f"generate={{prompts_per_slice: {rows_per_job}}}"]
        slices = [f"{SLICES}/slice-{number:03}.json" for number in range(ROWS // rows_per_job)]
        arguments = [
            "--profile=slurm",
            CONFIG,
            "--slurm-partition-config=tests/slurm/partitions.yaml",
            "--slurm-no-account",
            "--slurm-init-seconds-before-status-checks=2",
            "--latency-wait=5",
        ]
        with output.open("w") as file:
            self.process = subprocess.Popen(
                command(*arguments, *more, "--config", *self._config, "--", *slices),
                cwd=ROOT,
                env=environment(slurm.environment),
                stdout=file,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored below a shell's `&`
            )

    def said(self) -> str:
        """All that Snakemake printed so far."""
        return self._output.read_text()

    def until(self, condition: Callable[[], bool]) -> None:
        """Waits; the run must not end before."""
        until(lambda: condition() or self._ended())

    def check_texts(self) -> None:
        """The run ended well, and every prompt has exactly one row, its own; to see them, nothing is generated."""
        assert self.end() == 0, self.said()[-20000:]
        seal = snakemake("--cores", "2", CONFIG, "--config", *self._config, "--", "generations")
        assert "generate_slice" not in seal.stderr
        prompts = pq.read_table(RESULTS / "prompts" / "wikihow" / "part-000.parquet").to_pylist()
        sealed = pq.read_table(RESULTS / "generations" / "wikihow" / "part-000.parquet").to_pylist()
        assert len(sealed) == ROWS
        assert sorted(row["prompt_id"] for row in sealed) == sorted(row["prompt_id"] for row in prompts)
        asked = {row["prompt_id"]: row["prompt"] for row in prompts}
        for row in sealed:
            assert row["text"] == text_of(asked[row["prompt_id"]], row["sampling_seed"])

    def _ended(self) -> bool:
        assert self.process.poll() is None, self.said()[-20000:]
        return False

    def end(self, number: signal.Signals | None = None) -> int:
        """The exit status, after a signal if there is one."""
        if number:
            self.process.send_signal(number)
        return self.process.wait(timeout=DEADLINE)


def until(condition: Callable[[], bool]) -> None:
    """Waits for something outside this process."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "what the test waits for does not happen"
        time.sleep(0.2)


def writing(number: int) -> Callable[[], bool]:
    """A condition: so many jobs have texts in their journals and wait for others."""
    return lambda: len(list(LEDGER.glob("*.journal"))) >= number


def make_prompts() -> None:
    """Makes the prompts, without Slurm."""
    shutil.rmtree(RESULTS, ignore_errors=True)
    snakemake("--cores", "2", CONFIG, "--", "prompts")


def forget_texts() -> None:
    """Takes everything away that generation has made."""
    shutil.rmtree(RESULTS / "generations", ignore_errors=True)


def attempts(said: str) -> int:
    """How many of its retries Snakemake used."""
    return len(re.findall(r"Trying to restart job", said))


@contextlib.contextmanager
def worst_day(folder: Path):
    """The cluster, its endpoint and prompts."""
    make_prompts()
    texts = Texts()
    try:
        with cluster.running(folder, enforce_memory=True) as variables:
            yield Cluster(folder, variables), texts
    finally:
        texts.close()
