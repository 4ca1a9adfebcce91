"""What jobs cost, how long a schedule of them takes, and how a plan reads."""

import dataclasses
import doctest
import json
import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from scripts.common import units
from scripts.common.errors import InputError
from scripts.plan import evidence, jobs, ranges, view
from scripts.plan.costs import SPEED, estimate, find, read_costs
from scripts.plan.jobs import DryRun, Job, Offer
from scripts.plan.ranges import Range, measured, total
from scripts.plan.schedule import schedule
from scripts.plan.work import Work
from scripts.preflight import disk
from scripts.preflight.facts import config_facts
from scripts.workflow import layout, plan
from scripts.workflow.config import resolve
from tests.snakemake import ROOT, environment

FIGURES = read_costs()
HEAD = "rule\twhat\tvalue\tlow\thigh\tunit\twhen\tbasis\tsource\n"
DRY_RUN = (
    "import pickle, sys; from scripts.plan.jobs import dry_run; file = open(sys.argv[1], 'wb'); "
    "pickle.dump(dry_run(['plan', '--cores', '2', '--config', 'run=never-made', 'plan={gpus: 3}']), file)"
)


def settings(**user):
    base = yaml.safe_load(Path("config/config.yaml").read_text())
    schema = yaml.safe_load(Path("workflow/schemas/config.schema.yaml").read_text())
    return resolve(base, user, Path("config/scales"), schema)


def sources_of(config):
    return layout.read_sources(Path("resources/sources.tsv"), config)


def job(rule="clean_filter", threads=1, gpus=0, inputs=(), outputs=(), **wildcards):
    return Job(rule, wildcards, "no output yet", "", threads, gpus, inputs, outputs, f"results/x/benchmarks/{rule}.tsv")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """What Snakemake says it would do at the tiny scale."""
    file = tmp_path_factory.mktemp("dry-run") / "jobs"
    subprocess.run([sys.executable, "-c", DRY_RUN, str(file)], cwd=ROOT, env=environment(), check=True)
    return pickle.loads(file.read_bytes())


@pytest.mark.parametrize("module", [evidence, jobs, plan, ranges, units, view])
def test_examples_in_the_docstrings_hold(module):
    assert doctest.testmod(module).failed == 0


def test_a_dry_run_gives_every_job_with_its_reason_and_files(tiny):
    rules = Counter(each.rule for each in tiny.jobs)
    assert (rules["seeds_load"], rules["cluster_fit"], rules["all"]) == (9, 1, 1)
    assert "plan" not in rules
    assert {each.reason for each in tiny.jobs if each.rule != "all"} == {"no output yet"}
    piece = next(each for each in tiny.jobs if each.rule == "generate_slice")
    assert set(piece.wildcards) == {"source", "part", "slice"}
    assert piece.benchmark.endswith(f"slice-{piece.wildcards['slice']}.tsv")
    assert tiny.offer == Offer(jobs=None, cores=2, gpus=None)
    assert tiny.targets == ["all"]
    assert tiny.refused == {}
    assert tiny.settings == {"run": "never-made", "plan": {"gpus": "3"}}


def test_a_plan_adds_up(tiny):
    config = settings(run="never-made", plan={"gpus": 3})
    made = plan.make(tiny, config, sources_of(config))
    assert made["totals"]["jobs"] == len(tiny.jobs) == sum(rule["jobs"] for rule in made["rules"])
    assert made["totals"]["gpu_hours"] == (0, 0, 0)
    assert made["offer"] == {"jobs": None, "cores": 2, "gpus": 3}
    assert len(made["jobs"]) == len([each for each in tiny.jobs if each.benchmark])
    for key in ("cpu_hours", "bytes"):
        assert made["totals"][key] == pytest.approx(total(Range(*rule[key]) for rule in made["rules"]))
    wall, work = made["totals"]["wall_hours"], made["totals"]["cpu_hours"]
    assert work[0] / 2 <= wall[0] <= work[0]
    assert wall[1] < wall[0] < wall[2]


def test_a_plan_for_people_names_what_matters_and_where_figures_are_from(tiny):
    config = settings(run="never-made")
    text = view.as_text(json.loads(json.dumps(plan.make(tiny, config, sources_of(config)))))
    assert "GPUs" not in text
    assert "Plan of run never-made, all: " in text
    assert "500 texts" in text
    assert "generate_slice" in text
    assert "with at most 2 cores at once" in text
    assert "resources/tiny-lm" in text
    assert max(map(len, text.splitlines())) < 180
    assert "Refused" not in text


