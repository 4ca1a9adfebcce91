"""Groups of documents that the buckets connect: datatrove's MinhashDedupCluster.

Two documents are in one cluster when a chain of shared buckets leads from one to the other; nothing has compared them
yet. datatrove's step is done twice: on the buckets of the first round alone, for the figures of the published way
(which keeps one document a cluster), and on those of all rounds. The table lists the members as (rank, place, cluster,
size), clusters numbered in the order of their first member.

Memory grows with the documents that are in a cluster, not with the corpus: datatrove holds them in dictionaries, 330
bytes each beside 130 MB (`python -m benchmarks.duplicates_memory`, up to a million of them). Of 31 million documents
that is 0.6 GB with 5 % in clusters and 9.6 GB with all. Its search for a cluster's root is recursive, but it joins the
smaller tree to the larger, so that chains of any length stay shallow: at most log2 of the documents, 25 at full scale.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.common.errors import InputError
from scripts.common.files import write_json
from scripts.common.logging import get_logger, run
from scripts.common.schemas import MINHASH_CLUSTERS
from scripts.common.tables import write_columns
from scripts.deduplicate.buckets import PAIR_BYTES
from scripts.deduplicate.minhash import add_arguments, linked_folder

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

ROWS_PER_GROUP = 100_000


def find_clusters(pairs: Sequence[Path]) -> tuple[dict[int, "np.ndarray"], "np.ndarray"]:
    """The members of all clusters, from the pairs of the given buckets.

    Returns:
        Rank of a part → (place, cluster) of its members, by place, shape (members, 2), uint32; and the number of
        members of each cluster.

    Raises:
        InputError: a file of pairs is missing or damaged.
    """
    import numpy as np
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupCluster

    links = {f"{bucket:05d}_00.dups": path for bucket, path in enumerate(pairs)}
    with linked_folder(links, PAIR_BYTES) as inputs, tempfile.TemporaryDirectory(prefix="minhash-") as outputs:
        config = MinhashConfig(num_buckets=len(pairs))
        MinhashDedupCluster(str(inputs), outputs, config, save_cluster_id=True).run(None, 0, 1)
        members = {
            int(path.stem): np.fromfile(path, dtype="<u4").reshape(-1, 2)
            for path in sorted(Path(outputs).glob("*.clusters"))
        }
    sizes = np.zeros(1 + max((int(found[:, 1].max()) for found in members.values()), default=-1), np.int64)
    for found in members.values():
        sizes += np.bincount(found[:, 1], minlength=len(sizes))
    return members, sizes


def figures(sizes: "np.ndarray") -> dict[str, int]:
    """What keeping one document a cluster would remove."""
    clusters, members = len(sizes), int(sizes.sum())
    return {"clusters": clusters, "members": members, "removed": members - clusters}


def batches(members: dict[int, "np.ndarray"], sizes: "np.ndarray") -> Iterator["pa.RecordBatch"]:
    """Yields the members as MINHASH_CLUSTERS, part by part."""
    import numpy as np
    import pyarrow as pa

    for rank, found in sorted(members.items()):
        place, cluster = found.astype(np.int64).T
        columns = [np.full(len(found), rank, np.int32), place, cluster, sizes[cluster]]
        yield pa.RecordBatch.from_arrays([pa.array(column) for column in columns], schema=MINHASH_CLUSTERS)


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the clusters."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", required=True, nargs="+", type=Path, help="the files of all buckets of all rounds")
    parser.add_argument("--output", required=True)
    parser.add_argument("--minhash", required=True, help="file of the figures of the first round alone")
    add_arguments(parser)
    args = parser.parse_args(argv)

    if len(args.pairs) != args.buckets * args.rounds:
        raise InputError(
            f"{len(args.pairs)} files of pairs were given for {args.buckets * args.rounds} buckets "
            f"({args.rounds} rounds of {args.buckets}). Give one for each."
        )
    pairs = sorted(args.pairs)
    first: dict[str, Any] | None = None
    if args.rounds > 1:
        first = figures(find_clusters(pairs[: args.buckets])[1])
    members, sizes = find_clusters(pairs)
    everything = figures(sizes)
    write_columns(args.output, batches(members, sizes), MINHASH_CLUSTERS, rows_per_group=ROWS_PER_GROUP)
    write_json(args.minhash, first or everything)
    get_logger(__name__).info("%(members)d documents in %(clusters)d clusters", everything)


if __name__ == "__main__":
    run(main)
