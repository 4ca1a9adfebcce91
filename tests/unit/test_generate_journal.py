import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.generate.journal import Journal, from_line, read, to_line

ROWS = st.lists(st.dictionaries(st.text(max_size=5), st.text() | st.integers() | st.none(), max_size=4), max_size=5)


@given(ROWS, st.data())
def test_a_journal_cut_anywhere_gives_the_rows_whose_lines_are_whole(rows, data):
    lines = [to_line(row) for row in rows]
    content = b"".join(lines)
    end = data.draw(st.integers(0, len(content)))
    whole = sum(len(b"".join(lines[: number + 1])) <= end for number in range(len(lines)))
    assert read(content[:end]) == (rows[:whole], [])


@given(ROWS.filter(bool), st.data())
def test_a_turned_bit_costs_the_rows_that_it_touches_and_is_told(rows, data):
    lines = [to_line(row) for row in rows]
    number = data.draw(st.integers(0, len(lines) - 1))
    bit = data.draw(st.integers(0, 8 * (len(lines[number]) - 1) - 1))
    damaged = bytearray(lines[number])
    damaged[bit // 8] ^= 1 << bit % 8
    found, told = read(b"".join([*lines[:number], bytes(damaged), *lines[number + 1 :]]))
    assert found == rows[:number] + rows[number + 1 :]
    assert told[0] == number + 1


@pytest.mark.parametrize("line", [b"", b"no checksum", b"00000000 {}", b"\0" * 100, to_line({})[:-1] + b" "])
def test_what_is_no_line_of_a_journal_gives_no_row(line):
    assert from_line(line) is None


def test_rows_are_in_the_file_before_it_is_closed(tmp_path):
    journal = Journal(tmp_path / "deep" / "job-0000.journal")
    journal.add([{"text": "line\nfeed"}, {"text": "é"}])
    assert read(journal.path.read_bytes()) == ([{"text": "line\nfeed"}, {"text": "é"}], [])
    journal.close()
    journal.close()
    with pytest.raises(FileExistsError):
        Journal(journal.path)
