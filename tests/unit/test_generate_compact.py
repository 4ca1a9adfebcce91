import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from scripts.common.schemas import GENERATIONS
from scripts.generate import compact, ledger, segment
from tests.unit.test_generate_ledger import row, turned

ROOT = Path(__file__).resolve().parents[2]


def write(folder, number, rows):
    """A segment as a killed job leaves it."""
    table = pa.Table.from_pylist([entry | {"job": f"job-{number}"} for entry in rows], schema=GENERATIONS)
    segment.write(folder / f"job-{number}-0000.parquet", table)


def many(folder, segments=12, size=3):
    for number in range(segments):
        write(folder, number, [row(f"prompt-{number}-{place}") for place in range(size)])
    return contents(folder)


def contents(folder):
    """The distinct rows of a ledger."""
    return {tuple(entry.values()) for table in ledger.segments(folder) for entry in table.to_pylist()}


def test_many_segments_become_few_and_hold_the_same(tmp_path):
    before = many(tmp_path)
    compact.main(["--ledgers", str(tmp_path), str(tmp_path / "none")])
    assert len(list(tmp_path.iterdir())) == 1
    assert contents(tmp_path) == before
    compact.main(["--ledgers", str(tmp_path)])
    assert len(list(tmp_path.iterdir())) == 1


def test_temporary_files_go_when_nobody_can_be_writing_them_any_more(tmp_path):
    old, new = tmp_path / ".job-0000.parquet.1234.tmp", tmp_path / ".job-0001.parquet.5678.tmp"
    old.write_bytes(b"half a segm")
    new.write_bytes(b"half a segment")
    os.utime(old, (0, 0))
    compact.main(["--ledgers", str(tmp_path)])
    assert list(tmp_path.iterdir()) == [new]


def test_segments_are_merged_up_to_a_size_and_full_ones_are_left_alone(tmp_path):
    full = segment.ROWS_PER_FILE * 2 // 3
    write(tmp_path, 0, [row(f"prompt-{place}") for place in range(full)])
    for number in range(1, 5):
        write(tmp_path, number, [row(f"prompt-{number}-{place}") for place in range(segment.ROWS_PER_FILE * 2 // 5)])
    compact.main(["--ledgers", str(tmp_path)])
    sizes = sorted(map(len, ledger.segments(tmp_path)))
    assert sizes == [full, *[segment.ROWS_PER_FILE * 4 // 5] * 2]
    assert (tmp_path / "job-0-0000.parquet").exists()


def test_journals_are_left_alone(tmp_path):
    many(tmp_path, 2)
    ledger.Writer(tmp_path, "job", 9).add([row("prompt-0")])
    before = (tmp_path / "job-0000.journal").read_bytes()
    compact.main(["--ledgers", str(tmp_path)])
    assert (tmp_path / "job-0000.journal").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


def test_damaged_segments_are_set_aside_and_the_others_merged(tmp_path):
    before = many(tmp_path, 4)
    victim = tmp_path / "job-2-0000.parquet"
    victim.write_bytes(turned(victim, "text"))
    (tmp_path / "job-9-0000.parquet").write_bytes(b"foreign")
    compact.main(["--ledgers", str(tmp_path)])
    assert contents(tmp_path) == {entry for entry in before if "job-2" not in entry}
    assert len(list((tmp_path / "aside").iterdir())) == 2


def test_two_compactions_at_once_lose_nothing(tmp_path):
    before = many(tmp_path, 60)
    command = [sys.executable, "-m", "scripts.generate.compact", "--ledgers", str(tmp_path)]
    both = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[1] for process in both if process.wait()] == []
    assert contents(tmp_path) == before


STEP_BY_STEP = """
import os, signal, sys
from scripts.generate import compact
left = int(sys.argv[2])
def count(event, _):
    global left
    if event in ("open", "os.rename", "os.remove"):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
compact.main(["--ledgers", sys.argv[1]])
"""


@pytest.mark.parametrize("steps", [0, 2, 4, 5, 6, 7, 8, 9, 10, 12])
def test_a_compaction_killed_at_any_step_loses_nothing(tmp_path, steps):
    before = many(tmp_path, 4)
    killed = subprocess.run([sys.executable, "-c", STEP_BY_STEP, str(tmp_path), str(steps)], cwd=ROOT, check=False)
    assert killed.returncode in (0, -signal.SIGKILL)
    assert contents(tmp_path) == before
    compact.main(["--ledgers", str(tmp_path)])
    assert contents(tmp_path) == before
    assert len(list(tmp_path.glob("*.parquet"))) == 1
