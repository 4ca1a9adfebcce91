"""What runs where is said by profiles alone: one GPU machine, an endpoint, Slurm, LSF."""

import importlib.util
import re

import pytest
import yaml

from tests.snakemake import ROOT, planned_jobs, snakemake

FRESH = ("--config", "run=never-made")
SMALL_PART = (*FRESH, "fraction=0.001", "train={nodes: 1}")
ENDPOINT = "llm={engine: openai, endpoint: 'http://localhost:8000/v1', model: any, gpus: 0}"
ON_CPU = "embed={device: cpu, gpus: 0}"


def profile(name):
    return yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())


def gpus_by_rule(*arguments):
    """Rule → GPUs that its jobs ask for, of rules that ask for some."""
    jobs = re.findall(r"^rule (\w+):\n((?:    .*\n)+)", snakemake("-n", *arguments).stdout, flags=re.MULTILINE)
    found = {rule: re.search(r"^    resources:.*\bgpu=(\d+)", text, flags=re.MULTILINE) for rule, text in jobs}
    return {rule: int(match[1]) for rule, match in found.items() if match and match[1] != "0"}


def test_nothing_of_a_site_or_of_slurm_stands_in_the_workflow():
    """But for the trainer: several nodes are started by srun, where that is asked for."""
    for path in sorted((ROOT / "workflow").rglob("*.*")):
        text = path.read_text()
        if path.name == "train.smk":
            assert 'mpi="srun" if config["train"]["nodes"] > 1 else ""' in text
            continue
        assert not re.search(r"slurm_|sbatch|srun|lsf|partition=|account=|constraint=", text), path


def test_one_machine_counts_the_resource_that_rules_ask_for():
    asked = gpus_by_rule("--profile", "local", *FRESH, "scale=small")
    assert {"generate_slice", "embed_documents", "train_model", "evaluate_model"} <= set(asked)
    assert set(asked.values()) == {profile("local")["resources"]["gpu"]} == {1}


def test_one_machine_runs_one_gpu_job_at_a_time(tmp_path):
    """Four jobs hold a folder for as long as a Python takes to start; a second one beside the first fails."""
    (tmp_path / "Snakefile").write_text(
        "rule all:\n    input:\n        expand('{n}.done', n=range(4)),\n\n\n"
        "rule uses_gpu:\n    output:\n        '{n}.done',\n    resources:\n        gpu=1,\n    shell:\n"
        "        'mkdir gpu && python3 -c pass && rmdir gpu && touch {output}'\n"
    )
    for name in ("local", "default"):
        folder = tmp_path / "profiles" / name
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text((ROOT / "profiles" / name / "config.yaml").read_text())
    snakemake("--directory", str(tmp_path), "-s", str(tmp_path / "Snakefile"), "--profile", "profiles/local", "-c", "4")
    assert len(list(tmp_path.glob("*.done"))) == 4


def test_an_endpoint_needs_no_gpu_for_the_dataset_of_the_small_scale():
    asked = ("dataset", *FRESH, "scale=small", ENDPOINT, ON_CPU)
    assert gpus_by_rule(*asked) == {}
    jobs = planned_jobs(*asked)
    assert jobs["generate_slice"] == 18
    assert jobs["dataset_split"] == 7
    assert jobs["dataset"] == 1


def test_lsf_is_asked_for_the_gpus_that_rules_use():
    asked = gpus_by_rule("all", "preview_generations", *SMALL_PART, "scale=full")
    given = {rule: values["lsf_extra"] for rule, values in profile("lsf")["set-resources"].items()}
    assert given == {rule: f"'-gpu num={count}'" for rule, count in asked.items()}


@pytest.mark.skipif(not importlib.util.find_spec("snakemake_executor_plugin_lsf"), reason="the LSF plugin is missing")
def test_lsf_plans_the_same_jobs_as_slurm():
    planned = planned_jobs("--profile", "profiles/lsf", *SMALL_PART)
    assert planned == planned_jobs("--profile", "slurm", *SMALL_PART)
    assert planned["generate_slice"] > 9
