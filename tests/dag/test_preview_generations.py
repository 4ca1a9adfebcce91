"""What `snakemake preview_generations` plans."""

import re

import pytest

from tests.snakemake import planned_jobs, snakemake

FRESH = "run=never-made"


def test_a_preview_is_one_gpu_job_a_source_and_no_slice():
    jobs = planned_jobs("preview_generations", "--profile", "slurm", "--config", FRESH)
    assert jobs["generate_preview"] == 8
    assert jobs["generate_preview_measures"] == jobs["generate_preview_page"] == 1
    assert jobs["prompts_seal"] > jobs["generate_preview"]
    assert not {"generate_slice", "generate_seal", "clean_filter"} & set(jobs)
    listed = snakemake("-n", "preview_generations", "--profile", "slurm", "--config", FRESH).stdout
    resources = re.search(r"^rule generate_preview:.*?\n    resources: ([^\n]*)", listed, re.MULTILINE | re.DOTALL)[1]
    assert "gpu=2" in resources


def test_a_run_without_a_preview_is_complete():
    assert not {rule for rule in planned_jobs("--config", FRESH) if rule.startswith("generate_preview")}


@pytest.mark.parametrize("rules", ["{boredom: 0.3}", "{refusals: 3}"])
def test_a_stop_rule_that_makes_no_sense_is_refused(rules):
    result = snakemake("-n", "generations", "--config", FRESH, f"generate={{stop_rules: {rules}}}", check=False)
    assert result.returncode
    assert "generate.stop_rules" in result.stdout + result.stderr
