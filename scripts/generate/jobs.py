"""The generation jobs of a run as their status files show them: which are at work, how fast, which need a look.

A job is at work when its file says so and was renewed in the last five minutes (it is, every 15 seconds), and its part
lacks something. Clocks may differ between the reader, the nodes and the file system, so a file's age is taken by the
file system's time, counted from the newest file at least, and by the node's time, and the smaller one holds. A job that
died is no problem any more once its part is complete or another job has taken its slice over.

Speeds are of the jobs' own monotonic clocks: "now" is the last five minutes of each job at work, "overall" is all that
all jobs did. A job at work is slow when it makes less than half the median of tokens per second, and stuck when nothing
came back from its engine for ten minutes.
"""

import datetime
import statistics
import time
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from scripts.generate.status import PREVIEW_SLICE

SILENT = 300.0
MISSED_BEATS = 60.0
STUCK = 600.0
SLOW_SHARE = 0.5
SETTLED = 60.0

Job = dict[str, Any]


def judge(jobs: Iterable[Job], complete: Collection[tuple[str, str]] = (), now: float | None = None) -> list[Job]:
    """The jobs with their `age` in seconds, `rate` and `overall` (tokens per second) and `problem` ("" for none).

    Args:
        jobs: statuses as `tally.read_jobs` gives them.
        complete: (source, part) of parts in which nothing is left to do.
        now: the reader's clock; for tests.
    """
    jobs = _with_ages(list(jobs), time.time() if now is None else now)
    of_part: dict[tuple[str, str], list[Job]] = {}
    for job in jobs:
        of_part.setdefault((job["source"], job["part"]), []).append(job)
    for part, own in of_part.items():
        for job in own:
            alive = job["state"] == "running" and job["age"] < SILENT
            job["at_work"] = alive and part not in complete and not _taken_over(job, own, MISSED_BEATS)
            job["rate"] = _rate(job["recent"]["tokens"], job["recent"]["seconds"]) if job["at_work"] else 0.0
            job["texts_rate"] = _rate(job["recent"]["texts"], job["recent"]["seconds"]) if job["at_work"] else 0.0
            job["overall"] = _rate(job["tokens"], job["seconds"])
    settled = [job["rate"] for job in jobs if job["at_work"] and job["recent"]["seconds"] >= SETTLED]
    median = statistics.median(settled) if settled else 0.0
    for part, own in of_part.items():
        for job in own:
            over = not job["at_work"] and (part in complete or _taken_over(job, own))
            job["problem"] = "" if over else _problem(job, median)
    return jobs


def speeds(jobs: Sequence[Job]) -> dict[str, Any]:
    """What the jobs at work do together, and what all jobs did; per GPU where jobs have any, else per job."""
    active = [job for job in jobs if job["at_work"]]
    gpus = sum(job["gpus"] for job in active)
    tokens = sum(job["rate"] for job in active)
    spent = sum(job["seconds"] * (job["gpus"] or 1) for job in jobs)
    return {
        "jobs": len(active),
        "gpus": gpus,
        "per": "GPU" if any(job["gpus"] for job in jobs) else "job",
        "texts_per_second": sum(job["texts_rate"] for job in active),
        "tokens_per_second": tokens,
        "tokens_per_second_each": _rate(tokens, sum(job["gpus"] or 1 for job in active)),
        "tokens_per_second_each_overall": _rate(sum(job["tokens"] for job in jobs), spent),
        "gpu_hours": sum(job["seconds"] * job["gpus"] for job in jobs) / 3600,
    }


def _with_ages(jobs: list[Job], now: float) -> list[Job]:
    """Adds `age`, the smaller one by the file system's clock and by the node's, where that is not in the future."""
    newest = max([now, *(job["changed"] for job in jobs)])
    result = []
    for job in jobs:
        ages = [newest - job["changed"], now - datetime.datetime.fromisoformat(job["updated"]).timestamp()]
        result.append(job | {"age": max(min(age for age in ages if age > -SILENT), 0.0)})
    return result


def _taken_over(job: Job, of_part: Iterable[Job], seconds: float = 0.0) -> bool:
    """Whether a job of the part that was renewed so much later worked on the slice, or on another cut of the part."""
    return any(other["age"] < job["age"] - seconds and _same_work(job, other) for other in of_part)


def _same_work(job: Job, other: Job) -> bool:
    slices = (job["slice"], other["slice"])
    return slices[0] == slices[1] or (PREVIEW_SLICE not in slices and job["n_slices"] != other["n_slices"])


def _problem(job: Job, median: float) -> str:
    if job["state"] == "failed":
        return "failed, see its log"
    if job["state"] == "ended":
        return "was told to end, not started again"
    if job["state"] == "running" and not job["at_work"]:
        return "silent, probably dead"
    if job["at_work"] and job["seconds_without_answer"] >= STUCK:
        return "stuck, no answer from its engine"
    if job["at_work"] and job["recent"]["seconds"] >= SETTLED and job["rate"] < SLOW_SHARE * median:
        return f"slow, {100 * job['rate'] / median:.0f} % of the median"
    return ""


def _rate(amount: float, seconds: float) -> float:
    return amount / seconds if seconds > 0 else 0.0
