"""Which documents are removed as near-duplicates: the true similarity inside every MinHash cluster.

MinHash is a lottery near its threshold, and a cluster is a chain in which the ends may have little in common. So the
Jaccard similarity of word 5-grams is computed inside each cluster. Documents are taken in the order of their prompt
ids: one is removed if a document already kept is at least `--minimum-jaccard` similar to it, and is kept otherwise.
Prompt ids are hashes, so the choice of the keeper is arbitrary but depends on nothing else: not on the order of the
parts, their number or their size. MinHash alone would keep one document a cluster; those kept beyond it are counted as
`spared`. A cluster larger than `--maximum-cluster` removes nothing and becomes an alarm with examples: real texts
hardly repeat a thousand times, so it shows that templates were chained together or that a model repeats itself.

The members of all parts are merged, one cluster in memory at a time: 1.2 GB with 126 parts of documents of 700
shingles, however many they are. What grows with the corpus are the hashes of all ids, of which none may stand twice (16
bytes a document, 0.5 GB for 31 million), and the removed rows, about 1 kB each (0.3 GB if one in a hundred is removed).
"""

import argparse
import heapq
import itertools
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.files import read_json, write_json
from scripts.common.logging import get_logger, run
from scripts.common.schemas import NEAR_DUPLICATES
from scripts.common.tables import write_table
from scripts.deduplicate.ids import check_unique
from scripts.deduplicate.members import SAMPLE, Member, read_members
from scripts.deduplicate.minhash import by_rank
from scripts.deduplicate.similarity import jaccard, near_duplicates

EXAMPLES = 5

log = get_logger(__name__)


def merge(parts: Iterable[Path]) -> Iterator[Iterator[Member]]:
    """Yields the members of one cluster after another, in the order of their ids, each with its source.

    A cluster must be used up before the next one is asked for.
    """
    rows = heapq.merge(*map(_with_source, parts), key=lambda row: (row["cluster"], row["prompt_id"]))
    for _, cluster in itertools.groupby(rows, key=lambda row: row["cluster"]):
        yield cluster


def compare(members: Sequence[Member], minimum: float) -> list[dict[str, Any]]:
    """The removed documents (NEAR_DUPLICATES rows) of one cluster, whose members come in the order of their ids."""
    found = []
    for place, partner, similarity in near_duplicates([member["shingles"] for member in members], minimum):
        removed, kept = members[place], members[partner]
        row = {"cluster": members[0]["prompt_id"], "jaccard": similarity}
        for role, member in (("removed", removed), ("kept", kept)):
            row |= {f"{role}_id": member["prompt_id"]}
            row |= {f"{role}_{name}": member[name] for name in ("source", "format")}
        same_seed = removed["seed_id"] is not None and removed["seed_id"] == kept["seed_id"]
        found.append(row | {"same_seed": same_seed})
    return found


def alarm(members: Iterable[Member]) -> dict[str, Any]:
    """What is told of a cluster that is too large to be compared, in flat memory."""
    sources, formats = Counter(), Counter()
    sample = []
    for member in members:
        sources[member["source"]] += 1
        formats[member["format"]] += 1
        if len(sample) < SAMPLE:
            sample.append(member)
    pairs = [jaccard(one["shingles"], other["shingles"]) for one, other in itertools.combinations(sample, 2)]
    values = {"minimum": min(pairs), "median": statistics.median(pairs), "maximum": max(pairs)}
    return {
        "cluster": sample[0]["prompt_id"],
        "size": sources.total(),
        "sources": dict(sources),
        "formats": dict(formats),
        "examples": [member["prompt_id"] for member in sample[:EXAMPLES]],
        "jaccard": {"pairs": len(pairs), **{name: round(value, 4) for name, value in values.items()}},
    }


