"""How fast a job learns what its ledger holds, and how fast a part is sealed; how much memory each takes.

    .venv/bin/python -m benchmarks.ledger             # 1,000,000 rows, start-up
    .venv/bin/python -m benchmarks.ledger 100000      # another number
    .venv/bin/python -m benchmarks.ledger --seal      # sealing too

The ledger is made anew in a temporary folder (some GB for a million rows): texts of about 3,000 characters cut from
made-up prose, in segments of 256 rows (the default of `generate.rows_per_segment`) that four jobs have left, then the
same rows merged by `generate_compact`.

`finished` is what a job does at its start: which prompts have a text, which have failed how often. `whole` is the same
answer from whole tables, one after the other, which is what one would write first. `seal` makes the sealed part.

Seconds are those of the clock and, in brackets, of the CPU, of a whole process, start-up and imports included; memory
is the largest resident set that the system reports for it. The files were written just before, so they come from
memory and not from a disk.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from scripts.common.ids import content_id
from scripts.common.schemas import GENERATIONS, PROMPTS
from scripts.common.tables import in_batches, write_batches
from scripts.engines import Sampling
from scripts.generate import ledger, segment
from scripts.generate.recipe import Recipe

ROOT = Path(__file__).resolve().parents[1]
ROWS_PER_SEGMENT = 256
JOBS = 4
CHARACTERS = 3000
PLAN = Recipe("model", "main", Sampling(0.6, 0.95, 50, 1.2, 2500), seed=1)


def prose(generator: random.Random, characters: int) -> str:
    """Sentences of made-up words whose frequencies fall off as those of a language do."""
    words = ["".join(generator.choices("etaoinshrdlucmfwypvbgkjqxz", k=generator.randint(2, 11))) for _ in range(20000)]
    drawn = generator.choices(words, [1 / (rank + 3) for rank in range(len(words))], k=characters // 5)
    return " ".join(drawn)


def write_ledger(folder: Path, rows: int) -> None:
    """The prompts of a part, and a ledger with a text for each; one attempt in a hundred had failed before."""
    generator = random.Random(1)
    text = prose(generator, 20_000_000)
    ids = [content_id("prompt", str(number)) for number in range(rows)]
    prompts = ({"prompt_id": prompt_id, "prompt": "Write."} for prompt_id in ids)
    write_batches(folder / "prompts.parquet", in_batches(prompts), PROMPTS)

    def row(prompt_id: str, reason: str) -> dict:
        start = generator.randrange(len(text) - 2 * CHARACTERS)
        return {
            "prompt_id": prompt_id,
            "text": text[start : start + generator.randint(CHARACTERS // 2, CHARACTERS * 3 // 2)],
            "text_token_length": 700,
            "finish_reason": reason,
            "attempt": 1 + (reason == "stop"),
            "sampling_seed": generator.getrandbits(62),
            "model": PLAN.model,
            "revision": PLAN.revision,
            "recipe": PLAN.id,
            "engine": "vllm",
        }

    jobs = [ledger.job_name() for _ in range(JOBS)]
    for number, first in enumerate(range(0, rows, ROWS_PER_SEGMENT)):
        job = jobs[first * JOBS // rows]
        wanted = ids[first : first + ROWS_PER_SEGMENT]
        made = [row(prompt_id, "stop") for prompt_id in wanted] + [row(prompt_id, "error") for prompt_id in wanted[:2]]
        table = pa.Table.from_pylist([entry | {"job": job} for entry in made], schema=GENERATIONS)
        segment.write(folder / "ledger" / f"{segment.name(job, number)}.parquet", table)


def measure(name: str, command: Sequence[str]) -> None:
    """Runs a command and prints its figures."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(command)}")
    seconds, processor = time.perf_counter() - start, usage.ru_utime + usage.ru_stime
    print(f"{name:<30} {seconds:7.1f} s ({processor:.1f} s) {usage.ru_maxrss / 1024:7,.0f} MB", flush=True)


def whole(folder: Path) -> ledger.Finished:
    """What `finished` tells, from whole tables."""
    done: set[str] = set()
    attempts: dict[str, int] = {}
    for table in ledger.segments(folder):
        columns = table.select(["prompt_id", "recipe", "finish_reason", "attempt"]).to_pydict().values()
        for prompt_id, recipe, reason, attempt in zip(*columns, strict=True):
            if recipe != PLAN.id:
                continue
            if reason in ledger.USABLE:
                done.add(prompt_id)
            else:
                attempts[prompt_id] = max(attempt, attempts.get(prompt_id, 0))
    return ledger.Finished(frozenset(done), {key: value for key, value in attempts.items() if key not in done})


def seal_command(folder: Path) -> list[str]:
    """The command of generate_seal."""
    words = f"""-m scripts.generate.seal --source web --part 000 --prompts {folder}/prompts.parquet
        --ledger {folder}/ledger --output {folder}/sealed.parquet --rejected {folder}/rejected.parquet
        --counts {folder}/counts.json --temperature 0.6 --top-p 0.95 --top-k 50 --repetition-penalty 1.2
        --max-new-tokens 2500 --seed 1 --engine vllm --model model"""
    return words.split()


def main() -> None:
    """Prints a line for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--seal", action="store_true", help="measure sealing too")
    parser.add_argument("--read", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.read:
        way, folder = args.read
        found = whole(Path(folder)) if way == "whole" else ledger.finished(Path(folder), PLAN.id)
        sys.exit(len(found.done) != args.rows)
    with tempfile.TemporaryDirectory(prefix="bench-ledger-") as name:
        folder = Path(name)
        write_ledger(folder, args.rows)
        for merged in (False, True):
            if merged:
                measure("  compact", ["-m", "scripts.generate.compact", "--ledgers", str(folder / "ledger")])
            files = list((folder / "ledger").glob("*.parquet"))
            size = sum(path.stat().st_size for path in files) / 1e9
            print(f"{args.rows:,} texts in {len(files):,} segments, {size:.1f} GB", flush=True)
            for way in ("finished", "whole"):
                command = ["-m", "benchmarks.ledger", str(args.rows), "--read", way, str(folder / "ledger")]
                measure(f"  {way}", command)
            if args.seal:
                measure("  seal", seal_command(folder))


if __name__ == "__main__":
    main()
