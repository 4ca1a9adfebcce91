"""Groups of documents that the buckets connect: datatrove's MinhashDedupCluster.

Two documents are in one cluster when a chain of shared buckets leads from one to the other; nothing has compared them
yet. The output lists the members as (rank, place, cluster), clusters numbered in the order of their first member.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.common.errors import InputError
from scripts.common.logging import get_logger, run
from scripts.common.tables import MINHASH_CLUSTERS, write_table
from scripts.deduplicate.minhash import add_arguments, linked_folder, settings

if TYPE_CHECKING:
    from datatrove.pipeline.dedup.minhash import MinhashConfig


def find_clusters(pairs: Sequence[Path], config: "MinhashConfig") -> list[dict[str, Any]]:
    """The members of all clusters, from the pairs of all buckets.

    Raises:
        InputError: the pairs of a bucket are missing.
    """
    from datatrove.pipeline.dedup.minhash import MinhashDedupCluster

    if len(pairs) != config.num_buckets:
        raise InputError(f"{len(pairs)} files of pairs were given for {config.num_buckets} buckets. Give one for each.")
    links = {f"{bucket:05d}_00.dups": path for bucket, path in enumerate(sorted(pairs))}
    with linked_folder(links) as inputs, tempfile.TemporaryDirectory(prefix="minhash-") as outputs:
        MinhashDedupCluster(str(inputs), outputs, config, save_cluster_id=True).run(None, 0, 1)
        return [member for path in sorted(Path(outputs).glob("*.clusters")) for member in _members(path)]


def _members(path: Path) -> list[dict[str, Any]]:
    """The members in one of datatrove's .clusters files, which is named after its rank."""
    import numpy as np

    numbers = np.fromfile(path, dtype="<u4").reshape(-1, 2).tolist()
    return [{"rank": int(path.stem), "place": place, "cluster": cluster} for place, cluster in numbers]


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the clusters."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", required=True, nargs="+", type=Path, help="the files of all buckets")
    parser.add_argument("--output", required=True)
    add_arguments(parser)
    args = parser.parse_args(argv)

    members = find_clusters(args.pairs, settings(args))
    write_table(args.output, members, MINHASH_CLUSTERS)
    clusters = len({member["cluster"] for member in members})
    get_logger(__name__).info("%d documents in %d clusters", len(members), clusters)


if __name__ == "__main__":
    run(main)
