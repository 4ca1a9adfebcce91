"""Benchmarks from a Hub on this machine, with the real client libraries in a process of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.benchmarks.load import read_items
from scripts.benchmarks.rows import decontamination_text
from scripts.seeds.locks import Lock, read_locks, write_locks
from tests.unit.webserver import serve_hub, status

FETCH = """
import dataclasses, sys
from scripts.benchmarks.rows import BENCHMARKS
BENCHMARKS["siqa"] = dataclasses.replace(BENCHMARKS["siqa"], hub="pages/web")
from scripts.common.logging import run
from scripts.downloads import benchmarks
run(benchmarks.main)
"""
"""The program, but that it looks for SIQA where the Hub of the tests has its dataset."""

ROWS = [
    {
        "context": f"Kim baked {number} loaves.",
        "question": "Why?",
        "answerA": "to eat",
        "answerB": "to sell é",
        "answerC": "to sing",
        "label": "2",
    }
    for number in range(5)
]


@pytest.fixture
def hub(tmp_path):
    folder = tmp_path / "dataset"
    (folder / "data").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(ROWS), folder / "data" / "validation-00000-of-00001.parquet")
    with serve_hub(folder) as running:
        yield running


def fetch(hub, folder):
    flags = ["--output", folder / "siqa.jsonl", "--manifest", folder / "manifest.json", "--lock", folder / "lock.tsv"]
    return call(hub, folder, FETCH, *flags)


def call(hub, folder, code, *flags):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, flags), "--attempts", "2", "--first-wait", "0"],
        env=os.environ | hub.environment(folder / "home"),
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )


def test_rows_arrive_as_the_sample_has_them_with_the_commit_they_are_of(tmp_path, hub):
    hub.server.disturbances = [status(503), status(429, Retry_After="0")]
    result = fetch(hub, tmp_path)
    assert result.returncode == 0, result.stderr
    assert [decontamination_text(item) for item in read_items("siqa", tmp_path)] == [
        f"Kim baked {number} loaves. Why? to sell é" for number in range(5)
    ]
    manifest = json.loads((tmp_path / "manifest.json").read_text())["siqa"]
    assert (manifest["dataset"], manifest["revision"], manifest["rows"]) == ("pages/web", "1" * 40, 5)


def test_a_locked_commit_is_the_one_that_is_read(tmp_path, hub):
    write_locks(tmp_path / "lock.tsv", [Lock("benchmarks/siqa", "pages/web@main", "2" * 40)])
    result = fetch(hub, tmp_path)
    assert result.returncode == 0, result.stderr
    asked = {path.split("/resolve/")[1].split("/")[0] for path in hub.server.paths if "/resolve/" in path}
    assert asked == {"2" * 40}
    assert json.loads((tmp_path / "manifest.json").read_text())["siqa"]["locked"]


def test_benchmarks_are_locked_beside_the_sources(tmp_path, hub):
    (tmp_path / "sources.tsv").write_text("source\twhere\n")
    flags = ["--sources", tmp_path / "sources.tsv", "--output", tmp_path / "lock.tsv", "--benchmarks", "siqa"]
    code = FETCH.replace("scripts.downloads import benchmarks", "scripts.seeds import lock_sources as benchmarks")
    result = call(hub, tmp_path, code, *flags)
    assert result.returncode == 0, result.stderr
    assert read_locks(tmp_path / "lock.tsv") == {"benchmarks/siqa": Lock("benchmarks/siqa", "pages/web@main", "1" * 40)}


@pytest.mark.parametrize(
    ("refusal", "advice"),
    [
        ((403, "GatedRepo"), "accept the terms at"),
        ((404, "RepoNotFound"), "correct its location in scripts/benchmarks"),
    ],
)
def test_a_benchmark_that_is_not_given_tells_what_to_do(tmp_path, hub, refusal, advice):
    hub.server.refusal = refusal
    result = fetch(hub, tmp_path)
    assert result.returncode != 0
    assert "error: benchmark `siqa`: pages/web cannot be downloaded" in result.stderr
    assert advice in result.stderr
    assert "take siqa out of decontaminate.benchmarks and evaluate.benchmarks" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "siqa.jsonl").exists()