def test_every_rule_with_gpus_is_listed_and_the_gpus_at_once_are_named(tiny):
    config, asked = settings(run="never-made"), {"generate_slice": 2, "label_topics": 1}
    jobs = [dataclasses.replace(each, gpus=asked.get(each.rule, 0)) for each in tiny.jobs]
    wide = dataclasses.replace(tiny, jobs=jobs, offer=Offer(jobs=500))
    made = plan.make(wide, config | {"plan": config["plan"] | {"gpus": 0}}, sources_of(config))
    text = view.as_text(json.loads(json.dumps(made)))
    assert "\nlabel_topics " in text
    most = made["gpus_at_once"]
    assert 2 < most <= 2 * sum(each.rule == "generate_slice" for each in jobs)
    assert f"with at most 500 jobs at once (up to {most} GPUs; with fewer: plan.gpus)" in " ".join(text.split())
    few = plan.make(wide, config | {"plan": config["plan"] | {"gpus": 4}}, sources_of(config))
    assert "up to" not in view.as_text(few)


def test_a_plan_names_costly_work_that_is_refused_and_what_allows_it(tiny):
    config = settings(run="never-made")
    refused = {
        "generate_slice": {"jobs": 1200, "cause": "prompts/a.parquet is newer than b.parquet, but was touched"},
        "train_model": {"jobs": 1, "cause": "scripts/x.py has been edited"},
    }
    made = plan.make(dataclasses.replace(tiny, refused=refused), config, sources_of(config))
    lines = view.as_text(json.loads(json.dumps(made))).splitlines()
    words = " ".join(" ".join(lines).split())
    assert "1,200 of generate_slice (prompts/a.parquet is newer than b.parquet, but was touched); 1 of train_" in words
    assert f"{' ' * 12}--config 'allow_costly=[generate_slice, train_model]'" in lines


def test_every_rule_has_a_cost_at_every_scale(tiny):
    for scale in ("tiny", "small", "full"):
        config = settings(scale=scale)
        work = Work(config, sources_of(config), find(FIGURES, "generate_slice", "length", config).range)
        for each in tiny.jobs:
            if each.benchmark and not {"part", "slice"} & set(each.wildcards):
                assert estimate(each, FIGURES, config, work).seconds.value > 0, each.rule


def test_every_unit_of_the_table_can_be_counted():
    config = settings(scale="full")
    work = Work(config, sources_of(config), find(FIGURES, "generate_slice", "length", config).range)
    units = {SPEED.fullmatch(figure.unit)[1] for figure in FIGURES if figure.what == "time"}
    units |= {figure.unit.removeprefix("bytes/") for figure in FIGURES if figure.what == "disk"}
    assert {unit for unit in units if not work.units(unit, {}) > 0} == set()


def test_the_paper_costs_as_many_gpu_hours_as_its_authors_say():
    config = settings(scale="full")
    sources = sources_of(config)
    work = Work(config, sources, find(FIGURES, "generate_slice", "length", config).range)
    assert work.texts() == pytest.approx(31_060_000, rel=0.01)
    a_text = plan.gpu_seconds_a_text(FIGURES, config)
    low, high = (work.texts() * a_text[end] / 3600 for end in (1, 2))
    assert low < 10_000 < 16_000 < high
    train = estimate(job("train_model", gpus=160), FIGURES, config, work)
    assert train.seconds.value / 3600 == pytest.approx(15, rel=0.02)
    assert train.basis == "published"


def test_published_figures_are_for_what_was_published():
    full, small = settings(scale="full"), settings(scale="small")
    other = settings(scale="full", train={"experiment": "small", "trainer": "transformers"})
    for rule, what in (("train_model", "time"), ("downloads_models", "disk"), ("label_topics", "start")):
        assert find(FIGURES, rule, what, full) != find(FIGURES, rule, what, small), rule
    assert find(FIGURES, "train_model", "time", small).basis == find(FIGURES, "train_model", "time", other).basis
    assert find(FIGURES, "train_model", "time", small).basis == "assumed"
    assert not [each for each in FIGURES if "90 GB of weights" in each.source and each.holds(each.rule, "start", small)]


