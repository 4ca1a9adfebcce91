"""`snakemake preflight` without a cluster: the rules it finds are those that would run, and nothing is left behind."""

import json
import os
import shutil
import subprocess

import pytest

from tests.snakemake import ROOT, planned_jobs, snakemake


def preflight(*arguments, **environment):
    """Exit status, rules and findings."""
    env = {**os.environ, "PREFLIGHT_OPTIONS": "--json", **environment}
    result = snakemake("preflight", "--cores=2", "--nolock", *arguments, env=env, check=False)
    assert result.stdout.startswith("{"), result.stderr
    found = json.loads(result.stdout)
    return result.returncode, found["rules"], found["findings"]


@pytest.fixture(scope="module")
def tiny():
    """A preflight of the tiny scale, with the state of the folder before and after it."""
    before = listing()
    return *preflight("--config", "run=never-made"), before, listing()


def listing():
    """What lies in the repository that git does not know, but Snakemake's own notes."""
    answer = subprocess.run(
        ["git", "status", "--short", "--ignored"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [line for line in answer.stdout.splitlines() if ".snakemake" not in line and "__pycache__" not in line]


def test_the_tiny_scale_passes_on_this_machine(tiny):
    status, _, findings, *_ = tiny
    assert [finding for finding in findings if finding["level"] == "fails"] == []
    assert status == 0


def test_the_rules_are_those_that_snakemake_would_run(tiny):
    planned = planned_jobs("all", "--config", "run=never-made")
    assert set(tiny[1]) == set(planned) - {"all"}


def test_nothing_is_left_on_disk(tiny):
    *_, before, after = tiny
    assert after == before
    assert not (ROOT / "results" / "never-made").exists()


def test_at_full_scale_only_what_the_target_needs_is_asked_for():
    status, rules, findings = preflight("--config", "scale=full", PREFLIGHT_TARGET="prompts")
    assert "label_topics" in rules
    assert "generate_slice" not in rules
    failed = {finding["check"] for finding in findings if finding["level"] == "fails"}
    assert {"source stanford", "source khanacademy", "interpreter of vllm", "GPUs"} <= failed
    assert "training data" not in failed
    assert status == 1


@pytest.mark.skipif(shutil.which("conda") is not None, reason="conda is here")
def test_a_missing_conda_is_a_finding_among_others_and_no_environment_is_made():
    status, _, findings = preflight("--sdm", "conda", PREFLIGHT_TARGET="seeds")
    assert status == 1
    assert [finding["check"] for finding in findings if finding["level"] == "fails"] == ["conda"]
    assert "conda makes those of base" in " ".join(finding["found"] for finding in findings)


def test_a_target_that_is_none_fails_with_its_name_and_the_nearest():
    env = {**os.environ, "PREFLIGHT_TARGET": "datset"}
    result = snakemake("preflight", "--cores=1", "--nolock", env=env, check=False)
    assert result.returncode
    assert "there is no rule datset, which PREFLIGHT_TARGET names; did you mean dataset?" in result.stdout
    assert result.stdout.endswith("`datset` would fail.\n")
    assert "RuleException" not in result.stderr
    assert "Traceback" not in result.stderr
