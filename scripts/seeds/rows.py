"""Raw rows of a source: from files on this machine, from the file that was fetched, or from a download's shards."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from scripts.common.errors import InputError
from scripts.common.files import read_json
from scripts.common.tables import iterate_rows
from scripts.seeds.files import Raw, find_files, read_files
from scripts.seeds.readers import BadRow, Rejected
from scripts.seeds.sources import Entry

SHARD = pa.schema([("row", pa.string())])
"""A shard of a download: one raw row as JSON, so that no nested or changing schema can stop a download."""


def raw_rows(entry: Entry, downloads: Path, start: int, stop: int) -> Iterator[tuple[str, Raw]]:
    """(place, raw row) of the rows [start, stop) of a source; fewer when it ends before.

    Raises:
        InputError: the source is not on this machine, or a file is damaged.
    """
    if entry.is_local:
        files = find_files(entry.location)
        if not files:
            raise InputError(
                f"source `{entry.source}`: {entry.location} does not exist or holds no file of rows. Put it there, "
                f"correct its location in the registry of sources, {entry.how_to_leave_out}. {entry.note}"
            )
        return itertools.islice(read_files(files), start, stop)
    folder = downloads / entry.source
    manifest = folder / "manifest.json"
    if not manifest.exists():
        raise InputError(
            f"source `{entry.source}` is not downloaded: {manifest} is missing. Run `snakemake downloads`."
        )
    if entry.is_file:
        return itertools.islice(read_files([folder / read_json(manifest)["file"]]), start, stop)
    return _from_shards(entry, folder, read_json(manifest)["shards"], start, stop)


def parse(raw: Raw) -> dict:
    """A raw row as a mapping; raises `BadRow` for anything else."""
    if isinstance(raw, Rejected):
        raise BadRow(raw.reason, raw.detail)
    try:
        row = json.loads(raw) if isinstance(raw, str | bytes) else raw
    except (ValueError, RecursionError) as error:
        raise BadRow("broken_json", str(error)) from error
    if not isinstance(row, dict):
        raise BadRow("broken_json", f"a JSON object was expected, not {type(row).__name__}")
    return row


def _from_shards(entry: Entry, folder: Path, shards: list[dict], start: int, stop: int) -> Iterator[tuple[str, Raw]]:
    first = 0
    for shard in shards:
        if first < stop and first + shard["rows"] > start:
            rows = iterate_rows(folder / shard["file"], SHARD)
            for index in range(first, min(first + shard["rows"], stop)):
                row = next(rows)
                if index >= start:
                    yield f"{entry.location}:{index}", row["row"]
        first += shard["rows"]
