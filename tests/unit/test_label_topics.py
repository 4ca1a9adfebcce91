"""Answers of the model: usable ones are read, the others keep their text and the problem."""

import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.common.tables import TOPIC_ANSWERS, TOPIC_EXAMPLES, read_table, write_table
from scripts.engines import Completion
from scripts.label import topics
from scripts.label.answers import Answer, parse
from scripts.label.prompt import label_schema
from scripts.label.topics import read_answer, requests, to_rows


def answer(topic="Garden birds", score=7):
    return json.dumps({"topic": topic, "educational_score": score})


@pytest.mark.parametrize(
    "text",
    [
        answer(),
        f"Here it is:\n```json\n{answer()}\n```\nI hope this helps.",
        answer(topic=' "Garden  birds".\n'),
        answer(score=7.0),
        answer(score="7"),
        "{topic} " + answer(),
    ],
)
def test_a_usable_answer_is_read(text):
    assert parse(text) == Answer("Garden birds", 7, "")


@pytest.mark.parametrize("topic", ["Programming in C++", "Mercury (planet)", "Bird's nests", "Ökologie", "새 관찰"])
def test_a_name_keeps_what_belongs_to_it(topic):
    assert parse(answer(topic=topic)).topic == topic


def test_a_name_cannot_start_a_spreadsheet_formula():
    assert parse(answer(topic="=SUM(A1:A9)")).topic == "SUM(A1:A9)"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no valid JSON object"),
        ("Garden birds, 7", "no valid JSON object"),
        ('{"topic": "Garden birds", "educational_sc', "no valid JSON object"),
        ("{" * 10000, "no valid JSON object"),
        ('{"a":' * 5000, "no valid JSON object"),
        ('{"educational_score": 7}', "no topic"),
        (answer(topic=["birds"]), "no topic"),
        (answer(topic="x" * 61), "the topic has 61 characters, not 3 to 60"),
        (answer(topic=" .. "), "the topic has 0 characters"),
        (answer(topic="123 456"), "the topic has no letters"),
        (answer(topic="I'm sorry, I cannot tell"), "refusal or says nothing"),
        (answer(topic="As an AI language model"), "refusal or says nothing"),
        (answer(topic="Unknown"), "refusal or says nothing"),
        (answer("The $n$ of a garden"), "the character $"),
        (answer("Birds of the garden and of the woods, their songs and theirXX"[:60]), "cut at 60 characters"),
        (answer(score=0), "not between 1 and 10"),
        (answer(score=11), "not between 1 and 10"),
        (answer(score=6.5), "no whole number"),
        (answer(score=True), "no whole number"),
        (answer(score=None), "no whole number"),
        (answer(score=float("inf")), "no whole number"),
        (answer(score=float("nan")), "no whole number"),
    ],
)
def test_an_unusable_answer_names_its_problem(text, problem):
    read = parse(text)
    assert (read.topic, read.educational_score) == (None, None)
    assert problem in read.problem


@given(st.text(st.sampled_from('{}[]":,\\/ antiu0123.-e\n\ud800'), max_size=60))
def test_no_answer_is_an_error(text):
    read = parse(text)
    assert bool(read.problem) == (read.topic is None)


def test_a_score_of_thousands_of_digits_is_unusable_whether_or_not_python_reads_it():
    read = parse('{"topic": "Garden birds", "educational_score": ' + "9" * 5000 + "}")
    assert read.topic is None
    assert read.problem


def test_what_the_schema_allows_is_usable():
    jsonschema.validate(json.loads(answer()), label_schema())
    for bad in (answer(topic="ab"), answer(score=11), answer(score=6.5), "{}"):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(json.loads(bad), label_schema())


def test_each_request_has_its_own_seed_and_each_cluster_its_own_prompt():
    rows = [{"cluster_id": 3, "examples": ["a", "b"]}, {"cluster_id": 4, "examples": ["c"]}]
    asked = requests(rows, answers=2, seed=1)
    assert [request.request_id for request in asked] == ["3/0", "3/1", "4/0", "4/1"]
    assert len({request.seed for request in asked}) == 4
    assert asked[0].prompt == asked[1].prompt != asked[2].prompt
    assert asked[0].seed != requests(rows, answers=2, seed=2)[0].seed


def test_an_engine_failure_and_a_cut_answer_are_told_apart():
    assert read_answer(Completion("0/0", "too long", 0, "error")).problem == "the engine failed: too long"
    assert read_answer(Completion("0/0", '{"topic', 100, "length")).problem.endswith("it was cut off at 100 tokens")
    assert read_answer(Completion("0/0", answer(), 20, "length")).problem == ""


def test_rows_are_ordered_and_keep_the_raw_text_of_bad_answers():
    rows = to_rows(
        [
            Completion("10/0", "nonsense \ud800", 3, "stop"),
            Completion("2/1", answer(), 3, "stop"),
            Completion("2/0", answer(), 3, "stop"),
        ]
    )
    assert [(row["cluster_id"], row["answer"]) for row in rows] == [(2, 0), (2, 1), (10, 0)]
    assert rows[2]["raw"] == "nonsense ?"
    assert rows[2]["problem"]


def test_without_clusters_no_model_is_needed(tmp_path):
    write_table(tmp_path / "examples", [], TOPIC_EXAMPLES)
    arguments = ["--examples", str(tmp_path / "examples"), "--seed", "1", "--output", str(tmp_path / "answers")]
    topics.main([*arguments, "--engine", "transformers", "--model", "no such model"])
    assert read_table(tmp_path / "answers", TOPIC_ANSWERS).num_rows == 0
