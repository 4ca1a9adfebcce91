"""Every table of the workflow: its columns, and how it is read and written.

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

EMBEDDING_DIMENSION = 384

OUTLINE = pa.struct(
    [
        ("book", pa.string()),
        ("chapter", pa.string()),
        ("section", pa.string()),
        ("earlier", pa.list_(pa.string())),
    ]
)

ASKED = pa.struct([("seed_data", pa.string()), ("format", pa.string()), ("audience", pa.string())])

SEEDS = pa.schema(
    [
        ("seed_id", pa.string()),
        ("source", pa.string()),
        ("kind", pa.string()),
        ("text", pa.string()),
        ("title", pa.string()),
        ("outline", OUTLINE),
        ("language", pa.string()),
        ("license", pa.string()),
        ("origin", pa.string()),
        ("asked", ASKED),
    ]
)
"""One seed: `kind` is passage, unit, title, dialogue or prompt; `outline` is null but for units; `earlier` lists the
units already covered; `origin` tells where the row came from (a URL, or file and row); `asked` is what a published
prompt asked for, null for every other kind."""

REJECTED = pa.schema([("id", pa.string()), ("reason", pa.string()), ("detail", pa.string())])
"""Rows that a step kept aside; `id` is the row's id, or file and row number where it has none."""

COURSES = pa.schema(
    [("course_id", pa.string()), ("place", pa.string()), ("title", pa.string()), ("description", pa.string())]
)
"""One course of a catalogue, its description without personal data and logistics; `place` is file and row."""

OUTLINE_UNITS = pa.list_(pa.struct([("title", pa.string()), ("subtopics", pa.list_(pa.string()))]))

OUTLINES = pa.schema(
    [
        ("course_id", pa.string()),
        ("place", pa.string()),
        ("title", pa.string()),
        ("source", pa.string()),
        ("units", OUTLINE_UNITS),
        ("problem", pa.string()),
        ("outline_raw", pa.string()),
        ("cleaned_raw", pa.string()),
    ]
)
"""The outline of one course: `source` is llm, or course when the model gave none that can be used (then `units` is
empty and `problem` tells why); the raw answers are the last ones of the first and of the second pass."""

EMBEDDINGS = pa.schema([("seed_id", pa.string()), ("embedding", pa.list_(pa.float16(), EMBEDDING_DIMENSION))])
"""Unit-length sentence embeddings."""

CLUSTER_SAMPLE = pa.schema(
    [
        ("seed_id", pa.string()),
        ("cluster_id", pa.int32()),
        ("x", pa.float32()),
        ("y", pa.float32()),
        ("probability", pa.float32()),
    ]
)
"""The clustered sample; cluster −1 is noise."""

ASSIGNMENTS = pa.schema(
    [("seed_id", pa.string()), ("cluster_id", pa.int32()), ("distance", pa.float32()), ("rescued", pa.bool_())]
)
"""The cluster of every document's nearest neighbour in the sample; distance is 1 − cosine. `rescued`: that neighbour
is noise, and the nearest one in a cluster stands in."""

TOPIC_EXAMPLES = pa.schema(
    [
        ("cluster_id", pa.int32()),
        ("n_documents", pa.int64()),
        ("keywords", pa.list_(pa.string())),
        ("examples", pa.list_(pa.string())),
        ("samples", pa.list_(pa.list_(pa.string()))),
    ]
)
"""What is seen of a cluster: its size and keywords, `examples` for people, and `samples`, independent choices of
documents for the language model, one for each answer."""

TOPIC_ANSWERS = pa.schema(
    [
        ("cluster_id", pa.int32()),
        ("sample", pa.int32()),
        ("attempt", pa.int32()),
        ("raw", pa.string()),
        ("topic", pa.string()),
        ("educational_score", pa.int32()),
        ("problem", pa.string()),
    ]
)
"""One answer of the language model about one sample (from 0) of a cluster; every attempt (from 1) is kept. `problem`
tells why it is not used (else "")."""

TOPICS = pa.schema(
    [
        ("cluster_id", pa.int32()),
        ("topic", pa.string()),
        ("educational_score", pa.float32()),
        ("score_min", pa.float32()),
        ("score_max", pa.float32()),
        ("score_agreement", pa.float32()),
        ("agreement", pa.float32()),
        ("n_answers", pa.int32()),
        ("n_documents", pa.int64()),
        ("keywords", pa.list_(pa.string())),
        ("examples", pa.list_(pa.string())),
        ("label_source", pa.string()),
        ("decision", pa.string()),
        ("decided_by", pa.string()),
        ("reason", pa.string()),
    ]
)
"""One cluster. `educational_score` is the median of the `n_answers` usable answers, which go from `score_min` to
`score_max`; `score_agreement` and `agreement` are the shares of them near that score and of that topic (null without
any). `label_source` (of topic and score) is llm, keywords or override; `decision` is kept or removed; `decided_by` is
rule or override."""

