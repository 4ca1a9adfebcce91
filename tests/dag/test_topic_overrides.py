"""A changed file of corrections reruns the decision, the review page and what uses the topics: nothing upstream."""

import os
import shutil

import pytest

from tests.snakemake import ROOT, planned_jobs, snakemake

RUN = "topic-overrides"


def settings(*overrides):
    return ("--config", f"run={RUN}", f"label={{overrides: [{', '.join(map(str, overrides))}]}}")


@pytest.fixture
def finished(tmp_path):
    """A file of corrections, and a run whose prompts are all there as far as Snakemake can tell."""
    shutil.rmtree(ROOT / "results" / RUN, ignore_errors=True)
    own = tmp_path / "topics.tsv"
    own.write_text("topic\tdecision\nBirds\tremoved\n", encoding="utf-8")
    os.utime(own, (0, 0))
    summary = snakemake("--summary", "prompts", "topics", *settings(own)).stdout.splitlines()
    files = [ROOT / line.split("\t")[0] for line in summary if line.startswith("results/")]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    snakemake("--touch", "--cores", "1", "prompts", "topics", *settings(own))
    yield own
    shutil.rmtree(ROOT / "results" / RUN)


def test_a_changed_correction_reruns_the_decision_and_what_follows(finished):
    assert planned_jobs("prompts", "topics", *settings(finished)) == {}
    finished.write_text("topic\tdecision\nBirds\tkept\n", encoding="utf-8")
    jobs = planned_jobs("prompts", *settings(finished))
    upstream = planned_jobs("results/never-made/topics/answers.parquet", "--config", "run=never-made")
    assert {"label_topics", "label_examples", "embed_documents"} < set(upstream)
    assert not set(upstream) & set(jobs)
    assert {"label_decide", "prompts_build"} < set(jobs)
    assert set(planned_jobs("topics", *settings(finished))) == {"label_decide", "label_review", "topics"}


def test_a_new_file_of_corrections_reruns_the_decision_and_what_follows(finished):
    jobs = planned_jobs("topics", *settings("resources/topics_published.tsv", finished))
    assert set(jobs) == {"label_decide", "label_review", "topics"}


def test_a_named_file_that_is_not_there_is_an_error_and_the_own_one_is_not():
    result = snakemake("-n", "topics", *settings("config/topics.tsv", "config/topcis.tsv"), check=False)
    assert result.returncode != 0
    assert "`label.overrides[1]`: there is no config/topcis.tsv" in result.stderr
    assert planned_jobs("topics", *settings("config/topics.tsv"))["label_decide"] == 1
