import doctest
import json
import re
from pathlib import Path

import pytest
import yaml

from scripts.benchmarks import rows
from scripts.benchmarks.load import read_items, read_rows
from scripts.benchmarks.rows import BENCHMARKS, decontamination_text, to_item
from scripts.common.errors import InputError
from tests.unit.real import real_benchmarks, real_data

SAMPLE = Path("resources/sample/benchmarks")

TEXTS = {
    "mmlu": lambda row: [row["question"], row["choices"][row["answer"]]],
    "hellaswag": lambda row: [row["ctx"], row["endings"][int(row["label"])]],
    "piqa": lambda row: [row["goal"], row["sol2"] if int(row["label"]) else row["sol1"]],
    "siqa": lambda row: [row["context"], row["question"], row["answer" + " ABC"[int(row["label"])]]],
    "winogrande": lambda row: [row["sentence"].replace("_", row["option" + row["answer"]], 1)],
    "openbookqa": lambda row: [row["question_stem"], chosen(row)],
    "arc_easy": lambda row: [row["question"], chosen(row)],
    "arc_challenge": lambda row: [row["question"], chosen(row)],
    "boolq": lambda row: [row["passage"], row["question"], "yes" if row["answer"] else "no"],
}
"""Pieces of the compared text as their documentation names them, from the Hub's columns."""


def chosen(row):
    return dict(zip(row["choices"]["label"], row["choices"]["text"], strict=True))[row["answerKey"]]


def pieces(benchmark, row):
    text = re.sub(r"\[(header|title|step|substeps)\]", " ", " ".join(TEXTS[benchmark](row)))
    return text.split()


def write(folder, benchmark, *found):
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found)
    (folder / f"{benchmark}.jsonl").write_text(lines, encoding="utf-8")
    return folder


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_every_sample_row_is_read_and_its_text_is_what_is_documented(benchmark):
    published = [row for _, row in read_rows(benchmark, SAMPLE)]
    items = list(read_items(benchmark, SAMPLE))
    assert len(items) == len({item.row for item in items}) == 12
    assert [decontamination_text(item).split() for item in items] == [pieces(benchmark, row) for row in published]
    assert all(0 <= item.answer < len(item.choices) for item in items)


@real_data
@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_real_rows_in_the_columns_of_the_hub_are_read(tmp_path, benchmark):
    folder = real_benchmarks(tmp_path)
    published = [row for _, row in read_rows(benchmark, folder)]
    items = list(read_items(benchmark, folder))
    assert len(items) == len({item.row for item in items}) == 20
    assert [decontamination_text(item).split() for item in items] == [pieces(benchmark, row) for row in published]


LETTERED = {"text": ["x", "y"], "label": ["A", "B"]}
NUMBERED = {"text": ["x", "y"], "label": ["1", "2"]}
THREE = {"answerA": "a", "answerB": "b", "answerC": "c"}
ROWS = {
    "mmlu": ({"question": "Q?", "choices": ["a", "b"], "answer": 1, "subject": "law"}, "Q? b"),
    "hellaswag": ({"ctx": "[header] How [title] He", "endings": ["ran.", "sat."], "label": "1"}, "How He sat."),
    "piqa": ({"goal": "G", "sol1": "one", "sol2": "two", "label": 0}, "G one"),
    "siqa": ({"context": "C.", "question": "Q?", **THREE, "label": "3"}, "C. Q? c"),
    "winogrande": (
        {"sentence": "I saw _ run.", "option1": "Al", "option2": "Bo", "answer": "2"},
        "I saw Bo run.",
    ),
    "openbookqa": ({"id": "7", "question_stem": "S", "choices": LETTERED, "answerKey": "B"}, "S y"),
    "arc_easy": ({"id": "8", "question": "Q", "choices": NUMBERED, "answerKey": "1"}, "Q x"),
    "arc_challenge": ({"id": "9", "question": "Q", "choices": LETTERED, "answerKey": "A"}, "Q x"),
    "boolq": ({"question": "is it", "passage": "P.", "answer": True}, "P. is it yes"),
}
FIRST = {"mmlu": "question", "hellaswag": "ctx", "piqa": "goal", "siqa": "question", "winogrande": "sentence"}
FIRST |= {"openbookqa": "question_stem", "arc_easy": "question", "arc_challenge": "question", "boolq": "passage"}
LABEL = {"mmlu": "answer", "hellaswag": "label", "piqa": "label", "siqa": "label", "winogrande": "answer"}
LABEL |= {"openbookqa": "answerKey", "arc_easy": "answerKey", "arc_challenge": "answerKey", "boolq": "answer"}


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_the_compared_text_is_the_question_with_its_correct_answer(benchmark):
    row, text = ROWS[benchmark]
    assert decontamination_text(to_item(benchmark, row, 0)) == text


