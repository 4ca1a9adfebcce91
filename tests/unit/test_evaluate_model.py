import json
from pathlib import Path

import pytest

from scripts.benchmarks.load import read_items
from scripts.benchmarks.rows import BENCHMARKS, Item
from scripts.common.errors import InputError
from scripts.evaluate.model import collect, evaluate, main
from scripts.evaluate.tasks import query, write_items

SAMPLE = "resources/sample/benchmarks"
MODEL = Path("resources/tiny-lm")


def item(answer, choices=("yes", "no"), benchmark="arc_easy"):
    return Item(benchmark, "1", "Is the Moon a star?", choices, answer)


def test_questions_are_put_as_questions_and_texts_are_continued():
    assert query(item(1)) == "Question: Is the Moon a star?\nAnswer:"
    assert query(item(1, benchmark="winogrande")) == "Is the Moon a star?"


def test_items_without_an_answer_are_counted_and_chance_follows_the_choices(tmp_path):
    facts = write_items("arc_easy", [item(1), item(None), item(0, ("a", "b", "c", "d"))], tmp_path / "items")
    assert facts == {"n": 2, "withheld": 1, "chance": (1 / 2 + 1 / 4) / 2}
    rows = [json.loads(line) for line in (tmp_path / "items" / "test.jsonl").read_text().splitlines()]
    assert rows[0]["choices"] == [" yes", " no"]


def test_a_benchmark_without_answers_is_an_error(tmp_path):
    with pytest.raises(InputError, match="arc_easy has no item with a published answer"):
        write_items("arc_easy", [item(None)], tmp_path / "items")


@pytest.mark.parametrize("benchmark", sorted(BENCHMARKS))
def test_every_sample_benchmark_can_be_scored(benchmark, tmp_path):
    facts = write_items(benchmark, read_items(benchmark, SAMPLE), tmp_path / "items")
    assert facts["n"] >= 10
    assert 0.19 < facts["chance"] <= 0.5


def test_an_unknown_benchmark_is_answered_with_what_there_is(tmp_path):
    with pytest.raises(InputError, match=r"unknown benchmark arc_hard.*arc_challenge"):
        evaluate(MODEL, ["arc_hard"], SAMPLE, 0, "cpu", 16, tmp_path)


def test_results_get_their_names_and_facts_and_lose_the_averages():
    results = {
        "cosmopedia_piqa:0": {"acc": 0.5, "acc_stderr": 0.1},
        "arc:challenge:25": {"acc": 0.25, "acc_stderr": 0.2},
        "mmlu:_average:0": {"acc": 0.3},
        "all": {"acc": 0.4},
    }
    assert collect({"results": results}, {"piqa": {"n": 12, "chance": 0.5, "withheld": 0}}, max_samples=10) == {
        "piqa": {"n": 10, "chance": 0.5, "withheld": 0, "score": {"acc": 0.5}, "stderr": {"acc_stderr": 0.1}},
        "arc:challenge|25": {"score": {"acc": 0.25}, "stderr": {"acc_stderr": 0.2}},
    }


def test_lighteval_scores_a_model_offline_and_twice_alike(tmp_path):
    flags = ["--model", str(MODEL), "--benchmarks", "winogrande", "--location", SAMPLE, "--device", "cpu"]
    for name in ("first", "second"):
        main([*flags, "--max-samples", "4", "--output", str(tmp_path / name)])
    scores = json.loads((tmp_path / "first").read_text())
    assert scores["winogrande"]["n"] == 4
    assert set(scores["winogrande"]["score"]) == {"acc", "acc_norm"}
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
