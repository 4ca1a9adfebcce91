"""The tracker is the real trackio, in a folder of its own: what the jobs' status files tell arrives there once."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.common.errors import InputError
from scripts.generate.status import SUFFIX
from scripts.generate.tally import read_jobs
from scripts.generate.track import HANDED_OVER, Tracker

ROOT = Path(__file__).resolve().parents[2]
COURSE = [[15.0, 3, 300, 0], [30.0, 9, 900, 1], [45.0, 12, 1500, 1]]


def write_status(results, history, job="node-77-abc", slice_=4):
    """The status file of a job that has come so far."""
    seconds, texts, tokens, failed = history[-1]
    status = {
        **{"source": "web", "part": "003", "slice": slice_, "n_slices": 9, "gpus": 2, "state": "running"},
        **{"job": job, "host": "node", "pid": 77, "slurm_job_id": "", "recipe": "x", "model": "m", "engine": "vllm"},
        **{"total": 20, "done": texts, "texts": texts, "tokens": tokens, "failed_attempts": failed, "in_flight": 2},
        **{"seconds": seconds, "seconds_without_answer": 1.0, "updated": "2026-01-01T00:00:00+00:00"},
        **{"recent": {"seconds": seconds, "texts": texts, "tokens": tokens}, "history": history},
    }
    path = results / f"generations/ledger/web/part-003/{job}{SUFFIX}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(status))


def progress(results, tracker="trackio", **environment):
    """The program, as a person calls it."""
    command = [sys.executable, "-m", "scripts.generate.progress", str(results), "--json", "--tracker", tracker]
    settings = os.environ | {"HOME": str(results / "home"), "HF_HOME": str(results / "home")} | environment
    return subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=True)


def tracked(results):
    """(run, step, metrics) as trackio keeps them."""
    (database,) = (results / "generations/tracker").glob("*.db")
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT run_name, step, metrics FROM metrics ORDER BY run_name, step").fetchall()
    return [(run, step, json.loads(metrics)) for run, step, metrics in rows]


def test_the_course_of_a_job_arrives_once_however_often_it_is_looked_at(tmp_path):
    pytest.importorskip("trackio")
    write_status(tmp_path, COURSE[:2])
    report = json.loads(progress(tmp_path).stdout)
    assert report["total"]["done"] == 0
    progress(tmp_path)
    write_status(tmp_path, COURSE)
    write_status(tmp_path, COURSE[:1], job="node-78-def", slice_=5)
    elsewhere = {"TRACKIO_SPACE_ID": "someone/space", "TRACKIO_SERVER_URL": "http://localhost:1", "TRACKIO_DIR": "/no"}
    progress(tmp_path, **elsewhere)
    rows = tracked(tmp_path)
    assert [(run, step) for run, step, _ in rows] == [
        *(("web-003-004-abc", step) for step in (15, 30, 45)),
        ("web-003-005-def", 15),
    ]
    assert [metrics["texts"] for *_, metrics in rows] == [3, 9, 12, 3]
    assert [metrics["tokens_per_second"] for *_, metrics in rows] == [20, 40, 40, 20]
    assert rows[1][2]["failed_attempts"] == 1
    assert not (tmp_path / "home" / "trackio").exists()


def test_without_a_tracker_nothing_is_written(tmp_path):
    write_status(tmp_path, COURSE)
    progress(tmp_path, tracker="none")
    assert not (tmp_path / "generations/tracker").exists()


def test_a_tracker_that_fails_is_reported_once_and_left_alone(tmp_path, caplog):
    pytest.importorskip("trackio")
    write_status(tmp_path, COURSE)
    folder = tmp_path / "tracker"
    folder.mkdir()
    (folder / HANDED_OVER).write_text("not JSON")
    tracker = Tracker("test", folder)
    assert tracker.track(read_jobs(tmp_path)) == 0
    assert tracker.track(read_jobs(tmp_path)) == 0
    assert caplog.text.count("the tracker failed") == 1


def test_a_missing_tracker_is_named_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "trackio", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"trackio is not installed in .*generate\.tracker to none"):
        Tracker("test", tmp_path)
