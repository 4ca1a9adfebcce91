"""Several jobs on one ledger, other numbers of slices, more prompts than before, and the ledgers of two clusters."""

import shutil
import signal

import pytest

from scripts.common.ids import content_id
from tests.chaos.conftest import KILLS
from tests.chaos.programs import Part, openai_flags, wait_for


@pytest.mark.parametrize("writers", [2, 3])
def test_jobs_on_the_same_slice_at_the_same_time(part, endpoint, finish, writers):
    programs = [part.start() for _ in range(writers)]
    assert [program.wait() for program in programs] == [0] * writers, [program.said for program in programs]
    assert endpoint.asked.total() == endpoint.delivered.total() <= writers * part.count
    assert set(part.texts()) == {content_id(str(number)) for number in range(part.count)}
    asked = endpoint.asked.total()
    finish(part)
    assert endpoint.asked.total() == asked


def test_one_of_two_jobs_on_a_slice_is_killed(part, endpoint, finish):
    programs = [part.start() for _ in range(2)]
    wait_for(lambda: endpoint.delivered.total() >= 20, "20 answers", every=0)
    assert programs[0].kill() == -signal.SIGKILL
    KILLS["kill -9 of one of two writers"] += 1
    assert programs[1].wait() == 0, programs[1].said
    asked = endpoint.asked.total()
    finish(part)
    assert endpoint.asked.total() == asked


def test_slices_of_another_number_while_a_job_still_runs(part, endpoint, finish):
    """One slice, then three, then two, each begun before the last one has ended."""
    programs = [part.start()]
    wait_for(lambda: endpoint.delivered.total() >= 5, "5 answers")
    programs += [part.start(number, 3) for number in (0, 2)]
    wait_for(lambda: endpoint.delivered.total() >= 15, "15 answers")
    programs += [part.start(number, 2) for number in range(2)]
    assert [program.wait() for program in programs] == [0] * 5, [program.said for program in programs]
    asked = endpoint.asked.total()
    finish(part)
    assert endpoint.asked.total() == asked


def test_another_number_of_slices_and_more_prompts_ask_nothing_again(part, endpoint, finish):
    part.grow(40)
    finish(part, 3)
    finish(part, 2)
    assert endpoint.asked.total() == 40
    part.grow(90)
    part.run(1, 3)
    finish(part, 2)
    assert set(endpoint.asked.values()) == {1}
    assert endpoint.asked.total() == 90
    part.grow(40)
    finish(part)
    assert endpoint.asked.total() == 90


def test_the_work_of_two_clusters_is_merged_by_copying_files(tmp_path, endpoint, finish, undisturbed):
    """They share a slice, and one of them was killed in the middle of its second one."""
    here, there = (Part(tmp_path / name, 60, openai_flags(endpoint)) for name in ("here", "there"))
    here.run(0, 3)
    here.run(1, 3)
    there.run(1, 3)
    asked = endpoint.delivered.total()
    killed = there.start(2, 3)
    wait_for(lambda: endpoint.delivered.total() - asked >= 8, "8 answers", every=0)
    assert killed.kill() == -signal.SIGKILL
    KILLS["kill -9 before ledgers were merged"] += 1
    endpoint.quiet()
    for path in there.files():
        assert not (here.ledger / path.name).exists()
        shutil.copy(path, here.ledger)
    merged, asked = here.texts(), endpoint.asked.total()
    assert merged == here.texts() | there.texts() | merged
    finish(here)
    assert endpoint.asked.total() - asked == 60 - len(merged)
