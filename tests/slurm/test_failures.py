"""What fails on a cluster, done to real Slurm jobs: each run ends with every row, and says what happened."""

import re
import signal
from pathlib import Path

import pytest

from tests.snakemake import snakemake

from . import cluster
from .worst_day import CONFIG, Run, attempts, forget_texts, until, worst_day, writing

pytestmark = cluster.NEEDED


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    with worst_day(tmp_path_factory.mktemp("failures") / "cluster") as (slurm, texts):
        yield slurm, texts


@pytest.fixture
def start(day, tmp_path):
    """Starts runs of Snakemake one after the other, with half of the texts held back."""
    slurm, texts = day
    runs = []

    def begin(*more, rows_per_job=30):
        texts.hold()
        runs.append(Run(slurm, texts, tmp_path / f"{len(runs)}.log", *more, rows_per_job=rows_per_job))
        return runs[-1]

    forget_texts()
    yield begin
    texts.released.set()
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()
            run.process.wait()
    slurm.call("scancel", "--user=root")
    until(lambda: not slurm.slices())
    snakemake("--unlock", CONFIG)


def test_jobs_that_are_cancelled_requeued_or_preempted_lost_nodes_and_a_restarted_controller(day, start):
    slurm, texts = day
    run = start(rows_per_job=10)
    run.until(writing(6))
    first, second, third = (job for job, node in slurm.slices("RUNNING").items() if node == "cpu1")
    lost = [job for job, node in slurm.slices("RUNNING").items() if node == "cpu2"]
    slurm.call("scancel", first)
    slurm.call("scontrol", "requeue", second)
    slurm.crash("cpu2")
    run.until(lambda: {second, *lost} <= slurm.slices("PENDING").keys())
    run.until(lambda: first not in slurm.slices())

    # the one that is left makes way for a more urgent job
    whole_node = ("--nodelist=cpu1", "--cpus-per-task=16")
    slurm.call("sbatch", "--partition=urgent", *whole_node, "--output=/dev/null", "--wrap=:")
    run.until(lambda: third in slurm.slices("PENDING"))

    slurm.restart_controller()
    texts.released.set()
    slurm.start_now(*slurm.slices("PENDING"))
    run.check_texts()
    # Slurm itself starts again what it took away; only the cancelled job was a failure to Snakemake
    assert attempts(run.said()) == 1
    assert f"SLURM-job '{first}' failed, SLURM status is: 'CANCELLED'" in run.said()
    assert "was ended by SIGTERM: it has 20 seconds to end; finished texts stay in the ledger" in run.said()


def test_jobs_go_on_after_their_time_limit_and_without_snakemake(day, start):
    slurm, texts = day
    run = start("--set-resources", "generate_slice:runtime=1")
    run.until(writing(2))
    jobs = slurm.slices("RUNNING").keys()
    assert run.end(signal.SIGKILL) == -signal.SIGKILL

    # each ends in time, by itself, and is the same job of Slurm in the queue again
    until(lambda: jobs == slurm.slices("PENDING").keys())
    slurm.start_now(*jobs)
    until(lambda: jobs == slurm.slices("RUNNING").keys())

    locked = start()
    assert locked.end() == 1
    assert "It can be removed with the --unlock argument" in locked.said()
    snakemake("--unlock", CONFIG)
    again = start()
    again.until(lambda: len(slurm.slices("RUNNING")) == 4)
    texts.released.set()
    again.check_texts()


def test_refused_jobs_a_run_that_is_interrupted_and_ended_and_too_little_memory(day, start):
    slurm, texts = day
    slurm.call("scontrol", "update", "partitionname=cpu", "state=inactive")
    refused = start()
    assert refused.end() == 1
    assert "Required partition not available (inactive or drain)" in refused.said()
    slurm.call("scontrol", "update", "partitionname=cpu", "state=up")

    interrupted = start()
    interrupted.until(writing(2))
    assert interrupted.end(signal.SIGINT) != 0
    until(lambda: not slurm.slices())

    # too little memory at first, more with each attempt
    ended = start("--set-resources", "generate_slice:mem_mb=150 * attempt**3")
    ended.until(lambda: attempts(ended.said()) == 2 and len(slurm.slices("RUNNING")) == 2)
    named = [Path(path) for path in re.findall(r"(\S+/slurm_logs/\S+) \(check log file", ended.said())]
    assert all("exceeded memory limit" in path.read_text() for path in named) and len(named) == 2
    ended.process.send_signal(signal.SIGTERM)
    ended.until(lambda: "Will exit after finishing currently running jobs" in ended.said())
    texts.released.set()
    ended.end()
    assert not slurm.slices()

    # six jobs, two at a time, as an array and then as they come
    run = start("--jobs=2", "--slurm-array-jobs=generate_slice", rows_per_job=10)
    texts.released.set()
    run.check_texts()
    assert "Submitted array job" in run.said()
