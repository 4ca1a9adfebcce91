"""The work of one generation job: prompts that a ledger lacks, through an engine, into the ledger.

The engine is kept full; every text is safe in the ledger as soon as it is finished. A prompt that fails is asked again,
with the seed of its next attempt, after all others had their turn, `max_attempts` times in all; then its error stays in
the ledger and the run goes on. One that the engine refuses for good (it is longer than the context) is not asked again.
A broken engine must not cost prompts their attempts: the job stops when more than `max_failure_rate` of the first
attempts fail (of at least 20), or 20 in a row, or all of them, and errors are recorded only with the text of the same
prompt, after every `rows_per_segment` texts, or at the end. An engine that dies ends the job; ending.py tells what else
does.
"""

import dataclasses
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from scripts import engines
from scripts.common.errors import InputError
from scripts.common.ids import sampling_seed
from scripts.common.logging import get_logger
from scripts.engines import Completion, Engine, EngineDied, Request
from scripts.generate import ledger
from scripts.generate.ending import Drain
from scripts.generate.recipe import Recipe

ENOUGH = 20

log = get_logger(__name__)


class Observer(Protocol):
    """Sees every answer of a job, as a row of the ledger; ends the job by raising InputError."""

    def text(self, row: Mapping[str, Any]) -> None:
        """A prompt has its text, and it is in the ledger."""

    def failure(self, row: Mapping[str, Any]) -> None:
        """An attempt failed or was refused; the row's text is the message, and it is not in the ledger yet."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """When to write, when to give up; the meaning of each is in the module's docstring."""

    max_in_flight: int
    rows_per_segment: int
    max_attempts: int
    max_failure_rate: float


class Job:
    """Generates the missing texts of a slice into the ledger.

    Args:
        prompts: prompt id → prompt, in the order of the work.
        before: what the ledger holds already.
        writer: into the ledger.
        plan: model and sampling.
        engine_name: for the rows.
        json_schema: the form of all answers, if any.
        others: asked before every request for prompts that others have finished; they are left out.
    """

    def __init__(
        self,
        prompts: Mapping[str, str],
        before: ledger.Finished,
        writer: ledger.Writer,
        plan: Recipe,
        engine_name: str,
        json_schema: Mapping[str, Any] | None = None,
        others: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._prompts = prompts
        self._json_schema = json_schema
        self._others = others
        self._writer = writer
        self._plan = plan
        self._engine_name = engine_name
        self.done = {prompt_id for prompt_id in prompts if prompt_id in before.done}
        self.attempts = {key: number for key, number in before.attempts.items() if key in prompts}
        self.refused = {key for key in prompts if key in before.refused}
        self._errors: dict[str, list[dict[str, Any]]] = {}
        self._texts_since_errors = 0
        self._fresh = self._fresh_failures = self._failures_in_a_row = 0
        self._last_error = ""
        self._problem: InputError | None = None

    def pending(self, max_attempts: int) -> list[str]:
        """Prompts without a text that have attempts left and were not refused, in order."""
        ended = self.done | self.refused
        return [key for key in self._prompts if key not in ended and self.attempts.get(key, 0) < max_attempts]

    def generate(self, engine: Engine, limits: Limits, drain: Drain, observers: Sequence[Observer]) -> None:
        """Works until nothing is pending or the job is told to end; every finished text is written, whatever happens.

        Raises:
            InputError: too many first attempts failed, the engine died, the ledger cannot be written, or an observer
                ends the job.
        """
        try:
            while (pending := self.pending(limits.max_attempts)) and not drain.requested():
                requests = self._requests(pending)
                for completion in engines.complete(engine, requests, limits.max_in_flight, lambda: self._ends(drain)):
                    row = self._take(completion)
                    try:
                        self._judge(row, limits, observers)
                    except InputError as error:  # what came back in the same step is taken first
                        self._problem = self._problem or error
                if self._problem is not None:
                    raise self._problem
            self._check(self._fresh > 1 and not self.done and self._fresh_failures == self._fresh)
            self._record_errors()
        except EngineDied:
            if not drain.requested():
                raise
            log.info("the engine was ended by the same signal")
        finally:
            self._errors.clear()
            self._writer.close()

    def _requests(self, pending: Iterable[str]) -> Iterator[Request]:
        for prompt_id in pending:
            self.done.update(key for key in self._others() if key in self._prompts)
            if prompt_id not in self.done:
                yield Request(prompt_id, self._prompts[prompt_id], self._seed(prompt_id), self._json_schema)

    def _attempt(self, prompt_id: str) -> int:
        """The number of a prompt's next attempt, from 1."""
        return self.attempts.get(prompt_id, 0) + 1

    def _seed(self, prompt_id: str) -> int:
        return sampling_seed(prompt_id, self._plan.seed, self._attempt(prompt_id))

    def _ends(self, drain: Drain) -> bool:
        return drain.requested() or self._problem is not None

    def _take(self, completion: Completion) -> dict[str, Any]:
        """Writes a text to the ledger or keeps an error or a refusal, and gives its row."""
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
            self._writer.add([*self._errors.pop(prompt_id, ()), row])
            self.done.add(prompt_id)
            self._texts_since_errors += 1
        else:
            self.attempts[prompt_id] = attempt
            if completion.finish_reason == ledger.REFUSED:
                self.refused.add(prompt_id)
            self._errors.setdefault(prompt_id, []).append(row)
            self._last_error = completion.text
        return row

    def _judge(self, row: Mapping[str, Any], limits: Limits, observers: Sequence[Observer]) -> None:
        """Shows an answer to the observers, and ends the job when there are too many failures."""
        for observer in observers:
            (observer.text if row["finish_reason"] in ledger.USABLE else observer.failure)(row)
        self._check(self._failures_in_a_row >= ENOUGH)
        self._check(self._fresh >= ENOUGH and self._fresh_failures > limits.max_failure_rate * self._fresh)
        if self._texts_since_errors >= limits.rows_per_segment:
            self._record_errors()

    def _check(self, broken: bool) -> None:
        if broken:
            raise InputError(
                f"{self._fresh_failures} of {self._fresh} prompts failed, so the engine or its settings seem to be at "
                f"fault. The last error: {self._last_error}. Finished texts are in the ledger; mend the cause "
                "and run again (or raise generate.max_failure_rate if this many failures are to be accepted)"
            )

    def _record_errors(self) -> None:
        """Writes the errors so far, now that the engine has shown that it works."""
        self._writer.add(list(itertools.chain.from_iterable(self._errors.values())))
        self._errors.clear()
        self._texts_since_errors = 0