PROMPTS = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("prompt", pa.string()),
        ("seed_id", pa.string()),
        ("seed_data", pa.string()),
        ("format", pa.string()),
        ("audience", pa.string()),
        ("topic", pa.string()),
        ("topic_in_prompt", pa.bool_()),
        ("template_id", pa.string()),
        ("language", pa.string()),
    ]
)

CANDIDATES = pa.schema([*PROMPTS, ("cell", pa.string()), ("rank", pa.int64())])
"""Prompts before the mix is applied: `cell` is where a prompt belongs in it, the lowest `rank` is taken first."""

GENERATIONS = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("text", pa.string()),
        ("text_token_length", pa.int64()),
        ("finish_reason", pa.string()),
        ("attempt", pa.int32()),
        ("sampling_seed", pa.int64()),
        ("model", pa.string()),
        ("revision", pa.string()),
        ("recipe", pa.string()),
        ("engine", pa.string()),
        ("job", pa.string()),
    ]
)
"""One attempt at one prompt; the same columns in the ledger and in the sealed parts. `finish_reason` is stop, length,
error (of this attempt) or refused (for good); `text` of the last two is the message. `recipe` is the id of model,
revision and sampling."""

PREVIEW = pa.schema([*PROMPTS, *(GENERATIONS.field(name) for name in ("text", "text_token_length", "finish_reason"))])
"""Prompts that are looked at before all are asked, with their texts; one that has none has a finish reason that says
so and null as its text."""

FLAGS = pa.list_(pa.struct([("rule", pa.string()), ("detail", pa.string())]))

DECISIONS = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("decision", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("flags", FLAGS),
        ("text", pa.string()),
        ("text_token_length", pa.int64()),
    ]
)
"""What clean decided of each sealed text: `decision` is kept or removed, `reason` the rule that removed it (else ""),
`flags` the rules that a kept text fails and may. `text` and its length replace the sealed ones in all later stages;
null means that the text stays as it was generated."""

MINHASH_CLUSTERS = pa.schema(
    [("rank", pa.int32()), ("place", pa.int64()), ("cluster", pa.int64()), ("size", pa.int64())]
)
"""Documents that MinHash connected: the rank of their part, their place among its kept documents, and how many
documents their cluster has."""

CLUSTER_MEMBERS = pa.schema(
    [
        ("cluster", pa.int64()),
        ("size", pa.int64()),
        ("prompt_id", pa.string()),
        ("seed_id", pa.string()),
        ("format", pa.string()),
        ("shingles", pa.list_(pa.uint64())),
    ]
)
"""What of a document is compared inside its cluster; `shingles` are its different hashed word n-grams, ascending, null
where the cluster is too large to be compared."""

NEAR_DUPLICATES = pa.schema(
    [
        ("removed_id", pa.string()),
        ("kept_id", pa.string()),
        ("jaccard", pa.float32()),
        ("cluster", pa.string()),
        ("removed_source", pa.string()),
        ("kept_source", pa.string()),
        ("removed_format", pa.string()),
        ("kept_format", pa.string()),
        ("same_seed", pa.bool_()),
    ]
)
"""Removed documents, each with the kept one that it repeats; a `cluster` is named after its smallest prompt id."""

BENCHMARK_ROWS = pa.schema(
    [
        ("benchmark", pa.string()),
        ("row", pa.string()),
        ("text", pa.string()),
        ("tokens", pa.string()),
        ("n_tokens", pa.int32()),
    ]
)
"""What documents are compared with: `tokens` is the normalised text, its tokens joined by one space."""

CONTAMINATION = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("benchmark", pa.string()),
        ("row", pa.string()),
        ("rule", pa.string()),
        ("ratio", pa.float32()),
        ("span", pa.string()),
        ("decision", pa.string()),
    ]
)
"""Every pair of document and benchmark row that share an n-gram (`rule` ngram), or where the document holds a row that
is shorter than one (short_row). `ratio` is matched characters over the row's, `span` the longest matching block."""

PLANTED = pa.schema(
    [
        ("kind", pa.string()),
        ("benchmark", pa.string()),
        ("row", pa.string()),
        ("host", pa.string()),
        ("expected", pa.string()),
        ("decision", pa.string()),
        ("ratio", pa.float32()),
    ]
)
"""Benchmark rows planted in clean documents to check the scan: how they were changed (`kind`), in which document, and
the decision that the rule asks for beside the one that was made."""

DATASET = pa.schema(
    [
        ("prompt", pa.string()),
        ("text_token_length", pa.int64()),
        ("text", pa.string()),
        ("seed_data", pa.string()),
        ("format", pa.string()),
        ("audience", pa.string()),
        ("prompt_id", pa.string()),
        ("seed_id", pa.string()),
        ("topic", pa.string()),
        ("language", pa.string()),
        ("license", pa.string()),
        ("origin", pa.string()),
    ]
)
"""The six published columns in their published order, then ours."""


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
