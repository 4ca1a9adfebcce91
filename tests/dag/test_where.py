"""Where work is done, how fast and how it is watched reruns nothing; what results depend on does."""

import argparse
import shlex
import shutil

import pytest

from scripts import engines
from tests.snakemake import ROOT, planned_jobs, snakemake

RUN = "where-it-runs"
TARGETS = ("generations", "preview_generations", "model")
ASKING = {"label_topics": 1, "seeds_outline": 1, "generate_slice": 11, "generate_preview": 8}


def settings(**sections):
    """The run, with values by section; an endpoint, so that each of them is used."""
    llm = {"engine": "openai", "model": "some", "endpoint": "http://node-1:8000/v1"} | sections.pop("llm", {})
    return ("--config", f"run={RUN}", f"llm={llm}", *(f"{section}={values}" for section, values in sections.items()))


@pytest.fixture(scope="module", autouse=True)
def _finished():
    """A run whose texts, previews and model are there as far as Snakemake can tell."""
    shutil.rmtree(ROOT / "results" / RUN, ignore_errors=True)
    summary = snakemake("--summary", *TARGETS, *settings()).stdout.splitlines()
    for file in [ROOT / line.split("\t")[0] for line in summary if line.startswith("results/")]:
        (file.parent if file.suffix else file).mkdir(parents=True, exist_ok=True)
        if file.suffix:
            file.touch()
    snakemake("--touch", "--forceall", "--cores", "1", *TARGETS, *settings())
    yield
    shutil.rmtree(ROOT / "results" / RUN)


def test_where_how_fast_and_how_watched_rerun_nothing():
    assert planned_jobs(*TARGETS, *settings()) == {}
    llm = {"gpus": 2, "tensor_parallel": 2, "threads": 2, "max_in_flight": 9, "gpu_model": "h100"}
    llm |= {"endpoint": "http://[::1]:8000/v1", "options": {"timeout": 9, "retries": 9, "backoff": 9, "patience": 9}}
    watched = {"rows_per_segment": 5, "max_failure_rate": 0.9, "stall_minutes": 5, "stop_rules": {"refusals": 0.1}}
    generate = watched | {"runtime": 5}
    elsewhere = settings(
        llm=llm,
        generate=generate,
        embed={"gpus": 3},
        train={"nodes": 2, "gpus": 4, "runtime": 5},
        tokenize={"threads": 1},
    )
    assert planned_jobs(*TARGETS, *elsewhere) == {}


@pytest.mark.parametrize(
    "llm",
    [
        {"engine": "transformers", "model": "resources/tiny-lm"},
        {"dtype": "bfloat16"},
        {"options": {"body": {"min_p": 0.1}, "patience": 9}},
    ],
)
def test_what_answers_depend_on_reruns_all_that_asks_the_model(llm):
    planned = planned_jobs(*TARGETS, *settings(llm=llm))
    assert {rule: planned[rule] for rule in ASKING} == ASKING


def test_what_other_results_depend_on_reruns_what_makes_them():
    planned = planned_jobs(*TARGETS, *settings(generate={"max_attempts": 4}, train={"threads": 3}))
    assert {rule: planned.get(rule, 0) for rule in ASKING} == ASKING | {"label_topics": 0}
    assert planned["train_model"] == 1
    assert planned_jobs("embeddings", *settings(embed={"batch_size": 16}))["embed_documents"] == 2


def test_an_endpoint_reaches_the_program_as_it_was_written():
    options = {"patience": 9, "body": {"stop": "it's"}}
    llm = {"engine": "openai", "model": "some", "endpoint": "http://[::1]:8000/v1", "options": options}
    printed = snakemake("-n", "-p", "generations", "--config", "run=never-made", f"llm={llm}").stdout
    commands = [line.partition(": ")[2] for line in printed.splitlines() if "$PYTHON_LLM -m" in line]
    assert len(commands) >= 3
    for command in commands:
        parser = argparse.ArgumentParser()
        engines.add_arguments(parser)
        settings = engines.settings_from(parser.parse_known_args(shlex.split(command))[0])
        assert (settings.endpoint, settings.options) == (llm["endpoint"], options)
