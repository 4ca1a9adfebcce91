"""What it costs that a generation job watches its own texts.

    .venv/bin/python -m benchmarks.monitor
    .venv/bin/python -m benchmarks.monitor --texts 20000 --words 800 --templates 30

Texts of so many words are put together from paragraphs of the shipped sample, the same ones in every run, and shown to
the monitor as a job does, in turn for each template; every tenth is one that was shown before. CPU seconds of this
process count, user and system, so that other load on the machine weighs little. `share` is the part of one CPU that
watching takes at 20 texts a second.
"""

import argparse
import json
import random
import resource
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts.generate.monitor import Monitor

SAMPLE = Path("resources/sample")
RATE = 20


def paragraphs() -> list[str]:
    """Paragraphs of the shipped pages."""
    files = [SAMPLE / "fineweb.jsonl", SAMPLE / "wikipedia.jsonl"]
    rows = [json.loads(line) for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    return [piece for row in rows for piece in row["text"].split("\n") if len(piece) > 80]


def texts(number: int, words: int) -> Iterator[str]:
    """So many texts of at least so many words."""
    chance, pieces = random.Random(0), paragraphs()
    earlier: list[str] = []
    for _ in range(number):
        chosen: list[str] = []
        while sum(len(piece.split()) for piece in chosen) < words:
            chosen.append(chance.choice(pieces))
        text = chance.choice(earlier) if earlier and chance.random() < 0.1 else "\n\n".join(chosen)
        earlier = [*earlier[-100:], text]
        yield text


def main(argv: Sequence[str] | None = None) -> None:
    """Prints one line of figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=5000)
    parser.add_argument("--words", type=int, default=600)
    parser.add_argument("--templates", type=int, default=12)
    args = parser.parse_args(argv)
    rows = [
        {"prompt_id": str(number), "text": text, "text_token_length": 4 * args.words // 3, "finish_reason": "stop"}
        for number, text in enumerate(texts(args.texts, args.words))
    ]
    monitor = Monitor({row["prompt_id"]: f"template {int(row['prompt_id']) % args.templates}" for row in rows})
    before, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for row in rows:
        monitor.text(row)
    seconds = (time.process_time() - before) / len(rows)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024
    print(f"{len(rows)} texts of {args.words} words, {args.templates} templates: {1000 * seconds:.3f} ms a text,")
    print(f"share of a CPU at {RATE} texts/s: {RATE * seconds:.2%}; memory grew by {grown:.0f} MB")


if __name__ == "__main__":
    main()
