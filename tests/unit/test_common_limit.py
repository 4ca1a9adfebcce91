"""The time limit of a Slurm job: what squeue's answers mean, and that a job goes on only when Slurm takes it back."""

import pytest

from scripts.common import limit


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("59", 59),
        ("0:59", 59),
        ("3:59:00", 14340),
        ("2-00:00:01", 172801),
        ("UNLIMITED", None),
        ("INVALID", None),
        ("NOT_SET", None),
        ("", None),
    ],
)
def test_what_squeue_says_is_read(text, expected):
    assert limit.seconds(text) == expected


def test_a_job_with_hours_left_is_not_near_its_limit(slurm):
    slurm("3:59:00")
    assert not limit.TimeLimit().near()


def test_a_job_without_time_is_near_its_limit_and_goes_back_into_the_queue(slurm, tmp_path):
    slurm("0:00")
    end = limit.TimeLimit()
    assert end.near()
    assert end.requeue()
    assert "scontrol requeue 17" in (tmp_path / "calls").read_text()


def test_a_job_that_slurm_does_not_take_back_is_told_so(slurm):
    slurm("0:00", scontrol=None)
    assert not limit.TimeLimit().requeue()


@pytest.mark.parametrize(
    ("left", "further", "scontrol", "requeued"),
    [("0:00", True, "", True), ("0:00", False, "", False), ("3:59:00", True, "", False), ("0:00", True, None, False)],
)
def test_only_a_job_near_its_limit_that_got_further_goes_on_by_itself(slurm, left, further, scontrol, requeued):
    slurm(left, scontrol)
    expected = "Slurm starts the job again, which" if requeued else "the next run"
    assert limit.TimeLimit().next_run(further) == expected


def test_a_larger_margin_is_a_fifth_of_the_time_at_most(slurm):
    slurm("10:00")
    assert not limit.TimeLimit(margin=600).near()


def test_a_slurm_that_does_not_answer_is_no_limit(slurm):
    slurm(None)
    assert not limit.TimeLimit().near()


def test_there_is_no_limit_outside_slurm(slurm, monkeypatch, tmp_path):
    slurm("0:00")
    monkeypatch.delenv("SLURM_JOB_ID")
    end = limit.TimeLimit()
    assert not end.near()
    assert not end.requeue()
    assert not (tmp_path / "calls").exists()
