"""The tiny run, made once: killed in the middle of generation, then continued to the end."""

import shutil
import signal
import subprocess
import time

import pytest

from tests.snakemake import ROOT, command, environment, snakemake

RUN = "test"
SETTINGS = ("--cores", "2", "--config", f"run={RUN}")


@pytest.fixture(scope="session")
def tiny_run():
    """The folder of a whole tiny run that was killed once and continued."""
    folder = ROOT / "results" / RUN
    shutil.rmtree(folder, ignore_errors=True)
    _kill_while_generating(folder)
    snakemake("--unlock", *SETTINGS)
    snakemake(*SETTINGS)
    return folder


def _kill_while_generating(folder):
    """Starts the run and kills it and all its jobs as soon as the first texts are in the ledger."""
    run = subprocess.Popen(
        command(*SETTINGS),
        cwd=ROOT,
        env=environment(),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    ledger = folder / "generations" / "ledger"
    while run.poll() is None and not any(ledger.glob("*/*/*.parquet")):
        time.sleep(0.2)
    assert run.poll() is None, "the run ended before it could be killed: run `snakemake --config run=test` to see why"
    subprocess.run(["pkill", "-KILL", "--session", str(run.pid)], check=False)
    run.wait()
    assert run.returncode == -signal.SIGKILL
