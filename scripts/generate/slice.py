"""One generation job: the k-th of K equal runs of a part's prompts, through an engine, into the part's ledger.

What the ledger holds of this recipe is subtracted first, so a job that was killed goes on where it was, and K may
change between runs. job.py tells how the work is done and when it is given up, ending.py how it ends before its time.
The marker file is written last, with the counts of the slice, and only when every prompt has its text or has used up
its attempts. With nothing left to do no engine is loaded.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts import engines
from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.logging import get_logger, run
from scripts.common.tables import count_rows
from scripts.generate import ledger, recipe
from scripts.generate.ending import Drain, Watch
from scripts.generate.job import Job, Limits
from scripts.generate.prompts import read_prompts
from scripts.generate.status import Status

log = get_logger(__name__)


def slice_range(rows: int, number: int, n_slices: int) -> tuple[int, int]:
    """The first row of a slice, and the first one after it."""
    return number * rows // n_slices, (number + 1) * rows // n_slices


def slice_prompts(path: Path, number: int, n_slices: int) -> dict[str, str]:
    """Prompt id → prompt of the `number`-th of `n_slices` equal runs of a part (they differ by one row at most)."""
    if not 0 <= number < n_slices:
        raise InputError(f"--slice {number} is not one of {n_slices} slices; they count from 0")
    return read_prompts(path, range(*slice_range(count_rows(path), number, n_slices)))


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
    parser.add_argument("--stall-minutes", type=float, default=30, help="longest time without an answer; 0: any")
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
        with drain.listening(), Watch(name, drain, args.stall_minutes) as watch:
            with drain.at_once():
                engine = engines.create(engines.settings_from(args), plan.sampling)
            status = Status(name, len(prompts), len(job.done))
            with watch.closing(engine), watch.working():
                job.generate(engine, limits, drain, [status, watch])
            status.report()
        if job.pending(args.max_attempts):
            sys.exit(
                f"error: {name} {drain.reason}; {len(job.done)} of {len(prompts)} texts are in the ledger, and the "
                "next run generates the others"
            )
    missing = {"refused": len(job.refused), "failed": len(prompts) - len(job.done) - len(job.refused)}
    rejected = {reason: number for reason, number in missing.items() if number}
    Counts("generate_slice", len(prompts), len(job.done), rejected, args.source, args.part).write(args.output)


if __name__ == "__main__":
    run(main)