def test_a_small_model_is_trained_in_under_an_hour_as_its_experiment_says():
    config = settings(scale="small")
    work = Work(config, sources_of(config), Range(790, 790, 790))
    cost = estimate(job("train_model", gpus=1), FIGURES, config, work)
    assert 60 < cost.seconds.low < cost.seconds.high < 3600
    assert work.units("train_flop", {}) == 6 * work.units("parameter", {}) * work.units("train_token", {})


def test_an_endpoint_saves_the_download_of_the_model_that_writes():
    endpoint = {"engine": "openai", "endpoint": "http://localhost:8000/v1", "model": "m", "gpus": 0}
    own, other = settings(scale="small"), settings(scale="small", llm=endpoint)
    assert find(FIGURES, "downloads_models", "disk", own).range.value > 14e9
    assert find(FIGURES, "downloads_models", "disk", other).range.value < 1e9


@pytest.mark.parametrize(("scale", "share"), [("full", 14), ("small", 12)])
def test_what_training_leaves_is_in_the_plan_and_its_peak_in_preflight(scale, share):
    config = settings(scale=scale)
    work = Work(config, sources_of(config), Range(790, 790, 790))
    parameters = work.units("parameter", {})
    facts = {"rules": [{"rule": "train_model"}], "sources": [], "config": config_facts(config, sources_of(config))}
    (peak,) = disk.needs(facts)
    stays = estimate(job("train_model"), FIGURES, config, work).bytes
    assert peak.size == 3 * share * parameters
    assert stays.value == (2 * share + 4 if scale == "full" else 4) * parameters
    assert stays.high < peak.size


def test_the_cores_of_all_nodes_count():
    config = settings(run="x")
    train = job("train_model", threads=8, gpus=160)
    runs = [DryRun([dataclasses.replace(train, nodes=nodes)], ["all"], Offer(), {}, {}) for nodes in (1, 20)]
    one, many = (plan.make(each, config, sources_of(config))["totals"]["cpu_hours"] for each in runs)
    assert many == pytest.approx([20 * hours for hours in one])


def test_what_a_model_that_was_never_measured_costs_is_called_assumed():
    assert find(FIGURES, "generate_slice", "time", settings(scale="full")).basis == "published"
    assert find(FIGURES, "generate_slice", "time", settings(scale="small")).basis == "assumed"


def test_prompts_that_are_there_are_counted_and_not_guessed(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    config = settings()
    sources = sources_of(config)
    (tmp_path / "prompts/wikihow").mkdir(parents=True)
    pq.write_table(pa.table({"prompt_id": list(range(7))}), tmp_path / "prompts/wikihow/part-000.parquet")
    work = Work(config, sources, Range(200, 200, 200), tmp_path, {("wikihow", "000", "000"): 0.5})
    wildcards = {"source": "wikihow", "part": "000"}
    assert work.units("text", wildcards) == 7
    assert work.units("token", wildcards | {"slice": "000"}, "generate_slice") == 700
    assert work.units("seed", wildcards) == 60


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("x\ttime\t5\t6\t7\ttexts/core-second\t\tassumed\tus\n", "row 2: 5 is not between 6 and 7"),
        ("x\ttime\tlots\t6\t7\ttexts/core-second\t\tassumed\tus\n", "row 2: value, low and high must be numbers"),
        ("x\ttime\t6\t6\t7\ttexts/core-second\t\tguessed\tus\n", "`basis` is 'guessed'"),
        ("x\ttime\t6\t6\t7\ttexts a second\t\tassumed\tus\n", "a time is given in"),
        ("x\ttime\t6\t6\t7\ttexts/core-second\t\tassumed\t\n", "a figure needs a source"),
    ],
)
def test_a_broken_figure_is_named(tmp_path, row, message):
    (tmp_path / "costs.tsv").write_text(HEAD + row, encoding="utf-8")
    with pytest.raises(InputError, match=r"costs\.tsv") as error:
        read_costs(tmp_path / "costs.tsv")
    assert message in str(error.value)


def test_few_jobs_give_a_wide_interval_and_many_equal_ones_a_narrow_one():
    assert measured(10.0, [10.0]) == (10, 5, 15)
    assert measured(10.0, [10.0] * 50) == (10, 9, 11)
    assert measured(10.0, [5.0, 10.0, 15.0]).high > 15