class Verification:
    """One pass over all clusters.

    Args:
        minimum: the similarity from which on a document is removed.
        maximum: documents in a cluster that is compared.
    """

    def __init__(self, minimum: float, maximum: int) -> None:
        self.minimum, self.maximum = minimum, maximum
        self.clusters = self.members = self.largest = 0
        self.removed: list[dict[str, Any]] = []
        self.alarms: list[dict[str, Any]] = []

    def add(self, members: Iterator[Member]) -> None:
        """Takes the next cluster.

        Raises:
            InputError: it does not have as many members as it should.
        """
        first = next(members)
        members = itertools.chain([first], members)
        if first["size"] > self.maximum:
            found = alarm(members)
            self.alarms.append(found)
            size = found["size"]
        else:
            cluster = list(members)
            self.removed += compare(cluster, self.minimum)
            size = len(cluster)
        if size != first["size"]:
            raise InputError(
                f"{size} of the {first['size']} members of the cluster of document {first['prompt_id']} were found: "
                "the files of members are not of the same run. Delete their folder and run again."
            )
        self.clusters += 1
        self.members += size
        self.largest = max(self.largest, size)

    def summary(self) -> dict[str, Any]:
        """What was found, as it stands in the summary."""
        same_seed = [row for row in self.removed if row["same_seed"]]
        return {
            "clusters": self.clusters,
            "members": self.members,
            "largest_cluster": self.largest,
            "removed": len(self.removed),
            "spared": self.members - self.clusters - len(self.removed),
            "minimum_jaccard": self.minimum,
            "maximum_cluster": self.maximum,
            "by_source": _crossed(self.removed, "source"),
            "by_format": _crossed(self.removed, "format"),
            "by_format_same_seed": _crossed(same_seed, "format"),
            "alarms": sorted(self.alarms, key=lambda found: found["cluster"]),
        }


def documents_by(counts: Iterable[Path]) -> dict[str, Any]:
    """All documents, and by source and format, from the counts of the parts."""
    sources, formats = Counter(), Counter()
    for path in counts:
        part = read_json(path)
        sources[path.parent.name] += part["documents"]
        formats.update(part["formats"])
    return {"documents": sources.total(), "sources": dict(sources), "formats": dict(formats)}


def _crossed(removed: Iterable[dict[str, Any]], name: str) -> dict[str, dict[str, int]]:
    """Of the removed documents → of the kept ones → pairs."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in removed:
        found[row[f"removed_{name}"]][row[f"kept_{name}"]] += 1
    return {removed_name: dict(kept) for removed_name, kept in found.items()}


def _with_source(path: Path) -> Iterator[Member]:
    for row in read_members(path):
        yield row | {"source": path.parent.name}


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the removed documents."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--generations", required=True, nargs="+", type=Path, help="sealed texts, all parts")
    parser.add_argument("--members", required=True, nargs="+", type=Path, help="members of clusters, all parts")
    parser.add_argument("--documents", required=True, nargs="+", type=Path, help="documents by format, all parts")
    parser.add_argument("--minhash", required=True, help="figures of the first round alone")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--minimum-jaccard", type=float, default=0.7)
    parser.add_argument("--maximum-cluster", type=int, default=1000, help="documents in a cluster that is compared")
    parser.add_argument("--output", required=True)
    parser.add_argument("--summary", required=True)
    parser.add_argument("--counts", required=True)
    args = parser.parse_args(argv)

    check_unique(args.generations)
    verification = Verification(args.minimum_jaccard, args.maximum_cluster)
    for cluster in merge(by_rank(args.members)):
        verification.add(cluster)
    documents = documents_by(by_rank(args.documents))
    summary = documents | verification.summary() | {"rounds": args.rounds, "minhash": read_json(args.minhash)}
    write_table(args.output, sorted(verification.removed, key=lambda row: row["removed_id"]), NEAR_DUPLICATES)
    write_json(args.summary, summary)
    total, removed = summary["documents"], summary["removed"]
    Counts("deduplicate_verify", total, total - removed, {"near_duplicate": removed} if removed else {}).write(
        args.counts
    )
    log.info("%(removed)d of %(documents)d documents removed, %(spared)d spared, in %(clusters)d clusters", summary)
    for found in verification.alarms:
        log.warning("cluster of %(size)d documents: nothing of it is removed, see %(examples)s", found)


if __name__ == "__main__":
    run(main)
