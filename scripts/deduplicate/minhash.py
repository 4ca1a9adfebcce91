"""datatrove's MinHash as the programs of this stage use it: its settings, its folders.

Settings and normalisation are datatrove's own, as in the deduplication script of the cosmopedia repository: lower case,
numbers as 0, punctuation and accents removed, spaCy's English word splitter (a blank one, nothing is downloaded), word
5-grams, 14 buckets of 8 hashes. Two documents of similarity s meet in a bucket with probability 1 − (1 − s⁸)¹⁴: 56 % at
s = 0.7, 92 % at 0.8, under 1 % at 0.4. The step is done in several *rounds*, each with other hash functions: the first
has datatrove's own seed, 1, and is the published way; in r rounds 14 · r buckets are there to meet in, and of the pairs
at 0.8 four rounds miss one in 30,000, at 0.7 one in 27.

datatrove numbers documents by file (rank) and place. Here a file is a part, its rank is the part's place when all
parts are sorted by source and number, and the place counts the documents that clean kept.
"""

import argparse
import contextlib
import dataclasses
import itertools
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.common.errors import InputError

if TYPE_CHECKING:
    from datatrove.pipeline.dedup.minhash import MinhashConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The settings that all programs of this stage must share."""
    parser.add_argument("--ngram", type=int, default=5, help="words in one shingle")
    parser.add_argument("--buckets", type=int, default=14, help="of one round")
    parser.add_argument("--hashes-per-bucket", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=1, help="how often all this is done, each time with another seed")


def settings(args: argparse.Namespace) -> "MinhashConfig":
    """The flags as datatrove's own settings, with the buckets of all rounds numbered through."""
    from datatrove.pipeline.dedup.minhash import MinhashConfig

    return MinhashConfig(
        n_grams=args.ngram, num_buckets=args.rounds * args.buckets, hashes_per_bucket=args.hashes_per_bucket
    )


def rounds(args: argparse.Namespace) -> list["MinhashConfig"]:
    """The settings of each round by itself."""
    return [
        dataclasses.replace(settings(args), num_buckets=args.buckets, seed=number + 1) for number in range(args.rounds)
    ]


def by_rank(paths: Iterable[str | Path]) -> list[Path]:
    """Files or folders named <source>/part-<number>… in the order of their ranks.

    Raises:
        InputError: two of them stand for the same part.
    """
    ordered = sorted(map(Path, paths), key=_place)
    for first, second in itertools.pairwise(ordered):
        if _place(first) == _place(second):
            raise InputError(f"{first} and {second} stand for the same part. Give each part once.")
    return ordered


@contextlib.contextmanager
def linked_folder(links: Mapping[str, Path], record: int) -> Iterator[Path]:
    """A temporary folder in which each name links to a file: finished outputs in the layout that datatrove reads.

    Args:
        links: name → file.
        record: bytes of one record of these files.

    Raises:
        InputError: a file is missing or was cut off.
    """
    with tempfile.TemporaryDirectory(prefix="minhash-") as name:
        folder = Path(name)
        for link, target in links.items():
            if not target.is_file():
                raise InputError(f"{target} is missing. Delete its folder and run again.")
            if (size := target.stat().st_size) % record:
                raise InputError(
                    f"{target} is damaged: its {size} bytes are no whole number of records of {record}. "
                    "Delete its folder and run again."
                )
            (folder / link).parent.mkdir(parents=True, exist_ok=True)
            (folder / link).symlink_to(target.resolve())
        yield folder


def _place(path: Path) -> Sequence[str]:
    return path.parent.name, path.name.split(".")[0]
