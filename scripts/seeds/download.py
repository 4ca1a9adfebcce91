"""Fetches the raw rows of a source into shards, so that every later run and every part reads them from disk.

The rows are streamed, never held: only the columns that the registry names are kept, each row becomes one JSON text,
and a shard is closed at 20,000 rows or 256 MB. After each shard `progress.json` records the shards and the position in
the stream; a killed job, or a later run that wants more rows, goes on from there. `manifest.json` is written when all
rows asked for are there: the dataset, its exact revision, and the rows and SHA-256 of each shard.
"""

import argparse
import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from scripts.common.errors import InputError
from scripts.common.files import read_json, write_json
from scripts.common.logging import get_logger, run
from scripts.common.tables import write_table
from scripts.seeds.rows import SHARD
from scripts.seeds.sources import Entry, read_entry

SHARD_ROWS = 20_000
SHARD_CHARACTERS = 256_000_000


def download(entry: Entry, folder: Path, maximum: int, shard_rows: int = SHARD_ROWS) -> dict[str, Any]:
    """Brings the folder up to `maximum` rows, or all there are, and returns the manifest.

    Raises:
        InputError: the dataset cannot be opened, or lacks a column that the registry names.
    """
    progress = _progress(entry, folder)
    log = get_logger("seeds_download")
    have = sum(shard["rows"] for shard in progress["shards"])
    if have < maximum and not progress["complete"]:
        stream = open_stream(entry, progress["revision"])
        if progress["position"]:
            stream.load_state_dict(progress["position"])
        rows = _columns_only(stream, entry)
        while have < maximum and not progress["complete"]:
            shard = _take(rows, min(shard_rows, maximum - have))
            if shard:
                progress["shards"].append(_write_shard(folder, len(progress["shards"]), shard))
                have += len(shard)
                log.info("%s: %d rows in %d shards", entry.source, have, len(progress["shards"]))
            progress["complete"] = not shard
            progress["position"] = stream.state_dict()
            write_json(folder / "progress.json", progress)
    manifest = {key: progress[key] for key in ("dataset", "revision", "shards", "complete")}
    return manifest | {"source": entry.source, "rows": have}


def open_stream(entry: Entry, revision: str) -> Any:
    """The source as a `datasets.IterableDataset`.

    Raises:
        InputError: with the library's own message; most often no network, a private dataset or a wrong config.
    """
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError
    from httpx import HTTPError

    try:
        if entry.location.startswith("https://"):
            builder = "json" if entry.location.endswith((".jsonl", ".json")) else "text"
            return load_dataset(builder, data_files=entry.location, split="train", streaming=True)
        return load_dataset(
            entry.location, entry.config or None, split=entry.split, revision=revision or None, streaming=True
        )
    except (DatasetsError, HTTPError, OSError, ValueError) as error:
        raise InputError(
            f"source `{entry.source}`: {entry.location} cannot be opened ({type(error).__name__}: {error}). "
            f"Check the network, HF_HUB_OFFLINE, the access rights, and the row of the registry. {entry.note}"
        ) from error


def resolve_revision(entry: Entry) -> str:
    """The commit that a Hub dataset stands at now, so that a resumed download never mixes two versions."""
    if entry.location.startswith("https://") or Path(entry.location).exists():
        return ""
    from httpx import HTTPError
    from huggingface_hub import HfApi

    try:
        return HfApi().dataset_info(entry.location, revision=entry.revision or None).sha
    except (HTTPError, OSError, ValueError) as error:
        raise InputError(
            f"source `{entry.source}`: the Hub does not answer for {entry.location} ({type(error).__name__}: {error}). "
            "Check the network, HF_HUB_OFFLINE and the access rights."
        ) from error


def _progress(entry: Entry, folder: Path) -> dict[str, Any]:
    """What an earlier job left, or a fresh start when there is nothing, or another dataset."""
    dataset = {
        "location": entry.location,
        "revision": entry.revision,
        "config": entry.config,
        "split": entry.split,
        "columns": entry.kept_columns,
    }
    path = folder / "progress.json"
    progress = read_json(path) if path.exists() else None
    if progress and progress["dataset"] == dataset:
        return progress
    for stale in folder.glob("shard-*.parquet"):
        stale.unlink()
    revision = resolve_revision(entry)
    return {"dataset": dataset, "revision": revision, "shards": [], "position": None, "complete": False}


def _columns_only(stream: Any, entry: Entry) -> Iterator[str]:
    for row in stream:
        missing = [column for column in entry.kept_columns if column not in row]
        if missing:
            raise InputError(
                f"source `{entry.source}`: {entry.location} has no column {', '.join(missing)}; it has "
                f"{', '.join(row)}. Correct `columns` or `filters` of this source in the registry of sources."
            )
        yield json.dumps({column: row[column] for column in entry.kept_columns}, default=str)


def _take(rows: Iterator[str], maximum: int) -> list[str]:
    """The rows of the next shard."""
    shard: list[str] = []
    characters = 0
    for row in itertools.islice(rows, maximum):
        shard.append(row)
        characters += len(row)
        if characters >= SHARD_CHARACTERS:
            break
    return shard


def _write_shard(folder: Path, number: int, rows: list[str]) -> dict[str, Any]:
    path = folder / f"shard-{number:05d}.parquet"
    write_table(path, [{"row": row} for row in rows], SHARD)
    with path.open("rb") as handle:
        return {"file": path.name, "rows": len(rows), "sha256": hashlib.file_digest(handle, "sha256").hexdigest()}


def main(argv: Sequence[str] | None = None) -> None:
    """Downloads one source."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sources", type=Path, required=True, help="resources/sources.tsv")
    parser.add_argument("--source", required=True, help="which of its sources (where=hub)")
    parser.add_argument("--max-documents", type=int, required=True, help="rows fetched at most")
    parser.add_argument("--output", type=Path, required=True, help="folder of the source")
    args = parser.parse_args(argv)
    entry = read_entry(args.sources, args.source, "hub")
    args.output.mkdir(parents=True, exist_ok=True)
    write_json(args.output / "manifest.json", download(entry, args.output, args.max_documents))


if __name__ == "__main__":
    run(main)
