"""A plan against what happened: the jobs of plan.json beside the benchmark files that they have left since.

Only finished jobs are compared, each with its own expected seconds, so a run that is half done can be judged too. A
benchmark file tells of the last run of its job; a job that was ended and went on in another counts with the last piece.
"""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def benchmark_seconds(path: Path) -> float | None:
    """Wall time of the last run that a benchmark file tells of; None where there is no such figure."""
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            return float(list(csv.DictReader(handle, delimiter="\t"))[-1]["s"])
    except (OSError, IndexError, KeyError, ValueError, TypeError):
        return None


def compare(plan: Mapping[str, Any], results: Path) -> list[dict[str, Any]]:
    """The plan against the benchmark files of the run: one row a rule, of the jobs that have finished since.

    Args:
        plan: plan.json as `scripts.workflow.plan` wrote it; its benchmark files are relative to the run's folder.
        results: the run's folder.

    Returns:
        rows with rule, jobs, finished; of the finished jobs hours, the planned hours (value, low, high), GPU-hours and
        planned GPU-hours; `within`: whether the hours are in the interval (None as long as no job has finished).
    """
    rows: dict[str, dict[str, Any]] = {}
    for name, job in plan["jobs"].items():
        row = rows.setdefault(
            job["rule"],
            {"rule": job["rule"], "jobs": 0, "finished": 0, "hours": 0.0, "planned": [0.0] * 3, "gpu_hours": 0.0,
             "planned_gpu_hours": [0.0] * 3},
        )  # fmt: skip
        row["jobs"] += 1
        if (seconds := benchmark_seconds(results / name)) is not None:
            row["finished"] += 1
            row["hours"] += seconds / 3600
            row["gpu_hours"] += seconds / 3600 * job["gpus"]
            for place, expected in enumerate(job["seconds"]):
                row["planned"][place] += expected / 3600
                row["planned_gpu_hours"][place] += expected / 3600 * job["gpus"]
    for row in rows.values():
        row["within"] = row["planned"][1] <= row["hours"] <= row["planned"][2] if row["finished"] else None
    return list(rows.values())
