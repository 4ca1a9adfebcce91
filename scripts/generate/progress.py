"""How far the generation of a run is: texts, failures and tokens by split, speed, time left, jobs that need a look.

    python -m scripts.generate.progress results/full                         # a table; --json for programs
    python -m scripts.generate.progress results/full --watch 30 --page progress.html

Only the prompts' ids, the ledgers and the status files beside them are read, so it can be called from anywhere that
sees the files, while jobs run and after. Nothing is written but the page and what the tracker keeps; a damaged file of
a ledger is set aside, as every reader does. Rows count that are of one recipe: that of the sampling and model flags
(those of generate_slice), or else the one that the job renewed last works on. The time left is what is missing at the
present speed of the jobs at work.
"""

import argparse
import contextlib
import dataclasses
import datetime
import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any

from scripts import engines
from scripts.common.errors import InputError
from scripts.common.files import write_text
from scripts.common.logging import run
from scripts.generate import recipe as recipes
from scripts.generate.jobs import judge, speeds
from scripts.generate.progress_view import as_page, as_text
from scripts.generate.tally import Tally, parts, read_jobs, tally_part
from scripts.generate.track import Tracker
from scripts.seeds.sources import read_rows

REGISTRY = Path("resources/sources.tsv")
MAX_ATTEMPTS = 3
READERS = 4
SHOWN = ("job", "source", "part", "slice", "n_slices", "state", "host", "slurm_job_id", "pid", "done", "total",
         "in_flight", "gpus", "seconds", "age", "rate", "overall", "problem")  # fmt: skip


def look(
    results: Path,
    splits: Mapping[str, str],
    sources: Sequence[str] | None = None,
    recipe: str | None = None,
    max_attempts: int = MAX_ATTEMPTS,
) -> dict[str, Any]:
    """Reads a run and gives the figures that all forms of the report show.

    Args:
        results: the run's folder.
        splits: source → split of the dataset.
        sources: the sources of the run; None for all that are there.
        recipe: whose rows count; None for the latest job's.
        max_attempts: a prompt that failed so often is not asked again.
    """
    found = parts(results, sources)
    if not found:
        raise InputError(
            f"{results} has neither prompts nor texts yet; the folder of a run is wanted, such as results/tiny"
        )
    statuses = list(read_jobs(results, sources))
    tallies = _tallies(results, found, max_attempts)
    texts = _texts_by_recipe(tallies.values())
    if recipe is None:
        latest = max(statuses, key=lambda status: status["changed"], default={})
        recipe = latest.get("recipe") or max(texts, key=texts.get, default="")
    own = {part: by_recipe.get(recipe, by_recipe[""]) for part, by_recipe in tallies.items()}
    complete = {part for part, tally in own.items() if _left(dataclasses.asdict(tally)) == 0}
    jobs = judge((status for status in statuses if status["recipe"] == recipe), complete)
    names = {source: splits.get(source, source) for source, _ in found}
    total = _counts(own.values(), jobs)
    speed = speeds(jobs)
    missing = _left(total)
    rate = speed["texts_per_second"]
    return {
        "run": results.resolve().name,
        "time": datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S %Z"),
        "recipe": recipe,
        "texts_by_recipe": texts,
        "models": sorted({job["model"] for job in jobs}),
        "total": total,
        "splits": {
            name: _counts(
                (tally for (source, _), tally in own.items() if names[source] == name),
                [job for job in jobs if names[job["source"]] == name],
            )
            for name in dict.fromkeys(names.values())
        },
        "speed": speed | {"seconds_left": missing / rate if missing and rate else 0.0 if missing == 0 else None},
        "jobs": [{key: job[key] for key in SHOWN} for job in jobs if job["at_work"]],
        "stragglers": [{key: job[key] for key in SHOWN} for job in jobs if job["problem"]],
    }


def _tallies(
    results: Path, found: Sequence[tuple[str, str]], max_attempts: int
) -> dict[tuple[str, str], dict[str, Tally]]:
    """What the ledger of each part holds; several processes share the parts of a large run."""
    work = (tally_part, repeat(results), *zip(*found, strict=True), repeat(max_attempts))
    if len(found) <= READERS:
        return dict(zip(found, map(*work), strict=True))
    with ProcessPoolExecutor(READERS) as readers:
        return dict(zip(found, readers.map(*work), strict=True))


def _left(counts: Mapping[str, Any]) -> int | None:
    """Prompts that are still to be asked."""
    settled = counts["done"] + counts["refused"] + counts["given_up"]
    return None if counts["prompts"] is None else counts["prompts"] - settled


def _texts_by_recipe(tallies: Iterable[Mapping[str, Tally]]) -> dict[str, int]:
    texts: dict[str, int] = {}
    for by_recipe in tallies:
        for name, tally in by_recipe.items():
            if name:
                texts[name] = texts.get(name, 0) + tally.done
    return dict(sorted(texts.items()))


def _counts(tallies: Iterable[Tally], jobs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    total = sum(tallies, Tally())
    return {
        "prompts": total.prompts,
        "done": total.done,
        "failed": total.failed,
        "given_up": total.given_up,
        "refused": total.refused,
        "in_flight": sum(job["in_flight"] for job in jobs if job["at_work"]),
        "tokens": total.tokens,
        "tokens_per_second": sum(job["rate"] for job in jobs),
        "coverage": total.done / total.prompts if total.prompts else None,
        "outside": total.outside,
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the report, once or again and again."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("results", type=Path, help="folder of the run, such as results/full")
    parser.add_argument("--sources", nargs="+", help="sources of the run (all that are there)")
    parser.add_argument("--max-attempts", type=int, default=MAX_ATTEMPTS, help="as generate.max_attempts has it")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--page", type=Path, help="also write an HTML page")
    parser.add_argument("--watch", type=int, metavar="SECONDS", default=0, help="renew table and page so often")
    parser.add_argument("--tracker", choices=["none", "trackio"], default="none", help="also hand the jobs' courses to")
    args, flags = parser.parse_known_args(argv)
    splits = {row["source"]: row["dataset_split"] for _, row in read_rows(REGISTRY)}
    recipe = _recipe(flags)
    tracker = None
    if args.tracker == "trackio":
        tracker = Tracker(args.results.resolve().name, args.results / "generations/tracker")
    with contextlib.suppress(KeyboardInterrupt):
        _show(args, splits, recipe, tracker)


def _show(args: argparse.Namespace, splits: Mapping[str, str], recipe: str | None, tracker: Tracker | None) -> None:
    while True:
        report = look(args.results, splits, args.sources, recipe, args.max_attempts)
        if args.page:
            write_text(args.page, as_page(report, args.watch))
        if args.watch and sys.stdout.isatty():
            print("\033[H\033[2J", end="")
        print(json.dumps(report, indent=2) if args.json else as_text(report), flush=True)
        if tracker:
            tracker.track(read_jobs(args.results, args.sources))
        if not args.watch:
            return
        time.sleep(args.watch)


def _recipe(flags: Sequence[str]) -> str | None:
    """The recipe of the sampling and model flags, None without any."""
    if not flags:
        return None
    parser = argparse.ArgumentParser(prog="progress, with sampling and model")
    recipes.add_arguments(parser)
    engines.add_arguments(parser)
    return recipes.recipe_from(parser.parse_args(flags)).id


if __name__ == "__main__":
    run(main)
