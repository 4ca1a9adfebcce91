import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.common.schemas import GENERATIONS
from scripts.generate import compact, ledger, segment
from scripts.generate.choose import choose
from scripts.generate.journal import to_line

IDS = [f"prompt-{number}" for number in range(6)]
ROWS = st.builds(
    lambda prompt_id, attempt, reason, recipe: row(prompt_id, attempt, reason, recipe),
    st.sampled_from(IDS),
    st.integers(1, 3),
    st.sampled_from(["stop", "length", "error", "refused"]),
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


def write(folder, pieces, rows_per_segment=2):
    """Pieces of rows in the order given, each by its job; the jobs then end, but for the last one."""
    writers = {job: ledger.Writer(folder, job, rows_per_segment) for job, _ in pieces}
    for job, rows in pieces:
        writers[job].add(rows)
    for job in list(writers)[:-1]:
        writers[job].close()


@given(SEGMENTS)
def test_finished_is_what_the_rows_of_the_recipe_say(segments):
    rows = [entry for _, entries in segments for entry in entries if entry["recipe"] == "ours"]
    done = {entry["prompt_id"] for entry in rows if entry["finish_reason"] in ledger.USABLE}
    failed = [entry for entry in rows if entry["prompt_id"] not in done]
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), segments)
        result = ledger.finished(Path(folder), "ours")
    assert result.done == done
    assert result.attempts == {
        prompt_id: max(entry["attempt"] for entry in failed if entry["prompt_id"] == prompt_id)
        for prompt_id in {entry["prompt_id"] for entry in failed}
    }
    assert result.refused == {entry["prompt_id"] for entry in failed if entry["finish_reason"] == "refused"}


@given(SEGMENTS)
def test_a_prompt_stands_by_its_lowest_attempt_and_first_job(segments):
    rows = [entry | {"job": job} for job, entries in segments for entry in entries if entry["recipe"] == "ours"]
    usable = [entry for entry in rows if entry["finish_reason"] in ledger.USABLE]
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), segments)
        chosen = choose(ledger.segments(Path(folder)), "ours")
    assert set(chosen.places) == {entry["prompt_id"] for entry in usable}
    assert set(chosen.places) | set(chosen.failures) == {entry["prompt_id"] for entry in rows}
    for prompt_id in chosen.places:
        best = min((e["attempt"], e["job"]) for e in usable if e["prompt_id"] == prompt_id)
        taken = chosen.row(prompt_id)
        assert taken["attempt"] == best[0]
        assert taken["job"] is None
    assert chosen.rows(chosen.places).to_pylist() == [chosen.row(prompt_id) for prompt_id in chosen.places]


def test_a_refusal_stands_for_a_prompt_before_its_errors(tmp_path):
    write(tmp_path, [("job", [row("prompt-0", 1, "refused"), row("prompt-0", 2, "error")])])
    refused, attempt, _, message = choose(ledger.segments(tmp_path), "ours").failures["prompt-0"]
    assert (refused, attempt, message) == (True, 1, "refused prompt-0 1")


def test_two_writers_never_share_a_file(tmp_path):
    names = {ledger.job_name() for _ in range(50)}
    assert len(names) == 50
    for name in names:
        ledger.Writer(tmp_path, name, 2).add([row("prompt-0")])
    assert len(list(tmp_path.iterdir())) == 50


def test_a_journal_becomes_the_segment_of_its_number_and_a_job_that_ends_leaves_one_file(tmp_path):
    writer = ledger.Writer(tmp_path, "job", 2)
    listings = []
    for number in range(5):
        writer.add([row(f"prompt-{number}")])
        listings.append(sorted(path.name for path in tmp_path.iterdir()))
    first, second = "job-0000.parquet", "job-0001.parquet"
    assert listings == [
        ["job-0000.journal"],
        [first],
        [first, "job-0001.journal"],
        [first, second],
        [first, second, "job-0002.journal"],
    ]
    writer.close()
    assert [path.name for path in tmp_path.iterdir()] == ["job-0003.parquet"]
    writer.add([row("prompt-5")])
    writer.close()
    assert [path.name for path in tmp_path.iterdir()] == ["job-0005.parquet"]
    assert ledger.finished(tmp_path, "ours").done == set(IDS)


