"""The ledger: every text that was ever generated for a part, in a folder of files that belong to one job each.

A job is one process; its name is unique, so two writers never touch one file. Finished rows are appended one by one to
its journal, `<job>-<nnnn>.journal`. At `rows_per_segment` rows the journal becomes the segment of the same number,
`<job>-<nnnn>.parquet`: written under a temporary name, flushed to disk and renamed, then the journal is removed. When
the job ends it merges its segments into a few; `scripts/generate/compact.py` does the same for jobs that were killed.
A journal that such a job left stays, and counts, for good. Nothing else is ever changed or removed, so the ledgers of
two clusters merge by copying the files of one folder into the other (while jobs run: with rsync, which renames a file
when it is whole; half a file would be set aside).

Rows are keyed by prompt and recipe; the same row may be found twice. A row with finish reason `error` tells how many
attempts a prompt has cost; `refused` says that the engine can never answer it.

Readers need no lock. They list the folder, read every file (what is damaged is set aside and reported, see segment.py;
the lines of a journal that are damaged are reported) and list it again until there is nothing new: whoever merges files
writes the new one first, so that what went away between listing and reading is found in the next listing.
"""

import dataclasses
import itertools
import os
import socket
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from scripts.common.errors import InputError
from scripts.common.ids import content_id
from scripts.common.logging import get_logger
from scripts.common.schemas import GENERATIONS
from scripts.generate import journal, segment

USABLE = ("stop", "length")
REFUSED = "refused"
KEYS = ("prompt_id", "recipe", "finish_reason", "attempt", "job", "text_token_length")
ROWS_AT_ONCE = 20_000
PATIENCE = (0.0, 0.1, 1.0, 10.0, 30.0, 60.0)
"""Seconds to wait for the listing of a network drive to catch up with files that are not there any more."""

log = get_logger(__name__)


@dataclasses.dataclass(frozen=True)
class Finished:
    """Which prompts have a text, how many attempts others have failed, and which the engine has refused for good."""

    done: frozenset[str]
    attempts: dict[str, int]
    refused: frozenset[str] = frozenset()


def job_name() -> str:
    """A name that no other process has: host, process id and 48 random bits."""
    return f"{socket.gethostname().split('.')[0]}-{os.getpid()}-{uuid.uuid4().hex[:12]}"


class Writer:
    """Adds one job's rows to a ledger.

    An error of the drive ends the job: what was added before is in the ledger, and nothing may follow a line that is
    perhaps cut off.
    """

    def __init__(self, ledger: Path, job: str, rows_per_segment: int) -> None:
        self._ledger = ledger
        self._job = job
        self._rows_per_segment = rows_per_segment
        self._numbers = itertools.count()
        self._journal: journal.Journal | None = None
        self._rows: list[dict[str, Any]] = []
        self._safe = 0
        self._failed = False

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """Adds rows; when this returns they survive the death of the process.

        Raises:
            InputError: the ledger cannot be written.
        """
        if not rows:
            return
        rows = [row | {"job": self._job, "text": _valid(row["text"])} for row in rows]
        try:
            self._refuse_after_failure()
            if self._journal is None:
                path = self._ledger / f"{segment.name(self._job, next(self._numbers))}.journal"
                self._journal = journal.Journal(path)
            self._journal.add(rows)
            self._safe += len(rows)
            self._rows += rows
            if len(self._rows) >= self._rows_per_segment:
                self._finish_segment()
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Makes a segment of the journal and merges the job's segments; rows may be added again after that."""
        if self._failed:
            return
        try:
            self._finish_segment()
        except OSError as error:
            self._give_up(error)
        try:
            own = [path for path in self._ledger.glob("*.parquet") if path.name.startswith(f"{self._job}-")]
            segment.compact(self._ledger, own, self._job, self._numbers)
        except OSError as error:
            log.warning("the segments of job %s stay as they are, nothing is lost: %s", self._job, error)

    def _finish_segment(self) -> None:
        """The journal becomes a segment; it is removed only when that is on disk."""
        if self._journal is None:
            return
        path = self._journal.path.with_suffix(".parquet")
        segment.write(path, pa.Table.from_pylist(self._rows, schema=GENERATIONS))
        log.info("ledger segment %s: %d rows", path.name, len(self._rows))
        self._journal.close()
        self._journal.path.unlink(missing_ok=True)
        self._journal = None
        self._rows.clear()

    def _refuse_after_failure(self) -> None:
        if self._failed:
            raise OSError("an earlier write failed")

    def _give_up(self, error: OSError) -> None:
        self._failed = True
        if self._journal is not None:
            self._journal.close()
        raise InputError(
            f"the ledger {self._ledger} cannot be written ({error}). The {self._safe} rows that this job wrote before "
            "are safe in it. Make room on the drive, or mend it, and run again: only what is missing is generated"
        ) from error


