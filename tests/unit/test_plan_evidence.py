"""What finished jobs tell of those to come, and a plan against what happened."""

import json
from pathlib import Path

import pytest

from scripts.common.errors import InputError
from scripts.common.files import write_json
from scripts.generate.status import Status, StatusFile
from scripts.plan import evidence
from scripts.plan.costs import Cost, estimate, find, read_costs
from scripts.plan.jobs import Job
from scripts.plan.ranges import Range
from scripts.plan.reality import benchmark_seconds, compare
from scripts.plan.work import Work
from scripts.report import timing
from scripts.workflow import plan
from tests.snakemake import ROOT
from tests.unit.test_plan import settings, sources_of

COLUMNS = "s\th:m:s\tmax_rss\tcpu_time\n"
LLM = {"engine": "transformers", "model": "resources/tiny-lm", "gpus": 0}
FIGURES = read_costs()


def benchmark(results, name, *seconds):
    path = results / "benchmarks" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(COLUMNS + "".join(f"{each}\t0:00:01\t90\t1\n" for each in seconds), encoding="utf-8")


def generate(results, source, piece, texts, total=10, **other):
    """Leaves the status file of a job that made so many texts of 200 tokens."""
    status = Status(f"{source} {piece}", total, 0)
    facts = {
        "source": source, "part": "000", "slice": piece, "n_slices": 2, "recipe": "r", "gpus": 0,
        "engine": "transformers", "model": "resources/tiny-lm",
    }  # fmt: skip
    path = results / f"generations/ledger/{source}/part-000/job-{piece}.status.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with StatusFile(path, status, facts | other, ended=lambda: texts < total, in_flight=lambda: 0):
        for _ in range(texts):
            status.text({"text_token_length": 200})


@pytest.fixture
def results(tmp_path):
    """A run, half done: some jobs of three rules, and a slice that was ended after six of ten texts."""
    for part, seconds in (("000", 40.0), ("001", 44.0), ("002", 42.0)):
        benchmark(tmp_path, f"clean_filter/web/part-{part}.tsv", seconds)
    benchmark(tmp_path, "cluster_fit/cluster_fit.tsv", 9.0)
    benchmark(tmp_path, "generate_slice/web/part-000/slice-000.tsv", 50.0)
    generate(tmp_path, "web", 0, 10)
    generate(tmp_path, "web", 1, 6)
    return tmp_path


def work_of(config):
    return Work(config, sources_of(config), find(FIGURES, "generate_slice", "length", config).range)


def job(rule, **wildcards):
    return Job(rule, wildcards, "no output yet", "", 1, 0, [], [], f"results/x/benchmarks/{rule}/x.tsv")


def test_status_files_give_speed_and_length(results):
    found = evidence.generation(evidence.statuses(results), LLM, "this run", results)
    assert find(found, "generate_slice", "length", {}).range == (200, 100, 300)  # two jobs are few
    time = find(found, "generate_slice", "time", {})
    assert time.unit == "tokens/job-second"
    assert time.basis == "this run"
    assert "2 jobs" in time.source and "3,200 tokens" in time.source
    assert find(found, "clean_filter", "time", {}) is None


def test_another_model_tells_nothing(results):
    assert evidence.generation(evidence.statuses(results), LLM | {"model": "other"}, "this run", results) == []


def test_what_a_killed_slice_has_is_not_paid_again(results):
    left = evidence.slices_left(evidence.statuses(results), {"web": 2})
    assert left == {("web", "000", "000"): 0.0, ("web", "000", "001"): pytest.approx(0.4)}
    assert evidence.slices_left(evidence.statuses(results), {"web": 3}) == {}


def test_finished_jobs_correct_the_table_and_their_spread_is_the_interval(results):
    config = settings()
    work = work_of(config)
    planned = [job("clean_filter", source="web", part="000"), job("cluster_fit"), job("dataset_card")]
    factors = evidence.factors(results, planned, FIGURES, config, work)
    assert set(factors) == {"clean_filter", "cluster_fit"}
    cost = evidence.corrected(estimate(planned[0], FIGURES, config, work), factors["clean_filter"])
    assert cost.seconds.value == pytest.approx(42, rel=0.5)
    assert cost.basis == "this run"
    assert cost.source == "3 finished jobs of this run"
    assert factors["cluster_fit"].range.low == pytest.approx(factors["cluster_fit"].range.value / 2)


def test_jobs_about_a_split_or_the_whole_run_have_its_work(results):
    benchmark(results, "dataset_split/stories.tsv", 5.0)
    benchmark(results, "deduplicate_buckets/003.tsv", 3.0)
    config = settings()
    planned = [job("dataset_split", split="stories"), job("deduplicate_buckets", bucket="004")]
    factors = evidence.factors(results, planned, FIGURES, config, work_of(config))
    assert factors["dataset_split"].units == pytest.approx(95, abs=1)  # of ultrachat and openhermes
    assert factors["deduplicate_buckets"].units == pytest.approx(500, abs=1)


