"""Ids, tables, counts and atomic files: what every stage relies on."""

import errno
import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.common import schemas, tables
from scripts.common.counts import Counts, total
from scripts.common.errors import InputError
from scripts.common.files import atomic_path, read_json, write_json
from scripts.common.ids import content_id, sampling_seed, unit_interval
from scripts.common.logging import run

any_text = st.text(st.characters())  # surrogates included


@given(st.lists(any_text, min_size=1), st.lists(any_text, min_size=1))
def test_ids_are_equal_only_for_equal_fields(left, right):
    assert (content_id(*left) == content_id(*right)) == (left == right)


def test_fields_do_not_run_into_each_other():
    assert content_id("ab", "c") != content_id("a", "bc")
    assert content_id("ab") != content_id("ab", "")


@given(any_text)
def test_numbers_of_an_id_are_in_range(identifier):
    assert 0 <= unit_interval(identifier, "fraction") < 1
    assert 0 <= sampling_seed(identifier, 1234) < 2**31


def test_purposes_and_attempts_are_independent():
    prompt_id = content_id("a prompt")
    assert unit_interval(prompt_id, "fraction") != unit_interval(prompt_id, "topic")
    assert sampling_seed(prompt_id, 1, attempt=1) != sampling_seed(prompt_id, 1, attempt=2)


def test_half_the_ids_fall_in_half_the_interval():
    share = sum(unit_interval(content_id(str(i)), "x") < 0.5 for i in range(4000)) / 4000
    assert 0.47 < share < 0.53


def test_a_failed_write_leaves_neither_the_file_nor_a_temporary_one(tmp_path):
    target = tmp_path / "out.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]


def test_json_is_sorted_and_a_broken_file_is_named(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": "é"})
    assert (tmp_path / "a.json").read_text() == '{\n  "a": "é",\n  "b": 1\n}\n'
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(InputError, match=r"a\.json is not valid JSON"):
        read_json(tmp_path / "a.json")


def test_the_same_rows_give_the_same_bytes(tmp_path):
    rows = [{"id": "1", "reason": "empty"}, {"id": "2", "reason": "broken", "detail": "x"}]
    tables.write_table(tmp_path / "a.parquet", rows, schemas.REJECTED)
    tables.write_table(tmp_path / "b.parquet", rows, schemas.REJECTED)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert tables.read_table(tmp_path / "a.parquet", schemas.REJECTED).to_pylist()[0]["detail"] is None


def test_batches_and_rows_agree(tmp_path):
    rows = [{"id": str(i), "reason": "r", "detail": "d"} for i in range(25)]
    written = tables.write_batches(tmp_path / "a.parquet", [rows[:10], rows[10:]], schemas.REJECTED)
    assert written == tables.count_rows(tmp_path / "a.parquet") == 25
    assert list(tables.iterate_rows(tmp_path / "a.parquet", schemas.REJECTED, batch_size=7)) == rows


def test_an_empty_table_keeps_its_columns(tmp_path):
    tables.write_table(tmp_path / "a.parquet", [], schemas.SEEDS)
    assert tables.read_table(tmp_path / "a.parquet", schemas.SEEDS).schema.names == schemas.SEEDS.names


@given(st.lists(st.sampled_from("abc"), max_size=12), st.integers(min_value=1, max_value=5))
def test_rows_are_found_by_a_value_wherever_they_stand(tmp_path_factory, values, rows_per_group):
    path = tmp_path_factory.mktemp("found") / "table.parquet"
    schema = pa.schema([("key", pa.string()), ("place", pa.int64())])
    rows = [{"key": value, "place": place} for place, value in enumerate(values)]
    tables.write_batches(path, tables.in_batches(rows, rows_per_group), schema)
    found = list(tables.find_rows(path, schema, "key", "b"))
    assert found == [(row["place"], row) for row in rows if row["key"] == "b"]
    assert list(tables.find_rows(path, schema, "place", 3, ["key"])) == [
        (row["place"], {"key": row["key"]}) for row in rows if row["place"] == 3
    ]


def test_a_table_of_another_kind_is_refused_by_name(tmp_path):
    pq.write_table(pa.table({"x": [1]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a\.parquet lacks the column"):
        tables.read_table(tmp_path / "a.parquet", schemas.SEEDS)
    (tmp_path / "b.parquet").write_text("no table")
    with pytest.raises(InputError, match=r"b\.parquet is not a readable Parquet file"):
        tables.read_table(tmp_path / "b.parquet", schemas.SEEDS)


def test_counts_that_do_not_add_up_are_refused(tmp_path):
    counts = Counts("prompts_build", rows_in=10, rows_out=12, rejected={"noise": 3}, added=5)
    counts.write(tmp_path / "c.json")
    assert Counts.read(tmp_path / "c.json") == counts
    with pytest.raises(ValueError, match="do not add up"):
        Counts("prompts_build", rows_in=10, rows_out=8, rejected={"noise": 1})
    broken = json.loads((tmp_path / "c.json").read_text()) | {"rows_out": 11}
    write_json(tmp_path / "c.json", broken)
    with pytest.raises(ValueError, match="do not add up"):
        Counts.read(tmp_path / "c.json")


def test_counts_of_parts_sum_by_reason():
    parts = [Counts("s", 3, 2, {"a": 1}), Counts("s", 4, 2, {"a": 1, "b": 1})]
    assert total(parts, "s") == Counts("s", 7, 4, {"a": 2, "b": 1})


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC])
def test_a_disk_that_is_full_or_closed_ends_a_program_with_one_line(number):
    def main(_):
        raise OSError(number, os.strerror(number), "results/x")

    with pytest.raises(SystemExit, match=f"^error: .*{os.strerror(number)}: 'results/x'"):
        run(main)


def test_other_errors_of_the_system_keep_their_traceback():
    def main(_):
        raise OSError(errno.EIO, "drive broken", "results/x")

    with pytest.raises(OSError, match="drive broken"):
        run(main)
