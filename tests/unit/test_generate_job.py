import os
import signal

import pytest

from scripts.common.errors import InputError
from scripts.common.ids import content_id, sampling_seed
from scripts.engines import EngineDied, Request, Sampling
from scripts.generate import ledger
from scripts.generate.ending import Drain
from scripts.generate.job import Job, Limits
from scripts.generate.others import Others
from scripts.generate.recipe import Recipe
from scripts.generate.status import Status
from tests.unit.echo import Echo

PLAN = Recipe("m", "r", Sampling(0.6, 0.95, 50, 1.2, 100), seed=1)
LIMITS = Limits(max_in_flight=4, rows_per_segment=5, max_attempts=3, max_failure_rate=0.05)


def prompts(count):
    return {content_id(str(number)): f"prompt {number}" for number in range(count)}


def job(folder, asked, plan=PLAN):
    """A job over these prompts, with what the ledger holds already."""
    before = ledger.finished(folder, plan.id)
    return Job(asked, before, ledger.Writer(folder, ledger.job_name(), LIMITS.rows_per_segment), plan, "echo")


def work(current, engine, limits=LIMITS, drain=None):
    current.generate(engine, limits, drain or Drain(), [Status("test", len(current.pending(9)), 0)])


def rows(folder):
    return [row for table in ledger.segments(folder) for row in table.to_pylist()]


def fails(*numbers, times=99):
    """Requests for these prompts fail, so many times."""
    left = {f"prompt {number}": times for number in numbers}

    def failing(request):
        left[request.prompt] = left.get(request.prompt, 0) - 1
        return left[request.prompt] >= 0

    return failing


def test_every_text_is_in_the_ledger_as_soon_as_it_is_finished(tmp_path):
    seen, files = [], []

    def look(step):
        seen.append(len(rows(tmp_path)))
        files.append(sorted(path.suffix for path in tmp_path.iterdir()))

    work(job(tmp_path, prompts(12)), Echo(before_step=look))
    assert seen == list(range(12))
    assert files[4:6] == [[".journal"], [".parquet"]]
    assert files[11] == [".journal", ".parquet", ".parquet"]
    assert [path.suffix for path in tmp_path.iterdir()] == [".parquet"]
    assert len(rows(tmp_path)) == 12


def test_a_row_tells_how_it_was_made(tmp_path):
    work(job(tmp_path, prompts(1)), Echo())
    (row,) = rows(tmp_path)
    assert row["prompt_id"] == content_id("0")
    assert row["sampling_seed"] == sampling_seed(content_id("0"), 1, 1)
    assert row["text"] == f"prompt 0 ({row['sampling_seed']})"
    assert (row["model"], row["revision"], row["recipe"], row["engine"]) == ("m", "r", PLAN.id, "echo")


def test_a_job_generates_only_what_the_ledger_lacks(tmp_path):
    work(job(tmp_path, dict(list(prompts(10).items())[:6])), Echo())
    engine = Echo()
    work(job(tmp_path, prompts(10)), engine)
    assert [request.prompt for request in engine.asked] == [f"prompt {number}" for number in range(6, 10)]


def test_texts_of_another_recipe_do_not_count(tmp_path):
    work(job(tmp_path, prompts(3)), Echo())
    warmer = Recipe("m", "r", Sampling(0.7, 0.95, 50, 1.2, 100), seed=1)
    assert job(tmp_path, prompts(3), warmer).pending(3) == list(prompts(3))


def test_a_failed_prompt_is_asked_again_with_another_seed(tmp_path):
    engine = Echo(fails(7, times=2))
    work(job(tmp_path, prompts(20)), engine)
    seventh = [row for row in rows(tmp_path) if row["prompt_id"] == content_id("7")]
    seventh.sort(key=lambda row: row["attempt"])
    assert [(row["attempt"], row["finish_reason"]) for row in seventh] == [(1, "error"), (2, "error"), (3, "stop")]
    assert [row["sampling_seed"] for row in seventh] == [sampling_seed(content_id("7"), 1, n) for n in (1, 2, 3)]
    assert len(engine.asked) == 22


def test_a_prompt_that_always_fails_is_left_with_its_error_and_not_asked_again(tmp_path):
    work(job(tmp_path, prompts(30)), Echo(fails(4)))
    again = job(tmp_path, prompts(30))
    assert again.pending(3) == []
    assert again.pending(4) == [content_id("4")]
    assert again.attempts == {content_id("4"): 3}


def test_too_many_failures_stop_the_job_and_cost_no_prompt_its_attempts(tmp_path):
    engine = Echo(lambda request: int(request.prompt.split()[1]) >= 10)
    with pytest.raises(InputError, match=r"10 of 20 prompts failed.*out of order"):
        work(job(tmp_path, prompts(200)), engine)
    assert len(rows(tmp_path)) == 10
    assert {row["finish_reason"] for row in rows(tmp_path)} == {"stop"}
    assert len(engine.asked) < 30


def test_an_engine_that_breaks_late_stops_the_job_as_well(tmp_path):
    engine = Echo(lambda request: int(request.prompt.split()[1]) >= 960)
    with pytest.raises(InputError, match=r"20 of 980 prompts failed"):
        work(job(tmp_path, prompts(1000)), engine)
    assert job(tmp_path, prompts(1000)).pending(3) == list(prompts(1000))[960:]
    assert {row["finish_reason"] for row in rows(tmp_path)} == {"stop"}


