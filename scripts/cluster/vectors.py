"""Embeddings as arrays."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from scripts.common.schemas import EMBEDDING_DIMENSION, EMBEDDINGS
from scripts.common.tables import iterate_batches, read_table


def as_array(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """An embedding column as float32 vectors of exactly unit length, shape (rows, EMBEDDING_DIMENSION).

    Half precision leaves lengths a little off one; without the correction a document would not always be its own
    nearest neighbour by inner product.
    """
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    flat = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in chunks]
    vectors = np.concatenate([np.zeros(0, np.float16), *flat]).astype(np.float32).reshape(-1, EMBEDDING_DIMENSION)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def read_vectors(path: Path) -> tuple[list[str], np.ndarray]:
    """(seed ids, vectors) of a whole table."""
    table = read_table(path, EMBEDDINGS)
    return table.column("seed_id").to_pylist(), as_array(table.column("embedding"))


def iterate_vectors(path: Path, rows: int) -> Iterator[tuple[list[str], np.ndarray]]:
    """(seed ids, vectors) of a table, some rows at a time."""
    for batch in iterate_batches(path, EMBEDDINGS, batch_size=rows):
        yield batch.column("seed_id").to_pylist(), as_array(batch.column("embedding"))
