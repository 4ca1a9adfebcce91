import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.clean.documents import kept_documents
from scripts.clean.filter import RULES, Limits, decide
from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.tables import DECISIONS, GENERATIONS, read_table, write_table
from tests.unit.sealed import decide as decide_again
from tests.unit.sealed import rows, sealed_part


def decision(text, **columns):
    found = decide(rows([text], **columns)[0], Limits(150))
    return found["decision"], found["reason"], found["detail"]


def test_each_rule_removes_with_its_reason_and_evidence():
    assert decision("A text.") == ("kept", "", "")
    assert decision("A text.", text_token_length=150) == ("kept", "", "")
    assert decision("A text.", text_token_length=149) == ("removed", "too_short", "149 tokens")
    assert decision("A text.", text_token_length=None) == ("removed", "too_short", "0 tokens")
    assert decision(None) == ("removed", "empty", "")
    assert decision(" \n\t") == ("removed", "empty", "")
    assert decision("out of memory", finish_reason="error") == ("removed", "error", "out of memory")
    assert decision("bad \ud800 half") == ("removed", "broken", "character 4")
    assert set(RULES) == {"error", "broken", "empty", "too_short"}


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
