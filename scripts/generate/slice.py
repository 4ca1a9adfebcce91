"""One generation job: the k-th of K equal runs of a part's prompts, through an engine, into the part's ledger.

What the ledger holds of this recipe is subtracted first, so a job that was killed goes on where it was, and K may
change between runs. job.py tells how the work is done and when it is given up. The marker file is written last, with
the counts of the slice; a job that is ended by a signal writes none. With nothing left to do no engine is loaded.
"""

import argparse
import contextlib
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts import engines
from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.logging import get_logger, run
from scripts.common.tables import PROMPTS, count_rows, iterate_rows
from scripts.generate import ledger, recipe
from scripts.generate.job import Drain, Job, Limits
from scripts.generate.status import Status

log = get_logger(__name__)


def slice_range(rows: int, number: int, n_slices: int) -> tuple[int, int]:
    """The first row of a slice, and the first one after it."""
    return number * rows // n_slices, (number + 1) * rows // n_slices


def slice_prompts(path: Path, number: int, n_slices: int) -> dict[str, str]:
    """Prompt id → prompt of the `number`-th of `n_slices` equal runs of a part (they differ by one row at most)."""
    if not 0 <= number < n_slices:
        raise InputError(f"--slice {number} is not one of {n_slices} slices; they count from 0")
    first, end = slice_range(count_rows(path), number, n_slices)
    wanted = itertools.islice(iterate_rows(path, PROMPTS, ["prompt_id", "prompt"]), first, end)
    return {row["prompt_id"]: row["prompt"] for row in wanted}


def main(argv: Sequence[str] | None = None) -> None:
    """Generates one slice."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=Path, required=True)
    parser.add_argument("--ledger", type=Path, required=True, help="folder of the part's segments")
    parser.add_argument("--output", type=Path, required=True, help="the slice's marker")
    parser.add_argument("--source", required=True)
    parser.add_argument("--part", required=True)
    parser.add_argument("--slice", type=int, required=True)
    parser.add_argument("--n-slices", type=int, required=True)
    parser.add_argument("--rows-per-segment", type=int, required=True)
    parser.add_argument("--max-attempts", type=int, required=True)
    parser.add_argument("--max-failure-rate", type=float, required=True)
    recipe.add_arguments(parser)
    engines.add_arguments(parser)
    args = parser.parse_args(argv)

    name = f"{args.source} part {args.part} slice {args.slice:03}"
    plan = recipe.recipe_from(args)
    limits = Limits(args.max_in_flight, args.rows_per_segment, args.max_attempts, args.max_failure_rate)
    prompts = slice_prompts(args.prompts, args.slice, args.n_slices)
    before = ledger.finished(args.ledger, plan.id)
    writer = ledger.Writer(args.ledger, ledger.job_name(), args.rows_per_segment)
    job = Job(prompts, before, writer, plan, args.engine)
    pending = job.pending(args.max_attempts)
    log.info("%s: %d prompts, %d texts in the ledger, %d to generate", name, len(prompts), len(job.done), len(pending))
    if pending:
        drain = Drain()
        with contextlib.closing(engines.create(engines.settings_from(args), plan.sampling)) as engine:
            status = Status(name, len(prompts), len(job.done))
            with drain.listening():
                job.generate(engine, limits, drain, [status])
            status.report()
        if drain.signal is not None and job.pending(args.max_attempts):
            sys.exit(
                f"error: {name} was ended by {drain.signal.name}; {len(job.done)} of {len(prompts)} texts are in the "
                "ledger, and the next run generates the others"
            )
    counts = Counts(
        "generate_slice",
        len(prompts),
        len(job.done),
        {"failed": len(prompts) - len(job.done)} if len(job.done) < len(prompts) else {},
        args.source,
        args.part,
    )
    counts.write(args.output)


if __name__ == "__main__":
    run(main)
