import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.clean.documents import kept_documents
from scripts.clean.filter import Filter, token_counter
from scripts.clean.rules import Settings
from scripts.clean.summary import Tally
from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.schemas import DECISIONS, GENERATIONS, PROMPTS
from scripts.common.tables import read_table, write_table
from tests.unit.prose import TEXT
from tests.unit.sealed import actions, asked_for, rows, sealed_part
from tests.unit.sealed import decide as decide_again

TOKENS_ONLY = actions(too_short="remove")


def decision(text, rules=TOKENS_ONLY, **columns):
    judge = Filter(Settings(rules), len, Tally("web", rules))
    found = judge.decide(rows([text], **columns)[0], {"language": "en", "format": "blogpost"})
    return found["decision"], found["reason"], found["detail"]


def test_what_is_no_text_goes_whatever_the_rules_say():
    for rules in (actions("ignore"), actions("flag"), TOKENS_ONLY):
        assert decision(None, rules) == ("removed", "empty", "")
        assert decision(" \n\t", rules) == ("removed", "empty", "")
        assert decision("out of memory", rules, finish_reason="error") == ("removed", "error", "out of memory")
        assert decision("bad \ud800 half", rules) == ("removed", "broken", "character 4")


def test_a_removed_text_has_its_reason_and_evidence():
    assert decision("A text.", text_token_length=150) == ("kept", "", "")
    assert decision("A text.", text_token_length=149) == ("removed", "too_short", "149 tokens")
    assert decision("A text.", text_token_length=None) == ("removed", "too_short", "0 tokens")


def test_one_decision_for_every_text_in_their_order(tmp_path):
    generations, decisions = sealed_part(tmp_path, ["one", None, "three", "  "])
    table = read_table(decisions, DECISIONS)
    assert table["prompt_id"].to_pylist() == read_table(generations, GENERATIONS)["prompt_id"].to_pylist()
    assert table["reason"].to_pylist() == ["", "empty", "", "empty"]
    counts = Counts.read(decisions.with_suffix(".counts.json"))
    assert (counts.rows_in, counts.rows_out, counts.rejected) == (4, 2, {"empty": 2})
    assert [row["text"] for row in kept_documents(generations, decisions)] == ["one", "three"]
    first = table["prompt_id"][0].as_py()
    assert [row["text"] for row in kept_documents(generations, decisions, without={first})] == ["three"]


def test_an_empty_part_gives_an_empty_table(tmp_path):
    generations, decisions = sealed_part(tmp_path, [])
    assert read_table(decisions, DECISIONS).num_rows == 0
    assert list(kept_documents(generations, decisions)) == []


def test_bytes_that_are_no_text_are_removed_and_hurt_nobody(tmp_path):
    generations, _ = sealed_part(tmp_path, ["good", "bad", "also good"])
    table = read_table(generations, GENERATIONS)
    texts = pa.array([b"good", b"half \xed\xa0\x80 pair", b"also good"], pa.binary()).view(pa.string())
    pq.write_table(table.set_column(1, "text", texts), generations)
    decisions = decide_again(tmp_path, generations)
    assert read_table(decisions, DECISIONS)["reason"].to_pylist() == ["", "broken", ""]
    assert [row["text"] for row in kept_documents(generations, decisions)] == ["good", "also good"]


def test_a_damaged_file_is_named(tmp_path):
    generations, decisions = sealed_part(tmp_path, ["text " * 5000])
    data = generations.read_bytes()
    generations.write_bytes(data[:20] + bytes(40) + data[60:])
    with pytest.raises(InputError, match=r"part-000.parquet is not a readable Parquet file.*Delete it"):
        list(kept_documents(generations, decisions))
    generations.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"part-000.parquet is not a readable Parquet file"):
        list(kept_documents(generations, decisions))


def test_decisions_of_another_part_are_refused(tmp_path):
    generations, _ = sealed_part(tmp_path, ["one", "two"])
    _, other = sealed_part(tmp_path, ["three", "four"], part="001")
    with pytest.raises(InputError, match="does not decide of the rows"):
        list(kept_documents(generations, other))
    write_table(other, read_table(tmp_path / "clean/web/part-000.parquet", DECISIONS).slice(0, 1), DECISIONS)
    with pytest.raises(InputError, match="does not decide of the rows"):
        list(kept_documents(generations, other))


OPENING = "Sure! Here is a blog post about bread:\n\n"


def test_later_stages_read_the_text_that_is_left_and_its_length(tmp_path):
    generations, _ = sealed_part(tmp_path, [TEXT, OPENING + TEXT, OPENING + "Bread."])
    before = generations.read_bytes()
    decisions = decide_again(tmp_path, generations, actions(opening="cut", too_few_characters="remove"))
    columns = ["prompt_id", "text", "text_token_length"]
    found = [(row["text"], row["text_token_length"]) for row in kept_documents(generations, decisions, columns)]
    assert found == [(TEXT, 200), (TEXT, token_counter("resources/tiny-lm")(TEXT))]
    assert [list(row) for row in kept_documents(generations, decisions, ["prompt_id"])] == [["prompt_id"]] * 2
    table = read_table(decisions, DECISIONS).to_pylist()
    assert [row["text"] for row in table] == [None, TEXT, None]
    assert [flag["rule"] for row in table for flag in row["flags"]] == ["opening"]
    assert generations.read_bytes() == before


def test_flagged_texts_stay_and_the_counts_add_up(tmp_path):
    generations, _ = sealed_part(tmp_path, [TEXT, TEXT[:-9], "Bread and", None])
    decisions = decide_again(tmp_path, generations, actions(unfinished="flag", too_few_characters="remove"))
    table = read_table(decisions, DECISIONS).to_pylist()
    assert [(row["decision"], row["reason"]) for row in table] == [
        ("kept", ""),
        ("kept", ""),
        ("removed", "too_few_characters"),
        ("removed", "empty"),
    ]
    assert [[flag["rule"] for flag in row["flags"]] for row in table] == [[], ["unfinished"], [], []]
    counts = Counts.read(decisions.with_suffix(".counts.json"))
    assert (counts.rows_in, counts.rows_out, counts.rejected) == (4, 2, {"too_few_characters": 1, "empty": 1})


def test_equal_input_gives_equal_bytes(tmp_path):
    generations, _ = sealed_part(tmp_path, [OPENING + TEXT, TEXT[:-9], "Bread and"])
    once = [decide_again(tmp_path, generations, actions("flag", opening="cut")).read_bytes() for _ in range(2)]
    assert once[0] == once[1]


def test_a_text_without_its_prompt_is_refused(tmp_path):
    generations, _ = sealed_part(tmp_path, ["one", "two"])
    prompts = asked_for(generations)
    write_table(prompts, read_table(prompts, PROMPTS).slice(1), PROMPTS)
    with pytest.raises(
        InputError, match=r"part-000.parquet: the prompts of this part do not have .*delete the first one"
    ):
        decide_again(tmp_path, generations)
