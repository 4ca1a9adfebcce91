"""Memory and time of deduplicate_clusters, and what they come to for 31 million documents.

    .venv/bin/python -m benchmarks.duplicates_memory

The step holds the documents that are in a cluster, so it is measured for several numbers of them, each in a process of
its own, and a line is laid through the peaks (resident memory, as the kernel counts it). Clusters are pairs and triples
with places drawn from the whole corpus; each link was met in one bucket out of eight, as at a similarity of 0.8.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

BUCKETS, ROUNDS = 14, 4
CORPUS, PART = 31_000_000, 250_000
SHARES = (0.01, 0.05, 0.2, 1.0)

PROGRAM = """
import json, resource, sys
from scripts.deduplicate import clusters
clusters.main(sys.argv[1:])
usage = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"mb": usage.ru_maxrss / 1024, "seconds": usage.ru_utime + usage.ru_stime}))
"""


def write_pairs(members: int, folder: Path) -> list[Path]:
    """The pairs of all buckets for so many documents in clusters."""
    import numpy as np

    draw = np.random.default_rng(1)
    # Every fifth document starts a cluster of two, the next one a cluster of three.
    places = draw.choice(CORPUS, members, replace=False)
    documents = np.stack([places // PART, places % PART], axis=1).astype("<u4")
    links = np.flatnonzero(~np.isin(np.arange(1, members) % 5, (0, 2))) + 1
    pairs = np.hstack([documents[links - 1], documents[links]])
    paths = [folder / f"{bucket:03d}.dups" for bucket in range(BUCKETS * ROUNDS)]
    for path in paths:
        pairs[draw.random(len(pairs)) < 1 / 8].tofile(path)
    return paths


def measure(members: int) -> tuple[float, float]:
    """MB and CPU seconds of the program for about so many documents in clusters."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        flags = ["--rounds", ROUNDS, "--output", folder / "clusters.parquet", "--minhash", folder / "minhash.json"]
        words = [str(word) for word in ("--pairs", *write_pairs(members, folder), *flags)]
        command = [sys.executable, "-c", PROGRAM, *words]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found["mb"], found["seconds"]


def main(argv: Sequence[str] | None = None) -> None:
    """Prints what was measured and what it comes to."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--members", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    args = parser.parse_args(argv)
    import numpy as np

    start, peaks, seconds = time.monotonic(), [], []
    for members in args.members:
        peak, used = measure(members)
        peaks.append(peak)
        seconds.append(used)
        print(f"{members:10,} documents in clusters: {peak:8,.0f} MB, {used:6.1f} s")
    slope, constant = np.polyfit(args.members, peaks, 1)
    pace, _ = np.polyfit(args.members, seconds, 1)
    print(
        f"{constant:.0f} MB + {slope * 2**20:.0f} bytes and {pace * 1e6:.1f} µs a document in a cluster; at full scale"
    )
    for share in SHARES:
        members = share * CORPUS
        needed = f"{(constant + slope * members) / 1024:6.1f} GB, {pace * members / 60:5.1f} min"
        print(f"{share:6.0%} of {CORPUS:,} documents in clusters: {needed}")
    print(f"measured in {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