def test_a_small_slice_of_failures_only_stops_the_job_too(tmp_path):
    with pytest.raises(InputError, match="3 of 3 prompts failed"):
        work(job(tmp_path, prompts(3)), Echo(fails(0, 1, 2)))
    assert rows(tmp_path) == []


def test_a_broken_engine_loses_nothing_that_was_finished(tmp_path):
    def breaks(step):
        if step == 8:
            raise RuntimeError("the GPU fell off the bus")

    engine = Echo(fails(7), before_step=breaks)
    with pytest.raises(EngineDied, match=r"the engine died \(RuntimeError: the GPU fell off the bus\)"):
        work(job(tmp_path, prompts(20)), engine)
    assert {row["finish_reason"] for row in rows(tmp_path)} == {"stop"}
    again = job(tmp_path, prompts(20))
    assert len(again.done) == 7
    assert again.attempts == {}


def test_an_engine_that_a_signal_ended_too_is_no_failure(tmp_path):
    drain = Drain()

    def breaks(step):
        if step == 3:
            drain.request("was ended by SIGTERM")
            raise RuntimeError("terminated")

    work(job(tmp_path, prompts(9)), Echo(before_step=breaks), drain=drain)
    assert len(rows(tmp_path)) == 3


def test_an_answer_to_something_that_was_not_asked_ends_the_job(tmp_path):
    engine = Echo()
    engine.submit(Request("foreign", "prompt 99", 1))
    with pytest.raises(EngineDied, match="gave an answer to foreign"):
        work(job(tmp_path, prompts(5)), engine)
    assert rows(tmp_path) == []


def test_a_refused_prompt_is_asked_once_and_never_again(tmp_path):
    engine = Echo(fails(7), reason="refused")
    work(job(tmp_path, prompts(30)), engine)
    assert [request.prompt for request in engine.asked].count("prompt 7") == 1
    (row,) = [row for row in rows(tmp_path) if row["finish_reason"] == "refused"]
    assert (row["prompt_id"], row["attempt"], row["text"]) == (content_id("7"), 1, "out of order")
    again = job(tmp_path, prompts(30))
    assert again.refused == {content_id("7")}
    assert again.pending(99) == []


def test_too_many_refusals_stop_the_job_like_failures(tmp_path):
    engine = Echo(lambda request: int(request.prompt.split()[1]) >= 10, reason="refused")
    with pytest.raises(InputError, match="10 of 20 prompts failed"):
        work(job(tmp_path, prompts(200)), engine)
    assert job(tmp_path, prompts(200)).refused == set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_the_job(tmp_path, number):
    drain = Drain()
    usual = signal.getsignal(number)
    engine = Echo(before_step=lambda step: os.kill(os.getpid(), number) if step == 7 else None)
    with drain.listening():
        work(job(tmp_path, prompts(20)), engine, drain=drain)
    assert drain.signal == number
    assert len(rows(tmp_path)) == 8
    assert len(engine.asked) == 11
    assert signal.getsignal(number) == usual


class Burst(Echo):
    """All that is in flight finishes in one step."""

    def step(self):
        return [completion for _ in range(self.in_flight) for completion in super(Burst, self).step()]


class Objection:
    """An observer that ends the job at its second text."""

    def __init__(self):
        self.texts = 0

    def text(self, row):
        self.texts += 1
        if self.texts >= 2:
            raise InputError(f"text {self.texts} is one too many")

    def failure(self, row):
        """Failures are no matter here."""


def test_when_an_observer_ends_the_job_all_that_finished_in_the_same_step_is_kept(tmp_path):
    with pytest.raises(InputError, match="text 2 is one too many"):
        job(tmp_path, prompts(20)).generate(Burst(), LIMITS, Drain(), [Objection()])
    assert [row["prompt_id"] for row in rows(tmp_path)] == list(prompts(4))


def test_a_job_leaves_out_what_another_one_finishes_meanwhile(tmp_path):
    asked = prompts(20)
    half = dict(list(asked.items())[10:])

    def other(step):
        if step == 2:
            work(job(tmp_path, half), Echo())

    engine = Echo(before_step=other)
    writer = ledger.Writer(tmp_path, ledger.job_name(), LIMITS.rows_per_segment)
    current = Job(asked, ledger.finished(tmp_path, PLAN.id), writer, PLAN, "echo", others=Others(tmp_path, PLAN.id, 0))
    work(current, engine)
    assert [request.prompt for request in engine.asked] == [f"prompt {number}" for number in range(10)]
    assert current.done == set(asked)
    assert sorted(row["prompt_id"] for row in rows(tmp_path)) == sorted(asked)


def test_looking_for_the_texts_of_others_is_not_done_too_often_and_not_worth_a_failure(tmp_path):
    work(job(tmp_path, prompts(3)), Echo())
    assert Others(tmp_path, PLAN.id, 1000)() == frozenset()
    assert Others(tmp_path, PLAN.id, 0)() == set(prompts(3))
    (tmp_path / "no-folder").touch()
    assert Others(tmp_path / "no-folder", PLAN.id, 0)() == frozenset()
