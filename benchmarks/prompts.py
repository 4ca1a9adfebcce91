"""How fast web prompts are made: prompts_build against `datasets.Dataset.map` on one core.

    .venv/bin/python -m benchmarks.prompts            # 100,000 and 1,000,000 prompts
    .venv/bin/python -m benchmarks.prompts 20000      # other numbers

Synthetic web seeds (about 2,900 characters, as RefinedWeb has on average; one in seven holds something that has to be
cleaned) go through the program of the rule as Snakemake calls it: Parquet in, prompts with ids and topics out, Parquet
and counts written. The time is that of the whole process, start-up included.

The other side is what one would write first: `map` over the rows of the same file, the same four texts as format
strings filled with the first 1000 characters, the topic named by a coin toss; for four styles one `map` each. It cleans
nothing, makes no ids and writes no Parquet, and only the time of `map` itself counts; the ratio of whole programs
counts its start-up and its reading of the Parquet file too, as for ours. `map` in batches is there for comparison.
`styles` says how many prompts a seed gives: 4 (every text with every seed, as prompts_build does it) or 1
(map draws one of the four texts, ours has one template).

Times are CPU seconds, user and system, so that other load on the machine weighs little; memory is the largest resident
set that the system reports for the process.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from scripts.common.ids import content_id
from scripts.common.schemas import ASSIGNMENTS, REJECTED, SEEDS, TOPICS
from scripts.common.tables import in_batches, write_batches, write_table

ROOT = Path(__file__).resolve().parents[1]
STYLES = ("blogpost", "wikihow", "textbook_narrative", "textbook_academic_tone")
TEMPLATES = [ROOT / f"config/templates/en/passage/{style}.yaml" for style in STYLES]
TOPIC_COUNT = 145
SENTENCES, SENTENCES_PER_TEXT = 200_000, 24
AWKWARD = ("\r\n", "\x00", "\u2028", "\x1b[0m", "cafe\u0301 ", "\ufeff", "naïve – “quoted” ")


def sentences(generator: random.Random) -> list[str]:
    """Sentences of made-up words whose frequencies fall off as those of a language do."""
    words = ["".join(generator.choices("etaoinshrdlucmfwypvbgkjqxz", k=generator.randint(2, 11))) for _ in range(20000)]
    weights = [1 / (rank + 3) for rank in range(len(words))]
    drawn = iter(generator.choices(words, weights, k=SENTENCES * 20))
    return [" ".join(next(drawn) for _ in range(20)).capitalize() + ". " for _ in range(SENTENCES)]


def write_seeds(folder: Path, seeds: int) -> None:
    """Seeds of one part with the tables that prompts_build reads beside them."""
    generator = random.Random(1)
    pool = sentences(generator)

    def rows() -> Iterator[dict[str, Any]]:
        for number in range(seeds):
            chosen = generator.choices(pool, k=SENTENCES_PER_TEXT)
            if number % 7 == 0:
                chosen[generator.randrange(8)] += generator.choice(AWKWARD)
            yield {
                "seed_id": content_id("passage", str(number)),
                "source": "web",
                "kind": "passage",
                "text": "".join(chosen),
                "language": "en",
            }

    write_batches(folder / "seeds.parquet", in_batches(rows()), SEEDS)
    clusters = (
        {"seed_id": content_id("passage", str(number)), "cluster_id": number % TOPIC_COUNT, "distance": 0.1}
        for number in range(seeds)
    )
    write_batches(folder / "assignments.parquet", in_batches(clusters), ASSIGNMENTS)
    topics = [{"cluster_id": n, "topic": f"Topic number {n}", "decision": "kept"} for n in range(TOPIC_COUNT)]
    write_table(folder / "topics.parquet", topics, TOPICS)
    write_table(folder / "duplicates.parquet", [], REJECTED)


def build_command(folder: Path, styles: int) -> list[str]:
    """The command of prompts_build for these seeds."""
    words = ["-m", "scripts.prompts.build", "--source", "web", "--part", "000", "--split", "web_samples"]
    for name in ("seeds", "assignments", "topics", "duplicates"):
        words += [f"--{name}", str(folder / f"{name}.parquet")]
    for name, file in {"output": "ours.parquet", "rejected": "rejected.parquet", "counts": "counts.json"}.items():
        words += [f"--{name}", str(folder / file)]
    return [sys.executable, *words, "--templates", *map(str, TEMPLATES[:styles])]


def measure(command: Sequence[str]) -> dict[str, float]:
    """CPU seconds and largest memory (MB) of a command."""
    process = subprocess.Popen(command, cwd=ROOT)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(command)}")
    return {"seconds": usage.ru_utime + usage.ru_stime, "memory": usage.ru_maxrss / 1024}


def baseline(folder: Path, styles: int, batched: bool) -> None:
    """The straightforward way; leaves the number of prompts and the CPU seconds of `map` in baseline.json."""
    import datasets
    import yaml

    contents = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in TEMPLATES]
    generator = random.Random(1)

    def fill(content: dict[str, Any], text: str) -> str:
        topic = f"Topic number {generator.randrange(TOPIC_COUNT)}"
        named = content["clauses"]["topic_clause"].format(topic=topic) if generator.random() < 0.5 else ""
        return content["text"].format(extract=text[:1000], topic_clause=named)

    def one(row: dict[str, Any], content: dict[str, Any] | None = None) -> dict[str, Any]:
        content = content or generator.choice(contents)
        prompt = fill(content, row["text"])
        return {"prompt": prompt, "format": content["format"], "audience": content["audience"]}

    def many(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        result: dict[str, list[Any]] = {"seed_id": [], "prompt": [], "format": [], "audience": []}
        for seed_id, text in zip(rows["seed_id"], rows["text"], strict=True):
            for content in contents if styles > 1 else [generator.choice(contents)]:
                row = {"seed_id": seed_id, **one({"text": text}, content)}
                for name, column in result.items():
                    column.append(row[name])
        return result

    datasets.disable_progress_bars()
    seeds = datasets.Dataset.from_parquet(
        str(folder / "seeds.parquet"), cache_dir=str(folder / "cache"), columns=["seed_id", "text"]
    )
    start = time.process_time()
    if batched:
        made = [seeds.map(many, batched=True, remove_columns=["seed_id", "text"], load_from_cache_file=False)]
    elif styles == 1:
        made = [seeds.map(one, remove_columns=["text"], load_from_cache_file=False)]
    else:
        made = [
            seeds.map(one, fn_kwargs={"content": content}, remove_columns=["text"], load_from_cache_file=False)
            for content in contents
        ]
    seconds = time.process_time() - start
    result = {"prompts": sum(part.num_rows for part in made), "seconds": seconds}
    (folder / "baseline.json").write_text(json.dumps(result))


def compare(prompts: int, styles: int) -> dict[str, Any]:
    """One line of the table."""
    with tempfile.TemporaryDirectory(prefix="bench-prompts-") as name:
        folder = Path(name)
        write_seeds(folder, prompts // styles)
        ours = measure(build_command(folder, styles))
        ids = pq.read_table(folder / "ours.parquet", columns=["prompt_id"])["prompt_id"]
        theirs = []
        for way in ("rows", "batches"):
            whole = measure([sys.executable, "-m", "benchmarks.prompts", "--baseline", name, way, str(styles)])
            theirs.append(json.loads((folder / "baseline.json").read_text()) | {"whole": whole["seconds"]})
    assert {len(ids)} == {way["prompts"] for way in theirs} == {prompts // styles * styles}
    ours_rate, rows_rate, batches_rate = (
        count / seconds
        for count, seconds in [(len(ids), ours["seconds"]), *((way["prompts"], way["seconds"]) for way in theirs)]
    )
    return {
        "prompts": len(ids),
        "styles": styles,
        "ours, prompts/s": round(ours_rate),
        "map, prompts/s": round(rows_rate),
        "ratio": round(ours_rate / rows_rate, 2),
        "ratio of whole programs": round(theirs[0]["whole"] / ours["seconds"], 2),
        "map in batches, prompts/s": round(batches_rate),
        "memory, MB": round(ours["memory"]),
        "duplicates": len(ids) - len(ids.unique()),
    }


def main() -> None:
    """Prints the table, a line for each number of prompts and of styles."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prompts", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--styles", type=int, nargs="+", choices=[1, 4], default=[4, 1])
    parser.add_argument("--baseline", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.baseline:
        folder, way, styles = args.baseline
        baseline(Path(folder), int(styles), way == "batches")
        return
    for number, (prompts, styles) in enumerate((n, s) for s in args.styles for n in args.prompts):
        line = compare(prompts, styles)
        if number == 0:
            print(" | ".join(line))
        print(" | ".join(f"{value:>{len(key)},}" for key, value in line.items()), flush=True)


if __name__ == "__main__":
    main()
