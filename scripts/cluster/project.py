"""Neighbours of the sample's documents, and their projection by UMAP.

Both projections, the plane of the pictures and the space in which HDBSCAN finds clusters, start from the same exact
neighbours by cosine, so that these are computed once; the criteria of the choice read them too. Everything runs on one
thread: sums keep their order, and equal vectors and seeds give equal bytes.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np


def nearest_neighbours(vectors: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The `count` nearest documents of each document, itself first, and their distances 1 − cosine.

    Args:
        vectors: unit vectors, shape (n, d).
        count: neighbours, the document itself included; smaller than n.

    Returns:
        Rows of `vectors` and distances, both of shape (n, count).
    """
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    similarity, rows = index.search(vectors, count)
    own = np.arange(len(vectors))[:, None]
    # Of more than `count` equal documents one may not find itself: then it takes the place of the last.
    place = np.where((rows == own).any(axis=1), (rows == own).argmax(axis=1), count - 1)[:, None]
    order = np.where(np.arange(count) <= place, np.arange(count) - 1, np.arange(count))
    order[:, 0] = place[:, 0]
    rows, similarity = np.take_along_axis(rows, order, 1), np.take_along_axis(similarity, order, 1)
    rows[:, 0] = own[:, 0]
    distances = np.clip(1 - similarity, 0, 2).round(6).astype(np.float32)
    distances[:, 0] = 0
    return rows.astype(np.int32), distances


def project(
    vectors: np.ndarray, neighbours: tuple[np.ndarray, np.ndarray], parameters: Mapping[str, Any], seed: int
) -> np.ndarray:
    """UMAP coordinates, float32, shape (documents, n_components)."""
    import numba
    from threadpoolctl import threadpool_limits
    from umap import UMAP

    numba.set_num_threads(1)
    model = UMAP(metric="cosine", random_state=seed, n_jobs=1, precomputed_knn=neighbours, **parameters)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="precomputed_knn")  # says that new documents cannot be projected
        return model.fit_transform(vectors)