def test_a_segment_supersedes_the_journal_of_its_number_unless_it_is_damaged(tmp_path):
    write(tmp_path, [("job", [row("prompt-0")])])
    journal = tmp_path / "job-0000.journal"
    lines = journal.read_bytes()
    ledger.Writer(tmp_path, "job-b", 1).add([row("prompt-0")])
    (tmp_path / "job-b-0000.parquet").rename(tmp_path / "job-0000.parquet")
    assert journal.read_bytes() == lines
    assert sum(map(len, ledger.segments(tmp_path))) == 1
    (tmp_path / "job-0000.parquet").write_bytes(b"PAR1")
    assert sum(map(len, ledger.segments(tmp_path))) == 1
    assert [path.name for path in tmp_path.glob("job*")] == ["job-0000.journal"]


def test_half_characters_of_an_endpoint_do_not_stop_the_writing(tmp_path):
    writer = ledger.Writer(tmp_path, "job", 9)
    writer.add([row("prompt-0") | {"text": "half \ud83d of a face"}])
    assert [table["text"].to_pylist() for table in ledger.segments(tmp_path)] == [["half ? of a face"]]
    writer.close()
    assert [table["text"].to_pylist() for table in ledger.segments(tmp_path)] == [["half ? of a face"]]


def test_no_rows_make_no_file_and_no_folder_is_an_empty_ledger(tmp_path):
    writer = ledger.Writer(tmp_path, "job", 2)
    writer.add([])
    writer.close()
    assert list(tmp_path.iterdir()) == []
    assert ledger.finished(tmp_path / "none", "ours") == ledger.Finished(frozenset(), {})