def _valid(text: str) -> str:
    """The text without half characters (surrogates), which an endpoint may send and no file can hold."""
    return text.encode("utf-8", "replace").decode()


def segments(ledger: Path) -> Iterator[pa.Table]:
    """Yields what a ledger holds, file by file, every page verified; an empty ledger or none yields nothing."""
    return _tables(ledger, GENERATIONS.names)


def keys(ledger: Path, columns: Sequence[str] = KEYS) -> Iterator[pa.Table]:
    """Yields some columns of what a ledger holds, several files at a time; the others are neither read nor verified."""
    some: list[pa.Table] = []
    for table in _tables(ledger, columns):
        some.append(table)
        if sum(map(len, some)) >= ROWS_AT_ONCE:
            yield pa.concat_tables(some)
            some.clear()
    if some:
        yield pa.concat_tables(some)


def finished(ledger: Path, recipe: str) -> Finished:
    """What a ledger holds of a recipe."""
    done: set[str] = set()
    refused: set[str] = set()
    attempts: dict[str, int] = {}
    for table in keys(ledger, ["prompt_id", "recipe", "finish_reason", "attempt"]):
        table = table.filter(pc.equal(table["recipe"], recipe))
        usable = pc.is_in(table["finish_reason"], value_set=pa.array(USABLE))
        done.update(table["prompt_id"].filter(usable).to_pylist())
        others = table.filter(pc.invert(usable)).select(["prompt_id", "finish_reason", "attempt"])
        for prompt_id, reason, attempt in zip(*others.to_pydict().values(), strict=True):
            attempts[prompt_id] = max(attempt, attempts.get(prompt_id, 0))
            if reason == REFUSED:
                refused.add(prompt_id)
    attempts = {prompt_id: number for prompt_id, number in attempts.items() if prompt_id not in done}
    return Finished(frozenset(done), attempts, frozenset(refused - done))


def state(ledger: Path) -> str:
    """A short text that changes whenever the ledger does, from names and the sizes of journals alone."""
    files = [f"{path.name} {_size(path) if path.suffix == '.journal' else ''}" for path in _listing(ledger)]
    return content_id("ledger", *files)[:16]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _listing(ledger: Path) -> list[Path]:
    """Segments before journals, each by name; what is still being written has a name of another kind."""
    paths = sorted(ledger.iterdir(), key=lambda path: path.name) if ledger.exists() else []
    return [path for kind in (".parquet", ".journal") for path in paths if path.name.endswith(kind)]


def _tables(ledger: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    seen: set[str] = set()
    whole: set[str] = set()
    patience = iter(PATIENCE)
    while new := [path for path in _listing(ledger) if path.name not in seen]:
        gone: segment.Gone | None = None
        for path in new:
            try:
                if path.suffix == ".parquet":
                    table = segment.read(path, columns)
                    whole.add(path.stem)
                else:
                    table = None if path.stem in whole else _read_journal(path).select(columns)
            except segment.Gone as error:
                gone = error
                continue
            except segment.Damaged as error:
                segment.set_aside(path, error)
                table = None
            seen.add(path.name)
            patience = iter(PATIENCE)
            if table is not None:
                yield table
        if gone is not None:
            pause = next(patience, None)
            if pause is None:
                raise OSError(f"{gone} is listed but cannot be opened")
            time.sleep(pause)


def _read_journal(path: Path) -> pa.Table:
    """The rows of a journal; damaged lines are reported, and the file stays: its job may be writing it."""
    try:
        rows, damaged = journal.read(path.read_bytes())
    except IsADirectoryError as error:
        raise segment.Damaged(error) from error
    except OSError as error:
        if error.errno in segment.GONE:
            raise segment.Gone(path) from error
        raise
    if damaged:
        log.warning("%s: line %s damaged; what it held counts as missing", path, ", ".join(map(str, damaged)))
    try:
        return segment.with_keys(pa.Table.from_pylist(rows, schema=GENERATIONS))
    except (TypeError, ValueError, pa.ArrowException) as error:
        raise segment.Damaged(f"its rows are of another kind: {error}") from error
