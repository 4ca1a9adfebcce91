"""Merges the small segments of ledgers into larger ones: those of jobs that were killed before they did it themselves.

It may run at any time beside jobs and readers and may be killed at any instant (see `compact` in segment.py). Journals
are left alone: nobody can know from outside whether their jobs are alive. Temporary files, which hold what is in a
journal too, go when they are a day old: a file is written in seconds.
"""

import argparse
import contextlib
import itertools
import time
from collections.abc import Sequence
from pathlib import Path

from scripts.common.logging import get_logger, run
from scripts.generate import ledger, segment

A_DAY = 24 * 3600

log = get_logger(__name__)


def remove_abandoned(folder: Path) -> None:
    """Removes temporary files of programs that were killed while they wrote."""
    for path in folder.glob(".*.tmp"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > A_DAY:
                path.unlink()


def main(argv: Sequence[str] | None = None) -> None:
    """Compacts ledgers; those that do not exist yet are left out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ledgers", type=Path, nargs="+", required=True, help="folders, one a part")
    args = parser.parse_args(argv)
    job, numbers = ledger.job_name(), itertools.count()
    for folder in args.ledgers:
        remove_abandoned(folder)
        paths = list(folder.glob("*.parquet"))
        fewer = segment.compact(folder, paths, job, numbers)
        log.info("%s: %d segments are now %d", folder, len(paths), len(paths) - fewer)


if __name__ == "__main__":
    run(main)
