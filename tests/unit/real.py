"""Real data for tests, which is no part of the project: a folder that COSMOPEDIA_REAL_DATA names."""

import json
import os
from pathlib import Path

import pytest

FOLDER = os.environ.get("COSMOPEDIA_REAL_DATA")
real_data = pytest.mark.skipif(FOLDER is None, reason="COSMOPEDIA_REAL_DATA names no folder")


def real_lines(name):
    """The rows of one of its files."""
    for line in Path(FOLDER, f"{name}_mini.jsonl").read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def real_benchmarks(folder):
    """Writes twenty real rows of each benchmark, with the Hub's columns, as a folder of benchmarks."""
    by_task = {}
    for line in real_lines("benchmarks"):
        by_task.setdefault(line["task"], []).append(json.dumps(line["row"], ensure_ascii=False))
    for task, rows in by_task.items():
        (folder / f"{task}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder
