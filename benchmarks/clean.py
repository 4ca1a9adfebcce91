"""How fast texts are judged: clean_filter with the rules of config/config.yaml against datatrove's filter.

    .venv/bin/python -m benchmarks.clean                      # 2,000 texts of 3,500 characters
    .venv/bin/python -m benchmarks.clean --texts 500 --characters 2000

The texts are made of the shipped sample of web pages, paragraphs in random order, every eighth with a Python block and
every tenth with a courtesy before it. The program runs as Snakemake calls it, on one part, sealed texts in and
decisions out; the time of a part of ten texts, which is that of starting up, is taken off. The other side is
datatrove's GopherRepetitionFilter alone, over texts already in memory: the slowest rule in the library's own words.
Both count CPU seconds, user and system, so that other load on the machine weighs little.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import yaml

from scripts.common.ids import content_id
from scripts.common.schemas import GENERATIONS, PROMPTS
from scripts.common.tables import write_table

ROOT = Path(__file__).resolve().parents[1]
CODE = "\n\n```python\ndef mean(numbers):\n    return sum(numbers) / len(numbers)\n\nprint(mean([1, 2, 3]))\n```\n\n"


def make_texts(number: int, characters: int) -> list[str]:
    """So many texts of about this length."""
    paragraphs = []
    for path in sorted((ROOT / "resources/sample/web").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            paragraphs += [part for part in (json.loads(line).get("content") or "").split("\n\n") if len(part) > 100]
    draw = random.Random(1234)
    texts = []
    for place in range(number):
        text = "Sure! Here is a blog post about this:\n\n" if place % 10 == 0 else ""
        while len(text) < characters:
            text += draw.choice(paragraphs) + (CODE if place % 8 == 0 and "```" not in text else "\n\n")
        texts.append(text.strip())
    return texts


def seconds(texts: Sequence[str], folder: Path) -> float:
    """CPU seconds of the program for a part of these texts."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))["clean"]
    ids = [content_id("benchmark", text, str(place)) for place, text in enumerate(texts)]
    rows = [
        {"prompt_id": prompt_id, "text": text, "text_token_length": len(text) // 4, "finish_reason": "stop"}
        for prompt_id, text in zip(ids, texts, strict=True)
    ]
    write_table(folder / "texts.parquet", rows, GENERATIONS)
    prompts = [{"prompt_id": prompt_id, "language": "en", "format": "blogpost"} for prompt_id in ids]
    write_table(folder / "prompts.parquet", prompts, PROMPTS)
    flags = {
        "generations": folder / "texts.parquet",
        "prompts": folder / "prompts.parquet",
        "source": "web",
        "part": "000",
        "minimum-tokens": config["minimum_tokens"],
        "minimum-characters": config["minimum_characters"],
        "rules": json.dumps(config["rules"]),
        "repetition": json.dumps(config["repetition"]),
        "tokenizer": "resources/tiny-lm",
        "output": folder / "decisions.parquet",
        "counts": folder / "counts.json",
        "summary": folder / "summary.json",
    }
    words = [str(word) for name, value in flags.items() for word in (f"--{name}", value)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "scripts.clean.filter", "--no-run-code", *words], cwd=ROOT, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def peer_seconds(texts: Sequence[str]) -> float:
    """CPU seconds of datatrove's filter for these texts."""
    from datatrove.data import Document
    from datatrove.pipeline.filters import GopherRepetitionFilter

    step = GopherRepetitionFilter()
    step.filter(Document(text=texts[0], id="0"))
    start = time.process_time()
    for text in texts:
        step.filter(Document(text=text, id="0"))
    return time.process_time() - start


def main(argv: Sequence[str] | None = None) -> None:
    """Prints one line of figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--characters", type=int, default=3500)
    args = parser.parse_args(argv)
    texts = make_texts(args.texts, args.characters)
    with tempfile.TemporaryDirectory() as folder:
        starting = seconds(texts[:10], Path(folder))
        ours = (seconds(texts, Path(folder)) - starting) / (len(texts) - 10)
    peer = peer_seconds(texts[:500]) / len(texts[:500])
    length = sum(map(len, texts)) / len(texts)
    print(f"{len(texts)} texts of {length:,.0f} characters; start-up {starting:.1f} s")
    print(f"clean_filter, all rules: {1 / ours:,.0f} texts/s/core")
    print(f"datatrove's GopherRepetitionFilter alone: {1 / peer:,.0f} texts/s/core; ratio {peer / ours:.2f}")


if __name__ == "__main__":
    main()
