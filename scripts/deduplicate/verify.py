"""Which documents are removed as near-duplicates: the true similarity inside every MinHash cluster.

MinHash is a lottery near its threshold, and a cluster is a chain in which the ends may have little in common. So the
Jaccard similarity of word 5-grams is computed inside each cluster, with datatrove's normalisation. Documents are taken
in the order of their prompt ids: one is removed if a document already kept is at least `--minimum-jaccard` similar to
it, and is kept otherwise. Of several such partners the most similar is named (the smallest id among equals). Prompt ids
are hashes, so the choice of the keeper is arbitrary but depends on nothing else: not on the order of the parts, their
number or their size. MinHash alone would keep one document a cluster; those kept beyond it, its false positives, are
counted as `spared`.
"""

import argparse
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.clean.documents import kept_documents
from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.files import write_json
from scripts.common.logging import get_logger, run
from scripts.common.tables import MINHASH_CLUSTERS, NEAR_DUPLICATES, iterate_rows, write_table
from scripts.deduplicate.minhash import by_rank, shingler

Texts = Mapping[str, str]
"""Prompt id → text."""


def near_duplicates(
    texts: Texts, shingles: Callable[[str], frozenset[str]], minimum: float
) -> Iterator[tuple[str, str, float]]:
    """Yields (removed id, kept id, Jaccard) of one cluster.

    Args:
        texts: the members of the cluster.
        shingles: from a text to its set of shingles.
        minimum: the similarity from which on a document is removed.
    """
    sizes: dict[str, int] = {}
    holders: defaultdict[str, list[str]] = defaultdict(list)
    for prompt_id in sorted(texts):
        own = shingles(texts[prompt_id])
        shared = Counter(kept for shingle in own for kept in holders.get(shingle, ()))
        partners = ((n / (len(own) + sizes[kept] - n), kept) for kept, n in shared.items())
        jaccard, kept_id = min(((-value, kept) for value, kept in partners), default=(0.0, ""))
        if kept_id and -jaccard >= minimum:
            yield prompt_id, kept_id, -jaccard
            continue
        sizes[prompt_id] = len(own)
        for shingle in own:
            holders[shingle].append(prompt_id)


def verify(clusters: Iterable[Texts], minimum: float, ngram: int) -> list[dict[str, Any]]:
    """The removed documents (NEAR_DUPLICATES rows, by id); clusters are numbered by their smallest id."""
    shingles = shingler(ngram)
    rows = [
        {"removed_id": removed, "kept_id": kept, "jaccard": jaccard, "cluster": number}
        for number, texts in enumerate(sorted(clusters, key=min))
        for removed, kept, jaccard in near_duplicates(texts, shingles, minimum)
    ]
    return sorted(rows, key=lambda row: row["removed_id"])


def read_clusters(
    generations: Sequence[Path], decisions: Sequence[Path], clusters: str | Path
) -> tuple[list[dict[str, str]], int]:
    """The texts of every cluster's members, and the number of all documents.

    Raises:
        InputError: the parts are not those that the clusters were made of.
    """
    if len(generations) != len(decisions):
        raise InputError(f"{len(generations)} sealed parts but {len(decisions)} parts of decisions. Give one for each.")
    wanted: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for row in iterate_rows(clusters, MINHASH_CLUSTERS):
        wanted[row["rank"]][row["place"]] = row["cluster"]
    texts: defaultdict[int, dict[str, str]] = defaultdict(dict)
    found = documents = 0
    for rank, (sealed, decided) in enumerate(zip(by_rank(generations), by_rank(decisions), strict=True)):
        place = -1
        for place, row in enumerate(kept_documents(sealed, decided)):
            cluster = wanted[rank].get(place)
            if cluster is not None:
                texts[cluster][row["prompt_id"]] = row["text"]
                found += 1
        documents += place + 1
    if found != sum(map(len, wanted.values())):
        raise InputError(f"{clusters} names documents that these parts do not have. Delete its folder and run again.")
    return list(texts.values()), documents


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the removed documents."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--generations", required=True, nargs="+", type=Path, help="sealed texts, all parts")
    parser.add_argument("--decisions", required=True, nargs="+", type=Path, help="what clean decided, all parts")
    parser.add_argument("--clusters", required=True)
    parser.add_argument("--ngram", type=int, default=5, help="words in one shingle")
    parser.add_argument("--minimum-jaccard", type=float, default=0.7)
    parser.add_argument("--output", required=True)
    parser.add_argument("--summary", required=True)
    parser.add_argument("--counts", required=True)
    args = parser.parse_args(argv)

    clusters, documents = read_clusters(args.generations, args.decisions, args.clusters)
    removed = verify(clusters, args.minimum_jaccard, args.ngram)
    members = sum(map(len, clusters))
    summary = {
        "documents": documents,
        "clusters": len(clusters),
        "members": members,
        "largest_cluster": max(map(len, clusters), default=0),
        "removed": len(removed),
        "spared": members - len(clusters) - len(removed),
        "minimum_jaccard": args.minimum_jaccard,
    }
    write_table(args.output, removed, NEAR_DUPLICATES)
    write_json(args.summary, summary)
    rejected = {"near_duplicate": len(removed)} if removed else {}
    Counts("deduplicate_verify", documents, documents - len(removed), rejected).write(args.counts)
    get_logger(__name__).info("%s", ", ".join(f"{value} {name}" for name, value in summary.items()))


if __name__ == "__main__":
    run(main)
