"""Fetches a source, so that every later run and every part reads it from disk.

A dataset of the Hub is streamed, never held: only the columns that the registry names are kept, each row becomes one
JSON text, and a shard is closed at 20,000 rows or 64 MB. After each shard `progress.json` records the shards and the
position in the stream; a killed job, or a later run that wants more rows, goes on from there. A single file is fetched
whole and kept as it is (scripts/seeds/fetch.py). `manifest.json` is written when all is there: where it came from, its
exact revision, whether that was locked, and the checksum of each file.
"""

import argparse
import dataclasses
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from scripts.common.errors import InputError
from scripts.common.files import read_json, sha256_of, write_json
from scripts.common.logging import get_logger, run
from scripts.common.tables import write_table
from scripts.seeds import hub
from scripts.seeds.fetch import Fetched, Refused, fetch
from scripts.seeds.patience import PATIENCE, Patience, Transient, retrying
from scripts.seeds.rows import SHARD
from scripts.seeds.sources import Entry, read_entry

SHARD_ROWS = 20_000
SHARD_CHARACTERS = 64_000_000


def download(
    entry: Entry, folder: Path, maximum: int, shard_rows: int = SHARD_ROWS, patience: Patience = PATIENCE
) -> dict[str, Any]:
    """Brings the folder up to `maximum` rows, or all there are, and returns the manifest.

    Raises:
        InputError: the source cannot be had, lacks a column that the registry names, or is not what the lock says.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not entry.is_locked:
        get_logger("seeds_download").warning(
            "%s is not locked and may change until the next download: `snakemake lock_sources`", entry.source
        )
    progress = _progress(entry, folder, patience)
    found = _file(entry, folder, progress, patience) if entry.is_file else {}
    if not entry.is_file:
        _Stream(entry, folder, progress).bring_up_to(maximum, shard_rows, patience)
        found = {"shards": progress["shards"], "rows": _rows(progress), "complete": progress["complete"]}
    keys = ("dataset", "revision")
    return {"source": entry.source, "locked": entry.is_locked} | {key: progress[key] for key in keys} | found


def _progress(entry: Entry, folder: Path, patience: Patience) -> dict[str, Any]:
    """What an earlier job left, or a fresh start when there is nothing, or another dataset or revision."""
    dataset = {"location": entry.location, "config": entry.config, "split": entry.split, "columns": entry.kept_columns}
    path = folder / "progress.json"
    progress = read_json(path) if path.exists() else None
    if progress and progress["dataset"] == dataset and entry.revision in ("", progress["revision"], progress["asked"]):
        return progress
    for stale in folder.iterdir():
        stale.unlink()
    revision = _patiently(entry, patience, hub.resolve_revision, entry) if entry.where == "hub" else ""
    fresh = {"dataset": dataset, "asked": entry.revision, "revision": revision}
    progress = fresh | {"shards": [], "position": None, "complete": False, "file": None}
    write_json(path, progress)
    return progress


def _file(entry: Entry, folder: Path, progress: dict[str, Any], patience: Patience) -> dict[str, Any]:
    """The one file of a source: fetched, or there already."""
    url, headers = hub.file_address(entry, progress["revision"]) if entry.where == "hub" else (entry.location, {})
    name = (entry.hub_file or entry.location.partition("?")[0]).rpartition("/")[2]
    wanted = entry.lock.sha256 if entry.lock else ""
    path = folder / name
    if path.exists() and progress["file"] and wanted in ("", sha256_of(path)):
        return progress["file"]
    try:
        fetched: Fetched = fetch(url, path, wanted, headers, patience)
    except Refused as error:
        raise hub.refusal(entry, error.status, error) from error
    except InputError as error:
        raise InputError(f"source `{entry.source}`: {error}; {entry.how_to_leave_out}.") from error
    progress["file"] = {"file": name, **dataclasses.asdict(fetched)}
    write_json(folder / "progress.json", progress)
    return progress["file"]


class _Stream:
    """The stream of a dataset and the shards that were cut from it; a failure opens it again at the last shard."""

    def __init__(self, entry: Entry, folder: Path, progress: dict[str, Any]) -> None:
        self.entry, self.folder, self.progress = entry, folder, progress
        self._stream: Any = None
        self._rows: Iterator[str] = iter(())

    def bring_up_to(self, maximum: int, shard_rows: int, patience: Patience) -> None:
        """Adds shards until there are `maximum` rows or the dataset ends."""
        log = get_logger("seeds_download")
        while (have := _rows(self.progress)) < maximum and not self.progress["complete"]:
            _patiently(self.entry, patience, self._add_shard, min(shard_rows, maximum - have))
            log.info("%s: %d of at most %d rows", self.entry.source, _rows(self.progress), maximum)

    def _add_shard(self, size: int) -> None:
        try:
            if self._stream is None:
                self._stream = hub.open_stream(self.entry, self.progress["revision"])
                if self.progress["position"]:
                    self._stream.load_state_dict(self.progress["position"])
                self._rows = _columns_only(self._stream, self.entry)
            rows = _take(self._rows, size)
            position = self._stream.state_dict()
        except Exception as error:
            self._stream = None
            raise hub.translate(error, self.entry) from error
        if rows:
            self.progress["shards"].append(_write_shard(self.folder, len(self.progress["shards"]), rows))
        self.progress |= {"complete": not rows, "position": position}
        write_json(self.folder / "progress.json", self.progress)


def _patiently(entry: Entry, patience: Patience, function, *arguments):
    """Calls a function that may raise `Transient` until it succeeds or patience ends."""
    try:
        return retrying(patience)(function, *arguments)
    except Transient as error:
        raise InputError(
            f"source `{entry.source}`: {error}, {patience.attempts} times in a row. What has arrived is kept: check "
            f"the network and run again later, {entry.how_to_leave_out}."
        ) from error


def _rows(progress: dict[str, Any]) -> int:
    return sum(shard["rows"] for shard in progress["shards"])


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
    return {"file": path.name, "rows": len(rows), "sha256": sha256_of(path)}


def main(argv: Sequence[str] | None = None) -> None:
    """Downloads one source."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sources", type=Path, required=True, help="resources/sources.tsv")
    parser.add_argument("--source", required=True, help="which of its sources")
    parser.add_argument("--lock", type=Path, required=True, help="config/sources.lock.tsv; may be absent")
    parser.add_argument("--max-documents", type=int, required=True, help="rows fetched at most")
    parser.add_argument("--timeout", type=float, default=Patience.timeout, help="seconds a server may be silent")
    parser.add_argument("--attempts", type=int, default=Patience.attempts, help="failures in a row before giving up")
    parser.add_argument("--first-wait", type=float, default=Patience.first_wait, help="seconds before trying again")
    parser.add_argument("--output", type=Path, required=True, help="folder of the source")
    args = parser.parse_args(argv)
    entry = read_entry(args.sources, args.source, "original", args.lock)
    patience = Patience(attempts=args.attempts, first_wait=args.first_wait, timeout=args.timeout)
    write_json(args.output / "manifest.json", download(entry, args.output, args.max_documents, patience=patience))


if __name__ == "__main__":
    run(main)
