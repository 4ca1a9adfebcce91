"""How fast documents are scanned for benchmark rows: the compiled scan against the straightforward way in Python.

    .venv/bin/python -m benchmarks.scan                      # 40,000 documents, 1.8 million 10-grams
    COSMOPEDIA_REAL_DATA=folder .venv/bin/python -m benchmarks.scan --documents 20000

The straightforward way is the one the published script takes: tokens by regular expression, the set of a document's
10-tuples, each looked up in a dictionary. Its tokens are made by our `tokenize`, which spares ASCII text the Unicode
steps. Both sides run in one process on one core and count CPU seconds, so that other load weighs little.

The documents are sentences of real texts written by language models and of web pages in random order (the three files
of `REAL`), or of the shipped sample; one in 500 holds a benchmark row. The index is the shipped benchmarks, filled up
with rows of random words of the documents to the size of the full benchmarks. End to end means from the Parquet files
of a part to the pairs with their evidence; the straightforward way then reads its documents row by row and its
candidates go through the same difflib. At last the program runs as Snakemake calls it, on a quarter of the documents
and on all of them: the difference is what documents cost, in time and in memory.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from scripts.benchmarks.rows import BENCHMARKS
from scripts.clean.documents import kept_batches, kept_documents
from scripts.common.schemas import BENCHMARK_ROWS, DECISIONS, GENERATIONS, NEAR_DUPLICATES
from scripts.common.tables import write_table
from scripts.decontaminate.index import benchmark_rows
from scripts.decontaminate.matching import tokenize, verdict
from scripts.decontaminate.scan import Scanner

ROOT = Path(__file__).resolve().parents[1]
REAL = ("synthetic_textbook_mini", "tinystories_mini", "web_pages_mini")
NGRAM, WORDS_IN_ROW = 10, 60

MEASURED = """
import json, resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stderr=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss / 1000]))
"""
"""Runs a command from a small process: Linux counts the memory of the one that starts it to its peak."""

Row = dict[str, Any]


def sentences() -> list[str]:
    """Sentences of the real data, or of the shipped sample."""
    folder = os.environ.get("COSMOPEDIA_REAL_DATA")
    paths = [Path(folder) / f"{name}.jsonl" for name in REAL] if folder else (ROOT / "resources/sample/web").glob("*")
    rows = [json.loads(line) for path in sorted(paths) for line in path.read_text(encoding="utf-8").splitlines()]
    texts = [row.get("text") or row.get("content") or "" for row in rows]
    return [part for text in texts for part in re.split(r"(?<=[.!?])\s+", text) if 20 < len(part) < 1000]


def make_rows(pool: Sequence[str], ngrams: int, draw: random.Random) -> list[Row]:
    """The shipped benchmark rows that can be checked, and random ones until there are so many n-grams."""
    shipped = [row for name in BENCHMARKS for row in benchmark_rows(name, str(ROOT / "resources/sample/benchmarks"))]
    rows = [row for row in shipped if row["n_tokens"] >= NGRAM]
    words = sorted({word for sentence in pool for word in tokenize(sentence)})
    missing = ngrams - sum(row["n_tokens"] - NGRAM + 1 for row in rows)
    for number in range(missing // (WORDS_IN_ROW - NGRAM + 1)):
        tokens = " ".join(draw.choices(words, k=WORDS_IN_ROW))
        rows.append({"benchmark": "made", "row": str(number), "text": tokens, "tokens": tokens})
    return rows


def make_documents(pool: Sequence[str], rows: Sequence[Row], number: int, characters: int) -> list[str]:
    """Documents of about this length."""
    draw = random.Random(1234)
    texts = []
    for place in range(number):
        parts = [draw.choice(rows)["text"]] if place % 500 == 0 else []
        while sum(map(len, parts)) < characters:
            parts.append(draw.choice(pool))
        texts.append(" ".join(parts[::-1]))
    return texts


class Straightforward:
    """The baseline."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.index: dict[tuple[str, ...], list[int]] = {}
        for number, row in enumerate(rows):
            for ngram in set(self.ngrams(row["tokens"].split())):
                self.index.setdefault(ngram, []).append(number)

    @staticmethod
    def ngrams(tokens: Sequence[str]) -> Iterator[tuple[str, ...]]:
        """All runs of ten tokens."""
        return zip(*(tokens[start:] for start in range(NGRAM)), strict=False)

    def found(self, text: str) -> set[int]:
        """The rows that a document shares an n-gram with."""
        return {row for ngram in set(self.ngrams(tokenize(text))) for row in self.index.get(ngram, ())}

    def pairs(self, generations: Path, decisions: Path) -> Iterator[tuple[str, int, float]]:
        """Prompt id, row and ratio of every pair in a part."""
        for document in kept_documents(generations, decisions):
            for number in sorted(self.found(document["text"])):
                match = verdict(" ".join(tokenize(document["text"])), self.rows[number]["tokens"], 5)
                yield document["prompt_id"], number, match.ratio