def test_a_chain_takes_its_length_and_free_jobs_share_the_machine():
    chain = [job(outputs=["a"]), job(inputs=["a"], outputs=["b"]), job(inputs=["b", "a"])]
    assert schedule(chain, [1, 2, 3], Offer(cores=8)) == (6, 0)
    assert schedule([job()] * 6, [2.0] * 6, Offer(cores=3)) == (4, 0)
    assert schedule([job(gpus=2)] * 6, [2.0] * 6, Offer(gpus=4)) == (6, 4)
    assert schedule([], [], Offer()) == (0, 0)


def test_a_schedule_tells_the_gpus_of_its_widest_moment():
    early = job(gpus=3, outputs=["a"])
    assert schedule([early, *[job(gpus=2, inputs=["a"])] * 6], [1.0] * 7, Offer(jobs=4)) == (3, 8)


def test_a_job_that_asks_for_more_than_there_is_takes_longer():
    assert schedule([job(gpus=160)], [15.0], Offer(gpus=8)) == (300, 8)


@given(
    st.lists(
        st.tuples(st.floats(0.1, 50), st.integers(1, 3), st.integers(0, 2), st.lists(st.integers(0, 20), max_size=3)),
        max_size=20,
    ),
    st.integers(1, 4),
)
def test_a_schedule_is_never_shorter_than_work_and_chain_and_never_longer_than_one_after_the_other(shapes, cores):
    jobs = [
        job(threads=threads, gpus=gpus, outputs=[str(k)], inputs=[str(e) for e in earlier if e < k])
        for k, (_, threads, gpus, earlier) in enumerate(shapes)
    ]
    seconds = [shape[0] for shape in shapes]
    took, most = schedule(jobs, seconds, Offer(cores=cores, gpus=2))
    work = sum(each.threads * time for each, time in zip(jobs, seconds, strict=True)) / cores
    alone = sum(max(1.0, each.threads / cores) * time for each, time in zip(jobs, seconds, strict=True))
    assert max([work, *seconds]) - 1e-6 <= took <= alone + 1e-6
    assert max((each.gpus for each in jobs), default=0) <= most <= 2


def test_a_budget_is_a_fraction_of_the_texts():
    config = settings(scale="full")
    a_text = plan.gpu_seconds_a_text(FIGURES, config)
    half = a_text.value * 15_530_000 / 3600
    none = Range(0, 0, 0)
    assert plan.affordable(half, a_text, 31_060_000, 0, none).value == pytest.approx(0.5)
    assert plan.affordable(half, a_text, 31_060_000, 15_530_000, none).value == pytest.approx(1)
    assert plan.affordable(1, a_text, 31_060_000, 0, Range(2, 2, 2)) == (0, 0, 0)


def budgeted(hours):
    """What a plan says of this budget: the texts of the paper, one job before them, and a training."""
    config = settings(scale="full", plan={"gpu_hours": hours})
    work = Work(config, sources_of(config), find(FIGURES, "generate_slice", "length", config).range)
    rules = [{"rule": "embed_documents", "gpu_hours": Range(19, 13, 32)}]
    rules += [{"rule": rule, "gpu_hours": Range(each, each, each)} for rule, each in
              (("train_model", 2400), ("evaluate_model", 10), ("train_config", 0))]  # fmt: skip
    slices = [
        job("generate_slice", source=name, part=layout.number(part), slice=layout.number(piece))
        for name, source in sources_of(config).items()
        for part in range(source.parts)
        for piece in range(source.slices)
    ]
    return view._budget(json.loads(json.dumps(plan.budget(slices, rules, FIGURES, config, work))))


def test_a_budget_says_what_it_reaches_and_what_it_leaves_unpaid():
    left = "; training and evaluation cost another 2,410 GPU-hours"
    nothing = "do not reach the first text: 19 (13 – 32) GPU-hours come before it"
    assert budgeted(0.5) == f"0.5 GPU-hours {nothing}{left}"
    assert budgeted(200).startswith("200 GPU-hours are enough for fraction=0.01")
    enough = "are enough for all 31,060,000 texts; 19 (13 – 32) GPU-hours of them for what comes before the texts"
    assert budgeted(200_000) == f"200,000 GPU-hours {enough}{left}"
    nearly = budgeted(15_000)
    assert "are enough for all 31,060,000 texts; at the highest costs for fraction=0.8" in nearly
    assert "31,060,000)" in budgeted(12_000)
    assert "31,100,000" not in budgeted(12_000)


def test_a_budget_of_gpu_hours_without_gpus_is_refused():
    with pytest.raises(InputError, match=r"llm\.gpus is 0"):
        plan.gpu_seconds_a_text(FIGURES, settings())
