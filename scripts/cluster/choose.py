"""The sizes that HDBSCAN works with, chosen from the sample itself, without labels.

What is a good smallest cluster depends on the sample: a fixed one finds nothing in a small sample and two or three
giants in another. So the hierarchy is computed once for each `min_samples` and cut for every candidate: seven smallest
clusters from √n/5 (5 at least) to n/40 of n documents, the leaves of the tree or its most persistent branches (`eom`).
A document that no cluster holds, but `marginal_share` of whose neighbours are in one, joins that cluster.
A candidate is worth

    modularity × separation × coverage × (1 − share of the largest cluster)

modularity: of the graph of nearest neighbours, each document outside a cluster alone; it falls where clusters are cut
through, and so keeps them from being too many. separation: how much nearer a document is to the centre of its own
cluster than to the next centre, by cosine; it falls where different things are thrown together, and so keeps clusters
from being giants. coverage: the share of documents in clusters. All three are measured on the embeddings, not on the
projection, whose distances mean little. A candidate whose largest cluster holds more than `largest_share` of the
documents is taken only when all do. Density-based validity (DBCV) and the mean persistence are reported beside them.

Measured on real sets (all-MiniLM-L6-v2, 256 tokens, seed 1): ARI over the texts in clusters / coverage and number of
clusters, as chosen here and as the labels would have picked among four sizes in the plane (benchmarks/clusters.py).

    set (texts, labels)                          chosen          by labels
    Stack Overflow question titles (20k, 20)     .71/.89  16     .69/.87  41
    wikiHow steps (16k, 158)                     .25/.77 130     .25/.69 111
    MMLU questions (14k, 57)                     .71/.80  81     .76/.72  79
    Google News titles (11k, 152)                .80/.90  79     .79/.89  86
    Google News titles and texts (4k, 152)       .81/.96 103     .82/.95 129
    encyclopedia paragraphs, WikiText (3k, 107)  .57/.92  71     .55/.89 122
    CLINC requests (4k, 150)                     .59/.96  97     .74/.91 145
    BBC news (1.2k, 5)                           .80/1.0   6     .72/.94  10
    AG news (2.5k, 4)                            .10/.76  68     .21/.98   4

The form of the worth and the grid were picked on these very sets, so the figures are not those of unseen ones. On the
weak side, AG news is cut into parts of its four classes and CLINC comes out too coarse.

100,000 texts took 5 minutes of one core and 1.3 GB, neighbours and both projections included (with `min_samples` up to
20, four trees instead of five).
"""

import dataclasses
import itertools
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

SIZES = 7
"""Smallest clusters that are tried, in even ratios."""

SMALLEST = 5
"""Documents: a cluster of fewer is no topic."""

CORES = (1, 5, 10, 20, 40)
"""Neighbours that make a core point: those that are tried …"""

CORE_SHARE = 0.025
"""… while they are no more than this share of the sample."""

ROWS = 10_000
"""Documents that are compared with all centres at a time."""


@dataclasses.dataclass(frozen=True)
class Candidate:
    """Parameters of HDBSCAN, named as there, and what came of them."""

    min_cluster_size: int
    min_samples: int
    selection: str
    labels: np.ndarray
    probabilities: np.ndarray
    criteria: Mapping[str, float]

    def row(self) -> dict[str, Any]:
        """Parameters and criteria, for the report."""
        parameters = {name: getattr(self, name) for name in ("min_cluster_size", "min_samples", "selection")}
        return parameters | {name: round(value, 4) for name, value in self.criteria.items()}


def grid(documents: int, settings: Mapping[str, Any]) -> Iterator[tuple[int, int, str]]:
    """(min_samples, min_cluster_size, selection) of all candidates; what the settings give is not varied.

    Args:
        documents: of the sample.
        settings: min_cluster_size and min_samples, 0 for several; selection, `auto` for both.
    """
    low, high = max(SMALLEST, documents**0.5 / 5), max(SMALLEST, documents**0.5, documents / 40)
    sizes = sorted({round(float(size)) for size in np.geomspace(low, high, SIZES)})
    cores = [number for number in CORES if number <= max(SMALLEST, documents * CORE_SHARE)]
    return itertools.product(
        [settings["min_samples"]] if settings["min_samples"] else cores,
        [settings["min_cluster_size"]] if settings["min_cluster_size"] else sizes,
        ["eom", "leaf"] if settings["selection"] == "auto" else [settings["selection"]],
    )


