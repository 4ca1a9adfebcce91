import itertools
import json

import pytest

from scripts.common.errors import InputError
from scripts.generate import status as status_
from scripts.generate.status import SUFFIX, Status, StatusFile

FACTS = {"source": "web", "part": "003", "slice": 2, "n_slices": 9, "gpus": 4, "engine": "echo", "model": "m"}


class Clock:
    """Stands for the monotonic clock."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(status_.time, "monotonic", lambda: self.now)


def text(tokens=3):
    return {"prompt_id": "a", "attempt": 1, "text": "x", "text_token_length": tokens, "finish_reason": "stop"}


def failure(reason="error"):
    return {"prompt_id": "a", "attempt": 1, "text": "no", "text_token_length": 0, "finish_reason": reason}


def opened(folder, status, ended=False, in_flight=5):
    return StatusFile(folder / f"job-1{SUFFIX}", status, FACTS, lambda: ended, lambda: in_flight)


def read(folder):
    return json.loads((folder / f"job-1{SUFFIX}").read_text())


def test_the_file_is_there_from_the_start_and_tells_the_end(tmp_path):
    status = Status("test", 10, 4)
    with opened(tmp_path, status):
        first = read(tmp_path)
        status.text(text(30))
        status.text(text(50))
        status.failure(failure())
        status.failure(failure("refused"))
    last = read(tmp_path)
    assert (first["state"], first["total"], first["done"], first["in_flight"]) == ("running", 10, 4, 5)
    assert (last["state"], last["done"], last["texts"], last["tokens"]) == ("finished", 6, 2, 80)
    assert (last["failed_attempts"], last["refused"], last["in_flight"]) == (2, 1, 0)
    assert last | FACTS == last
    assert last["job"] == "job-1"
    assert list(tmp_path.iterdir()) == [tmp_path / f"job-1{SUFFIX}"]


def test_a_job_that_was_told_to_end_says_so(tmp_path):
    with opened(tmp_path, Status("test", 10, 4), ended=True):
        pass
    assert read(tmp_path)["state"] == "ended"


def test_a_job_that_failed_says_so_and_not_why(tmp_path):
    with pytest.raises(InputError), opened(tmp_path, Status("test", 10, 4)):
        raise InputError("https://user:secret@example.org does not answer")
    assert read(tmp_path)["state"] == "failed"
    assert "secret" not in (tmp_path / f"job-1{SUFFIX}").read_text()


def test_a_status_that_cannot_be_written_is_reported_once_and_ends_no_job(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    status = Status("test", 1, 0)
    with opened(tmp_path / "file", status):
        status.text(text())
    assert caplog.text.count("cannot be written") == 1


def test_recent_is_the_last_five_minutes(tmp_path, monkeypatch):
    clock = Clock(monkeypatch)
    status = Status("test", 1000, 0)
    file = opened(tmp_path, status)
    for _ in range(100):
        clock.now += 15
        status.text(text(10))
        file.write("running")
    recent = read(tmp_path)["recent"]
    assert recent == {"seconds": 300, "texts": 20, "tokens": 200}
    clock.now += 240
    file.write("running")
    assert read(tmp_path)["recent"] == {"seconds": 300, "texts": 4, "tokens": 40}
    assert read(tmp_path)["seconds_without_answer"] == 240


def test_the_history_stays_short_and_spans_the_job(tmp_path, monkeypatch):
    clock = Clock(monkeypatch)
    status = Status("test", 10_000, 0)
    file = opened(tmp_path, status)
    for _ in range(3000):
        clock.now += 15
        status.text(text(10))
        file._sample(status.counts(), last=False)
    file.write("finished")
    history = read(tmp_path)["history"]
    seconds = [row[0] for row in history]
    assert 32 <= len(history) <= 128
    assert seconds == sorted(seconds)
    assert seconds[0] == 15
    assert history[-1] == [45_000, 3000, 30_000, 0]
    steps = [later - earlier for earlier, later in itertools.pairwise(seconds)]
    assert max(steps) <= 2 * min(steps[:-1])