@pytest.mark.parametrize("label", ["", None, -1])
def test_a_withheld_answer_leaves_the_question_alone(label):
    item = to_item("piqa", {"goal": "G", "sol1": "one", "sol2": "two", "label": label}, 4)
    assert (item.answer, item.row, decontamination_text(item)) == (None, "4", "G")


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_a_missing_column_is_named_with_file_row_and_columns(tmp_path, benchmark):
    row, _ = ROWS[benchmark]
    for column in {FIRST[benchmark], LABEL[benchmark]}:
        folder = write(tmp_path, benchmark, row, {key: row[key] for key in row if key != column})
        with pytest.raises(InputError) as error:
            list(read_items(benchmark, folder))
        assert (
            f"{benchmark}.jsonl:2 of {BENCHMARKS[benchmark].name} cannot be read: column '{column}' is missing"
            in str(error.value)
        )
        assert f"columns of {BENCHMARKS[benchmark].hub} on the Hub; it has " in str(error.value)


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_a_null_question_is_an_error_and_never_the_word_none(tmp_path, benchmark):
    row, _ = ROWS[benchmark]
    folder = write(tmp_path, benchmark, row | {FIRST[benchmark]: None})
    with pytest.raises(InputError, match=rf"{benchmark}.jsonl:1 .*: {FIRST[benchmark]} is null and not text"):
        list(read_items(benchmark, folder))


@pytest.mark.parametrize("benchmark", BENCHMARKS)
@pytest.mark.parametrize("label", ["Z", 9])
def test_an_unknown_answer_label_is_an_error(tmp_path, benchmark, label):
    row, _ = ROWS[benchmark]
    folder = write(tmp_path, benchmark, row | {LABEL[benchmark]: label})
    with pytest.raises(InputError, match=rf"{benchmark}.jsonl:1 of .* cannot be read"):
        list(read_items(benchmark, folder))


def test_what_is_wrong_with_a_row_is_told():
    piqa, winogrande, arc = ROWS["piqa"][0], ROWS["winogrande"][0], ROWS["arc_easy"][0]
    with pytest.raises(InputError, match="row 3 of PIQA cannot be read: answer 7 of 2 choices"):
        to_item("piqa", piqa | {"label": 7}, 3)
    with pytest.raises(InputError, match="question and choices must be text"):
        to_item("piqa", piqa | {"sol2": None}, 0)
    with pytest.raises(InputError, match="'abcd' is no list"):
        to_item("mmlu", ROWS["mmlu"][0] | {"choices": "abcd"}, 0)
    with pytest.raises(InputError, match="column 'label' is missing"):
        to_item("arc_easy", arc | {"choices": {"text": ["x"]}}, 0)
    with pytest.raises(InputError, match="has no blank"):
        to_item("winogrande", winogrande | {"sentence": "I saw Al run."}, 0)
    with pytest.raises(InputError, match="answerKey Z is none of 1, 2"):
        to_item("arc_easy", arc | {"answerKey": "Z"}, 0)
    with pytest.raises(InputError, match="no benchmark 'gsm8k'"):
        to_item("gsm8k", {}, 0)


def test_a_broken_line_an_absent_and_an_empty_file_are_named(tmp_path):
    (tmp_path / "piqa.jsonl").write_text(json.dumps(ROWS["piqa"][0]) + "\n\n{broken\n")
    with pytest.raises(InputError, match=r"piqa.jsonl:3: broken_json"):
        list(read_rows("piqa", tmp_path))
    (tmp_path / "siqa.jsonl").write_text("[1]\n")
    with pytest.raises(InputError, match=r"siqa.jsonl:1: broken_json: a JSON object was expected, not list"):
        list(read_rows("siqa", tmp_path))
    (tmp_path / "mmlu.jsonl").write_bytes(b'{"question": "caf\xe9"}\n')
    with pytest.raises(InputError, match=r"mmlu.jsonl:1: not_utf8"):
        list(read_rows("mmlu", tmp_path))
    with pytest.raises(InputError, match=r"boolq.jsonl does not exist. Put the rows of BoolQ there"):
        list(read_rows("boolq", tmp_path))
    (tmp_path / "arc_easy.jsonl").write_text("\n")
    with pytest.raises(InputError, match=r"ARC-E has no row: .*arc_easy.jsonl is empty"):
        list(read_rows("arc_easy", tmp_path))


def test_rows_that_repeat_an_id_are_all_kept_and_listed(tmp_path, caplog):
    row, _ = ROWS["arc_easy"]
    folder = write(tmp_path, "arc_easy", row, row | {"question": "R"}, row | {"id": "x"}, row)
    assert [item.row for item in read_items("arc_easy", folder)] == ["8", "8#2", "x", "8#3"]
    assert "arc_easy.jsonl:2 repeats the id 8: it is called 8#2 here" in caplog.text


def test_the_sample_and_the_configuration_know_the_same_benchmarks():
    schema = yaml.safe_load(Path("workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
    config = yaml.safe_load(Path("config/config.yaml").read_text(encoding="utf-8"))
    assert {path.stem for path in SAMPLE.glob("*.jsonl")} == set(BENCHMARKS)
    assert schema["$defs"]["benchmark"]["enum"] == list(BENCHMARKS) == config["decontaminate"]["benchmarks"]


def test_examples_in_the_documentation():
    assert doctest.testmod(rows).failed == 0