def test_small_jobs_do_not_tell_what_large_ones_take():
    large = Cost(Range(900, 800, 1000), Range(0, 0, 0), 250000, "measured", "table")
    small = evidence.Factor(Range(3, 2, 4), 5, 100)
    assert evidence.corrected(large, small) == large
    assert evidence.corrected(large, evidence.Factor(Range(3, 2, 4), 5, 25000)).seconds == (2700, 1800, 3600)
    assert evidence.corrected(large, None) == large


def test_the_speed_of_generation_is_not_corrected_a_second_time(results):
    config = settings()
    figures = evidence.generation(evidence.statuses(results), LLM, "this run", results) + FIGURES
    planned = [job("generate_slice", source="web", part="000", slice="000")]
    assert evidence.factors(results, planned, figures, config, work_of(config)) == {}


def test_a_benchmark_without_a_figure_counts_as_none(tmp_path):
    benchmark(tmp_path, "empty/a.tsv")
    benchmark(tmp_path, "odd/a.tsv", "NA")
    benchmark(tmp_path, "repeated/a.tsv", 3.0, 4.5)
    found = [benchmark_seconds(tmp_path / f"benchmarks/{name}/a.tsv") for name in ("empty", "odd", "repeated", "none")]
    assert found == [None, None, 4.5, None]


def test_a_plan_is_compared_with_the_jobs_that_have_finished(results):
    names = ("clean_filter/web/part-000", "clean_filter/web/part-001", "clean_filter/web/part-009", "train_model/tiny")
    jobs = {
        f"benchmarks/{name}.tsv": {"rule": name.split("/")[0], "gpus": 2, "threads": 1, "seconds": [36.0, 18.0, 72.0]}
        for name in names
    }
    clean, train = compare({"jobs": jobs}, results)
    assert (clean["rule"], clean["jobs"], clean["finished"]) == ("clean_filter", 3, 2)
    assert clean["hours"] == pytest.approx(84 / 3600)
    assert clean["planned"] == pytest.approx([0.02, 0.01, 0.04])
    assert clean["gpu_hours"] == pytest.approx(2 * 84 / 3600)
    assert clean["within"] is True
    assert (train["finished"], train["within"]) == (0, None)


def test_a_later_plan_keeps_the_finished_jobs_of_the_earlier_one(results):
    done, other = "benchmarks/cluster_fit/cluster_fit.tsv", "benchmarks/train_model/tiny.tsv"
    plan.keep({"run": "x", "jobs": {done: 1, other: 2, "benchmarks/c.tsv": 3}}, results)
    plan.keep({"run": "x", "jobs": {other: 4}}, results)
    assert json.loads((results / "plan.json").read_text())["jobs"] == {done: 1, other: 4}


def test_a_pilot_that_is_no_run_is_an_error():
    config = settings(plan={"pilot": "results/no-such-run"})
    with pytest.raises(InputError, match="results/no-such-run has no generations/ledger"):
        plan._speeds([], Path("results/x"), config)


def test_a_pilot_lends_its_speed_until_the_run_has_its_own(results):
    config = settings(plan={"pilot": str(results)})
    assert {figure.basis for figure in plan._speeds([], Path("results/x"), config)} == {"pilot"}
    own = evidence.statuses(results)
    assert {figure.basis for figure in plan._speeds(own, Path("results/x"), config)} == {"this run"}


def timing_page(results, tmp_path):
    numbers = tmp_path / "generations.json"
    write_json(numbers, {"tokens": 1000})
    made = {"page": "timing.html", "numbers": "timing.json", "figure": "timing.svg"}
    flags = {"run": "x", "scale": "tiny", "claims": ROOT / "resources/claims.tsv", "generations": numbers}
    flags |= {"benchmarks": results / "benchmarks", "plan": results / "plan.json"}
    flags |= {name: tmp_path / "page" / file for name, file in made.items()}
    timing.main([word for name, value in flags.items() for word in (f"--{name}", str(value))])
    return (tmp_path / "page/timing.html").read_text(encoding="utf-8")


def test_the_timing_page_sets_the_plan_against_what_happened(results, tmp_path):
    assert "No plan was made before the run" in timing_page(results, tmp_path)
    jobs = {
        "benchmarks/cluster_fit/cluster_fit.tsv": {"rule": "cluster_fit", "gpus": 0, "seconds": [1.0, 0.5, 2.0]},
        "benchmarks/train_model/tiny.tsv": {"rule": "train_model", "gpus": 0, "seconds": [1.0, 0.5, 2.0]},
    }
    plan.keep({"run": "x", "jobs": jobs}, results)
    shown = timing_page(results, tmp_path).split("Plan and reality")[1]
    assert "slower" in shown.split("cluster_fit")[1].split("</tr>")[0]
    assert "not run" in shown.split("train_model")[1].split("</tr>")[0]