def turned(path, column="prompt_id"):
    """The file's bytes with one bit turned over in the middle of a column."""
    data = bytearray(path.read_bytes())
    column = pq.ParquetFile(path).metadata.row_group(0).column(GENERATIONS.get_field_index(column))
    data[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    return bytes(data)


@pytest.mark.parametrize(
    "damage",
    [
        turned,
        lambda path: path.read_bytes()[:-20],
        lambda path: b"",
        lambda path: b"not a table",
    ],
    ids=["turned-bit", "torn", "empty", "foreign"],
)
def test_a_damaged_segment_is_set_aside_and_its_texts_count_as_missing(tmp_path, damage, caplog):
    write(tmp_path, [("job-a", [row("prompt-0")]), ("job-b", [row("prompt-1")])], rows_per_segment=1)
    victim = tmp_path / "job-b-0000.parquet"
    damaged = damage(victim)
    victim.write_bytes(damaged)
    assert ledger.finished(tmp_path, "ours").done == {"prompt-0"}
    assert [path.read_bytes() for path in (tmp_path / "aside").iterdir()] == [damaged]
    assert "job-b-0000.parquet is not a whole ledger segment" in caplog.text
    assert ledger.finished(tmp_path, "ours").done == {"prompt-0"}


def test_damage_in_the_texts_is_found_when_the_texts_are_read(tmp_path):
    write(tmp_path, [("job-a", [row("prompt-0")]), ("job-b", [row("prompt-1")])], rows_per_segment=1)
    victim = tmp_path / "job-b-0000.parquet"
    victim.write_bytes(turned(victim, "text"))
    assert ledger.finished(tmp_path, "ours").done == {"prompt-0", "prompt-1"}
    assert [table["prompt_id"].to_pylist() for table in ledger.segments(tmp_path)] == [["prompt-0"]]
    assert ledger.finished(tmp_path, "ours").done == {"prompt-0"}


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_no_turned_bit_changes_what_is_read(data):
    rows = [row(prompt_id, reason="stop" if n % 3 else "error") | {"job": "j"} for n, prompt_id in enumerate(IDS * 5)]
    table = pa.Table.from_pylist(rows, schema=GENERATIONS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "job-0000.parquet"
        segment.write(path, table)
        content = bytearray(path.read_bytes())
        bit = data.draw(st.integers(0, 8 * len(content) - 1))
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        for columns in (GENERATIONS.names, ledger.KEYS):
            with contextlib.suppress(segment.Damaged):
                assert segment.read(path, columns).equals(table.select(columns))


def test_a_table_of_another_kind_or_without_keys_is_set_aside(tmp_path):
    pq.write_table(pa.table({"prompt_id": ["prompt-0"]}), tmp_path / "other.parquet")
    segment.write(tmp_path / "job-0000.parquet", pa.Table.from_pylist([row(None)], schema=GENERATIONS))
    (tmp_path / "job-0001.journal").write_bytes(to_line({"prompt_id": "prompt-0"}))
    (tmp_path / "job-0002.journal").write_bytes(to_line(row("prompt-0") | {"attempt": "first"}))
    assert ledger.finished(tmp_path, "ours").done == frozenset()
    assert len(list((tmp_path / "aside").iterdir())) == 4


def test_what_cannot_be_read_at_the_moment_stays_where_it_is(tmp_path):
    unreadable = tmp_path / "unreadable.parquet"
    unreadable.symlink_to(unreadable)  # opening it fails, also for a user who may read everything
    with pytest.raises(OSError, match="unreadable"):
        ledger.finished(tmp_path, "ours")
    assert unreadable.is_symlink()


def test_a_file_that_stays_listed_but_is_not_there_is_an_error_and_no_missing_text(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger, "PATIENCE", (0.0, 0.0))
    write(tmp_path, [("job", [row("prompt-0")])])
    (tmp_path / "gone-0000.parquet").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OSError, match=r"gone-0000.parquet is listed but cannot be opened"):
        ledger.finished(tmp_path, "ours")


def test_a_file_that_is_still_being_written_is_not_looked_at(tmp_path):
    (tmp_path / ".job-0000.parquet.1234.tmp").write_bytes(b"half a segm")
    assert ledger.finished(tmp_path, "ours").done == frozenset()
    assert [path.name for path in tmp_path.iterdir()] == [".job-0000.parquet.1234.tmp"]


def test_files_that_are_merged_while_a_reader_is_at_work_lose_nothing(tmp_path):
    write(tmp_path, [(f"job-{number}", [row(f"prompt-{number}")]) for number in range(6)], rows_per_segment=1)
    found = set()
    for number, table in enumerate(ledger.segments(tmp_path)):
        found.update(table["prompt_id"].to_pylist())
        if number == 1:
            compact.main(["--ledgers", str(tmp_path)])
    assert found == set(IDS)


def test_a_journal_that_becomes_a_segment_while_a_reader_is_at_work_is_found_there(tmp_path):
    write(tmp_path, [("job-a", [row("prompt-0")]), ("job-b", [row("prompt-1")])], rows_per_segment=2)
    writer = ledger.Writer(tmp_path, "job-c", 2)
    writer.add([row("prompt-2")])
    found = []
    for table in ledger.segments(tmp_path):
        if not found:
            writer.close()
        found += table["prompt_id"].to_pylist()
    assert sorted(found) == ["prompt-0", "prompt-1", "prompt-2"]


def test_the_state_changes_whenever_the_ledger_does(tmp_path):
    states = [ledger.state(tmp_path)]
    writer = ledger.Writer(tmp_path, "job", 3)
    for number in range(4):
        writer.add([row(f"prompt-{number}")])
        states.append(ledger.state(tmp_path))
    writer.close()
    states.append(ledger.state(tmp_path))
    assert len(set(states)) == len(states)
    assert ledger.state(tmp_path) == states[-1]


def limited(folder, size):
    """Writes rows of a kilobyte in a process that may make no file larger than this; what it printed."""
    code = f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
from pathlib import Path
from scripts.common.logging import run
from scripts.generate import ledger
from tests.unit.test_generate_ledger import row
def main(_):
    writer = ledger.Writer(Path({str(folder)!r}), "job", 40)
    try:
        for number in range(100):
            writer.add([row(f"prompt-{{number}}") | {{"text": "x" * 1000}}])
            print(number, flush=True)
    finally:
        writer.close()
run(main)
"""
    root = Path(__file__).resolve().parents[2]
    return subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)


def test_a_drive_that_takes_no_more_ends_the_job_and_keeps_what_was_written(tmp_path):
    ended = limited(tmp_path, 20_000)
    assert ended.returncode == 1
    (message,) = [line for line in ended.stderr.splitlines() if line.startswith("error:")]
    safe = len(ended.stdout.split())
    assert f"cannot be written ([Errno 27] File too large). The {safe} rows that this job wrote before are" in message
    assert "only what is missing is generated" in message
    assert 10 < safe < 40
    assert [path.name for path in tmp_path.iterdir()] == ["job-0000.journal"]
    assert len(ledger.finished(tmp_path, "ours").done) == safe