def candidates(
    vectors: np.ndarray, points: np.ndarray, neighbours: np.ndarray, settings: Mapping[str, Any]
) -> Iterator[Candidate]:
    """All candidates that find two clusters or more.

    Args:
        vectors: unit vectors, shape (n, d).
        points: their projection.
        neighbours: rows of `vectors` nearest to each, without itself, shape (n, k).
        settings: those of `grid`, and marginal_share.
    """
    from hdbscan import HDBSCAN
    from joblib import Memory

    with tempfile.TemporaryDirectory() as folder:  # where HDBSCAN keeps the hierarchy of each min_samples
        memory = Memory(folder, verbose=0)
        for min_samples, min_cluster_size, selection in grid(len(points), settings):
            model = HDBSCAN(
                min_cluster_size=min_cluster_size,
                min_samples=min_samples,
                cluster_selection_method=selection,
                gen_min_span_tree=True,
                core_dist_n_jobs=1,
                memory=memory,
            ).fit(points.astype(np.float64))
            if model.labels_.max() < 1:
                continue
            labels, share = join_marginal(model.labels_, neighbours, settings["marginal_share"])
            measured = measure(vectors, neighbours, labels)
            measured["dbcv"] = float(model.relative_validity_)
            measured["persistence"] = float(np.mean(model.cluster_persistence_))
            probabilities = np.where(model.labels_ < 0, share, model.probabilities_)
            yield Candidate(min_cluster_size, min_samples, selection, labels, probabilities, measured)


def choose(found: Sequence[Candidate], largest_share: float) -> Candidate:
    """The candidate of the highest worth whose largest cluster is not too large; the first of equal ones.

    When all have too large a cluster, the one whose largest is smallest.
    """
    fitting = [candidate for candidate in found if candidate.criteria["largest_share"] <= largest_share]
    if not fitting:
        return min(found, key=lambda candidate: candidate.criteria["largest_share"])
    return max(fitting, key=lambda candidate: candidate.criteria["worth"])


def join_marginal(labels: np.ndarray, neighbours: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Gives noise the cluster that most of its neighbours are in, where they are at least this share of them.

    Returns:
        The labels, and the share of each document's neighbours in the cluster that it joined (0 for all others).
    """
    from scipy.sparse import csr_matrix

    labels, share = labels.copy(), np.zeros(len(labels))
    noise = np.flatnonzero(labels < 0)
    voters = labels[neighbours[noise]]
    row, column = np.nonzero(voters >= 0)
    votes = csr_matrix((np.ones(len(row)), (row, voters[row, column])), shape=(len(noise), labels.max() + 1))
    if len(noise):
        most, cluster = votes.max(axis=1).toarray().ravel() / neighbours.shape[1], votes.argmax(axis=1)
        joins = (most >= least) & (most > 0)
        labels[noise[joins]] = np.asarray(cluster).ravel()[joins]
        share[noise[joins]] = most[joins]
    return labels, share


def measure(vectors: np.ndarray, neighbours: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The criteria of a clustering."""
    sizes = np.bincount(labels[labels >= 0])
    measured = {
        "clusters": len(sizes),
        "coverage": float((labels >= 0).mean()),
        "largest_share": float(sizes.max() / len(labels)),
        "modularity": modularity(neighbours, labels),
        "separation": separation(vectors, labels),
    }
    factors = [max(measured[name], 0.0) for name in ("modularity", "separation", "coverage")]
    return measured | {"worth": float(np.prod(factors)) * (1 - measured["largest_share"])}


def modularity(neighbours: np.ndarray, labels: np.ndarray) -> float:
    """Newman's modularity of the clusters in the graph of neighbours; a document without a cluster is alone.

    Args:
        neighbours: rows of the documents nearest to each, shape (n, k); an edge has the weight of its directions.
        labels: cluster of each document, −1 for none.
    """
    documents, count = neighbours.shape
    degrees = count + np.bincount(neighbours.ravel(), minlength=documents)
    alone = labels < 0
    inside = ((labels[:, None] == labels[neighbours]) & ~alone[:, None]).sum() / (documents * count)
    shares = np.concatenate([np.bincount(labels[~alone], weights=degrees[~alone]), degrees[alone]]) / degrees.sum()
    return float(inside - (shares**2).sum())


def separation(vectors: np.ndarray, labels: np.ndarray) -> float:
    """Mean over the clustered documents of the cosine to their own centre less that to the nearest other centre."""
    from scipy.sparse import csr_matrix

    vectors, labels = vectors[labels >= 0], labels[labels >= 0]
    members = csr_matrix((np.ones(len(labels), np.float32), (labels, np.arange(len(labels)))))
    centres = members @ vectors
    centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
    total = 0.0
    for start in range(0, len(vectors), ROWS):
        cosines = vectors[start : start + ROWS] @ centres.T
        row, own = np.arange(len(cosines)), labels[start : start + ROWS]
        total += cosines[row, own].sum(dtype=np.float64)
        cosines[row, own] = -1
        total -= cosines.max(axis=1).sum(dtype=np.float64)
    return float(total / len(vectors))
