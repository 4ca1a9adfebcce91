"""One generation job: the k-th of K equal runs of a part's prompts, through an engine, into the part's ledger.

What the ledger holds of this recipe is subtracted first, so a job that was killed goes on where it was, and K may
change between runs. The job begins at a random prompt of its slice (others.py tells why). job.py tells how the work is
done and when it is given up, ending.py how it ends before its time, scripts/common/limit.py how it goes on after its
time limit. The marker file is written last, with the counts of the slice, and only when every prompt has its text or
has used up its attempts. With nothing left to do no engine is loaded.
"""

import argparse
import json
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts import engines
from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.limit import TimeLimit
from scripts.common.logging import get_logger, run
from scripts.common.tables import count_rows
from scripts.generate import ledger, recipe
from scripts.generate.ending import Drain, Watch
from scripts.generate.job import Job, Limits
from scripts.generate.monitor import Monitor
from scripts.generate.others import Others
from scripts.generate.prompts import read_prompts, templates
from scripts.generate.status import SUFFIX, Status, StatusFile

log = get_logger(__name__)


def slice_range(rows: int, number: int, n_slices: int) -> tuple[int, int]:
    """The first row of a slice, and the first one after it."""
    return number * rows // n_slices, (number + 1) * rows // n_slices


def slice_prompts(path: Path, number: int, n_slices: int) -> dict[str, str]:
    """Prompt id → prompt of the `number`-th of `n_slices` equal runs of a part (they differ by one row at most)."""
    if not 0 <= number < n_slices:
        raise InputError(f"--slice {number} is not one of {n_slices} slices; they count from 0")
    return read_prompts(path, range(*slice_range(count_rows(path), number, n_slices)))


def begin_anywhere(prompts: Mapping[str, str]) -> dict[str, str]:
    """The prompts in their order from a random one on, the first after the last: see others.py for the reason."""
    rows = list(prompts.items())
    first = random.randrange(max(len(rows), 1))
    return dict(rows[first:] + rows[:first])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of a generation job, but for which prompts of the part it works on."""
    parser.add_argument("--prompts", type=Path, required=True, help="the part's prompts")
    parser.add_argument("--ledger", type=Path, required=True, help="folder of the part's segments")
    parser.add_argument("--source", required=True)
    parser.add_argument("--part", required=True)
    parser.add_argument("--rows-per-segment", type=int, required=True)
    parser.add_argument("--max-attempts", type=int, required=True)
    parser.add_argument("--max-failure-rate", type=float, required=True)
    parser.add_argument("--stall-minutes", type=float, default=30, help="longest time without an answer; 0: any")
    parser.add_argument("--stop-rules", type=json.loads, default={}, help="JSON object: measure → limit of its share")
    recipe.add_arguments(parser)
    engines.add_arguments(parser)


def generate(name: str, prompts: Mapping[str, str], args: argparse.Namespace) -> Job:
    """Generates what the ledger lacks of some prompts of a part; ends the program when the job ends before its time.

    Args:
        name: of the job, for its log.
        prompts: prompt id → prompt.
        args: with the flags of `add_arguments`, and `slice` and `n_slices` for the status file.
    """
    plan = recipe.recipe_from(args)
    limits = Limits(args.max_in_flight, args.rows_per_segment, args.max_attempts, args.max_failure_rate)
    before = ledger.finished(args.ledger, plan.id)
    job_name = ledger.job_name()
    writer = ledger.Writer(args.ledger, job_name, args.rows_per_segment)
    job = Job(prompts, before, writer, plan, args.engine, others=Others(args.ledger, plan.id))
    pending = job.pending(args.max_attempts)
    log.info("%s: %d prompts, %d texts in the ledger, %d to generate", name, len(prompts), len(job.done), len(pending))
    if pending:
        drain = Drain()
        limit = TimeLimit()
        found = len(job.done)
        monitor = Monitor(templates(args.prompts), args.stop_rules)
        monitor.remember(ledger.segments(args.ledger), plan.id)
        with drain.listening(), Watch(name, drain, args.stall_minutes, limit=limit) as watch:
            with drain.at_once():
                engine = engines.create(engines.settings_from(args), plan.sampling)
            status = Status(name, len(prompts), len(job.done))
            facts = {key: getattr(args, key) for key in ("source", "part", "slice", "n_slices", "gpus", "engine")}
            facts |= {"model": plan.model, "recipe": plan.id}
            file = args.ledger / f"{job_name}{SUFFIX}"
            shown = StatusFile(file, status, facts, drain.requested, lambda: engine.in_flight, monitor.summary)
            with watch.closing(engine), watch.working(), shown:
                job.generate(engine, limits, drain, [status, watch, monitor])
            status.report()
        if job.pending(args.max_attempts):
            next_run = limit.next_run(drain.signal is None and len(job.done) > found)
            sys.exit(
                f"error: {name} {drain.reason}; {len(job.done)} of {len(prompts)} texts are in the ledger, and "
                f"{next_run} generates the others"
            )
    return job


def main(argv: Sequence[str] | None = None) -> None:
    """Generates one slice."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="the slice's marker")
    parser.add_argument("--slice", type=int, required=True)
    parser.add_argument("--n-slices", type=int, required=True)
    add_arguments(parser)
    args = parser.parse_args(argv)

    prompts = begin_anywhere(slice_prompts(args.prompts, args.slice, args.n_slices))
    job = generate(f"{args.source} part {args.part} slice {args.slice:03}", prompts, args)
    missing = {"refused": len(job.refused), "failed": len(prompts) - len(job.done) - len(job.refused)}
    rejected = {reason: number for reason, number in missing.items() if number}
    Counts("generate_slice", len(prompts), len(job.done), rejected, args.source, args.part).write(args.output)


if __name__ == "__main__":
    run(main)
