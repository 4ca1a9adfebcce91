"""The cluster of every document: that of its nearest neighbour in the clustered sample, by exact inner product, k = 1.

So it was done for the 15 M pages (text-clustering repository), where about half fell on noise. What becomes of a
document whose neighbour is noise is the policy: `drop` and `keep` leave it in cluster −1 (the prompts stage then leaves
it out, or uses it without a topic), `nearest` gives it the cluster of the nearest clustered document of the sample, if
that is no farther than a maximum. The counts tell how many documents went which way.

The last digits of the matrix product depend on its shape and the number of threads; therefore its best candidates are
compared once more, row by row in double precision, and the answer depends on the document only. Blocks of 512 keep that
comparison in the processor's cache, and the whole at nine tenths of the speed of the matrix product alone; a shorter
block is filled up, because faiss takes another way for few queries, ten times slower (benchmarks/assign.py).
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from scripts.cluster.vectors import iterate_vectors, read_vectors
from scripts.common.errors import InputError
from scripts.common.files import write_json
from scripts.common.logging import get_logger, run
from scripts.common.schemas import ASSIGNMENTS, CLUSTER_SAMPLE
from scripts.common.tables import read_table, write_columns

POLICIES = ("drop", "nearest", "keep")
BATCH_ROWS = 4096
BLOCK = 512
CANDIDATES = 8


class Neighbours:
    """Exact nearest neighbours among some unit vectors, shape (n, d)."""

    def __init__(self, points: np.ndarray, threads: int) -> None:
        import faiss

        faiss.omp_set_num_threads(threads)
        self.points = points
        self.index = faiss.IndexFlatIP(points.shape[1])
        self.index.add(points)

    def nearest(self, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The nearest point of each query; the first point wins a tie.

        Args:
            queries: unit vectors, shape (m, d).

        Returns:
            Rows of the points, shape (m,), and distances 1 − cosine, rounded to 6 digits, shape (m,).
        """
        blocks = [self._block(queries[start : start + BLOCK]) for start in range(0, len(queries), BLOCK)]
        rows, distances = zip(*blocks, strict=True)
        return np.concatenate(rows), np.concatenate(distances)

    def _block(self, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The nearest points of at most BLOCK queries."""
        full = np.zeros((BLOCK, queries.shape[1]), np.float32)
        full[: len(queries)] = queries
        candidates = self.index.search(full, min(CANDIDATES, len(self.points)))[1][: len(queries)]
        candidates.sort(axis=1)
        products = self.points[candidates].astype(np.float64) * queries[:, None, :]
        similarity = products.sum(axis=2).round(9)
        best = similarity.argmax(axis=1)
        row = np.arange(len(queries))
        return candidates[row, best], np.clip(1 - similarity[row, best], 0, 2).round(6)


class Assigner:
    """Clusters of documents under a policy for noise.

    Args:
        points: unit vectors of the sample, shape (n, d).
        clusters: their clusters, −1 for noise.
        policy: drop, nearest or keep.
        max_distance: of `nearest`.
        threads: of the search.
    """

    def __init__(
        self, points: np.ndarray, clusters: np.ndarray, policy: str, max_distance: float, threads: int
    ) -> None:
        self.clusters = clusters
        self.neighbours = Neighbours(points, threads)
        self.max_distance = max_distance
        self.held = np.flatnonzero(clusters >= 0)
        rescues = policy == "nearest" and len(self.held)
        self.rescuers = Neighbours(points[self.held], threads) if rescues else None

    def assign(self, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cluster (int32), distance and whether rescued, of each query."""
        rows, distances = self.neighbours.nearest(queries)
        found = self.clusters[rows].astype(np.int32)
        rescued = np.zeros(len(found), bool)
        noise = np.flatnonzero(found < 0)
        if self.rescuers and len(noise):
            stand_in, far = self.rescuers.nearest(queries[noise])
            within = far <= self.max_distance
            rows = noise[within]
            found[rows] = self.clusters[self.held[stand_in[within]]]
            distances[rows], rescued[rows] = far[within], True
        return found, distances, rescued


def main(argv: Sequence[str] | None = None) -> None:
    """Assigns one part."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--embeddings", type=Path, required=True, help="part of embeddings")
    parser.add_argument("--points", type=Path, required=True, help="embeddings of the sample")
    parser.add_argument("--sample", type=Path, required=True, help="clusters of the sample, in the same order")
    parser.add_argument("--policy", choices=POLICIES, required=True, help="for documents that fall on noise")
    parser.add_argument("--max-distance", type=float, required=True, help="of the policy nearest, 1 − cosine")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--counts", type=Path, required=True, help="documents by outcome, as JSON")
    args = parser.parse_args(argv)
    ids, points = read_vectors(args.points)
    clustered = read_table(args.sample, CLUSTER_SAMPLE, ["seed_id", "cluster_id"])
    if clustered.column("seed_id").to_pylist() != ids:
        raise InputError(f"{args.sample} does not belong to {args.points}: delete both and run again.")
    clusters = np.array(clustered.column("cluster_id"))
    assigner = Assigner(points, clusters, args.policy, args.max_distance, args.threads)
    outcomes: Counter[str] = Counter(in_clusters=0, rescued=0, noise=0)

    def batches() -> Iterator[pa.RecordBatch]:
        for seed_ids, queries in iterate_vectors(args.embeddings, BATCH_ROWS):
            columns = assigner.assign(queries)
            found, _, rescued = columns
            outcomes["rescued"] += int(rescued.sum())
            outcomes["noise"] += int((found < 0).sum())
            outcomes["in_clusters"] += int((found >= 0).sum() - rescued.sum())
            yield as_batch(seed_ids, columns)

    documents = write_columns(args.output, batches(), ASSIGNMENTS, long_columns=["seed_id"])
    counts: dict[str, Any] = {"documents": documents, **outcomes}
    write_json(args.counts, {**counts, "policy": args.policy, "max_distance": args.max_distance})
    get_logger("cluster_assign").info("%s", counts)


def as_batch(seed_ids: Sequence[str], columns: Sequence[np.ndarray]) -> pa.RecordBatch:
    """Rows of ASSIGNMENTS."""
    types = dict(zip(ASSIGNMENTS.names, ASSIGNMENTS.types, strict=True))
    values = zip(types, [seed_ids, *columns], strict=True)
    return pa.record_batch([pa.array(value, types[name]) for name, value in values], schema=ASSIGNMENTS)


if __name__ == "__main__":
    run(main)
