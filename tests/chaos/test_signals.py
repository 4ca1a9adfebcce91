"""Signals: to end, twice, to the whole process group, to stop for a while."""

import os
import shlex
import signal
from pathlib import Path

import pytest

from tests.chaos.programs import IN_FLIGHT, wait_for
from tests.chaos.server import well


@pytest.fixture
def stuck(part, endpoint):
    """Starts a job; when it is given back, the endpoint has answered ten prompts and keeps silent about the others."""

    def start(launch):
        def answers_ten(handler, prompt, seed, time_asked):
            (well if endpoint.asked.total() <= 10 else endpoint.hang)(handler, prompt, seed, time_asked)

        endpoint.behave = answers_ten
        program = launch()
        wait_for(lambda: endpoint.asked.total() >= 10 + IN_FLIGHT, "a job with its hands full")
        return program

    return start


def let_go(endpoint):
    endpoint.behave = well
    endpoint.released.set()


def catches(program, number):
    """Whether a process has a handler for a signal."""
    lines = Path(f"/proc/{program.process.pid}/status").read_text().splitlines()
    caught = next(line.split()[1] for line in lines if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (number - 1) & 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_job_and_what_was_in_flight_is_all_that_is_asked_again(part, endpoint, stuck, finish, number):
    program = stuck(part.start)
    program.send(number)
    assert program.wait() == 1
    assert f"was ended by {number.name}" in program.said
    assert "Traceback" not in program.said
    assert not part.marker().exists()
    assert part.texts().total() == 10
    let_go(endpoint)
    finish(part)
    assert endpoint.asked.total() == part.count + IN_FLIGHT


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_the_job_at_once(part, endpoint, stuck, finish, number):
    program = stuck(part.start)
    os.kill(program.process.pid, signal.SIGSTOP)
    program.send(signal.SIGTERM)
    program.send(signal.SIGINT)
    os.kill(program.process.pid, signal.SIGCONT)
    assert program.wait() != 0
    assert not part.marker().exists()
    let_go(endpoint)
    finish(part)
    assert endpoint.asked.total() <= part.count + IN_FLIGHT


def test_the_same_signal_twice(part, endpoint, stuck, finish):
    program = stuck(part.start)
    program.send(signal.SIGTERM)
    program.send(signal.SIGTERM)
    assert program.wait() == 1
    let_go(endpoint)
    finish(part)
    assert endpoint.asked.total() <= part.count + IN_FLIGHT


def test_a_signal_to_the_shell_and_all_below_it(part, endpoint, stuck, finish):
    """As a cluster ends a job: the rule's shell and the program get it together."""
    program = stuck(lambda: part.launch(["bash", "-c", f"{shlex.join(part.command())}; exit $?"]))
    os.killpg(program.process.pid, signal.SIGTERM)
    program.wait()
    endpoint.quiet()  # the program itself may outlive the shell for a moment
    assert not part.marker().exists()
    assert part.texts().total() == 10
    let_go(endpoint)
    finish(part)
    assert endpoint.asked.total() == part.count + IN_FLIGHT


@pytest.mark.parametrize("run", range(3))
def test_a_job_sleeps_at_a_file_operation_while_another_finishes_the_slice(
    part, endpoint, undisturbed, finish, chance, tmp_path, run
):
    """What it does when it wakes up, perhaps renames and removals of the last minute, changes nothing."""
    place, log = chance.randint(2, 70), tmp_path / "operations"
    sleeper = part.start(CHAOS_SIGNAL=f"STOP:{place}:{part.ledger}", CHAOS_LOG=str(log))
    stopped = lambda: "<-" in log.read_text() if log.exists() else False  # noqa: E731
    wait_for(lambda: stopped() or sleeper.process.poll() is not None, "the sleeper")
    finish(part)
    sleeper.send(signal.SIGCONT)
    assert sleeper.wait() == 0, sleeper.said
    finish(part)
    assert max(endpoint.asked.values()) <= 2
