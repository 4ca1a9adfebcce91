"""How long `progress` takes on a large run: the whole program, from its start to its table.

    .venv/bin/python -m benchmarks.progress                                  # 1,000,000 texts, segments of 256 rows
    .venv/bin/python -m benchmarks.progress --texts 100000 --rows-per-segment 1000

A run is made in a temporary folder: prompts in parts of 250,000, half of them with a text, in segments as a job writes
them, and for every 10,000 prompts the status file and the journal, half full, of a job at work. A text is one kilobyte
of random digits, less than real ones have (about 4 kB): those in segments are not read. The prompts hold ids only, for
the same reason. One row in a hundred is there twice. The seconds are those of the whole process, the best and the worst
of five, with the files in the page cache; memory is its peak, of one process.
"""

import argparse
import json
import os
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.assign import call
from scripts.common.schemas import GENERATIONS, PROMPTS
from scripts.common.tables import write_table
from scripts.generate.journal import to_line
from scripts.generate.status import SUFFIX, Status, StatusFile

PART = 250_000
SLICE = 10_000
RUNS = 5


def make_run(results: Path, texts: int, rows_per_segment: int) -> int:
    """Writes prompts, ledgers and status files; returns the number of segments."""
    n_segments = 0
    letters = random.Random(0)
    for part, first in enumerate(range(0, 2 * texts, PART)):
        ids = [f"{number:032x}" for number in range(first, min(first + PART, 2 * texts))]
        write_table(results / f"prompts/web/part-{part:03}.parquet", [{"prompt_id": i} for i in ids], PROMPTS)
        folder = results / f"generations/ledger/web/part-{part:03}"
        folder.mkdir(parents=True)
        done = ids[::2]
        rows = [*done, *done[::100]]
        for start in range(0, len(rows), rows_per_segment):
            own = rows[start : start + rows_per_segment]
            job = f"job-{part}-{start // SLICE}"
            write_segment(folder / f"{job}-{start // rows_per_segment:05}.parquet", own, job, letters)
            n_segments += 1
        for piece in range(len(ids) // SLICE):
            write_status(folder, part, piece, len(ids) // SLICE)
            first = piece * SLICE // 2
            write_journal(
                folder, f"working-{part}-{piece}", done[first : first + min(rows_per_segment, 256) // 2], letters
            )
    return n_segments


def write_segment(path: Path, ids: Sequence[str], job: str, letters: random.Random) -> None:
    """One segment, as scripts/generate/ledger.py writes it but for the flush to disk."""
    columns = {
        "prompt_id": ids,
        "text": [letters.randbytes(500).hex() for _ in ids],
        "text_token_length": [800] * len(ids),
        "finish_reason": ["stop"] * len(ids),
        "attempt": [1] * len(ids),
        "sampling_seed": [1] * len(ids),
        "job": [job] * len(ids),
    } | {name: [name] * len(ids) for name in ("model", "revision", "recipe", "engine")}
    table = pa.table([columns[name] for name in GENERATIONS.names], GENERATIONS.names).cast(GENERATIONS)
    pq.write_table(table, path, compression="zstd", write_page_checksum=True)


def write_status(folder: Path, part: int, piece: int, n_slices: int) -> None:
    """The status of a job in the middle of its work."""
    facts = {"source": "web", "part": f"{part:03}", "slice": piece, "n_slices": n_slices, "gpus": 2}
    facts |= {"engine": "vllm", "model": "model", "recipe": "recipe"}
    file = StatusFile(
        folder / f"job-{part}-{piece}{SUFFIX}", Status("job", SLICE, 0), facts, lambda: False, lambda: 256
    )
    file.write("running")


def write_journal(folder: Path, job: str, ids: Sequence[str], letters: random.Random) -> None:
    """The journal of a job at work."""
    names = {name: name for name in ("model", "revision", "recipe", "engine")}
    row = names | {"text_token_length": 800, "finish_reason": "stop", "attempt": 1, "sampling_seed": 1, "job": job}
    text = letters.randbytes(500).hex()
    lines = (to_line(row | {"prompt_id": prompt_id, "text": text}) for prompt_id in ids)
    (folder / f"{job}-0000.journal").write_bytes(b"".join(lines))


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--rows-per-segment", type=int, default=256)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        results = Path(name) / "run"
        n_segments = make_run(results, args.texts, args.rows_per_segment)
        os.sync()
        command = [sys.executable, "-m", "scripts.generate.progress", str(results), "--json"]
        runs = [call(command, threads=1) for _ in range(RUNS)]
    for output, *_ in runs:
        assert json.loads(output)["total"]["done"] == args.texts
    seconds = [wall for _, wall, _, _ in runs]
    print("texts", "segments", "seconds (best)", "seconds (worst)", "CPU seconds (best)", "peak MB", sep="\t")
    figures = [f"{figure:.2f}" for figure in (min(seconds), max(seconds), min(cpu for *_, cpu, _ in runs))]
    print(args.texts, n_segments, *figures, f"{max(memory for *_, memory in runs):.0f}", sep="\t")


if __name__ == "__main__":
    main()
