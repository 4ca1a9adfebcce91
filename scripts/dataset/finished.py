"""A dataset on this machine that is whole: every file of every split, with the rows that counts and card tell of."""

import dataclasses
import functools
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.files import sha256_of
from scripts.common.tables import count_rows

CARD = "README.md"
DATA_FILE = re.compile(r"train-(\d{5})-of-(\d{5})\.parquet")


@dataclasses.dataclass(frozen=True)
class File:
    """A file of the dataset; `name` is its path on the Hub, `rows` is None for the card."""

    path: Path
    name: str
    size: int
    rows: int | None = None

    @functools.cached_property
    def sha256(self) -> str:
        """What the Hub knows a large file by."""
        return sha256_of(self.path)

    @functools.cached_property
    def git_id(self) -> str:
        """What git, and so the Hub, knows a small file by."""
        with self.path.open("rb") as handle:
            start = hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)
            return hashlib.file_digest(handle, lambda: start).hexdigest()


def read_dataset(folder: Path) -> list[File]:
    """The card and all files of a finished dataset, the card first.

    Raises:
        InputError: something is missing, or does not agree with the counts or with the card.
    """
    card = folder / CARD
    if not card.exists():
        raise InputError(f"{card} is missing: the dataset is not finished. Make it first (`snakemake dataset`).")
    splits = {path.name: list(_files(path)) for path in sorted(folder.iterdir()) if path.is_dir()}
    if not any(splits.values()):
        raise InputError(f"{folder} has no split. Make the dataset first (`snakemake dataset`).")
    for name, files in splits.items():
        _check_counts(folder / f"{name}.counts.json", name, files)
    check_card(card, {name: sum(file.rows for file in files) for name, files in splits.items()})
    return [File(card, CARD, card.stat().st_size), *(file for files in splits.values() for file in files)]


def _files(split: Path) -> Iterator[File]:
    """The files of a split, each counted by its footer."""
    paths = sorted(path for path in split.iterdir() if not path.name.startswith("."))  # Snakemake leaves a time stamp
    found = [DATA_FILE.fullmatch(path.name) for path in paths]
    first = ", ".join(path.name for path in paths[:5]) or "nothing"
    wanted = [f"train-{number:05d}-of-{len(paths):05d}.parquet" for number in range(len(paths))]
    if not all(found) or [path.name for path in paths] != wanted:
        raise InputError(
            f"{split} must hold {wanted[0] if wanted else 'train-00000-of-00001.parquet'} and so on, and nothing else; "
            f"it holds {first}. Delete it and run `snakemake dataset`."
        )
    for path in paths:
        yield File(path, f"{split.name}/{path.name}", path.stat().st_size, count_rows(path))


def _check_counts(counts: Path, split: str, files: Sequence[File]) -> None:
    if not counts.exists():
        raise InputError(f"{counts} is missing: split {split} is not finished. Make it first (`snakemake dataset`).")
    told, rows = Counts.read(counts).rows_out, sum(file.rows for file in files)
    if told != rows:
        raise InputError(
            f"split {split} has {rows} rows in its files, but {counts} tells of {told}: a file is of another run. "
            "Delete the split and run `snakemake dataset`."
        )


def check_card(path: Path, rows: Mapping[str, int]) -> dict[str, Any]:
    """The card's front matter, as the Hub's own client reads it; it must name every split that has rows, and them.

    Raises:
        InputError: it cannot be read, or tells of another dataset.
    """
    from huggingface_hub import DatasetCard
    from yaml import YAMLError

    remedy = f"Delete {path} and run `snakemake dataset`."
    try:
        front = DatasetCard(path.read_text(encoding="utf-8")).data.to_dict()
    except (ValueError, TypeError, YAMLError) as error:
        raise InputError(f"{path}: its front matter cannot be read ({error}). {remedy}") from error
    wanted = {name: number for name, number in rows.items() if number}
    named = {config["config_name"]: config["data_files"][0]["path"] for config in front.get("configs", ())}
    if named != {name: f"{name}/train-*.parquet" for name in wanted}:
        raise InputError(
            f"{path} names the splits {', '.join(sorted(named)) or 'none'}; those with rows are "
            f"{', '.join(sorted(wanted)) or 'none'}. {remedy}"
        )
    told = {info["config_name"]: info["splits"][0]["num_examples"] for info in front.get("dataset_info", ())}
    if told != wanted:
        raise InputError(f"{path} tells of other rows than the files have: {told}, not {wanted}. {remedy}")
    return front
