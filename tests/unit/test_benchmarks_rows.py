import json
from pathlib import Path

import pytest

from scripts.benchmarks.rows import BENCHMARKS, decontamination_text, read_items, read_rows, to_item
from scripts.common.errors import InputError

SAMPLE = "resources/sample/benchmarks"


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_every_sample_row_has_a_question_and_a_known_answer(benchmark):
    items = list(read_items(benchmark, SAMPLE))
    assert len(items) == 12
    assert len({item.row for item in items}) == 12
    for item in items:
        assert item.question.strip()
        assert 0 <= item.answer < len(item.choices)
        assert decontamination_text(item).startswith(item.question)


LETTERED = {"text": ["x", "y"], "label": ["A", "B"]}
NUMBERED = {"text": ["x", "y"], "label": ["1", "2"]}
THREE = {"answerA": "a", "answerB": "b", "answerC": "c"}


@pytest.mark.parametrize(
    ("benchmark", "row", "text"),
    [
        ("mmlu", {"question": "Q?", "choices": ["a", "b"], "answer": 1, "subject": "law"}, "Q? b"),
        ("hellaswag", {"ctx": "[header] How [title] He", "endings": ["ran.", "sat."], "label": "1"}, "How He sat."),
        ("piqa", {"goal": "G", "sol1": "one", "sol2": "two", "label": 0}, "G one"),
        ("siqa", {"context": "C.", "question": "Q?", **THREE, "label": "3"}, "C. Q? c"),
        ("winogrande", {"sentence": "I saw _ run.", "option1": "Al", "option2": "Bo", "answer": "2"}, "I saw Bo run."),
        ("openbookqa", {"question_stem": "S", "choices": LETTERED, "answerKey": "B"}, "S y"),
        ("arc_easy", {"question": "Q", "choices": NUMBERED, "answerKey": "1"}, "Q x"),
        ("boolq", {"question": "is it", "passage": "P.", "answer": True}, "P. is it yes"),
    ],
)
def test_the_compared_text_is_the_question_with_its_correct_answer(benchmark, row, text):
    assert decontamination_text(to_item(benchmark, row, 0)) == text


@pytest.mark.parametrize("label", ["", None, -1])
def test_a_withheld_answer_leaves_the_question_alone(label):
    item = to_item("piqa", {"goal": "G", "sol1": "one", "sol2": "two", "label": label}, 4)
    assert (item.answer, item.row, decontamination_text(item)) == (None, "4", "G")


def test_a_row_of_another_shape_is_named():
    with pytest.raises(InputError, match=r"row 3 of PIQA .*KeyError.*ybisk/piqa.*it has question"):
        to_item("piqa", {"question": "Q"}, 3)
    with pytest.raises(InputError, match="answer 7 of 2 choices"):
        to_item("piqa", {"goal": "G", "sol1": "one", "sol2": "two", "label": 7}, 0)
    with pytest.raises(InputError, match="must be text"):
        to_item("piqa", {"goal": None, "sol1": "one", "sol2": "two", "label": 0}, 0)


def test_a_broken_line_is_named(tmp_path):
    (tmp_path / "piqa.jsonl").write_text(json.dumps({"goal": "G"}) + "\n\n{broken\n")
    with pytest.raises(InputError, match=r"piqa.jsonl line 3 is not valid JSON"):
        list(read_rows("piqa", str(tmp_path)))
    with pytest.raises(InputError, match=r"boolq.jsonl does not exist"):
        list(read_rows("boolq", str(tmp_path)))
    with pytest.raises(InputError, match="no benchmark 'gsm8k'"):
        list(read_rows("gsm8k", str(tmp_path)))


def test_the_sample_covers_the_configured_benchmarks():
    assert {path.stem for path in Path(SAMPLE).glob("*.jsonl")} == set(BENCHMARKS)