def write_part(folder: Path, texts: Sequence[str]) -> tuple[Path, Path]:
    """Writes a sealed part of which clean keeps everything."""
    rows = [{"prompt_id": f"{place:016x}", "text": text} for place, text in enumerate(texts)]
    paths = folder / "generations.parquet", folder / "decisions.parquet"
    write_table(paths[0], rows, GENERATIONS)
    write_table(paths[1], [{"prompt_id": row["prompt_id"], "decision": "kept"} for row in rows], DECISIONS)
    return paths


def run_job(folder: Path, rows: Sequence[Row], part: tuple[Path, Path]) -> tuple[float, float]:
    """CPU seconds and peak memory (MB) of the program."""
    tables = {"rows": (rows, BENCHMARK_ROWS), "uncheckable": ([], BENCHMARK_ROWS), "duplicates": ([], NEAR_DUPLICATES)}
    flags = {"generations": part[0], "decisions": part[1], "source": "web", "part": "000"}
    flags |= {"output": folder / "found.parquet", "counts": folder / "counts.json"}
    for name, (table, schema) in tables.items():
        flags[name] = folder / f"{name}.parquet"
        write_table(flags[name], table, schema)
    words = [str(word) for name, value in flags.items() for word in (f"--{name}", value)]
    program = [sys.executable, "-c", MEASURED, sys.executable, "-m", "scripts.decontaminate.scan", *words]
    seconds, peak = json.loads(subprocess.run(program, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    return seconds, peak


class Clock:
    """CPU seconds and growth of resident memory since it was made."""

    def __init__(self) -> None:
        self._memory, self._start = self._resident(), time.process_time()

    @property
    def seconds(self) -> float:
        """CPU seconds so far."""
        return time.process_time() - self._start

    @property
    def megabytes(self) -> float:
        """Memory more than at the start."""
        return self._resident() - self._memory

    @staticmethod
    def _resident() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the figures of both."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--documents", type=int, default=40_000)
    parser.add_argument("--characters", type=int, default=1600)
    parser.add_argument("--ngrams", type=int, default=1_800_000)
    args = parser.parse_args(argv)
    import pyarrow as pa

    pool = sentences()
    rows = make_rows(pool, args.ngrams, random.Random(1))
    texts = make_documents(pool, rows, args.documents, args.characters)
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    plain = sum(not text.isascii() for text in texts) / len(texts)
    print(f"{len(texts):,} documents, {megabytes:.0f} MB, {plain:.0%} of them not ASCII; {len(rows):,} rows")

    clock = Clock()
    Scanner([])
    print(f"compiling and tables of characters: {clock.seconds:.1f} s, {clock.megabytes:.0f} MB")
    clock = Clock()
    scanner = Scanner(rows)
    print(f"our index: {clock.seconds:.1f} s, {clock.megabytes:.0f} MB")
    clock = Clock()
    baseline = Straightforward(rows)
    print(f"straightforward index ({len(baseline.index):,} 10-grams): {clock.seconds:.1f} s, {clock.megabytes:.0f} MB")

    def figures(name: str, seconds: float) -> None:
        print(f"{name}: {megabytes / seconds:.1f} MB/s, {len(texts) / seconds:,.0f} documents/s")

    ids = [f"{place:016x}" for place in range(len(texts))]
    batches = pa.table({"prompt_id": ids, "text": texts}).to_batches(max_chunksize=1000)
    clock = Clock()
    ours = [batch["prompt_id"][place].as_py() for batch in batches for place in scanner.candidates(batch)]
    our_seconds = clock.seconds
    figures("our scan, in memory", our_seconds)
    clock = Clock()
    theirs = [name for name, text in zip(ids, texts, strict=True) if baseline.found(text)]
    their_seconds = clock.seconds
    figures("straightforward, in memory", their_seconds)
    print(f"ratio {their_seconds / our_seconds:.1f}; {len(ours)} candidates, the same: {ours == theirs}")

    with tempfile.TemporaryDirectory() as folder:
        part = write_part(Path(folder), texts)
        clock = Clock()
        our_pairs = [pair for batch in kept_batches(*part) for pair in scanner.batch(batch)]
        our_seconds = clock.seconds
        figures("our scan, end to end", our_seconds)
        clock = Clock()
        their_pairs = list(baseline.pairs(*part))
        their_seconds = clock.seconds
        figures("straightforward, end to end", their_seconds)
        for number in (len(texts) // 4, len(texts)):
            seconds, peak = run_job(Path(folder), rows, write_part(Path(folder), texts[:number]))
            print(f"the program, {number:,} documents: {seconds:.1f} s, peak of {peak:.0f} MB")
    same = [(pair["prompt_id"], pair["ratio"]) for pair in our_pairs] == [pair[::2] for pair in their_pairs]
    print(f"ratio {their_seconds / our_seconds:.1f}; {len(our_pairs)} pairs, the same: {same}")


if __name__ == "__main__":
    main()
