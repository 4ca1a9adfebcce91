"""One generation job: the k-th of K equal runs of a part's prompts, through an engine, into the part's ledger.

What the ledger holds of this recipe is subtracted first, so a job that was killed goes on where it was, and K may
change between runs. The engine is kept full; finished texts are written `rows_per_segment` at a time. A prompt that
fails is asked again, with the seed of its next attempt, after all others had their turn, `max_attempts` times in all;
then its error stays in the ledger and the run goes on. A broken engine must not cost prompts their attempts: the job
stops when more than `max_failure_rate` of the first attempts fail (of at least 20), or 20 in a row, or all of them, and
errors are recorded only together with texts, or at the end.

On SIGTERM or SIGINT what is finished is written and the job ends with an error; a second signal ends it at once. The
marker file is written last, with the counts of the slice. With nothing left to do no engine is loaded.
"""

import argparse
import contextlib
import dataclasses
import itertools
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts import engines
from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.ids import sampling_seed
from scripts.common.logging import get_logger, run
from scripts.common.tables import PROMPTS, count_rows, iterate_rows
from scripts.engines import Completion, Engine, Request
from scripts.generate import ledger, recipe
from scripts.generate.progress import Progress
from scripts.generate.recipe import Recipe

ENOUGH = 20

log = get_logger(__name__)


@dataclasses.dataclass(frozen=True)
class Limits:
    """When to write, when to give up; the meaning of each is in the module's docstring."""

    max_in_flight: int
    rows_per_segment: int
    max_attempts: int
    max_failure_rate: float


class Drain:
    """Notes the first SIGTERM or SIGINT; a second one has its usual effect."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def requested(self) -> bool:
        """Whether the job has been told to end."""
        return self.signal is not None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Replaces the handlers of both signals for the time of a block."""
        usual = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

        def note(number: int, _: Any) -> None:
            self.signal = signal.Signals(number)
            restore()

        def restore() -> None:
            for number, handler in usual.items():
                signal.signal(number, handler)

        for number in usual:
            signal.signal(number, note)
        try:
            yield
        finally:
            restore()


class Job:
    """Generates the missing texts of a slice into the ledger; `json_schema` is the form of all of them, if any."""

    def __init__(
        self,
        prompts: Mapping[str, str],
        before: ledger.Finished,
        writer: ledger.Writer,
        plan: Recipe,
        engine_name: str,
        json_schema: Mapping[str, Any] | None = None,
    ) -> None:
        self._prompts = prompts
        self._json_schema = json_schema
        self._writer = writer
        self._plan = plan
        self._engine_name = engine_name
        self.done = {prompt_id for prompt_id in prompts if prompt_id in before.done}
        self.attempts = {key: number for key, number in before.attempts.items() if key in prompts}
        self._texts: list[dict[str, Any]] = []
        self._errors: list[dict[str, Any]] = []
        self._fresh = self._fresh_failures = self._failures_in_a_row = 0
        self._last_error = ""

    def pending(self, max_attempts: int) -> list[str]:
        """Prompts without a text that have attempts left, in order."""
        return [key for key in self._prompts if key not in self.done and self.attempts.get(key, 0) < max_attempts]

    def generate(self, engine: Engine, limits: Limits, drain: Drain, progress: Progress) -> None:
        """Works until nothing is pending or the job is told to end; every finished text is written, whatever happens.

        Raises:
            InputError: too many first attempts failed.
        """
        try:
            while (pending := self.pending(limits.max_attempts)) and not drain.requested():
                requests = self._requests(pending)
                for completion in engines.complete(engine, requests, limits.max_in_flight, drain.requested):
                    self._take(completion, progress)
                    self._check(self._failures_in_a_row >= ENOUGH)
                    self._check(self._fresh >= ENOUGH and self._fresh_failures > limits.max_failure_rate * self._fresh)
                    if len(self._texts) >= limits.rows_per_segment:
                        self._flush()
            self._check(self._fresh > 1 and not self.done and self._fresh_failures == self._fresh)
            self._flush()
        except Exception as error:
            if isinstance(error, InputError) or not drain.requested():
                raise
            log.info("the engine was ended by the same signal (%r)", error)
        finally:
            self._errors.clear()
            self._flush()

    def _requests(self, pending: Iterable[str]) -> Iterator[Request]:
        for prompt_id in pending:
            yield Request(prompt_id, self._prompts[prompt_id], self._seed(prompt_id), self._json_schema)

    def _attempt(self, prompt_id: str) -> int:
        """The number of a prompt's next attempt, from 1."""
        return self.attempts.get(prompt_id, 0) + 1

    def _seed(self, prompt_id: str) -> int:
        return sampling_seed(prompt_id, self._plan.seed, self._attempt(prompt_id))

    def _take(self, completion: Completion, progress: Progress) -> None:
        """Sorts a completion into texts or errors."""
        prompt_id = completion.request_id
        attempt = self._attempt(prompt_id)
        usable = completion.finish_reason in ledger.USABLE
        row = {
            "prompt_id": prompt_id,
            "text": completion.text,
            "text_token_length": completion.n_tokens,
            "finish_reason": completion.finish_reason,
            "attempt": attempt,
            "sampling_seed": self._seed(prompt_id),
            "model": self._plan.model,
            "revision": self._plan.revision,
            "recipe": self._plan.id,
            "engine": self._engine_name,
        }
        if attempt == 1:
            self._fresh += 1
            self._fresh_failures += not usable
            self._failures_in_a_row = 0 if usable else self._failures_in_a_row + 1
        if usable:
            self.done.add(prompt_id)
            self._texts.append(row)
            progress.text(completion.n_tokens)
        else:
            self.attempts[prompt_id] = attempt
            self._errors.append(row)
            self._last_error = completion.text
            progress.failure(f"prompt {prompt_id}, attempt {attempt}: {completion.text}")

    def _check(self, broken: bool) -> None:
        if broken:
            raise InputError(
                f"{self._fresh_failures} of {self._fresh} prompts failed, so the engine or its settings seem to be at "
                f"fault. The last error: {self._last_error}. Finished texts are in the ledger; mend the cause "
                "and run again (or raise generate.max_failure_rate if this many failures are to be accepted)"
            )

    def _flush(self) -> None:
        """Writes what is finished; rows leave the memory only after they are on disk."""
        self._writer.append(self._texts + self._errors)
        self._texts.clear()
        self._errors.clear()


def slice_prompts(path: Path, number: int, n_slices: int) -> dict[str, str]:
    """Prompt id → prompt of the `number`-th of `n_slices` equal runs of a part (they differ by one row at most)."""
    if not 0 <= number < n_slices:
        raise InputError(f"--slice {number} is not one of {n_slices} slices; they count from 0")
    rows = count_rows(path)
    first, end = number * rows // n_slices, (number + 1) * rows // n_slices
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
    job = Job(prompts, before, ledger.Writer(args.ledger, ledger.job_name()), plan, args.engine)
    pending = job.pending(args.max_attempts)
    log.info("%s: %d prompts, %d texts in the ledger, %d to generate", name, len(prompts), len(job.done), len(pending))
    if pending:
        drain = Drain()
        with contextlib.closing(engines.create(engines.settings_from(args), plan.sampling)) as engine:
            progress = Progress(name, len(prompts), len(job.done))
            with drain.listening():
                job.generate(engine, limits, drain, progress)
            progress.report()
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
