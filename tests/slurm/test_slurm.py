"""The tiny scale up to the dataset as real Slurm jobs, with the Slurm profile, on a throw-away cluster."""

import hashlib
import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.snakemake import ROOT, snakemake

from . import cluster

RUN = ROOT / "results" / "test-slurm"
GROUPED = {name.partition("=")[0] for name in yaml.safe_load(Path("profiles/slurm/config.yaml").read_text())["groups"]}

pytestmark = cluster.NEEDED


@pytest.fixture(scope="module")
def slurm_run(tmp_path_factory):
    """What Snakemake printed while it made the tiny dataset as Slurm jobs."""
    shutil.rmtree(RUN, ignore_errors=True)
    with cluster.running(tmp_path_factory.mktemp("slurm") / "cluster") as environment:
        return snakemake(
            "dataset",
            "--profile=slurm",
            "--configfile=tests/slurm/tiny.yaml",
            "--slurm-partition-config=tests/slurm/partitions.yaml",
            "--slurm-no-account",
            "--slurm-keep-successful-logs",
            "--slurm-init-seconds-before-status-checks=10",  # longer than short jobs: each look in vain adds 10 s
            "--latency-wait=5",
            "--retries=0",
            env=environment,
        )


def test_every_job_that_is_not_a_milestone_goes_through_slurm_by_itself_in_an_array_or_in_a_group(slurm_run):
    said = slurm_run.stderr
    stats = said.split("Job stats:", 1)[1].split("\n\n", 1)[0]
    jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", stats, flags=re.MULTILINE)}
    tasks = sum(len(ids.split(",")) for ids in re.findall(r"Submitted array job with Snakemake IDs ([\d,]+)", said))
    submitted = re.findall(r"Job ([\w-]+) has been submitted with SLURM jobid", said)
    single = {job for job in submitted if job.isdigit()}
    grouped = sum(jobs[rule] for rule in GROUPED)
    assert tasks >= 20
    assert len(submitted) - len(single) < grouped / 5
    assert len(single) + tasks + grouped == jobs["total"] - jobs["dataset"]


def test_the_model_runs_on_the_gpu_node_and_nothing_else_does(slurm_run):
    partitions = re.findall(r"Auto-selected partition '(\w+)' for job (\w+)", slurm_run.stderr)
    assert {rule for partition, rule in partitions if partition == "gpu"} == {
        "generate_slice",
        "label_topics",
        "seeds_outline",
    }
    assert {rule for partition, rule in partitions if partition == "cpu"} >= {"seeds_load", "embed_documents"}


def test_slurm_jobs_and_local_jobs_make_the_same_dataset(slurm_run, tiny_run):
    assert digests(RUN) == digests(tiny_run)


def digests(run):
    """Path below the dataset → digest of the file."""
    files = sorted(path for path in (run / "dataset").rglob("*") if path.is_file())
    assert files
    return {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
