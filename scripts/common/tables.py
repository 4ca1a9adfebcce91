"""How every table of the workflow is read and written; its columns stand in schemas.py.

All tables are Parquet with zstd. A table is written atomically, with the same bytes for the same rows; reading checks
the columns, so that a file of another kind or version is named in the error instead of failing later.
"""

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from scripts.common.errors import InputError
from scripts.common.files import atomic_path


def in_batches(rows: Iterable[Any], size: int = 1000) -> Iterator[list[Any]]:
    """Yields the rows in lists of `size`, the last one shorter; what `write_batches` writes."""
    rows = iter(rows)
    while batch := list(itertools.islice(rows, size)):
        yield batch


def write_table(path: str | Path, rows: pa.Table | Sequence[dict[str, Any]], schema: pa.Schema) -> None:
    """Writes a whole table atomically. Rows may be dictionaries; a missing column becomes null."""
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(list(rows), schema=schema)
    with atomic_path(path) as temporary:
        pq.write_table(table.select(schema.names).cast(schema), temporary, compression="zstd")


def write_batches(path: str | Path, batches: Iterable[Sequence[dict[str, Any]]], schema: pa.Schema) -> int:
    """Writes a table batch by batch with flat memory and returns the number of rows."""
    return write_columns(path, (pa.RecordBatch.from_pylist(list(batch), schema=schema) for batch in batches), schema)


def write_columns(
    path: str | Path,
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    long_columns: Sequence[str] = (),
    rows_per_group: int = 1,
) -> int:
    """Writes a table by record batches with flat memory; returns the number of rows.

    Args:
        path: the file.
        batches: rows with the columns of the schema.
        schema: of the table.
        long_columns: columns of texts or ids that hardly repeat: no dictionary and no statistics are made of them,
            which would cost time and save nothing.
        rows_per_group: batches are held until they have so many rows, then written as one row group. Each row group
            costs some milliseconds, however small it is.
    """
    rows = 0
    short = [name for name in schema.names if name not in long_columns] if long_columns else True
    options = {"compression": "zstd", "use_dictionary": short, "write_statistics": short}
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema, **options) as writer:
        for group in _groups(batches, rows_per_group):
            writer.write_table(pa.Table.from_batches(group))
            rows += sum(map(len, group))
    return rows


def _groups(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[list[pa.RecordBatch]]:
    """Batches in lists of at least so many rows, the last one smaller."""
    group: list[pa.RecordBatch] = []
    for batch in batches:
        group.append(batch)
        if sum(map(len, group)) >= rows:
            yield group
            group = []
    if any(map(len, group)):
        yield group


def read_table(path: str | Path, schema: pa.Schema, columns: Sequence[str] | None = None) -> pa.Table:
    """Reads a table, or some of its columns, and checks that it is of the expected kind.

    Raises:
        InputError: the file is not Parquet, is damaged or lacks a column; the message names the file and what to do.
    """
    names = list(columns or schema.names)
    with _open(path, names) as file:
        return file.read(columns=names, use_threads=False).cast(pa.schema([schema.field(name) for name in names]))


def iterate_batches(
    path: str | Path, schema: pa.Schema, columns: Sequence[str] | None = None, batch_size: int = 1000
) -> Iterator[pa.RecordBatch]:
    """Yields a table, or some of its columns, in record batches with flat memory."""
    names = list(columns or schema.names)
    with _open(path, names) as file:
        for batch in file.iter_batches(batch_size=batch_size, columns=names, use_threads=False):
            yield batch.select(names)


def iterate_rows(
    path: str | Path, schema: pa.Schema, columns: Sequence[str] | None = None, batch_size: int = 1000
) -> Iterator[dict[str, Any]]:
    """Yields the rows of a table as dictionaries with flat memory.

    Raises:
        InputError: besides those of `read_table`, a text that is not UTF-8; the message names its column and row.
    """
    first = 0
    for batch in iterate_batches(path, schema, columns, batch_size):
        try:
            rows = batch.to_pylist()
        except UnicodeDecodeError as error:
            raise InputError(f"{path}, {_not_utf8(batch, first)} holds no UTF-8. Delete it and run again.") from error
        yield from rows
        first += batch.num_rows


def _not_utf8(batch: pa.RecordBatch, first: int) -> str:
    """The first row, from 1, and the column of a batch that cannot be read as text."""
    for name in batch.schema.names:
        for place, value in enumerate(batch.column(name), start=first + 1):
            try:
                value.as_py()
            except UnicodeDecodeError:
                return f"row {place}: the column {name}"
    raise AssertionError("the batch can be read")


def find_rows(
    path: str | Path, schema: pa.Schema, column: str, value: Any, columns: Sequence[str] | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields the rows where a column has this value, each with its number in the table (from 0).

    One column is read, and of the row groups that have the value the others: 0.1 s for 250,000 rows. Bytes of a
    text that are no UTF-8 become replacement characters.
    """
    names = list(columns or schema.names)
    with _open(path, [column, *names]) as file:
        first = 0
        for group in range(file.num_row_groups):
            keys = file.read_row_group(group, columns=[column], use_threads=False)[column]
            places = pc.indices_nonzero(pc.equal(keys, value).combine_chunks())
            if len(places):
                rows = file.read_row_group(group, columns=names, use_threads=False).select(names).take(places)
                yield from zip((first + place for place in places.to_pylist()), _readable(rows), strict=True)
            first += len(keys)


def _readable(rows: pa.Table) -> list[dict[str, Any]]:
    columns = {}
    for name in rows.schema.names:
        text = pa.types.is_string(rows.schema.field(name).type)
        values = rows[name].cast(pa.binary()).to_pylist() if text else rows[name].to_pylist()
        columns[name] = [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def count_rows(path: str | Path) -> int:
    """The number of rows, from the file's footer alone."""
    with _open(path, []) as file:
        return file.metadata.num_rows


def data_bytes(path: str | Path) -> int:
    """The unpacked size of a table, from the file's footer alone."""
    with _open(path, []) as file:
        return sum(file.metadata.row_group(group).total_byte_size for group in range(file.num_row_groups))


@contextlib.contextmanager
def _open(path: str | Path, names: Sequence[str]) -> Iterator[pq.ParquetFile]:
    """Opens a Parquet file that has these columns; an error while it is open names the file too."""
    try:
        # pyarrow's threads are left alone: a short program that ends while they start up is aborted now and then.
        with pq.ParquetFile(path, pre_buffer=False) as file:
            missing = [name for name in names if name not in file.schema_arrow.names]
            if missing:
                raise InputError(
                    f"{path} lacks the column {', '.join(missing)}; it has {', '.join(file.schema_arrow.names)}. "
                    "It was not written by this version of the workflow: delete it and run again."
                )
            yield file
    except (pa.ArrowInvalid, OSError) as error:
        if not Path(path).exists():
            raise
        raise InputError(f"{path} is not a readable Parquet file ({error}). Delete it and run again.") from error
