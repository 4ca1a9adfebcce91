"""The report of progress for people: lines for a terminal, and a page that renews itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

BAR = 40


def as_text(report: Mapping[str, Any]) -> str:
    """The report as lines for a terminal."""
    header = ("split", "prompts", "done", "", "failed", "refused", "in flight", "tokens", "tokens/s")
    named = [*report["splits"].items(), ("total", report["total"])]
    rows = [header, *([name, *_cells(counts)] for name, counts in named)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    table = [
        "  ".join(cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(row, widths, strict=True)) for row in rows)
    ]
    ruled = [table[0], "─" * len(table[0]), *table[1:-1], "─" * len(table[0]), table[-1]]
    title = f"{report['run']} · {', '.join(report['models']) or 'no job yet'} · {report['time']}"
    return "\n".join([title, "", *ruled, "", _bar(report["total"]["coverage"]), *_speed(report), *_attention(report)])


def _cells(counts: Mapping[str, Any]) -> list[str]:
    share = "–" if counts["coverage"] is None else f"{_percent(counts['coverage'])} %"
    prompts = "–" if counts["prompts"] is None else f"{counts['prompts']:,}"
    numbers = [f"{counts[key]:,}" for key in ("failed", "refused", "in_flight", "tokens")]
    return [prompts, f"{counts['done']:,}", share, *numbers, f"{counts['tokens_per_second']:,.0f}"]


def _percent(share: float) -> str:
    """Never 100 while something is missing."""
    return "100" if share == 1 else f"{int(1000 * share) / 10:.1f}"


def _bar(share: float | None) -> str:
    full = int(BAR * (share or 0))
    return "█" * full + "░" * (BAR - full)


def _speed(report: Mapping[str, Any]) -> list[str]:
    speed = report["speed"]
    place = f" on {speed['gpus']} GPUs" if speed["gpus"] else ""
    lines = [
        f"{speed['jobs']} jobs at work{place}: {speed['tokens_per_second']:,.0f} tokens/s",
        f"a {speed['per']}: {speed['tokens_per_second_each']:,.0f} tokens/s now, "
        f"{speed['tokens_per_second_each_overall']:,.0f} overall",
    ]
    left = speed["seconds_left"]
    if left:
        lines.append(f"{clock(left)} left at this speed")
    elif left == 0:
        lines.append("nothing left to generate")
    return lines


def _attention(report: Mapping[str, Any]) -> list[str]:
    lines = []
    if report["total"]["outside"]:
        lines += ["", f"{report['total']['outside']:,} texts are of prompts that the run does not have (any more)"]
    if others := {name: texts for name, texts in report["texts_by_recipe"].items() if name != report["recipe"]}:
        lines += ["", f"{sum(others.values()):,} texts are of other models or sampling and do not count"]
    if report["stragglers"]:
        lines += ["", "to look at:"]
    for job in report["stragglers"]:
        slurm = f", Slurm job {job['slurm_job_id']}" if job["slurm_job_id"] else f", process {job['pid']}"
        lines.append(
            f"  {job['source']} part {job['part']} slice {job['slice']:03}: {job['problem']} "
            f"({job['done']:,}/{job['total']:,} texts, seen {clock(job['age'])} ago on {job['host']}{slurm})"
        )
    return lines


def clock(seconds: float) -> str:
    """A duration for people.

    >>> [clock(seconds) for seconds in (42, 200, 9000, 700000)]
    ['42 s', '3 min', '2 h 30 min', '8 d 2 h']
    """
    if seconds < 60:
        return f"{max(seconds, 0):.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def as_page(report: Mapping[str, Any], refresh: int) -> str:
    """The report as an HTML page that needs no other file and reloads itself every `refresh` seconds, if not 0."""
    from scripts.report.page import environment

    templates = environment(Path(__file__).parent)
    templates.filters |= {"clock": clock, "share": _percent}
    pages = {"progress": "Generation"}
    return templates.get_template("progress.html").render(
        page="progress", pages=pages, run=report["run"], scale="", report=report, refresh=refresh
    )
