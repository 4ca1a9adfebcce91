"""Damaged and foreign files in the ledger: found, put aside or reported, and only their own texts made again."""

import random
import shutil
import signal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.common.ids import content_id
from scripts.common.schemas import PROMPTS
from scripts.common.tables import write_table
from scripts.generate import ledger
from tests.chaos.conftest import KILLS, SEED
from tests.chaos.programs import Part, openai_flags, prompt, wait_for
from tests.chaos.server import Endpoint

PROMPT_OF = {content_id(str(number)): prompt(number) for number in range(200)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A part whose ledger holds 120 texts in many segments, made by jobs that were killed."""
    served = Endpoint()
    part = Part(tmp_path_factory.mktemp("whole"), 120, openai_flags(served))
    while part.texts().total() < part.count:
        goal = served.delivered.total() + 28
        program = part.start()
        wait_for(lambda: program.process.poll() is not None or served.delivered.total() >= goal, "answers", every=0)  # noqa: B023
        if program.kill() == -signal.SIGKILL:
            KILLS["kill -9 before files were damaged"] += 1
        served.quiet()
    served.close()
    return part


@pytest.fixture
def copy(whole, tmp_path, endpoint):
    """A copy of that part that can be damaged."""
    part = Part(tmp_path / "copy", whole.count, openai_flags(endpoint))
    shutil.copytree(whole.ledger, part.ledger)
    return part


def held(path):
    """The prompts of a segment."""
    return {PROMPT_OF[prompt_id] for prompt_id in pq.read_table(path)["prompt_id"].to_pylist()}


def column(path, name):
    """First byte and length of the pages of a column."""
    group = pq.read_metadata(path).row_group(0)
    chunk = next(group.column(n) for n in range(group.num_columns) if group.column(n).path_in_schema == name)
    first = chunk.dictionary_page_offset or chunk.data_page_offset
    return first, chunk.total_compressed_size


def flip(path, place, bit=0):
    data = bytearray(path.read_bytes())
    data[place] ^= 1 << bit
    path.write_bytes(data)


def flip_in(name):
    def damage(path):
        first, length = column(path, name)
        flip(path, first + length - 3)

    return damage


def as_folder(path):
    path.unlink()
    path.mkdir()
    (path / "a file of somebody else").write_text("?")


DAMAGES = {
    "cut in half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "without its last byte": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "a bit of the ids": flip_in("prompt_id"),
    "a bit of the texts": flip_in("text"),
    "a bit of the attempts": flip_in("attempt"),
    "garbage": lambda path: path.write_bytes(random.Random(SEED).randbytes(5000)),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "another table": lambda path: write_table(path, [{"prompt_id": "1", "prompt": "?"}], PROMPTS),
    "other columns": lambda path: pq.write_table(pa.table({"prompt_id": ["a"], "text": [1]}), path),
    "empty": lambda path: path.write_bytes(b""),
}


def complete(part, finish):
    """Runs and seals until it is well: a damaged text may be found only when it is sealed."""
    for _ in range(2):
        part.run()
        if part.seal().wait() == 0:
            break
    finish(part)


def test_damaged_segments_cost_their_own_texts_and_no_others(copy, endpoint, finish):
    """Each segment is damaged in another way."""
    lost, damaged = set(), {}
    paths = copy.files("*.parquet")
    assert len(paths) > len(DAMAGES)
    for (name, damage), path in zip(DAMAGES.items(), paths, strict=False):
        lost |= held(path)
        damaged[path.stem] = name
        damage(path)
    complete(copy, finish)
    assert set(endpoint.asked) == lost
    assert set(endpoint.asked.values()) == {1}
    aside = {path.name.partition(".")[0] for path in (copy.ledger / "aside").iterdir()}
    assert aside == set(damaged), [damaged[name] for name in set(damaged) - aside]


def test_a_damaged_journal_costs_the_damaged_lines(copy, endpoint, finish):
    """A bit in the middle of one, and another cut off in its last line."""
    journals = [path for path in copy.files("*.journal") if path.read_bytes().count(b"\n") > 1]
    middle, last = journals[0], journals[-1]
    assert middle != last
    lines = middle.read_bytes().splitlines(keepends=True)
    flip(middle, len(lines[0]) // 2)
    last.write_bytes(last.read_bytes()[:-7])
    first = copy.start()
    assert first.wait() == 0, first.said
    assert middle.name in first.said
    finish(copy)
    assert endpoint.asked.total() == 2
    assert set(endpoint.asked.values()) == {1}


def test_a_journal_may_be_torn_at_every_byte_of_its_last_line(whole, tmp_path):
    source = max(whole.files("*.journal"), key=lambda path: path.stat().st_size)
    data = source.read_bytes()
    path = tmp_path / source.name
    path.write_bytes(data)
    (rows,) = (table.to_pylist() for table in ledger.segments(tmp_path))
    for end in range(data.rindex(b"\n", 0, -1) + 1, len(data)):
        path.write_bytes(data[:end])
        found = [row for table in ledger.segments(tmp_path) for row in table.to_pylist()]
        assert found == rows[:-1], end


def test_any_flipped_bit_of_a_journal_costs_its_own_lines_only(whole, tmp_path, chance):
    """Two lines where the line feed between them was hit."""
    source = max(whole.files("*.journal"), key=lambda path: path.stat().st_size)
    path = tmp_path / source.name
    shutil.copy(source, path)
    rows = [row for table in ledger.segments(tmp_path) for row in table.to_pylist()]
    for _ in range(200):
        shutil.copy(source, path)
        place, bit = chance.randrange(path.stat().st_size), chance.randrange(8)
        flip(path, place, bit)
        found = [row for table in ledger.segments(tmp_path) for row in table.to_pylist()]
        assert all(row in rows for row in found), f"bit {bit} of byte {place}"
        assert len(rows) - len(found) in (1, 2), f"bit {bit} of byte {place}"


def test_folders_with_the_names_of_ledger_files_are_put_aside(copy, endpoint, finish):
    path = copy.files("*.parquet")[0]
    lost = held(path)
    as_folder(path)
    (copy.ledger / "a-0000.journal").mkdir()
    first = copy.start()
    assert first.wait() == 0, first.said
    assert path.name in first.said
    assert "a-0000.journal" in first.said
    finish(copy)
    assert set(endpoint.asked) == lost
    assert len(list((copy.ledger / "aside").iterdir())) == 2


def test_files_of_others_are_left_alone(copy, endpoint, finish):
    others = [copy.ledger / name for name in ("notes.txt", ".nfs0001", "a.parquet.part", "table.csv", ".x.parquet.tmp")]
    for path in others:
        path.write_bytes(b"not a segment")
    (copy.ledger / "more").mkdir()
    finish(copy)
    assert not endpoint.asked
    assert {path.read_bytes() for path in others} == {b"not a segment"}


def test_any_flipped_bit_is_found_or_harmless(whole, tmp_path, chance):
    """Read again after one bit has changed, a segment gives the same rows or is put aside."""
    source = whole.files("*.parquet")[0]
    path = tmp_path / source.name
    shutil.copy(source, path)
    rows = next(ledger.segments(tmp_path))
    for _ in range(200):
        shutil.copy(source, path)
        place, bit = chance.randrange(path.stat().st_size), chance.randrange(8)
        flip(path, place, bit)
        found = list(ledger.segments(tmp_path))
        assert all(table.equals(rows) for table in found), f"bit {bit} of byte {place}"
        assert found or not path.exists(), f"bit {bit} of byte {place}"
