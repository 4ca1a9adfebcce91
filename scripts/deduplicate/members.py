"""The documents of one part that are in a cluster, with what they are compared by: their different hashed shingles.

Of a cluster larger than `--maximum-cluster` only the SAMPLE documents of the part with the smallest ids get shingles:
nothing of it is removed, and its report shows how alike some of its documents are. Whatever the parts, the SAMPLE
smallest ids of the whole cluster are among them.

Memory is that of the shingles of the part's members, 8 bytes each: 0.1 GB for a part of 250,000 documents of 700
shingles of which a twentieth are in clusters, 1.4 GB if all are.
"""

import argparse
import bisect
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.clean.documents import kept_documents
from scripts.common.errors import InputError
from scripts.common.files import write_json
from scripts.common.logging import get_logger, run
from scripts.common.schemas import CLUSTER_MEMBERS, MINHASH_CLUSTERS, PROMPTS
from scripts.common.tables import in_batches, iterate_batches, iterate_rows, write_columns
from scripts.deduplicate.shingles import Shingles

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

SAMPLE = 20
"""Documents of a cluster over the maximum that are compared: 190 pairs."""
ROWS_PER_GROUP = 250
"""All parts are read side by side, one row group of each at a time: small ones, about 0.5 MB."""
LONG_COLUMNS = ["prompt_id", "seed_id", "shingles"]

Member = dict[str, Any]
"""A row of CLUSTER_MEMBERS, `shingles` an array or None."""


def clustered(clusters: str | Path, rank: int) -> dict[int, tuple[int, int]]:
    """Place → (cluster, its size) of one part's documents that are in a cluster."""
    import pyarrow.compute as pc

    found: dict[int, tuple[int, int]] = {}
    for batch in iterate_batches(clusters, MINHASH_CLUSTERS, batch_size=100_000):
        rows = batch.filter(pc.equal(batch.column("rank"), rank))
        places, numbers, sizes = (rows.column(name).to_pylist() for name in ("place", "cluster", "size"))
        found.update(zip(places, zip(numbers, sizes, strict=True), strict=True))
    return found


def members(
    documents: Iterator[Mapping[str, Any]],
    places: Mapping[int, tuple[int, int]],
    shingles: Callable[[str], "np.ndarray"],
    maximum: int,
    formats: Counter[str],
) -> list[Member]:
    """The members of clusters among documents, sorted by cluster and id; counts the formats of all documents.

    Args:
        documents: prompt_id, text, seed_id and format, in the order in which the places count.
        places: from `clustered`.
        shingles: from a text to its hashed shingles.
        maximum: documents in a cluster that is compared.
        formats: the counter to add to.
    """
    import numpy as np

    found: list[Member] = []
    smallest: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
    for place, document in enumerate(documents):
        formats[document["format"]] += 1
        if place not in places:
            continue
        cluster, size = places[place]
        row = {name: document[name] for name in ("prompt_id", "seed_id", "format")}
        found.append({"cluster": cluster, "size": size, **row, "shingles": None})
        if size > maximum:
            bisect.insort(smallest[cluster], (document["prompt_id"], document["text"]))
            del smallest[cluster][SAMPLE:]
        else:
            found[-1]["shingles"] = np.unique(shingles(document["text"]))
    sample = {name: np.unique(shingles(text)) for texts in smallest.values() for name, text in texts}
    for member in found:
        if member["size"] > maximum:
            member["shingles"] = sample.get(member["prompt_id"])
    return sorted(found, key=lambda member: (member["cluster"], member["prompt_id"]))


def with_prompts(documents: Iterator[Mapping[str, Any]], prompts: str | Path) -> Iterator[dict[str, Any]]:
    """Yields the documents with the seed and the format of their prompts, which stand in the same order.

    Raises:
        InputError: a document has no prompt, or an id stands twice in the part.
    """
    asked = iterate_rows(prompts, PROMPTS, ["prompt_id", "seed_id", "format"])
    for document in documents:
        prompt = next((row for row in asked if row["prompt_id"] == document["prompt_id"]), None)
        if prompt is None:
            raise InputError(
                f"{prompts} does not have prompt {document['prompt_id']} once for each of its texts, in their order. "
                "Delete the sealed texts of this part and run again."
            )
        yield document | prompt


def write_members(path: str | Path, rows: Sequence[Member]) -> None:
    """Writes CLUSTER_MEMBERS."""
    write_columns(path, map(_batch, in_batches(rows, ROWS_PER_GROUP)), CLUSTER_MEMBERS, LONG_COLUMNS)


def read_members(path: str | Path) -> Iterator[Member]:
    """Yields the rows of a file of members with flat memory."""
    for batch in iterate_batches(path, CLUSTER_MEMBERS, batch_size=ROWS_PER_GROUP):
        column = batch.column("shingles")
        values, present = column.values.to_numpy(), column.is_valid().to_pylist()
        pieces = itertools.pairwise(column.offsets.to_pylist())
        rows = batch.drop_columns("shingles").to_pylist()
        for row, (start, stop), has in zip(rows, pieces, present, strict=True):
            yield row | {"shingles": values[start:stop] if has else None}


def _batch(rows: Sequence[Member]) -> "pa.RecordBatch":
    import numpy as np
    import pyarrow as pa

    present = [row["shingles"] for row in rows if row["shingles"] is not None]
    ends = np.cumsum([0, *(0 if row["shingles"] is None else len(row["shingles"]) for row in rows)])
    shingles = pa.ListArray.from_arrays(
        pa.array(ends, pa.int32()),
        pa.array(np.concatenate([np.empty(0, np.uint64), *present])),
        mask=pa.array([row["shingles"] is None for row in rows]),
    )
    plain = [pa.array([row[field.name] for row in rows], field.type) for field in list(CLUSTER_MEMBERS)[:-1]]
    return pa.RecordBatch.from_arrays([*plain, shingles], schema=CLUSTER_MEMBERS)


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the members of one part."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--generations", required=True, help="sealed texts of the part")
    parser.add_argument("--decisions", required=True, help="what clean decided of them")
    parser.add_argument("--prompts", required=True, help="prompts of the part")
    parser.add_argument("--clusters", required=True)
    parser.add_argument("--rank", type=int, required=True, help="the part's place among all parts, counted from 0")
    parser.add_argument("--ngram", type=int, default=5, help="words in one shingle")
    parser.add_argument("--maximum-cluster", type=int, default=1000, help="documents in a cluster that is compared")
    parser.add_argument("--output", required=True)
    parser.add_argument("--counts", required=True, help="file of the part's documents by format")
    args = parser.parse_args(argv)

    places, formats = clustered(args.clusters, args.rank), Counter()
    documents = with_prompts(kept_documents(args.generations, args.decisions), args.prompts)
    found = members(documents, places, Shingles(args.ngram), args.maximum_cluster, formats)
    empty = [row["prompt_id"] for row in found if row["shingles"] is not None and not len(row["shingles"])]
    if len(found) != len(places) or empty:
        raise InputError(
            f"{args.clusters} names documents that {args.generations} does not have. Delete its folder and run again."
        )
    write_members(args.output, found)
    write_json(args.counts, {"documents": formats.total(), "formats": dict(formats)})
    get_logger(__name__).info("%d of %d documents are in clusters", len(found), formats.total())


if __name__ == "__main__":
    run(main)
