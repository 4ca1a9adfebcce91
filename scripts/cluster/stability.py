"""How far the clusters depend on the seed of UMAP: the whole fit, choice of sizes included, with several seeds.

Reported are clusters, share of noise and of the largest cluster with each seed, and for each pair of seeds the adjusted
Rand index over the documents that both hold in clusters, with their share of the sample. 1 is the same clusters, 0 is
chance. Nothing depends on this; `snakemake cluster_stability` makes it.
"""

import argparse
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts.cluster.fit import add_settings, fit, read_settings, summarise
from scripts.cluster.vectors import read_vectors
from scripts.common.files import write_json, write_text
from scripts.common.logging import get_logger, run


def agreement(one: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Adjusted Rand index over the documents in clusters of both, and their share of all."""
    from sklearn.metrics import adjusted_rand_score

    both = (one >= 0) & (other >= 0)
    ari = float(adjusted_rand_score(one[both], other[both])) if both.any() else 0.0
    return {"ari": round(ari, 4), "shared": round(float(both.mean()), 4)}


def compare(vectors: np.ndarray, settings: Mapping[str, Any], seeds: Sequence[int]) -> dict[str, Any]:
    """The fits with these seeds, one by one and in pairs."""
    fits = {seed: fit(vectors, settings, seed) for seed in seeds}
    parameters = ("min_cluster_size", "min_samples", "selection", "eps")
    runs = [
        {"seed": seed, **summarise(result.labels)}
        | {name: result.chosen[name] for name in parameters if name in result.chosen}
        for seed, result in fits.items()
    ]
    pairs = [
        {"seeds": [one, other], **agreement(fits[one].labels, fits[other].labels)}
        for one, other in itertools.combinations(fits, 2)
    ]
    scores = [pair["ari"] for pair in pairs]
    return {"runs": runs, "pairs": pairs, "ari": {"mean": round(float(np.mean(scores)), 4), "min": min(scores)}}


def table(result: Mapping[str, Any]) -> str:
    """Runs and pairs as tab-separated tables, one below the other."""
    runs = [[row[name] for name in result["runs"][0]] for row in result["runs"]]
    pairs = [[*row["seeds"], row["ari"], row["shared"]] for row in result["pairs"]]
    lines = [list(result["runs"][0]), *runs, [], ["seed", "other_seed", "ari", "shared"], *pairs]
    return "".join("\t".join(map(str, line)) + "\n" for line in lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Fits with several seeds and compares."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_settings(parser)
    parser.add_argument("--stability-seeds", type=int, required=True, help="runs, with the seed and those after it")
    parser.add_argument("--output", type=Path, required=True, help="all figures, as JSON")
    parser.add_argument("--table", type=Path, required=True, help="the same to read, tab-separated")
    args = parser.parse_args(argv)
    _, vectors = read_vectors(args.points)
    result = compare(vectors, read_settings(args), range(args.seed, args.seed + args.stability_seeds))
    write_json(args.output, result)
    write_text(args.table, table(result))
    get_logger("cluster_stability").info("pairwise ARI %s", result["ari"])


if __name__ == "__main__":
    run(main)
