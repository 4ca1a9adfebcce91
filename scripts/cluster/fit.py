"""Clusters of the sample: UMAP to the plane by cosine distance, then HDBSCAN; cluster −1 is noise.

The text-clustering repository projects with an unseeded UMAP and clusters with DBSCAN (eps 0.08, 50 points), which gave
145 clusters on 100,000 pages. We seed UMAP, which makes it run on one thread, and use HDBSCAN, whose parameters are
numbers of documents and keep their meaning when the size of the sample changes. Clusters are numbered by size, the
largest is 0. 20,000 documents take 45 seconds and 0.8 GB on one thread, 100,000 some minutes and 2 GB.
"""

import argparse
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from scripts.cluster.vectors import read_vectors
from scripts.common.errors import InputError
from scripts.common.files import write_json
from scripts.common.logging import get_logger, run
from scripts.common.tables import CLUSTER_SAMPLE, write_table


def check_size(documents: int, umap: Mapping[str, Any], hdbscan: Mapping[str, Any]) -> None:
    """Refuses a sample on which the parameters have no meaning.

    Raises:
        InputError: fewer documents than a neighbourhood or than two smallest clusters.
    """
    needed = max(umap["n_neighbors"] + 1, umap["n_components"] + 2, 2 * hdbscan["min_cluster_size"])
    if documents < needed:
        raise InputError(
            f"the sample has {documents} documents, its parameters need {needed} at least "
            f"(cluster.umap.n_neighbors={umap['n_neighbors']}, "
            f"cluster.hdbscan.min_cluster_size={hdbscan['min_cluster_size']}). "
            "Read more documents (seeds.sources), raise cluster.sample_size, or lower these parameters."
        )


def project(vectors: np.ndarray, parameters: Mapping[str, Any], seed: int) -> np.ndarray:
    """UMAP coordinates, float32, shape (documents, n_components), on one thread: sums keep their order."""
    import numba
    from threadpoolctl import threadpool_limits
    from umap import UMAP

    numba.set_num_threads(1)
    with threadpool_limits(1):
        return UMAP(metric="cosine", random_state=seed, n_jobs=1, **parameters).fit_transform(vectors)


def find_clusters(points: np.ndarray, parameters: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """(cluster of each point, −1 for noise, largest first; probability of membership)."""
    from hdbscan import HDBSCAN

    model = HDBSCAN(core_dist_n_jobs=1, **parameters).fit(points.astype(np.float64))
    return by_size(model.labels_), model.probabilities_


def by_size(labels: np.ndarray) -> np.ndarray:
    """Renumbers clusters from the largest (0) to the smallest; equal ones by their first point; −1 stays."""
    names, first, sizes = np.unique(labels[labels >= 0], return_index=True, return_counts=True)
    order = sorted(range(len(names)), key=lambda k: (-sizes[k], first[k]))
    rank = {int(names[k]): new for new, k in enumerate(order)}
    return np.array([rank.get(int(label), -1) for label in labels], dtype=np.int32)


def summarise(labels: np.ndarray) -> dict[str, Any]:
    """Number of clusters, share of noise, share of the largest cluster."""
    sizes = np.bincount(labels[labels >= 0]) if (labels >= 0).any() else np.zeros(1, int)
    return {
        "documents": len(labels),
        "clusters": int(labels.max(initial=-1)) + 1,
        "noise_share": round(float((labels < 0).mean()), 4),
        "largest_share": round(float(sizes.max() / len(labels)), 4),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Clusters the sample."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--points", type=Path, required=True, help="embeddings of the sample")
    parser.add_argument("--n-components", type=int, required=True, help="dimensions of the projection")
    parser.add_argument("--n-neighbors", type=int, required=True, help="size of a neighbourhood")
    parser.add_argument("--min-dist", type=float, required=True, help="smallest distance of two projected points")
    parser.add_argument("--min-cluster-size", type=int, required=True, help="documents of the smallest cluster")
    parser.add_argument("--min-samples", type=int, required=True, help="neighbours that make a core point")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--summary", type=Path, required=True, help="parameters and shares, as JSON")
    args = parser.parse_args(argv)
    umap = {"n_components": args.n_components, "n_neighbors": args.n_neighbors, "min_dist": args.min_dist}
    hdbscan = {"min_cluster_size": args.min_cluster_size, "min_samples": args.min_samples}
    ids, vectors = read_vectors(args.points)
    check_size(len(ids), umap, hdbscan)
    points = project(vectors, umap, args.seed)
    labels, probabilities = find_clusters(points, hdbscan)
    summary = summarise(labels)
    if not summary["clusters"]:
        raise InputError(
            f"no cluster among {len(ids)} documents: lower cluster.hdbscan.min_cluster_size "
            f"(now {args.min_cluster_size}) or min_samples (now {args.min_samples}), or read more documents."
        )
    columns = [ids, labels, points[:, 0], points[:, 1], probabilities]
    write_table(args.output, pa.table([pa.array(column) for column in columns], CLUSTER_SAMPLE.names), CLUSTER_SAMPLE)
    packages = {name: version(name) for name in ("umap-learn", "hdbscan", "numpy")}
    write_json(args.summary, summary | {"umap": umap, "hdbscan": hdbscan, "seed": args.seed, "packages": packages})
    get_logger("cluster_fit").info("%s", summary)


if __name__ == "__main__":
    run(main)
