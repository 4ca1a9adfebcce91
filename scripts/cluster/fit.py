"""Clusters of the sample by UMAP and a density method; cluster −1 is noise.

`umap_dbscan` is the published way: UMAP to the plane by cosine distance, DBSCAN with eps 0.08 and 50 points, which gave
145 clusters on 100,000 pages (text-clustering repository); on some thousand documents it finds next to nothing.
`umap_hdbscan` finds clusters in a UMAP space of its own with HDBSCAN, whose sizes are chosen from the sample
(scripts/cluster/choose.py); the plane is for pictures. Unlike the published runs all is seeded, and runs on one thread.
Clusters are numbered by size, the largest is 0.
"""

import argparse
import dataclasses
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from scripts.cluster.choose import SMALLEST, candidates, choose
from scripts.cluster.project import nearest_neighbours, project
from scripts.cluster.vectors import read_vectors
from scripts.common.errors import InputError
from scripts.common.files import write_json
from scripts.common.logging import get_logger, run
from scripts.common.schemas import CLUSTER_SAMPLE
from scripts.common.tables import write_table

METHODS = ("umap_hdbscan", "umap_dbscan")


@dataclasses.dataclass(frozen=True)
class Fit:
    """The clusters of a sample.

    Args:
        labels: cluster of each document, −1 for noise, the largest cluster 0.
        plane: coordinates on the map, shape (documents, 2).
        probabilities: of membership; for a marginal document the share of its neighbours in the cluster.
        chosen: the parameters taken, with their criteria where they were chosen.
        candidates: all that were tried, likewise.
    """

    labels: np.ndarray
    plane: np.ndarray
    probabilities: np.ndarray
    chosen: dict[str, Any]
    candidates: list[dict[str, Any]]


def check_size(documents: int, settings: Mapping[str, Any]) -> None:
    """Refuses a sample on which the parameters have no meaning.

    Raises:
        InputError: fewer documents than a neighbourhood or than two smallest clusters.
    """
    umap, hdbscan = settings["umap"], settings["hdbscan"]
    smallest = {
        "umap_dbscan": settings["dbscan"]["min_samples"],
        "umap_hdbscan": 2 * (hdbscan["min_cluster_size"] or SMALLEST),
    }[settings["method"]]
    needed = max(umap["n_neighbors"] + 1, umap["n_components"] + 2, hdbscan["n_components"] + 2, smallest)
    if documents < needed:
        raise InputError(
            f"the sample has {documents} documents, its parameters need {needed} at least "
            f"(cluster.method={settings['method']}, cluster.umap.n_neighbors={umap['n_neighbors']}). "
            "Read more documents (seeds.sources), raise cluster.sample_size, or lower these parameters."
        )


def fit(vectors: np.ndarray, settings: Mapping[str, Any], seed: int) -> Fit:
    """The clusters of these unit vectors.

    Args:
        vectors: shape (documents, d).
        settings: method, umap, hdbscan, dbscan, largest_share, as in the configuration.
        seed: of UMAP.

    Raises:
        InputError: too few documents, or no cluster among them.
    """
    from threadpoolctl import threadpool_limits

    check_size(len(vectors), settings)
    with threadpool_limits(1):
        neighbours = nearest_neighbours(vectors, settings["umap"]["n_neighbors"])
        plane = project(vectors, neighbours, settings["umap"], seed)
        if settings["method"] == "umap_dbscan":
            return by_dbscan(plane, settings["dbscan"])
        space = {**settings["umap"], "n_components": settings["hdbscan"]["n_components"], "min_dist": 0.0}
        points = project(vectors, neighbours, space, seed)
        found = list(candidates(vectors, points, neighbours[0][:, 1:], settings["hdbscan"]))
        if not found:
            raise InputError(
                f"no two clusters among {len(vectors)} documents with cluster.hdbscan={dict(settings['hdbscan'])}: "
                "set its sizes to 0, so that they follow the sample, or read more documents."
            )
        best = choose(found, settings["largest_share"])
    rows = [candidate.row() for candidate in found]
    return Fit(by_size(best.labels), plane[:, :2], best.probabilities, best.row(), rows)


def by_dbscan(plane: np.ndarray, settings: Mapping[str, Any]) -> Fit:
    """The clusters of DBSCAN in the plane.

    Raises:
        InputError: there is none.
    """
    from sklearn.cluster import DBSCAN

    labels = by_size(DBSCAN(eps=settings["eps"], min_samples=settings["min_samples"]).fit_predict(plane))
    if labels.max() < 0:
        raise InputError(
            f"no cluster among {len(plane)} documents with cluster.dbscan={dict(settings)}: it is meant for samples of "
            "100,000. Take cluster.method=umap_hdbscan, raise eps, or lower min_samples."
        )
    return Fit(labels, plane[:, :2], (labels >= 0).astype(np.float32), dict(settings), [])


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


def add_settings(parser: argparse.ArgumentParser) -> None:
    """The flags of the settings, which `cluster_stability` shares."""
    parser.add_argument("--points", type=Path, required=True, help="embeddings of the sample")
    parser.add_argument("--method", choices=METHODS, required=True)
    parser.add_argument("--umap", type=json.loads, required=True, help="n_components, n_neighbors, min_dist, as JSON")
    parser.add_argument(
        "--hdbscan",
        type=json.loads,
        required=True,
        help="n_components, min_cluster_size, min_samples, selection, marginal_share, as JSON",
    )
    parser.add_argument("--dbscan", type=json.loads, required=True, help="eps and min_samples, as JSON")
    parser.add_argument("--largest-share", type=float, required=True, help="bound of the largest cluster")
    parser.add_argument("--seed", type=int, required=True)


def read_settings(args: argparse.Namespace) -> dict[str, Any]:
    """The settings among the arguments."""
    return {name: getattr(args, name) for name in ("method", "umap", "hdbscan", "dbscan", "largest_share")}


def main(argv: Sequence[str] | None = None) -> None:
    """Clusters the sample."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_settings(parser)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--summary", type=Path, required=True, help="parameters, how they were chosen, shares; JSON")
    args = parser.parse_args(argv)
    ids, vectors = read_vectors(args.points)
    settings = read_settings(args)
    result = fit(vectors, settings, args.seed)
    columns = [ids, result.labels, *result.plane.T, result.probabilities]
    write_table(args.output, pa.table([pa.array(column) for column in columns], CLUSTER_SAMPLE.names), CLUSTER_SAMPLE)
    summary = summarise(result.labels)
    packages = {name: version(name) for name in ("umap-learn", "hdbscan", "faiss-cpu", "scikit-learn", "numpy")}
    tried = {"chosen": result.chosen, "candidates": result.candidates}
    write_json(args.summary, summary | settings | tried | {"seed": args.seed, "packages": packages})
    get_logger("cluster_fit").info("%s with %s", summary, result.chosen)


if __name__ == "__main__":
    run(main)
