"""One segment of a ledger: a Parquet file with a checksum on every page, verified whenever the page is read.

Three kinds of trouble are told apart. A file that is not there any more was merged into another one. One that cannot be
read at the moment (a network drive that stumbles) is an error and stays where it is. One that cannot be a whole segment
is damaged: it is moved into `aside/` and reported, and what it held counts as missing.
"""

import errno
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from scripts.common.files import atomic_path
from scripts.common.logging import get_logger
from scripts.common.schemas import GENERATIONS

NEEDED = ("prompt_id", "recipe", "finish_reason", "attempt", "job", "text")
FORMAT = {
    "compression": "zstd",
    "write_page_checksum": True,
    "write_statistics": False,
    "use_dictionary": [name for name in GENERATIONS.names if name not in ("prompt_id", "text", "sampling_seed")],
}
GONE = (errno.ENOENT, errno.ESTALE)
"""Error numbers of a file that was removed; stale: by another machine, while it was open here."""

ROWS_PER_FILE = 10_000
"""Segments are merged up to so many rows: some 30 MB of texts, which are in memory at once."""

log = get_logger(__name__)


class Damaged(Exception):
    """A file that is no whole segment."""


class Gone(Exception):
    """A file that is not there any more."""


def write(path: Path, table: pa.Table) -> None:
    """Writes a segment: whole and flushed to disk when this returns, or not there."""
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, **FORMAT)


def read(path: Path, columns: Sequence[str] = tuple(GENERATIONS.names)) -> pa.Table:
    """Some columns of a segment; the pages of the others are not looked at.

    Raises:
        Damaged, Gone: see the module.
        OSError: it cannot be read at the moment.
    """
    try:
        with path.open("rb") as file:
            return _parse(file, columns)
    except IsADirectoryError as error:
        raise Damaged(error) from error
    except OSError as error:
        if error.errno in GONE:
            raise Gone(path) from error
        if error.errno is not None:
            raise
        raise Damaged(error) from error  # Arrow's OSError without a number: not the drive, but what is in the file
    except MemoryError:
        raise  # Arrow's is an ArrowException too, and says nothing about the file
    except (ValueError, pa.ArrowException) as error:
        raise Damaged(error) from error


def _parse(file, columns: Sequence[str]) -> pa.Table:
    with pq.ParquetFile(file, page_checksum_verification=True, pre_buffer=False) as parquet:
        if parquet.schema_arrow.names != GENERATIONS.names:
            raise Damaged(f"its columns are {', '.join(parquet.schema_arrow.names)}")
        table = parquet.read(columns=list(columns), use_threads=False).select(columns)
        if len(table) != parquet.metadata.num_rows:
            raise Damaged(f"it holds {len(table)} rows and tells of {parquet.metadata.num_rows}")
    schema = pa.schema([GENERATIONS.field(name) for name in columns])
    if table.schema != schema:
        table = table.cast(schema)
    table.validate(full=True)
    return with_keys(table)


def with_keys(table: pa.Table) -> pa.Table:
    """The table, if no row of it lacks a key."""
    if any(table[name].null_count for name in NEEDED if name in table.schema.names):
        raise Damaged("it has rows without a key")
    return table


def set_aside(path: Path, reason: Exception) -> None:
    """Moves a file out of the ledger; another job may have done so first."""
    target = path.parent / "aside" / f"{path.stem}.{uuid.uuid4().hex[:8]}{path.suffix}"
    try:
        target.parent.mkdir(exist_ok=True)
        path.rename(target)
        where = f"moved to {target}"
    except FileNotFoundError:
        return
    except OSError as error:  # a reader without the right to write
        where = f"it cannot be moved out of the ledger ({error})"
    log.warning("%s is not a whole ledger segment (%s): %s; its texts count as missing", path, reason, where)


def name(job: str, number: int) -> str:
    """The file name of a job's segment, without what tells the kind."""
    return f"{job}-{number:04}"


def compact(folder: Path, paths: Iterable[Path], job: str, numbers: Iterator[int]) -> int:
    """Merges small segments into larger ones, named after the job that does it; returns how many files fewer there are.

    A merged segment is on disk and was read back before the first of its sources is removed, so that every row is in
    the ledger at any instant; whoever dies in between leaves rows twice, which harms nobody. Files that go away in the
    meantime are left to whoever took them.
    """
    removed = 0
    for group in _groups(paths):
        tables = {}
        for path in group:
            try:
                tables[path] = read(path)
            except Gone:
                continue
            except Damaged as error:
                set_aside(path, error)
        if len(tables) < 2:
            continue
        merged = folder / f"{name(job, next(numbers))}.parquet"
        table = pa.concat_tables(tables.values())
        write(merged, table)
        if not _holds(merged, table):
            set_aside(merged, Damaged("it was not read back as it was written, and what it was made of stays"))
            continue
        for path in tables:
            path.unlink(missing_ok=True)
        removed += len(tables) - 1
        log.info("ledger segment %s: %d rows of %d segments", merged.name, len(table), len(tables))
    return removed


def _holds(path: Path, table: pa.Table) -> bool:
    """Whether a file is there and gives this table."""
    try:
        return read(path).equals(table)
    except (Gone, Damaged):
        return False


def _groups(paths: Iterable[Path]) -> Iterator[list[Path]]:
    """Neighbours by name that fit into one segment; those that are more than half full are left as they are."""
    group: list[Path] = []
    rows = 0
    for path in sorted(paths):
        try:
            size = pq.read_metadata(path).num_rows
        except (ValueError, pa.ArrowException, OSError):
            size = 0  # `read` will tell what is the matter with it
        if 2 * size > ROWS_PER_FILE:
            continue
        if rows + size > ROWS_PER_FILE:
            yield group
            group, rows = [], 0
        group.append(path)
        rows += size
    if len(group) > 1:
        yield group
