"""Files of rows in the layouts of the Hub, sound and broken."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.common.errors import InputError
from scripts.seeds import files
from scripts.seeds.files import find_files, read_files
from scripts.seeds.readers import BadRow, Rejected
from scripts.seeds.rows import parse

ROWS = [{"text": f"Row {number}, «é»", "number": number} for number in range(250)]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()


def write_zstd(path, data):
    with pa.CompressedOutputStream(str(path), "zstd") as handle:
        handle.write(data)


WRITERS = {
    "rows.jsonl": lambda path: path.write_bytes(LINES),
    "rows.jsonl.gz": lambda path: path.write_bytes(gzip.compress(LINES)),
    "rows.jsonl.zst": lambda path: write_zstd(path, LINES),
    "rows.json": lambda path: path.write_text(json.dumps(ROWS)),
    "rows.json.gz": lambda path: path.write_bytes(gzip.compress(b"\n " + json.dumps(ROWS).encode())),
    "lines.json": lambda path: path.write_bytes(LINES),
    "rows.parquet": lambda path: pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=70),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_layout_gives_the_same_rows_in_order(tmp_path, name):
    WRITERS[name](tmp_path / name)
    rows = list(read_files(find_files(tmp_path)))
    assert [parse(row) for _, row in rows] == ROWS
    assert [place for place, _ in rows] == [f"{name}:{number}" for number in range(1, 251)]


def test_a_text_file_gives_one_row_a_line_without_the_empty_ones(tmp_path):
    (tmp_path / "titles.txt").write_bytes(b"\xef\xbb\xbfHow to Swim\r\n\n  \nHow to Dive")
    rows = list(read_files([tmp_path / "titles.txt"]))
    assert rows == [("titles.txt:1", {"text": "How to Swim"}), ("titles.txt:4", {"text": "How to Dive"})]


def test_a_folder_gives_its_readable_files_sorted_at_any_depth(tmp_path):
    for name in ("b.jsonl", "a/z.parquet", "README.md", "a/.b.jsonl.part", "c.jsonl.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in find_files(tmp_path)] == ["z.parquet", "b.jsonl", "c.jsonl.gz"]
    assert find_files(tmp_path / "nowhere") == []


@pytest.mark.parametrize("line", [b'{"text": "caf\xe9"}', b"\x80\x03}q\x00X\x01", "{}".encode("utf-16")])
def test_a_line_that_is_not_utf8_is_handed_on_with_its_reason(tmp_path, line):
    (tmp_path / "a.jsonl").write_bytes(b'{"n": 1}\n' + line + b'\n{"n": 2}\n')
    rows = [row for _, row in read_files([tmp_path / "a.jsonl"])]
    assert rows[1].reason == "not_utf8"
    assert parse(rows[0]) == {"n": 1}
    with pytest.raises(BadRow, match="not_utf8"):
        parse(rows[1])


def test_an_endless_line_is_skipped_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LINE_BYTES", 1000)
    (tmp_path / "a.jsonl").write_bytes(b"x" * 5500 + b'\n{"n": 2}\n' + b"y" * 3000)
    (_, first), (place, second), (_, third) = read_files([tmp_path / "a.jsonl"])
    assert isinstance(first, Rejected)
    assert (first.reason, third.reason, place, parse(second)) == ("too_long", "too_long", "a.jsonl:2", {"n": 2})


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl.gz", gzip.compress(LINES)[:-400]),
        ("a.jsonl.gz", b"no gzip at all"),
        ("a.json", json.dumps(ROWS).encode()[:-400]),
        ("a.parquet", b"PAR1 and nothing more"),
        ("a.csv", b"a,b\n1,2\n"),
    ],
)
def test_a_damaged_file_is_named_and_never_passes_as_a_short_one(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=name):
        list(read_files([tmp_path / name]))
