"""What the tiny run made, from seeds to report; the run was killed once on its way (see tests/conftest.py)."""

import json
import shutil
from collections import Counter
from itertools import pairwise

import pytest

from scripts.common import schemas, tables
from scripts.common.counts import Counts, total
from scripts.dataset import explain
from scripts.dataset.finished import read_dataset
from tests.snakemake import planned_jobs, snakemake

STEPS = ("seeds", "prompts", "generations", "clean", "decontaminate")
BENCHMARKS = {"mmlu", "hellaswag", "piqa", "siqa", "winogrande", "openbookqa", "arc_easy", "arc_challenge", "boolq"}


def rows(run, pattern, schema):
    """All rows of the part files, in the order of their names."""
    return [row for path in parts(run, pattern) for row in tables.iterate_rows(path, schema)]


def parts(run, pattern):
    paths = sorted(path for path in run.glob(pattern) if not path.name.endswith(".rejected.parquet"))
    assert paths, f"no file matches {pattern}"
    return paths


def counts(run, step):
    return total([Counts.read(path) for path in sorted((run / step).glob("*/part-*.counts.json"))], step)


def test_a_second_run_has_nothing_to_do(tiny_run):
    assert planned_jobs("--config", f"run={tiny_run.name}") == {}


def test_each_step_reads_what_the_step_before_it_passed_on(tiny_run):
    summed = {step: counts(tiny_run, step) for step in STEPS}
    for before, after in pairwise(("seeds", "prompts", "generations", "clean")):
        assert summed[before].rows_out == summed[after].rows_in, (before, after)
    removed = tables.count_rows(tiny_run / "deduplicate" / "removed.parquet")
    assert summed["clean"].rows_out - removed == summed["decontaminate"].rows_in
    kept = sum(tables.count_rows(path) for path in parts(tiny_run, "dataset/*/train-*.parquet"))
    assert kept == summed["decontaminate"].rows_out > 0


def test_broken_pages_are_kept_aside_with_a_reason(tiny_run):
    files = sorted(tiny_run.glob("seeds/*/part-*.rejected.parquet"))
    rejected = [row for path in files for row in tables.iterate_rows(path, schemas.REJECTED)]
    assert len(rejected) >= 8
    assert all(row["reason"] and row["id"] for row in rejected)


def test_every_seed_has_a_license_and_an_origin(tiny_run):
    seeds = rows(tiny_run, "seeds/*/part-*.parquet", schemas.SEEDS)
    assert all(seed["license"] and seed["origin"] for seed in seeds)
    assert {seed["kind"] for seed in seeds} == {"passage", "unit", "title", "dialogue"}


def test_every_text_carries_the_licence_and_the_origin_of_its_seed(tiny_run):
    seeds = {seed["seed_id"]: seed for seed in rows(tiny_run, "seeds/*/part-*.parquet", schemas.SEEDS)}
    texts = rows(tiny_run, "dataset/*/train-*.parquet", schemas.DATASET)
    assert {seeds[text["seed_id"]]["source"] for text in texts} == {seed["source"] for seed in seeds.values()}
    for text in texts:
        seed = seeds[text["seed_id"]]
        assert (text["license"], text["origin"]) == (seed["license"], seed["origin"])


def test_courses_were_asked_about_and_each_is_an_outline_or_tells_why_not(tiny_run):
    outlines = rows(tiny_run, "seeds/outlines/stanford/part-000.parquet", schemas.OUTLINES)
    assert len(outlines) == 12
    assert all(row["outline_raw"].startswith('{"units":') for row in outlines)
    assert all((row["source"] == "llm") == bool(row["units"]) != bool(row["problem"]) for row in outlines)


def test_clusters_are_found_and_every_document_belongs_to_one_or_to_noise(tiny_run):
    sample = rows(tiny_run, "clusters/sample.parquet", schemas.CLUSTER_SAMPLE)
    clusters = {row["cluster_id"] for row in sample} - {-1}
    assert len(clusters) >= 8
    assigned = rows(tiny_run, "clusters/assignments/web/part-*.parquet", schemas.ASSIGNMENTS)
    seeds = rows(tiny_run, "seeds/web/part-*.parquet", schemas.SEEDS)
    assert [row["seed_id"] for row in assigned] == [row["seed_id"] for row in seeds]
    assert {row["cluster_id"] for row in assigned} <= clusters | {-1}


def test_every_cluster_has_a_topic_a_decision_and_a_reason(tiny_run):
    topics = rows(tiny_run, "topics/topics.parquet", schemas.TOPICS)
    assert all(row["topic"] and row["reason"] for row in topics)
    assert {row["decision"] for row in topics} <= {"kept", "removed"}
    assert {row["label_source"] for row in topics} <= {"llm", "keywords"}
    for row in topics:
        assert (row["educational_score"] is not None) == (row["n_answers"] > 0)
        assert row["label_source"] == "keywords" or row["n_answers"] == 1 or row["agreement"] > 0.5
    page = (tiny_run / "topics/review.html").read_text(encoding="utf-8")
    assert all(f'data-cluster="{row["cluster_id"]}"' in page for row in topics)


def test_prompts_cover_formats_and_audiences_and_half_the_web_prompts_name_the_topic(tiny_run):
    prompts = rows(tiny_run, "prompts/*/part-*.parquet", schemas.PROMPTS)
    assert len({row["prompt_id"] for row in prompts}) == len(prompts)
    assert len({row["format"] for row in prompts}) >= 8
    assert len({row["audience"] for row in prompts}) >= 4
    web = [row["topic_in_prompt"] for row in prompts if row["seed_data"] == "web_samples"]
    assert 0.35 < sum(web) / len(web) < 0.65


