"""Locks the sources: writes down which commit of the Hub, or which bytes of a file, every original source is now.

A dataset of the Hub is locked by its commit, a file of one also by its size and SHA-256, a file of the web by size,
SHA-256 and ETag, for which it is read to its end. A source that cannot be reached keeps the lock it had and is named
in the error at the end; all others are locked by then. Sources that the user collects are not locked. Benchmarks are
locked as datasets of the Hub are, under the name benchmarks/<key>.
"""

import argparse
import functools
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scripts.benchmarks.load import LOCKED_AS, to_entry
from scripts.benchmarks.rows import known
from scripts.common.errors import InputError
from scripts.common.logging import get_logger, run
from scripts.seeds import hub
from scripts.seeds.fetch import Refused, fetch
from scripts.seeds.locks import Lock, read_locks, write_locks
from scripts.seeds.patience import PATIENCE, Patience, Transient, retrying
from scripts.seeds.sources import Entry, is_at, read_entry, read_rows


def lock_source(entry: Entry, location: str, patience: Patience = PATIENCE) -> Lock:
    """Resolves one source.

    Args:
        entry: the source without an earlier lock.
        location: the cell of the registry, which the lock holds for.
        patience: time-outs and attempts.

    Raises:
        InputError: it cannot be reached, with what to do.
    """
    try:
        if entry.where == "url":
            return _lock_file(entry, location, patience)
        revision = retrying(patience)(hub.resolve_revision, entry)
        size, sha256 = retrying(patience)(hub.file_checksum, entry, revision) if entry.hub_file else ("", "")
        return Lock(entry.source, location, revision, size, sha256)
    except Refused as error:
        raise hub.refusal(entry, error.status, error) from error
    except Transient as error:
        raise InputError(f"{entry.called}: {error}. Try again later.") from error


def _lock_file(entry: Entry, location: str, patience: Patience) -> Lock:
    with tempfile.TemporaryDirectory() as folder:
        fetched = fetch(entry.location, Path(folder) / "file", patience=patience)
    return Lock(entry.source, location, "", str(fetched.size), fetched.sha256, fetched.etag)


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the lock of all sources of the registry, and of benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sources", type=Path, required=True, help="resources/sources.tsv")
    parser.add_argument("--benchmarks", nargs="*", default=[], help="keys of scripts/benchmarks/rows.py")
    parser.add_argument("--output", type=Path, required=True, help="config/sources.lock.tsv")
    parser.add_argument("--timeout", type=float, default=Patience.timeout, help="seconds a server may be silent")
    parser.add_argument("--attempts", type=int, default=Patience.attempts, help="failures in a row before giving up")
    parser.add_argument("--first-wait", type=float, default=Patience.first_wait, help="seconds before trying again")
    args = parser.parse_args(argv)
    log = get_logger("lock_sources")
    patience = Patience(attempts=args.attempts, first_wait=args.first_wait, timeout=args.timeout)
    locks, failures = read_locks(args.output), []
    originals = [row for _, row in read_rows(args.sources) if is_at(row, "original") and row["where"] != "local"]
    wanted = [
        (row["location"], functools.partial(read_entry, args.sources, row["source"], "original")) for row in originals
    ]
    wanted += [(known(key).location, functools.partial(to_entry, key)) for key in args.benchmarks]
    for location, entry in wanted:
        try:
            lock = lock_source(entry(), location, patience)
        except InputError as error:
            failures.append(str(error))
            log.warning("%s", error)
            continue
        log.info("%s: %s", lock.source, lock.revision or lock.sha256)
        locks[lock.source] = lock
    names = {row["source"] for row in originals} | {f"{LOCKED_AS}{key}" for key in args.benchmarks}
    write_locks(args.output, (lock for lock in locks.values() if lock.source in names))
    if failures:
        raise InputError(f"{len(failures)} of {len(wanted)} sources are not locked:\n" + "\n".join(failures))


if __name__ == "__main__":
    run(main)
