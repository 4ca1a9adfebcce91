"""The journal of a running job: one line a finished row, written as soon as there is one.

A line is the CRC-32 of what follows (8 hex digits), a space, the row as JSON in UTF-8, and a line feed, which JSON
never holds unescaped. A line that was handed to the operating system survives the death of its process; it survives the
death of the machine once the file is flushed to disk, which happens at most every few seconds, because a network drive
can take long over it. Lines are only ever added, so a reader meets whole lines and perhaps one that is cut off at the
end: that is normal, and its text was in flight. A line that does not agree with its checksum elsewhere is damage.
"""

import json
import os
import time
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scripts.common.files import sync_folder

SYNC_SECONDS = 5.0


def to_line(row: Mapping[str, Any]) -> bytes:
    """A row as a line of a journal."""
    content = json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()
    return b"%08x %b\n" % (zlib.crc32(content), content)


def from_line(line: bytes) -> dict[str, Any] | None:
    """The row of a line without its line feed; None if it is damaged."""
    checksum, _, content = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(content):
        return None
    try:
        row = json.loads(content)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def read(data: bytes) -> tuple[list[dict[str, Any]], list[int]]:
    """The rows of a journal, and the numbers (from 1) of its damaged lines; a last line that is cut off is neither."""
    rows, damaged = [], []
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):
        row = from_line(line)
        if row is None:
            damaged.append(number)
        else:
            rows.append(row)
    return rows, damaged


class Journal:
    """The journal that a job is writing; after an error it must not be added to, because a line may be cut off."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o666)
        sync_folder(path.parent)
        self._synced = time.monotonic()

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Appends rows; when this returns they survive the death of the process."""
        rest = memoryview(b"".join(map(to_line, rows)))
        while rest:
            rest = rest[os.write(self._file, rest) :]
        if time.monotonic() - self._synced >= SYNC_SECONDS:
            os.fsync(self._file)
            self._synced = time.monotonic()

    def close(self) -> None:
        """Ends the writing; the file stays. A second time does nothing."""
        if self._file >= 0:
            file, self._file = self._file, -1
            os.close(file)
