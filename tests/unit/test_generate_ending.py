"""How jobs end before their work is done; those that have to be ended by force run in processes of their own."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.generate import ledger
from scripts.generate.ending import Drain, Watch
from tests.unit.hanging import PLAN

ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def hanging(folder, where, stall_minutes=0.0, to_end=1.0):
    """A job that hangs, and its stubborn child, which is not left behind by the test either."""
    command = [sys.executable, "-m", "tests.unit.hanging", str(folder), where, str(stall_minutes), str(to_end)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    child = int(process.stdout.readline())
    try:
        yield process, child
    finally:
        for number in (process.pid, child):
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)


def ended(process):
    """The last words of a process that ended by itself."""
    return process.communicate(timeout=60)[1]


def finished(folder):
    return len(ledger.finished(folder, PLAN.id).done)


def gone(child):
    """Whether a process has ended; nobody may have taken note of it yet."""
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


@pytest.mark.parametrize("where", ["step", "deep"])
def test_a_job_whose_engine_hangs_is_ended_with_its_child_processes(tmp_path, where):
    with hanging(tmp_path, where, stall_minutes=0.1) as (process, child):
        message = ended(process)
        assert process.returncode == 1
        assert "error: the job was ended because no answer came for 0.1 minutes" in message
        assert "hanging.py" in message  # where it stands
        assert gone(child)
    assert finished(tmp_path) == 5


@pytest.mark.parametrize("where", ["step", "deep"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_job_whose_engine_hangs(tmp_path, where, number):
    with hanging(tmp_path, where) as (process, child):
        process.send_signal(number)
        message = ended(process)
        assert process.returncode == 1
        assert f"error: the job was ended by {number.name}, but its engine does not return" in message
        assert gone(child)
    assert finished(tmp_path) == 5


def test_a_second_signal_has_its_usual_effect(tmp_path):
    with hanging(tmp_path, "step", to_end=1000) as (process, _):
        process.send_signal(signal.SIGINT)
        assert any("the job was ended by SIGINT: it has 1000 seconds" in line for line in process.stderr)
        while process.poll() is None:
            process.send_signal(signal.SIGTERM)
        assert process.returncode == -signal.SIGTERM
    assert finished(tmp_path) == 5


def test_a_signal_ends_a_job_whose_engine_does_not_close(tmp_path):
    with hanging(tmp_path, "close") as (process, child):
        process.send_signal(signal.SIGTERM)
        message = ended(process)
        assert process.returncode == 1
        assert "its engine does not return" in message
        assert gone(child)
    assert finished(tmp_path) == 10


def test_a_job_that_a_scheduler_suspended_has_not_stalled():
    drain = Drain()
    with Watch("the job", drain, stall_minutes=1) as watch, watch.working():
        for _ in range(60):
            watch._ticks += 1
            watch._look()
        assert not drain.requested()
        watch.text({})
        watch._ticks += 60
        watch._look()
        assert not drain.requested()
        watch._ticks += 1
        watch._look()
        assert "no answer came for 1 minutes" in drain.reason
        watch._left.set()


def test_without_a_limit_no_time_is_too_long():
    drain = Drain()
    with Watch("the job", drain, stall_minutes=0) as watch, watch.working():
        watch._ticks = 10**9
        watch._look()
    assert not drain.requested()


def test_only_the_time_at_work_counts():
    drain = Drain()
    with Watch("the job", drain, stall_minutes=1) as watch:
        watch._ticks = 10**9
        watch._look()
        with watch.working():
            watch._look()
        watch._ticks = 10**9
        watch._look()
    assert not drain.requested()


def test_a_forked_process_does_not_tell_its_signals_to_its_parent():
    drain = Drain()
    with drain.listening():
        ready, begun = os.pipe()
        child = os.fork()
        if not child:
            os.write(begun, b"x")
            signal.pause()
            os._exit(0)
        os.read(ready, 1)
        os.kill(child, signal.SIGTERM)
        assert os.waitpid(child, 0)[1] == signal.SIGTERM
        assert not drain.wait(0)
    assert not drain.requested()


def test_handlers_are_restored_after_the_block():
    usual = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with Drain().listening():
        assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] != usual
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == usual


def test_a_signal_before_there_is_anything_to_finish_ends_the_program():
    drain = Drain()
    with drain.listening():
        with pytest.raises(SystemExit, match="was ended by SIGTERM before its engine was ready"), drain.at_once():
            os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(SystemExit), drain.at_once():
            pytest.fail("it was told to end before")


def test_the_first_reason_stands():
    drain = Drain()
    drain.request("stalled")
    drain.request("was ended by SIGTERM")
    assert drain.reason == "stalled"


class Answering(Drain):
    """Every tick brings an answer while the watch waits; after enough of them there is nothing left to watch."""

    def __init__(self, ticks):
        super().__init__()
        self.watch = Watch("the job", self, stall_minutes=0.1)
        self._left = ticks

    def wait(self, seconds):
        self._left -= 1
        if not self._left or self.requested():
            self.watch._left.set()
        self.watch.text({})
        return False


def test_an_answer_is_heard_while_the_watch_waits_for_a_signal():
    drain = Answering(ticks=100)
    with drain.watch.working():
        drain.watch._run()
    assert not drain.requested()
