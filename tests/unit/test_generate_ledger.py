import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.common.tables import GENERATIONS
from scripts.generate import ledger
from scripts.generate.seal import choose, seal

IDS = [f"prompt-{number}" for number in range(6)]
ROWS = st.builds(
    lambda prompt_id, attempt, reason, recipe: row(prompt_id, attempt, reason, recipe),
    st.sampled_from(IDS),
    st.integers(1, 3),
    st.sampled_from(["stop", "length", "error"]),
    st.sampled_from(["ours", "another"]),
)
SEGMENTS = st.lists(st.tuples(st.sampled_from(["job-a", "job-b", "job-c"]), st.lists(ROWS, max_size=4)), max_size=8)


def row(prompt_id, attempt=1, reason="stop", recipe="ours"):
    return {
        "prompt_id": prompt_id,
        "text": f"{reason} {prompt_id} {attempt}",
        "text_token_length": 7,
        "finish_reason": reason,
        "attempt": attempt,
        "sampling_seed": 1,
        "model": "m",
        "revision": "r",
        "recipe": recipe,
        "engine": "e",
    }


def write(folder, segments):
    """Segments in the order given, each by its job."""
    writers = {job: ledger.Writer(folder, job) for job, _ in segments}
    for job, rows in segments:
        writers[job].append(rows)


@given(SEGMENTS)
def test_finished_is_what_the_rows_of_the_recipe_say(segments):
    rows = [entry for _, entries in segments for entry in entries if entry["recipe"] == "ours"]
    done = {entry["prompt_id"] for entry in rows if entry["finish_reason"] != "error"}
    failed = [entry for entry in rows if entry["prompt_id"] not in done]
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), segments)
        result = ledger.finished(Path(folder), "ours")
    assert result.done == done
    assert result.attempts == {
        prompt_id: max(entry["attempt"] for entry in failed if entry["prompt_id"] == prompt_id)
        for prompt_id in {entry["prompt_id"] for entry in failed}
    }


@given(SEGMENTS)
def test_a_prompt_is_sealed_once_from_its_lowest_attempt_and_first_job(segments):
    rows = [entry | {"job": job} for job, entries in segments for entry in entries if entry["recipe"] == "ours"]
    usable = [entry for entry in rows if entry["finish_reason"] != "error"]
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), segments)
        chosen = choose(Path(folder), "ours")
    finished, rejected, missing = seal(IDS, chosen)
    assert sorted([*finished, *(entry["id"] for entry in rejected), *missing]) == IDS
    for prompt_id in finished:
        best = min((e["attempt"], e["job"]) for e in usable if e["prompt_id"] == prompt_id)
        taken = chosen.row(prompt_id)
        assert taken["attempt"] == best[0]
        assert taken["job"] is None
    assert set(missing) == set(IDS) - {entry["prompt_id"] for entry in rows}


def test_two_writers_never_share_a_file(tmp_path):
    names = {ledger.job_name() for _ in range(50)}
    assert len(names) == 50
    for name in names:
        ledger.Writer(tmp_path, name).append([row("prompt-0")])
    assert len(list(tmp_path.iterdir())) == 50


def test_no_rows_make_no_segment_and_no_folder_is_an_empty_ledger(tmp_path):
    ledger.Writer(tmp_path, "job").append([])
    assert list(tmp_path.iterdir()) == []
    assert ledger.finished(tmp_path / "none", "ours") == ledger.Finished(frozenset(), {})


def broken(path):
    """A copy of the file's bytes with one bit turned over inside the first page of texts."""
    data = bytearray(path.read_bytes())
    column = pq.ParquetFile(path).metadata.row_group(0).column(GENERATIONS.get_field_index("text"))
    data[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    return bytes(data)


@pytest.mark.parametrize(
    "damage",
    [
        broken,
        lambda path: path.read_bytes()[:-20],
        lambda path: b"",
        lambda path: b"not a table",
    ],
    ids=["turned-bit", "torn", "empty", "foreign"],
)
def test_a_damaged_segment_is_set_aside_and_its_texts_count_as_missing(tmp_path, damage, caplog):
    write(tmp_path, [("job-a", [row("prompt-0")]), ("job-b", [row("prompt-1")])])
    victim = tmp_path / "job-b-0000.parquet"
    damaged = damage(victim)
    victim.write_bytes(damaged)
    assert ledger.finished(tmp_path, "ours").done == {"prompt-0"}
    assert [path.read_bytes() for path in (tmp_path / "aside").iterdir()] == [damaged]
    assert "job-b-0000.parquet is not a whole ledger segment" in caplog.text
    assert ledger.finished(tmp_path, "ours").done == {"prompt-0"}


def test_a_table_of_another_kind_or_without_keys_is_set_aside(tmp_path):
    pq.write_table(pa.table({"prompt_id": ["prompt-0"]}), tmp_path / "other.parquet")
    ledger.Writer(tmp_path, "job").append([row(None)])
    assert ledger.finished(tmp_path, "ours").done == frozenset()
    assert len(list((tmp_path / "aside").iterdir())) == 2


def test_what_cannot_be_read_at_the_moment_stays_where_it_is(tmp_path):
    (tmp_path / "unreadable.parquet").mkdir()
    with pytest.raises(OSError, match="unreadable"):
        ledger.finished(tmp_path, "ours")
    assert (tmp_path / "unreadable.parquet").exists()


def test_a_file_that_is_still_being_written_is_not_looked_at(tmp_path):
    (tmp_path / ".job-0000.parquet.1234.tmp").write_bytes(b"half a segm")
    assert ledger.finished(tmp_path, "ours").done == frozenset()
    assert [path.name for path in tmp_path.iterdir()] == [".job-0000.parquet.1234.tmp"]
