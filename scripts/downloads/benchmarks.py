"""Fetches the rows of benchmarks from the Hub as JSON Lines, one file a benchmark, in the layout of the sample.

They come as the seeds do (scripts/seeds/hub.py): streamed, at the commit that config/sources.lock.tsv names, else the
one that the dataset stands at when the download begins, with the same patience and the same advice when they cannot be
had. A benchmark is small (the largest has 14,000 rows), so after a failure it starts again. `manifest.json` tells what
was fetched: dataset, commit, rows, checksum.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.benchmarks.load import to_entry
from scripts.common.errors import InputError
from scripts.common.files import atomic_path, sha256_of, write_json
from scripts.common.logging import get_logger, run
from scripts.seeds import hub
from scripts.seeds.patience import Patience, Transient, retrying
from scripts.seeds.sources import Entry


def fetch_benchmark(entry: Entry, path: Path) -> dict[str, Any]:
    """Writes the rows of one benchmark and returns its line of the manifest.

    Raises:
        Transient: the Hub does not answer.
        InputError: it does not have the benchmark, or no row of it.
    """
    try:
        revision = hub.resolve_revision(entry)
        with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as handle:
            stream = hub.open_stream(entry, revision)
            lines = (json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in stream)
            rows = sum(1 for line in lines if handle.write(line))
    except Exception as error:
        raise hub.translate(error, entry) from error
    if not rows:
        raise InputError(f"{entry.called}: {entry.location} has no row; {entry.how_to_leave_out}.")
    place = {"dataset": entry.location, "config": entry.config, "split": entry.split, "revision": revision}
    return place | {"locked": entry.is_locked, "rows": rows, "sha256": sha256_of(path)}


def main(argv: Sequence[str] | None = None) -> None:
    """Fetches all benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, nargs="+", required=True, help="<benchmark>.jsonl, for each benchmark")
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--lock", type=Path, required=True, help="config/sources.lock.tsv; may be absent")
    parser.add_argument("--attempts", type=int, default=Patience.attempts, help="failures in a row before giving up")
    parser.add_argument("--first-wait", type=float, default=Patience.first_wait, help="seconds before trying again")
    args = parser.parse_args(argv)
    patience = Patience(attempts=args.attempts, first_wait=args.first_wait)
    log, fetched = get_logger("downloads_benchmarks"), {}
    for path in args.output:
        entry = to_entry(path.stem, args.lock)
        if not entry.is_locked:
            log.warning("%s is not locked and may change: `snakemake lock_sources`", entry.called)
        try:
            fetched[path.stem] = retrying(patience)(fetch_benchmark, entry, path)
        except Transient as error:
            raise InputError(f"{error}. Check the network and HF_HUB_OFFLINE, and run again later.") from error
        log.info("%s: %d rows", path.stem, fetched[path.stem]["rows"])
    write_json(args.manifest, fetched)


if __name__ == "__main__":
    run(main)
