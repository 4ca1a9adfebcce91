"""The ledger: every text that was ever generated for a part, in small files that are only ever added.

A ledger is a folder of segments `<job>-<nnnn>.parquet`. A job is one process; its name is unique, so two writers never
touch one file. A segment is written under a temporary name, flushed to disk and renamed, with a checksum on every page
that is verified whenever it is read. A file that cannot be a whole segment of this ledger is moved into `aside/` and
reported, and what it held counts as not done; a file that cannot be read at the moment (a network drive that stumbles)
is an error instead, and stays where it is.

Rows are keyed by prompt and recipe. A row with finish reason `error` tells how many attempts a prompt has cost, one
with `refused` that the model can never answer it.
"""

import dataclasses
import os
import socket
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from scripts.common.files import atomic_path
from scripts.common.logging import get_logger
from scripts.common.tables import GENERATIONS

USABLE = ("stop", "length")
REFUSED = "refused"
KEYS = ("prompt_id", "recipe", "finish_reason", "attempt", "job", "text")

log = get_logger(__name__)


@dataclasses.dataclass(frozen=True)
class Finished:
    """Which prompts have a text, how many attempts the others have failed, and which were refused for good."""

    done: frozenset[str]
    attempts: dict[str, int]
    refused: frozenset[str] = frozenset()


def job_name() -> str:
    """A name that no other process has: host, process id and 48 random bits."""
    return f"{socket.gethostname().split('.')[0]}-{os.getpid()}-{uuid.uuid4().hex[:12]}"


class Writer:
    """Appends one job's rows to a ledger, a segment at a time."""

    def __init__(self, ledger: Path, job: str) -> None:
        self._ledger = ledger
        self._job = job
        self._segments = 0

    def append(self, rows: Sequence[dict[str, Any]]) -> None:
        """Writes rows as the job's next segment; they are safe when this returns. No rows, no segment."""
        if not rows:
            return
        table = pa.Table.from_pylist([row | {"job": self._job} for row in rows], schema=GENERATIONS)
        segment = self._ledger / f"{self._job}-{self._segments:04}.parquet"
        with atomic_path(segment) as temporary:
            pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)
        self._segments += 1
        log.info("ledger segment %s: %d rows", segment.name, len(rows))


def segments(ledger: Path) -> Iterator[pa.Table]:
    """Yields the whole segments of a ledger, by name; sets the others aside. No folder, no segments."""
    for path in sorted(ledger.glob("*.parquet")):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue
        try:
            table = pq.read_table(
                pa.BufferReader(data), page_checksum_verification=True, use_threads=False, pre_buffer=False
            )
            if table.schema.names != GENERATIONS.names:
                raise pa.ArrowInvalid(f"its columns are {', '.join(table.schema.names)}")
            table = table.cast(GENERATIONS)
            table.validate(full=True)
            if any(table[name].null_count for name in KEYS):
                raise pa.ArrowInvalid("it has rows without a key")
        except (ValueError, pa.ArrowException, OSError) as error:
            _set_aside(path, error)
        else:
            yield table


def finished(ledger: Path, recipe: str) -> Finished:
    """What a ledger holds of a recipe."""
    done: set[str] = set()
    attempts: dict[str, int] = {}
    refused: set[str] = set()
    for table in segments(ledger):
        columns = table.select(["prompt_id", "recipe", "finish_reason", "attempt"]).to_pydict().values()
        for prompt_id, row_recipe, reason, attempt in zip(*columns, strict=True):
            if row_recipe != recipe:
                continue
            if reason in USABLE:
                done.add(prompt_id)
            else:
                attempts[prompt_id] = max(attempt, attempts.get(prompt_id, 0))
            if reason == REFUSED:
                refused.add(prompt_id)
    failed = {key: value for key, value in attempts.items() if key not in done}
    return Finished(frozenset(done), failed, frozenset(refused - done))


def _set_aside(path: Path, error: Exception) -> None:
    """Moves a file out of the ledger; another job may have done so first."""
    aside = path.parent / "aside"
    aside.mkdir(exist_ok=True)
    target = aside / f"{path.stem}.{uuid.uuid4().hex[:8]}{path.suffix}"
    try:
        path.rename(target)
    except FileNotFoundError:
        return
    log.warning("%s is not a whole ledger segment (%s): moved to %s; its texts count as missing", path, error, target)
