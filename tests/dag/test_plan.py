"""`snakemake plan`: what would run, why and at what cost; it runs nothing and disturbs nobody."""

import json
import resource
import shutil
import subprocess
import sys

import pytest

from tests.snakemake import ROOT, environment, planned_jobs, snakemake

RUN = "planned"
SETTINGS = ("--config", f"run={RUN}")


@pytest.fixture(autouse=True)
def _clean():
    shutil.rmtree(ROOT / "results" / RUN, ignore_errors=True)
    yield
    shutil.rmtree(ROOT / "results" / RUN, ignore_errors=True)


def plan(*arguments):
    """The plan for programs."""
    command = [sys.executable, "-m", "scripts.workflow.plan", "--json", *arguments]
    result = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
    return json.loads(result.stdout)


def test_it_lists_what_a_dry_run_lists_and_runs_none_of_it():
    lock = ROOT / ".snakemake/locks/99.output.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text("results/planned/dataset/README.md\n")
    try:
        shown = snakemake("plan", "generations", *SETTINGS, "plan={gpus: 3}").stdout  # neither --cores nor --nolock
        assert lock.exists()
    finally:
        lock.unlink(missing_ok=True)
    assert "Plan of run planned, generations: " in shown
    assert "no output yet" in shown
    (only,) = (ROOT / "results" / RUN).iterdir()
    assert only.name == "plan.json"
    kept = json.loads(only.read_text())
    assert {rule["rule"]: rule["jobs"] for rule in kept["rules"]} == planned_jobs("generations", *SETTINGS)
    assert kept["offer"]["gpus"] == 3


def test_what_snakemake_says_of_profiles_and_locks_is_said_once():
    said = snakemake("plan", "topics", *SETTINGS, "scale=small").stderr
    assert (said.count("specific profile"), said.count("no lock for")) == (1, 1)


def test_the_paper_in_gpu_hours_and_the_inverse():
    made = plan("--gpu-hours", "200", "--profile", "slurm", *SETTINGS)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 1_000_000  # kB
    rules = {rule["rule"]: rule for rule in made["rules"]}
    assert made["targets"] == ["all"]
    assert rules["generate_slice"]["jobs"] > 3000
    assert rules["generate_slice"]["basis"] == "published"
    assert 10_000 < rules["generate_slice"]["gpu_hours"][0] < 16_000
    assert rules["train_model"]["gpu_hours"][0] == pytest.approx(2400, rel=0.05)
    assert rules["train_model"]["cpu_hours"] == rules["train_model"]["gpu_hours"]  # 8 of each on 20 nodes
    assert rules["tokenize_split"]["cpu_hours"][0] > 50  # the threads of the rule, not those of this machine
    assert made["offer"] == {"jobs": 500, "cores": None, "gpus": None}
    assert made["gpus_at_once"] == 1000
    assert 15 < made["totals"]["wall_hours"][0] < 200
    assert made["budget"]["after"] == ["training", "evaluation"]
    low, value, high = (made["budget"]["fraction"][end] for end in (1, 0, 2))
    assert 0.005 < low < value < high < 0.05


def touch_everything(*arguments):
    """A run that is finished as far as Snakemake can tell."""
    summary = snakemake("--summary", *arguments).stdout.splitlines()
    for file in [ROOT / line.split("\t")[0] for line in summary if line.startswith("results/")]:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    snakemake("--touch", "--cores", "1", *arguments)


def test_it_tells_why_jobs_would_run():
    target = f"results/{RUN}/topics/topics.parquet"
    touch_everything(target, *SETTINGS)
    assert "nothing to be done" in snakemake("plan", target, *SETTINGS).stdout
    changed = plan(target, *SETTINGS, "label={minimum_score: 5}")
    assert [(rule["rule"], rule["reasons"]) for rule in changed["rules"]] == [
        ("label_decide", {"changed parameters": 1})
    ]
    assert "minimum-score 5" in changed["rules"][0]["examples"]["changed parameters"]
    (ROOT / f"results/{RUN}/topics/examples.parquet").write_text("other examples")
    made = {rule["rule"]: rule["reasons"] for rule in plan(target, *SETTINGS)["rules"]}
    assert made == {"label_topics": {"updated input": 1}, "label_decide": {"input remade in this plan": 1}}


def test_it_tells_which_costly_work_the_start_would_refuse_and_writes_no_metadata():
    target, gpu = f"results/{RUN}/topics/topics.parquet", "llm={gpus: 1}"
    touch_everything(target, *SETTINGS, gpu)
    snakemake("--cleanup-metadata", f"results/{RUN}/topics/answers.parquet", *SETTINGS, gpu, check=False)  # if any
    (ROOT / f"results/{RUN}/topics/examples.parquet").touch()
    before = {path: path.read_bytes() for path in (ROOT / ".snakemake/metadata").rglob("*") if path.is_file()}
    made = plan(target, *SETTINGS, gpu)
    assert {path: path.read_bytes() for path in (ROOT / ".snakemake/metadata").rglob("*") if path.is_file()} == before
    assert made["refused"]["label_topics"].pop("cause").endswith("knows nothing: the results were copied")
    assert made["refused"] == {"label_topics": {"jobs": 1}}
    result = snakemake("plan", target, *SETTINGS, gpu)
    assert "Refused     costly work would be done again" in result.stdout
    assert "costly work" not in result.stderr
    assert "--config 'allow_costly=[label_topics]'" in result.stdout
    allowed = plan(target, *SETTINGS, gpu, "allow_costly=[label_topics]")
    assert (allowed["refused"], allowed["totals"]["jobs"]) == ({}, made["totals"]["jobs"])


def test_a_wrong_setting_ends_with_one_clear_error():
    result = snakemake("plan", *SETTINGS, "plan={gpu_hours: 200}", check=False)
    assert result.returncode == 1
    assert "error: `plan.gpu_hours`: this run generates without GPUs" in result.stderr
    assert "Traceback" not in result.stderr
    assert "unknown key `plan.gpu`" in snakemake("plan", *SETTINGS, "plan={gpu: 2}", check=False).stderr
