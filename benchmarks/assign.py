"""How fast documents are assigned to clusters: cluster_assign against the search that one would write first.

    .venv/bin/python -m benchmarks.assign                                  # 1,000,000 against 20,000 and 100,000
    .venv/bin/python -m benchmarks.assign --documents 50000 --samples 20000 --threads 2

Random unit vectors are streamed from a Parquet table through the program of the rule, as Snakemake calls it: embeddings
in, clusters and counts out. Half of the sample is noise and the policy is `nearest`, so that every second document is
searched twice, as at full scale with that policy; `drop` searches once. Time and memory are those of the whole process.

The other side is scikit-learn's exact search (NearestNeighbors, brute force, cosine) over the first documents, already
in memory, with as many threads: only its search is timed, and it neither reads nor writes. `ratio` is documents per
CPU second of ours over its own; CPU seconds count user and system, so that other load on the machine weighs little.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from scripts.cluster.vectors import read_vectors
from scripts.common.schemas import CLUSTER_SAMPLE, EMBEDDING_DIMENSION, EMBEDDINGS
from scripts.common.tables import iterate_batches, write_columns, write_table

ROOT = Path(__file__).resolve().parents[1]
PEER = """
import sys, time, numpy as np
from sklearn.neighbors import NearestNeighbors
points, queries = np.load(sys.argv[1]), np.load(sys.argv[2])
search = NearestNeighbors(n_neighbors=1, algorithm="brute", metric="cosine").fit(points)
wall, cpu = time.monotonic(), time.process_time()
search.kneighbors(queries)
print(time.monotonic() - wall, time.process_time() - cpu)
"""
COLUMNS = (
    "sample",
    "policy",
    "documents",
    "documents/s",
    "documents/s/core",
    "peak MB",
    "peer documents/s/core",
    "ratio",
)


def write_vectors(path: Path, rows: int, seed: int) -> None:
    """Random unit vectors with ids, as embeddings."""
    random = np.random.default_rng(seed)

    def batches() -> Iterator[pa.RecordBatch]:
        for start in range(0, rows, 10_000):
            count = min(10_000, rows - start)
            vectors = random.standard_normal((count, EMBEDDING_DIMENSION), np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            ids = pa.array([f"{seed:04d}{start + row:028d}" for row in range(count)])
            flat = pa.array(vectors.astype(np.float16).reshape(-1))
            values = pa.FixedSizeListArray.from_arrays(flat, EMBEDDING_DIMENSION)
            yield pa.record_batch([ids, values], schema=EMBEDDINGS)

    write_columns(path, batches(), EMBEDDINGS)


def write_sample(folder: Path, points: int) -> None:
    """The sample's vectors and clusters: 145, and every second document noise."""
    write_vectors(folder / "points.parquet", points, 1)
    ids = [row for batch in iterate_batches(folder / "points.parquet", EMBEDDINGS, ["seed_id"]) for row in batch[0]]
    clusters = np.where(np.arange(points) % 2, np.arange(points) % 145, -1)
    zeros = np.zeros(points)
    columns = [pa.array(ids), *map(pa.array, (clusters, zeros, zeros, zeros))]
    write_table(folder / "sample.parquet", pa.table(columns, CLUSTER_SAMPLE.names), CLUSTER_SAMPLE)


def call(command: Sequence[str], threads: int, stderr: int | None = None) -> tuple[str, float, float, float]:
    """Runs a program: (its output, seconds, CPU seconds, peak memory in MB)."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    start = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise subprocess.CalledProcessError(os.waitstatus_to_exitcode(status), command)
    scale = 1 if sys.platform == "darwin" else 1024
    return output, time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * scale / 2**20


def assign(folder: Path, policy: str, threads: int) -> tuple[float, float, float]:
    """Seconds, CPU seconds and MB of one part."""
    files = {"embeddings": "documents", "points": "points", "sample": "sample", "output": "assigned"}
    paths = [word for name, file in files.items() for word in (f"--{name}", str(folder / f"{file}.parquet"))]
    rest = [
        "--policy",
        policy,
        "--max-distance",
        "2",
        "--threads",
        str(threads),
        "--counts",
        str(folder / "counts.json"),
    ]
    _, wall, cpu, memory = call([sys.executable, "-m", "scripts.cluster.assign", *paths, *rest], threads)
    counts = json.loads((folder / "counts.json").read_text())
    assert counts["in_clusters"] + counts["rescued"] + counts["noise"] == counts["documents"]
    return wall, cpu, memory


def peer(folder: Path, documents: int, threads: int) -> float:
    """Documents per CPU second of scikit-learn's search."""
    np.save(folder / "points.npy", read_vectors(folder / "points.parquet")[1])
    first = next(iterate_batches(folder / "documents.parquet", EMBEDDINGS, batch_size=documents))
    queries = first["embedding"].flatten().to_numpy(zero_copy_only=False).reshape(-1, EMBEDDING_DIMENSION)
    np.save(folder / "queries.npy", queries.astype(np.float32))
    output, *_ = call([sys.executable, "-c", PEER, str(folder / "points.npy"), str(folder / "queries.npy")], threads)
    return len(queries) / float(output.split()[1])


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--samples", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--peer-documents", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)
    print(*COLUMNS, sep="\t")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_vectors(folder / "documents.parquet", args.documents, 0)
        for points in args.samples:
            write_sample(folder, points)
            other = peer(folder, min(args.peer_documents, args.documents), args.threads)
            for policy in ("drop", "nearest"):
                wall, cpu, memory = assign(folder, policy, args.threads)
                rate = args.documents / cpu
                figures = [args.documents / wall, rate, memory, other]
                rounded = [f"{figure:.0f}" for figure in figures]
                print(points, policy, args.documents, *rounded, f"{rate / other:.2f}", sep="\t", flush=True)


if __name__ == "__main__":
    main()
