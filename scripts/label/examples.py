"""What is shown of each cluster: its size, its keywords and some of its documents.

The documents of a cluster are ranked by hash. Each answer of the language model sees a sample of its own: the first ten
documents, the next ten and so on, cut to 420 characters (the numbers of the text-clustering repository, which asked
once). Where a cluster is too small for that the choice starts again at the first document, so that samples overlap no
more than they must. The first ten are also the examples for people.

The first 200, cut to 2,000 characters, give the keywords by class-based TF-IDF (Grootendorst 2022): the count of a term
in the cluster times log(1 + words per cluster / count of the term in all clusters). Noise (cluster −1) is left out.
Memory holds at most 200 excerpts a cluster (or all the samples, if they are more), however many documents it has.
"""

import argparse
import dataclasses
import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from scripts.common.errors import InputError
from scripts.common.ids import unit_interval
from scripts.common.logging import get_logger, run
from scripts.common.schemas import ASSIGNMENTS, SEEDS, TOPIC_EXAMPLES
from scripts.common.tables import iterate_rows, write_table
from scripts.prompts.text import excerpt

EXAMPLES = 10
RANKED_DOCUMENTS = 200
KEYWORD_CHARACTERS = 2000
KEYWORDS = 10
WORD = r"(?u)\b[^\W\d_]\w{1,29}\b"


@dataclasses.dataclass
class Cluster:
    """The size of a cluster and its documents of lowest rank, as a heap of (−rank, seed id)."""

    n_documents: int = 0
    chosen: list[tuple[float, str]] = dataclasses.field(default_factory=list)

    def add(self, seed_id: str, limit: int) -> None:
        """Counts a document and keeps it while it is among the `limit` first; a repeated id is kept once."""
        self.n_documents += 1
        entry = (-unit_interval(seed_id, "label-example"), seed_id)
        if (len(self.chosen) == limit and entry <= self.chosen[0]) or entry in self.chosen:
            return
        (heapq.heappush if len(self.chosen) < limit else heapq.heapreplace)(self.chosen, entry)

    @property
    def ranked(self) -> list[str]:
        """The chosen documents, first rank first."""
        return [seed_id for _, seed_id in sorted(self.chosen, reverse=True)]


def collect(assignments: Iterable[Mapping[str, Any]], limit: int) -> dict[int, Cluster]:
    """Cluster id → its size and its `limit` first documents by rank."""
    clusters: dict[int, Cluster] = {}
    for row in assignments:
        if row["cluster_id"] >= 0:
            clusters.setdefault(row["cluster_id"], Cluster()).add(row["seed_id"], limit)
    return dict(sorted(clusters.items()))


def keywords(texts: Sequence[str], number: int = KEYWORDS) -> list[list[str]]:
    """The `number` terms that distinguish each class most, best first, from the joined text of each class."""
    import numpy as np
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(stop_words="english", token_pattern=WORD)
    try:
        counts = vectorizer.fit_transform(texts)
    except ValueError:  # no class has a single term
        return [[] for _ in texts]
    terms = vectorizer.get_feature_names_out()
    totals = np.asarray(counts.sum(axis=0)).ravel()
    weights = np.log1p(totals.sum() / len(texts) / totals)
    return [
        _best(counts[row].indices, counts[row].data * weights[counts[row].indices], terms, number)
        for row in range(len(texts))
    ]


def _best(columns: Any, scores: Any, terms: Any, number: int) -> list[str]:
    """The terms of the highest scores; equal scores in the order of the alphabet."""
    order = sorted(range(len(columns)), key=lambda place: (-scores[place], terms[columns[place]]))
    return [str(terms[columns[place]]) for place in order[:number]]


def draw_samples(ranked: Sequence[str], samples: int, documents: int) -> list[list[str]]:
    """So many samples of so many different documents in the order of their rank, disjoint while there are enough."""
    size = min(documents, len(ranked))
    return [[ranked[(k * documents + place) % len(ranked)] for place in range(size)] for k in range(samples)]


def describe(
    clusters: Mapping[int, Cluster],
    seeds: Iterable[Mapping[str, Any]],
    samples: int,
    documents: int,
    characters: int,
) -> Iterator[dict[str, Any]]:
    """Yields one row a cluster.

    Args:
        clusters: from `collect`.
        seeds: rows with seed_id and text that contain every chosen document.
        samples: choices of documents for the language model.
        documents: size of a sample.
        characters: length of what is shown of a document.
    """
    wanted = {seed_id for cluster in clusters.values() for seed_id in cluster.ranked}
    length = max(characters, KEYWORD_CHARACTERS)
    texts = {row["seed_id"]: excerpt(row["text"], length) for row in seeds if row["seed_id"] in wanted}
    if missing := sorted(wanted - texts.keys()):
        raise InputError(
            f"{len(missing)} documents have a cluster but no seed, e.g. {missing[0]}. Seeds and assignments come from "
            "different runs: delete the assignments and run again."
        )
    joined = ["\n".join(texts[seed_id][:KEYWORD_CHARACTERS] for seed_id in c.ranked) for c in clusters.values()]
    for (cluster_id, cluster), words in zip(clusters.items(), keywords(joined) if joined else [], strict=True):
        shown = {seed_id: excerpt(texts[seed_id], characters) for seed_id in cluster.ranked}
        drawn = draw_samples(cluster.ranked, samples, documents)
        yield {
            "cluster_id": cluster_id,
            "n_documents": cluster.n_documents,
            "keywords": words,
            "examples": [shown[seed_id] for seed_id in cluster.ranked[:EXAMPLES]],
            "samples": [[shown[seed_id] for seed_id in sample] for sample in drawn],
        }


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the examples of all clusters."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--assignments", required=True, nargs="+", help="assignments of all clustered parts")
    parser.add_argument("--seeds", required=True, nargs="+", help="seeds of the same parts")
    parser.add_argument("--samples", type=int, default=3, help="samples of a cluster, one for each answer")
    parser.add_argument("--documents", type=int, default=10, help="documents of a sample")
    parser.add_argument("--characters", type=int, default=420, help="what is shown of a document")
    parser.add_argument("--output", required=True)
    args = parser.parse_args(argv)

    log = get_logger(__name__)
    assigned = (row for path in args.assignments for row in iterate_rows(path, ASSIGNMENTS, ["seed_id", "cluster_id"]))
    clusters = collect(assigned, max(args.samples * args.documents, RANKED_DOCUMENTS))
    log.info("%d clusters with %d documents", len(clusters), sum(c.n_documents for c in clusters.values()))
    seeds = (row for path in args.seeds for row in iterate_rows(path, SEEDS, ["seed_id", "text"]))
    rows = list(describe(clusters, seeds, args.samples, args.documents, args.characters))
    write_table(args.output, rows, TOPIC_EXAMPLES)
    for row in rows:
        log.info("cluster %d, %d documents: %s", row["cluster_id"], row["n_documents"], ", ".join(row["keywords"][:5]))


if __name__ == "__main__":
    run(main)
