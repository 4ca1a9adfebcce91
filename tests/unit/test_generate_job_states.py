"""A job as a state machine: whatever an engine answers, and however often and in whatever way jobs are ended and begun
again, every prompt ends once, as a text, failed or refused, and no attempt is made twice once it is in the ledger."""

import dataclasses
import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from scripts.common.errors import InputError
from scripts.common.ids import content_id, sampling_seed
from scripts.engines import Completion, Sampling
from scripts.generate import ledger
from scripts.generate.ending import Drain
from scripts.generate.job import Job, Limits
from scripts.generate.recipe import Recipe

PLAN = Recipe("m", "r", Sampling(0.6, 0.95, 50, 1.2, 100), seed=1)
TEXTS = ("stop", "length")
MOST = 5


@dataclasses.dataclass(frozen=True)
class Episode:
    """One job: how it is run, and how it ends before its work is done, if `step` is reached."""

    max_attempts: int
    max_in_flight: int
    rows_per_segment: int
    end: str
    step: int


EPISODES = st.builds(
    Episode,
    max_attempts=st.integers(1, MOST),
    max_in_flight=st.integers(1, 4),
    rows_per_segment=st.integers(1, 4),
    end=st.sampled_from(["not", "told", "died", "killed"]),
    step=st.integers(0, 12),
)
OUTCOMES = st.lists(st.sampled_from(["error", "error", "stop", "length", "refused"]), max_size=MOST)
"""The finish reasons of a prompt's attempts; further ones are errors."""


class Killed(BaseException):
    """The process is gone."""


class Script:
    """An engine that answers as planned, a random choice of what it holds at each step, and ends as planned."""

    def __init__(self, outcomes, episode, folder, order, drain):
        self.outcomes, self.episode, self.folder, self.order, self.drain = outcomes, episode, folder, order, drain
        self.asked, self.requests, self.steps, self.texts = [], [], 0, set()

    @property
    def in_flight(self):
        return len(self.requests)

    def submit(self, request):
        seeds = {sampling_seed(request.request_id, PLAN.seed, attempt): attempt for attempt in range(1, MOST + 2)}
        self.asked.append((request.request_id, seeds[request.seed]))
        self.requests.append((request.request_id, seeds[request.seed]))

    def step(self):
        if self.steps == self.episode.step and self.episode.end != "not":
            self.end()
        self.steps += 1
        self.order.shuffle(self.requests)
        finished = [self.requests.pop() for _ in range(self.order.randint(0, len(self.requests)))]
        completions = [Completion(key[0], f"text of {key}", 3, outcome(self.outcomes, *key)) for key in finished]
        self.texts |= {completion.request_id for completion in completions if completion.finish_reason in TEXTS}
        return completions

    def end(self):
        if self.episode.end == "died":
            raise RuntimeError("out of memory")
        if self.episode.end == "killed":
            shutil.copytree(self.folder, self.folder.with_name("survived"))
            raise Killed
        self.drain.request("was told to end")

    def close(self):
        self.requests.clear()


def outcome(outcomes, prompt_id, attempt):
    return dict(enumerate(outcomes[prompt_id], start=1)).get(attempt, "error")


def run(folder, outcomes, episode, order):
    """Runs one job on a ledger; returns what it asked."""
    before = ledger.finished(folder, PLAN.id)
    drain = Drain()
    engine = Script(outcomes, episode, folder, order, drain)
    writer = ledger.Writer(folder, ledger.job_name(), episode.rows_per_segment)
    job = Job({key: key for key in outcomes}, before, writer, PLAN, "script")
    limits = Limits(episode.max_in_flight, episode.rows_per_segment, episode.max_attempts, 1.0)
    try:
        job.generate(engine, limits, drain, [])
    except InputError:
        assert episode.end in ("told", "died") or not job.done
    except Killed:
        shutil.rmtree(folder)
        folder.with_name("survived").rename(folder)
    assert ledger.finished(folder, PLAN.id).done == before.done | engine.texts
    assert max(Counter(engine.asked).values(), default=1) == 1
    for prompt_id, attempt in engine.asked:
        assert prompt_id not in before.done | before.refused
        assert before.attempts.get(prompt_id, 0) < attempt <= episode.max_attempts
    return engine.asked


@example([[], ["error", "stop"]], [Episode(2, 2, 3, "died", 3)], Episode(1, 1, 1, "not", 0), 21)
@given(st.lists(OUTCOMES, max_size=6), st.lists(EPISODES, max_size=4), EPISODES, st.integers(0, 99))
def test_every_prompt_ends_once_however_jobs_are_ended_and_begun_again(planned, episodes, last, seed):
    planned = [["stop"], *planned]  # so that there is a text: a job with failures only takes its engine to be broken
    outcomes = {content_id(str(number)): reasons for number, reasons in enumerate(planned)}
    last = dataclasses.replace(last, end="not")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "ledger"
        folder.mkdir()
        order = random.Random(seed)
        for episode in [*episodes, last]:
            run(folder, outcomes, episode, order)
        assert run(folder, outcomes, last, order) == []
        rows = {tuple(row.items()) for table in ledger.segments(folder) for row in table.to_pylist()}
        found = ledger.finished(folder, PLAN.id)

    of_prompt = {prompt_id: {} for prompt_id in outcomes}
    for row in map(dict, rows):
        prompt_id, attempt = row["prompt_id"], row["attempt"]
        assert attempt not in of_prompt[prompt_id]
        assert row["sampling_seed"] == sampling_seed(prompt_id, PLAN.seed, attempt)
        assert row["text"] == f"text of {(prompt_id, attempt)}"
        assert row["finish_reason"] == outcome(outcomes, prompt_id, attempt)
        of_prompt[prompt_id][attempt] = row["finish_reason"]
    for prompt_id, attempts in of_prompt.items():
        assert sorted(attempts) == list(range(1, len(attempts) + 1))
        *earlier, final = (attempts[number] for number in sorted(attempts))
        assert set(earlier) <= {"error"}
        assert (prompt_id in found.done) == (final in TEXTS)
        assert (prompt_id in found.refused) == (final == "refused")
        assert final != "error" or found.attempts[prompt_id] == len(attempts) >= last.max_attempts