def test_every_prompt_has_exactly_one_text_although_the_run_was_killed(tiny_run):
    prompts = [row["prompt_id"] for row in rows(tiny_run, "prompts/*/part-*.parquet", schemas.PROMPTS)]
    texts = [row["prompt_id"] for row in rows(tiny_run, "generations/*/part-*.parquet", schemas.GENERATIONS)]
    assert texts == prompts
    assert {row["engine"] for row in rows(tiny_run, "generations/*/part-*.parquet", schemas.GENERATIONS)} == {
        "transformers"
    }


def test_the_dataset_opens_with_the_published_columns(tiny_run):
    import datasets

    splits = sorted(path.name for path in (tiny_run / "dataset").iterdir() if path.is_dir())
    assert "stories" in splits
    stories = datasets.load_dataset(str(tiny_run / "dataset"), "stories", split="train")
    published = ["prompt", "text_token_length", "text", "seed_data", "format", "audience"]
    assert stories.column_names[:6] == published
    assert all(length >= 150 for length in stories["text_token_length"])


def test_the_card_names_the_model_and_says_what_the_texts_are_worth(tiny_run):
    card = (tiny_run / "dataset" / "README.md").read_text()
    assert "tiny-lm" in card
    assert "meaning" in card


def explained(run, given, capsys):
    """The history that explain_document gives, as JSON."""
    explain.main([str(run), given, "--json"])
    return json.loads(capsys.readouterr().out)


def test_every_kind_of_row_can_be_explained(tiny_run, capsys):
    text = rows(tiny_run, "dataset/stories/train-*.parquet", schemas.DATASET)[0]
    history = explained(tiny_run, text["prompt_id"], capsys)
    found = {step["name"]: step for step in [*history["origin"], *history["prompts"][text["prompt_id"]]]}
    assert history["verdict"].startswith("in the dataset: stories/train-00000-of-")
    assert found["training"]["summary"] == "in the mix of tiny"
    assert found["seed"]["facts"]["licence"] == text["license"]
    assert found["generation"]["facts"]["attempts in the ledger"]
    decisions = rows(tiny_run, "clean/*/part-*.parquet", schemas.DECISIONS)
    removed = next(row for row in decisions if row["decision"] == "removed")
    verdict = explained(tiny_run, removed["prompt_id"][:12], capsys)["verdict"]
    assert verdict.startswith(f"left out at step quality: {removed['reason']}")
    duplicate = rows(tiny_run, "deduplicate/removed.parquet", schemas.NEAR_DUPLICATES)[0]
    verdict = explained(tiny_run, duplicate["removed_id"], capsys)["verdict"]
    assert verdict.startswith(f"left out at step duplicates: near_duplicate of {duplicate['kept_id']}")
    files = sorted(tiny_run.glob("seeds/web/part-*.rejected.parquet"))
    rejected = next(row for path in files for row in tables.iterate_rows(path, schemas.REJECTED))
    assert rejected["reason"] in explained(tiny_run, rejected["id"], capsys)["verdict"]


def test_the_dataset_is_whole_as_an_upload_wants_it(tiny_run):
    files = read_dataset(tiny_run / "dataset")
    assert sum(file.rows or 0 for file in files) == counts(tiny_run, "decontaminate").rows_out


def test_training_lowers_the_loss(tiny_run):
    log = [json.loads(line) for line in (tiny_run / "train" / "tiny" / "log.jsonl").read_text().splitlines()]
    assert log[-1]["step"] >= 20
    assert log[-1]["loss"] < log[0]["loss"] - 0.5


def test_every_benchmark_has_a_score(tiny_run):
    scores = json.loads((tiny_run / "evaluate" / "tiny" / "scores.json").read_text())
    assert set(scores) == BENCHMARKS
    assert all(0 <= score["score"]["acc"] <= 1 and score["n"] >= 8 for score in scores.values())


def test_a_smaller_run_on_one_core_gives_a_subset_with_the_same_texts(tiny_run):
    smaller = tiny_run.parent / "test-fraction"
    shutil.rmtree(smaller, ignore_errors=True)
    web = [f"results/{smaller.name}/generations/web/part-{part}.parquet" for part in ("000", "001")]
    snakemake(*web, "--cores", "1", "--config", f"run={smaller.name}", "fraction=0.2")
    sealed = "generations/web/part-*.parquet"
    everything = {row["prompt_id"]: row for row in rows(tiny_run, sealed, schemas.GENERATIONS)}
    some = rows(smaller, sealed, schemas.GENERATIONS)
    assert 0.1 < len(some) / len(everything) < 0.3
    assert all(everything[row["prompt_id"]] == row for row in some)


@pytest.fixture(scope="module")
def report(tiny_run):
    path = tiny_run / "report.html"
    snakemake("--report", str(path), "--config", f"run={tiny_run.name}")
    return path.read_text()


def test_the_report_is_one_file_with_every_chapter(report):
    missing = [
        word
        for word in ("Overview", "Topics", "Prompts", "Contamination", "Training", "Evaluation")
        if word not in report
    ]
    assert not missing


def test_kept_and_removed_texts_are_told_apart_by_reason(tiny_run):
    decisions = rows(tiny_run, "clean/*/part-*.parquet", schemas.DECISIONS)
    reasons = Counter(row["reason"] for row in decisions if row["decision"] == "removed")
    assert counts(tiny_run, "clean").rejected == dict(reasons)
