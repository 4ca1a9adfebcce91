"""The cluster of every document: that of its nearest neighbour in the clustered sample, by exact inner product, k = 1.

So it was done for the 15 M pages (text-clustering repository); a document whose neighbour is noise is noise itself, as
about half of them were. The last digits of the matrix product depend on its shape and the number of threads; therefore
its best candidates are compared once more, row by row in double precision, and the answer depends on the document only.
A part of 250,000 against a sample of 100,000 takes about eight core-minutes.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts.cluster.vectors import iterate_vectors, read_vectors
from scripts.common.errors import InputError
from scripts.common.logging import get_logger, run
from scripts.common.tables import ASSIGNMENTS, CLUSTER_SAMPLE, read_table, write_batches

BATCH_ROWS = 2048
CANDIDATES = 8


def build_index(vectors: np.ndarray, threads: int) -> Any:
    """The exact index of the sample."""
    import faiss

    faiss.omp_set_num_threads(threads)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return index


def nearest(index: Any, points: np.ndarray, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest point of each query; the first point wins a tie.

    Args:
        index: the index of `points`.
        points: unit vectors of the sample, shape (n, d).
        queries: unit vectors, shape (m, d).

    Returns:
        Rows of `points`, shape (m,), and distances 1 − cosine, rounded to 6 digits, shape (m,).
    """
    _, candidates = index.search(queries, min(CANDIDATES, len(points)))
    candidates.sort(axis=1)
    products = points[candidates].astype(np.float64) * queries[:, None, :]
    similarity = products.sum(axis=2).round(9)
    best = similarity.argmax(axis=1)
    row = np.arange(len(queries))
    return candidates[row, best], np.clip(1 - similarity[row, best], 0, 2).round(6)


def main(argv: Sequence[str] | None = None) -> None:
    """Assigns one part."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--embeddings", type=Path, required=True, help="part of embeddings")
    parser.add_argument("--points", type=Path, required=True, help="embeddings of the sample")
    parser.add_argument("--sample", type=Path, required=True, help="clusters of the sample, in the same order")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args(argv)
    ids, vectors = read_vectors(args.points)
    clustered = read_table(args.sample, CLUSTER_SAMPLE, ["seed_id", "cluster_id"])
    if clustered.column("seed_id").to_pylist() != ids:
        raise InputError(f"{args.sample} does not belong to {args.points}: delete both and run again.")
    clusters = np.array(clustered.column("cluster_id"))
    index = build_index(vectors, args.threads)

    def batches() -> Iterator[list[dict[str, Any]]]:
        for seed_ids, queries in iterate_vectors(args.embeddings, BATCH_ROWS):
            rows, distances = nearest(index, vectors, queries)
            columns = zip(seed_ids, clusters[rows].tolist(), distances.tolist(), strict=True)
            yield [dict(zip(ASSIGNMENTS.names, row, strict=True)) for row in columns]

    rows = write_batches(args.output, batches(), ASSIGNMENTS)
    get_logger("cluster_assign").info("%d documents", rows)


if __name__ == "__main__":
    run(main)
