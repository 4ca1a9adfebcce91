"""How fast texts are signed: deduplicate_signatures against datatrove's own MinHash step, which writes the same files.

    .venv/bin/python -m benchmarks.signatures                          # the shipped sample of web pages
    .venv/bin/python -m benchmarks.signatures /path/to/real-data --texts 20000 --rounds 1 4

The texts are those of the folder's JSONL files ($COSMOPEDIA_REAL_DATA where no folder is given), each field of at least
200 characters, and as many more as are asked for, made of their paragraphs in random order. New words keep turning up
in a real corpus, which costs our side time; so in made texts every fiftieth word gets three letters of its own. Both
sides read texts from memory, write their files and count CPU seconds on one core, user and system. Start-up (imports,
compilation, spaCy) is taken off and printed. All files are compared byte by byte. Where rensa is installed, its time
for as many hashes is printed too: it hashes in its own way, so its files could not be used.
"""

import argparse
import filecmp
import importlib.util
import json
import os
import random
import shutil
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from scripts.deduplicate.minhash import rounds
from scripts.deduplicate.signatures import write_signatures

SAMPLE = Path(__file__).resolve().parents[1] / "resources/sample/web"
BUCKETS, HASHES, NGRAM = 14, 8, 5


def read_texts(folder: Path) -> list[str]:
    """The longer strings in the JSONL files of a folder."""
    lines = (line for path in sorted(folder.glob("*.jsonl")) for line in path.read_text(encoding="utf-8").splitlines())
    return [text for line in lines for text in json.loads(line).values() if isinstance(text, str) and len(text) >= 200]


def make_texts(real: Sequence[str], number: int) -> list[str]:
    """The real texts and as many made ones, so that there are `number`; of the same lengths."""
    draw = random.Random(1234)
    paragraphs = [part for text in real for part in text.split("\n") if part.strip()]
    texts = list(real[:number])
    while len(texts) < number:
        length, text = len(draw.choice(real)), ""
        while len(text) < length:
            text += draw.choice(paragraphs) + "\n"
        words = text[:length].split(" ")
        for place in range(draw.randrange(50), len(words), 50):
            words[place] += "".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=3))
        texts.append(" ".join(words))
    return texts


def seconds(function: Callable[[], Any]) -> float:
    """CPU seconds of a call."""
    start = time.process_time()
    function()
    return time.process_time() - start


def ours(texts: Sequence[str], folder: Path, number: int) -> None:
    """Writes signatures of so many rounds in our way."""
    rows = ({"prompt_id": str(place), "text": text} for place, text in enumerate(texts))
    configs = rounds(Namespace(ngram=NGRAM, buckets=BUCKETS, hashes_per_bucket=HASHES, rounds=number))
    write_signatures(rows, folder, configs)


def theirs(texts: Sequence[str], folder: Path, seed: int) -> None:
    """Writes signatures of one round in datatrove's way."""
    from datatrove.data import Document
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature

    shutil.rmtree(folder, ignore_errors=True)
    step = MinhashDedupSignature(str(folder), MinhashConfig(NGRAM, BUCKETS, HASHES, seed=seed))
    step.run(Document(text=text, id="") for text in texts)


def peer(texts: Sequence[str]) -> None:
    """Makes signatures with rensa: of words split at white space, so with less work on the text."""
    from rensa import RMinHash

    for text in texts:
        words = text.lower().split()
        minhash = RMinHash(num_perm=BUCKETS * HASHES, seed=1)
        minhash.update([" ".join(words[place : place + NGRAM]) for place in range(len(words) - NGRAM + 1)])
        minhash.digest()


def compare(left: Path, right: Path, number: int) -> None:
    """Stops unless our files of a round are datatrove's."""
    for bucket in range(BUCKETS):
        name = "00000.minhash.sig"
        pair = left / f"bucket_{number * BUCKETS + bucket:03d}" / name, right / f"bucket_{bucket:03d}" / name
        if not filecmp.cmp(*pair, shallow=False):
            raise SystemExit(f"round {number}, bucket {bucket}: the files differ")


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=os.environ.get("COSMOPEDIA_REAL_DATA", SAMPLE))
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--rounds", type=int, nargs="+", default=[1, 4])
    args = parser.parse_args(argv)
    real = read_texts(Path(args.folder))
    texts = make_texts(real, args.texts)
    length = sum(map(len, texts)) / len(texts)
    with tempfile.TemporaryDirectory() as name:
        left, right = Path(name) / "ours", Path(name) / "theirs"
        starting = seconds(lambda: ours(texts[:1], left, 1))
        print(f"{len(texts)} texts of {length:,.0f} characters, {min(len(real), len(texts))} of them real", end="; ")
        print(f"start-up {starting:.1f} s")
        theirs(texts[:1], right, 1)
        peers: list[float] = []
        for number in sorted(args.rounds):
            spent = seconds(lambda number=number: ours(texts, left, number))
            while len(peers) < number:
                peers.append(seconds(lambda: theirs(texts, right, len(peers) + 1)))
                compare(left, right, len(peers) - 1)
            peer_spent = sum(peers[:number])
            print(f"rounds: {number}; {len(texts) / spent:,.0f} texts/s/core", end="; ")
            print(f"datatrove: {len(texts) / peer_spent:,.0f}; ratio {peer_spent / spent:.1f}; same bytes")
    if importlib.util.find_spec("rensa"):
        print(f"rensa, as many hashes as one round: {len(texts) / seconds(lambda: peer(texts)):,.0f} texts/s/core")


if __name__ == "__main__":
    main()
