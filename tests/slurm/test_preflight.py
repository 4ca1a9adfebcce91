"""`snakemake preflight` on a throw-away cluster that is right, and with what can be wrong with it or the request."""

import contextlib
import json
import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from tests.snakemake import ROOT, snakemake

from . import cluster

pytestmark = cluster.NEEDED


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The environment of a running cluster's clients."""
    with cluster.running(tmp_path_factory.mktemp("slurm") / "cluster") as environment:
        yield environment


def preflight(environment, *arguments, options=""):
    """Exit status and findings (check → level, found, advice) of a preflight up to the dataset."""
    result = snakemake(
        "preflight",
        "--profile=slurm",
        "--configfile=tests/slurm/tiny.yaml",
        "--slurm-partition-config=tests/slurm/partitions.yaml",
        "--slurm-no-account",
        *arguments,
        env={**environment, "PREFLIGHT_TARGET": "dataset", "PREFLIGHT_OPTIONS": f"--json {options}"},
        check=False,
    )
    assert result.stdout.startswith("{"), result.stderr
    findings = json.loads(result.stdout)["findings"]
    assert not list(ROOT.glob(".preflight-*"))
    return result.returncode, findings


def about(findings, words, level):
    """What was found, and advised, on this level about something."""
    return " ".join(
        f"{finding['found']} {finding['advice']}"
        for finding in findings
        if finding["level"] == level and words in finding["check"]
    )


def test_a_cluster_that_is_right_passes_and_its_nodes_see_the_files(environment):
    status, findings = preflight(environment)
    assert [finding for finding in findings if finding["level"] != "ok"] == []
    assert status == 0
    assert "squeue answers, and finished jobs are shown for 600 s" in about(findings, "status of jobs", "ok")
    assert "generate_slice" in about(findings, "partition gpu", "ok")
    for partition in ("cpu", "gpu"):
        assert f"reads and writes {ROOT}" in about(findings, f"shared files, partition {partition}", "ok")


def test_a_request_that_no_partition_admits_fails_with_the_limit_and_the_key_to_change(environment):
    status, findings = preflight(
        environment, "--set-resources", "generate_slice:runtime=5000", "clean_filter:mem_mb=90000"
    )
    assert status == 1
    failed = about(findings, "partition", "fails")
    assert "generate_slice: none of tests/slurm/partitions.yaml fits" in failed
    assert re.search(r"admits 2880 minutes, and 5000 are asked for.* Lower generate.runtime", failed)
    assert "clean_filter" in failed
    assert "64,000 MB a node, and 90,000 are asked for" in failed


def test_a_partition_that_is_not_there_and_a_status_command_that_does_not_answer_are_named_together(environment):
    status, findings = preflight(
        environment, "--default-resources", "slurm_partition=fast", "runtime=10", "--slurm-status-command=sacct"
    )
    assert status == 1
    assert "there is none of this name, only cpu" in about(findings, "partition fast", "fails")
    assert "Set slurm-status-command: squeue" in about(findings, "status of jobs", "fails")


def test_a_gpu_that_no_node_has_fails(environment):
    model = "llm={gpus: 1, gpu_model: a100, options: {device: cpu}}"
    status, findings = preflight(environment, "--config", model, "--set-resources", "label_topics:slurm_partition=gpu")
    assert status == 1
    assert "2 h200 a node, and 1 a100 are asked for" in about(findings, "partition gpu", "fails")


def test_nodes_that_take_no_jobs_are_a_warning_and_the_tiny_job_is_given_up_in_time(environment):
    def state(node, change):
        subprocess.run(["scontrol", "update", f"NodeName={node}", *change], env=environment, check=True)

    state("gpu1", ["State=DRAIN", "Reason=test"])
    try:
        status, findings = preflight(environment, options="--probe-seconds 3")
    finally:
        state("gpu1", ["State=RESUME"])
    assert status == 0
    assert "drain" in about(findings, "partition gpu", "warning")
    assert "could not be checked within 3 s" in about(findings, "shared files, partition gpu", "warning")
    waiting = subprocess.run(["squeue", "-h"], env=environment, capture_output=True, text=True, check=True).stdout
    assert waiting == ""


def test_a_cluster_whose_controller_is_down_fails_with_one_line(environment, tmp_path):
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = Path(environment["SLURM_CONF"]).read_text()
    settings = re.sub(r"SlurmctldPort=\d+", f"SlurmctldPort={port}\nMessageTimeout=2", settings)
    (tmp_path / "slurm.conf").write_text(settings)
    status, findings = preflight({**environment, "SLURM_CONF": os.fspath(tmp_path / "slurm.conf")})
    assert status == 1
    assert [finding["check"] for finding in findings if finding["level"] == "fails"] == ["Slurm answers"]
    assert "login node" in about(findings, "Slurm answers", "fails")
