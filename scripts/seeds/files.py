"""Rows of files in the layouts of the Hub: Parquet, JSON Lines, one JSON array, plain text; also gz, zst and bz2.

Memory stays flat whatever the size of the file: lines are read up to a bound, arrays are parsed item by item, Parquet
in small batches. A line that cannot be a row (not UTF-8, or endless) is handed on as `Rejected`, with its place.
"""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from scripts.common.errors import InputError
from scripts.seeds.readers import Rejected

LAYOUTS = {".jsonl": "lines", ".json": "json", ".parquet": "parquet", ".txt": "text"}
COMPRESSIONS = (".gz", ".zst", ".bz2")
LINE_BYTES = 64_000_000
"""A longer line is no row: the longest known one, a whole book, has a few megabytes."""
BATCH_ROWS = 100

Raw = dict | bytes | str | Rejected
"""A raw row: taken apart already, as JSON, or why there is none."""


def find_files(location: str | Path) -> list[Path]:
    """The file itself, or the readable files of a folder and the folders in it, sorted by path."""
    path = Path(location)
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if layout_of(file) and not file.name.startswith("."))
    return [path] if path.is_file() else []


def layout_of(path: Path) -> str:
    """How a file is read, by its name; empty for a file of no known layout."""
    suffixes = [suffix for suffix in path.suffixes[-2:] if suffix not in COMPRESSIONS]
    return LAYOUTS.get(suffixes[-1], "") if suffixes else ""


def read_files(files: Iterable[Path]) -> Iterator[tuple[str, Raw]]:
    """Yields (file name:number, raw row) of all files, numbered from 1.

    Raises:
        InputError: a file is damaged or of no known layout.
    """
    for path in files:
        for number, row in _rows(path):
            yield f"{path.name}:{number}", row


def _rows(path: Path) -> Iterator[tuple[int, Raw]]:
    import pyarrow as pa

    layout = layout_of(path)
    if not layout:
        raise InputError(
            f"{path}: a file of rows ends in {', '.join(LAYOUTS)}, perhaps with {', '.join(COMPRESSIONS)}."
        )
    try:
        if layout == "parquet":
            yield from enumerate(_parquet(path), start=1)
            return
        with io.BufferedReader(pa.input_stream(str(path))) as handle:
            if layout == "json" and handle.peek(1024).lstrip()[:1] == b"[":
                yield from enumerate(_array(handle), start=1)
            else:
                yield from _lines(handle, layout == "text")
    except (pa.ArrowInvalid, OSError, EOFError) as error:
        raise InputError(f"{path} cannot be read to its end ({error}). Delete it and fetch it again.") from error


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
            yield from batch.to_pylist()


def _array(handle: io.BufferedReader) -> Iterator[Any]:
    import ijson

    try:
        yield from ijson.items(handle, "item", use_float=True)
    except ijson.JSONError as error:
        raise OSError(f"broken JSON: {' '.join(str(error).split())}") from error


def _lines(handle: io.BufferedReader, is_text: bool) -> Iterator[tuple[int, Raw]]:
    number = 0
    while line := handle.readline(LINE_BYTES):
        number += 1
        if len(line) == LINE_BYTES and not line.endswith(b"\n"):
            while (rest := handle.readline(LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
            yield number, Rejected("too_long", f"a line of more than {LINE_BYTES} bytes")
        elif line.strip():
            yield number, _line(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line, is_text)


def _line(line: bytes, is_text: bool) -> Raw:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        return Rejected("not_utf8", str(error))
    return {"text": text.rstrip("\r\n")} if is_text else text
