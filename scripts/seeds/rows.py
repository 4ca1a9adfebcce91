"""Raw rows of a source, as JSON texts: from JSON Lines files, or from the shards of a download."""

import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from scripts.common.errors import InputError
from scripts.common.files import read_json
from scripts.common.tables import iterate_rows
from scripts.seeds.readers import BadRow
from scripts.seeds.sources import Entry, local_files

SHARD = pa.schema([("row", pa.string())])
"""A shard of a download: one raw row as JSON, so that no nested or changing schema can stop a download."""


def raw_rows(entry: Entry, downloads: Path, start: int, stop: int) -> Iterator[tuple[str, str | bytes]]:
    """(place, JSON text) of the rows [start, stop) of a source; fewer when it ends before.

    Raises:
        InputError: the source is not on this machine.
    """
    if not entry.is_local:
        return _from_shards(entry, downloads / entry.source, start, stop)
    files = local_files(entry)
    if not files:
        raise InputError(
            f"source `{entry.source}`: {entry.location} does not exist or holds no .jsonl file. "
            f"Put it there, or correct its location in the registry of sources. {entry.note}"
        )
    return itertools.islice(_from_files(files), start, stop)


def parse(text: str | bytes) -> dict:
    """A raw row as a mapping; raises `BadRow` for anything else."""
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRow("broken_json", str(error)) from error
    if not isinstance(row, dict):
        raise BadRow("broken_json", f"a JSON object was expected, not {type(row).__name__}")
    return row


def _from_files(files: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    for path in files:
        with path.open("rb") as handle:
            for number, line in enumerate(handle, start=1):
                if line.strip():
                    yield f"{path.name}:{number}", line


def _from_shards(entry: Entry, folder: Path, start: int, stop: int) -> Iterator[tuple[str, str]]:
    manifest = folder / "manifest.json"
    if not manifest.exists():
        raise InputError(f"source `{entry.source}` is not downloaded: {manifest} is missing. Run seeds_download first.")
    first = 0
    for shard in read_json(manifest)["shards"]:
        if first < stop and first + shard["rows"] > start:
            rows = iterate_rows(folder / shard["file"], SHARD)
            for index in range(first, min(first + shard["rows"], stop)):
                row = next(rows)
                if index >= start:
                    yield f"{entry.location}:{index}", row["row"]
        first += shard["rows"]
