"""The lock of the sources, config/sources.lock.tsv: which revision or which bytes of each source a run is to read.

`lock_sources` writes it and a person commits it. A row counts only while its location is that of the registry.
"""

import csv
import dataclasses
import io
from collections.abc import Iterable
from pathlib import Path

from scripts.common.errors import InputError
from scripts.common.files import write_text


@dataclasses.dataclass(frozen=True)
class Lock:
    """One locked source: a commit of the Hub, or the size, SHA-256 and ETag of a file."""

    source: str
    location: str
    revision: str = ""
    size: str = ""
    sha256: str = ""
    etag: str = ""


FIELDS = [field.name for field in dataclasses.fields(Lock)]


def read_locks(path: str | Path) -> dict[str, Lock]:
    """Source → its lock; empty without a file.

    Raises:
        InputError: the file is not one that lock_sources wrote.
    """
    if not Path(path).exists():
        return {}
    with Path(path).open(encoding="utf-8", newline="") as handle:
        reader = csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE)
        rows = list(reader)
    if reader.fieldnames != FIELDS or any(None in row.values() or None in row for row in rows):
        raise InputError(f"{path} is no lock of sources. Delete it and run `snakemake lock_sources`.")
    return {row["source"]: Lock(**row) for row in rows}


def read_lock(path: str | Path, source: str, location: str) -> Lock | None:
    """The lock of one source; None when there is none, or when the registry names another location since."""
    lock = read_locks(path).get(source)
    return lock if lock and lock.location == location else None


def write_locks(path: str | Path, locks: Iterable[Lock]) -> None:
    """Writes the lock, sorted by source."""
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, delimiter="\t", quoting=csv.QUOTE_NONE, lineterminator="\n")
    writer.writeheader()
    writer.writerows(dataclasses.asdict(lock) for lock in sorted(locks, key=lambda lock: lock.source))
    write_text(path, text.getvalue())
