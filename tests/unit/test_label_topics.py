"""Answers of the model: usable ones are read, the others keep their text and the problem."""

import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.common.schemas import TOPIC_ANSWERS, TOPIC_EXAMPLES
from scripts.common.tables import read_table, write_table
from scripts.engines import Completion
from scripts.label import topics
from scripts.label.answers import Answer, parse
from scripts.label.prompt import label_schema
from scripts.label.topics import ask, prompts, read_answer, to_rows


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


@pytest.mark.parametrize(
    "topic", ["Programming in C++", "Mercury (planet)", "Bird's nests", "U.S. history", "Ökologie", "새 관찰"]
)
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
        (answer(topic="The name of the group"), "refusal or says nothing"),
        (answer(topic=""), "the topic has 0 characters"),
        (answer(topic="Birds sing. It may le"), "the topic is a sentence"),
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


ROWS = [{"cluster_id": 3, "samples": [["a", "b"], ["c", "d"]]}, {"cluster_id": 4, "samples": [["e"], ["e"]]}]


class Scripted:
    """An engine that says what is written for it, by request id, and remembers what it was asked."""

    def __init__(self, texts):
        self.texts, self.asked, self.waiting = texts, [], []

    @property
    def in_flight(self):
        return len(self.waiting)

    def submit(self, request):
        self.asked.append(request)
        self.waiting.append(request)

    def step(self):
        request = self.waiting.pop()
        return [Completion(request.request_id, self.texts.get(request.request_id, answer()), 9, "stop")]


def test_each_sample_is_one_request_with_its_own_documents_and_seed():
    engine = Scripted({})
    rows = ask(engine, prompts(ROWS), attempts=3, seed=1, max_in_flight=2)
    assert [request.request_id for request in engine.asked] == ["3/0/1", "3/1/1", "4/0/1", "4/1/1"]
    assert len({request.seed for request in engine.asked}) == 4
    assert "Passage 2: d" in engine.asked[1].prompt
    assert [row["problem"] for row in rows] == [""] * 4
    other = Scripted({})
    ask(other, prompts(ROWS), attempts=1, seed=2, max_in_flight=2)
    assert not {request.seed for request in other.asked} & {request.seed for request in engine.asked}


def test_an_unusable_answer_is_asked_for_again_with_another_seed_and_all_attempts_are_kept():
    engine = Scripted({"3/1/1": "I cannot say.", "3/1/2": "", **{f"4/0/{attempt}": "{" for attempt in (1, 2, 3)}})
    rows = ask(engine, prompts(ROWS), attempts=3, seed=1, max_in_flight=8)
    assert [(row["cluster_id"], row["sample"], row["attempt"], row["raw"]) for row in rows] == [
        (3, 0, 1, answer()),
        (3, 1, 1, "I cannot say."),
        (3, 1, 2, ""),
        (3, 1, 3, answer()),
        (4, 0, 1, "{"),
        (4, 0, 2, "{"),
        (4, 0, 3, "{"),
        (4, 1, 1, answer()),
    ]
    assert [bool(row["problem"]) for row in rows] == [False, True, True, False, True, True, True, False]
    assert len({request.seed for request in engine.asked}) == 8
    assert all(request.json_schema == label_schema() for request in engine.asked)


def test_one_attempt_is_not_repeated():
    engine = Scripted({"3/0/1": "nothing"})
    ask(engine, prompts(ROWS), attempts=1, seed=1, max_in_flight=8)
    assert len(engine.asked) == 4


def test_an_engine_failure_and_a_cut_answer_are_told_apart():
    assert read_answer(Completion("0/0/1", "too long", 0, "error")).problem == "the engine failed: too long"
    assert read_answer(Completion("0/0/1", '{"topic', 100, "length")).problem.endswith("it was cut off at 100 tokens")
    assert read_answer(Completion("0/0/1", answer(), 20, "length")).problem == ""


def test_rows_are_ordered_and_keep_the_raw_text_of_bad_answers():
    rows = to_rows(
        [
            Completion("10/0/1", "nonsense \ud800", 3, "stop"),
            Completion("2/1/1", answer(), 3, "stop"),
            Completion("2/0/1", answer(), 3, "stop"),
        ]
    )
    assert [(row["cluster_id"], row["sample"]) for row in rows] == [(2, 0), (2, 1), (10, 0)]
    assert rows[2]["raw"] == "nonsense ?"
    assert rows[2]["problem"]


def test_without_clusters_no_model_is_needed(tmp_path):
    write_table(tmp_path / "examples", [], TOPIC_EXAMPLES)
    arguments = ["--examples", str(tmp_path / "examples"), "--seed", "1", "--output", str(tmp_path / "answers")]
    topics.main([*arguments, "--engine", "transformers", "--model", "no such model"])
    assert read_table(tmp_path / "answers", TOPIC_ANSWERS).num_rows == 0
