"""The plan as a table for people."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from scripts.common.units import readable_number, readable_size
from scripts.workflow import guard

SHOWN = 0.02
"""A rule with a smaller share of all GPU-hours, bytes and CPU-hours of jobs without GPUs is among the others."""

WIDTH = 110


def as_text(plan: Mapping[str, Any]) -> str:
    """The plan: rules that matter, all in all, and where the figures are from."""
    totals = plan["totals"]
    heading = f"Plan of run {plan['run']}, {' '.join(plan['targets'])}: "
    if not totals["jobs"]:
        return heading + "nothing to be done."
    matters = {
        "gpu_hours": totals["gpu_hours"][0],
        "cpu_hours": sum(rule["cpu_hours"][0] for rule in plan["rules"] if not rule["gpu_hours"][0]),
        "bytes": totals["bytes"][0],
    }
    shown = [rule for rule in plan["rules"] if _matters(rule, matters)]
    others = [rule for rule in plan["rules"] if rule not in shown]
    rows = [_row(rule["rule"], [rule], rule["basis"]) for rule in shown]
    if others:
        rows.append(_row(f"{len(others)} other rules", others, ""))
    rows.append(_row("all", plan["rules"], ""))
    head = ("rule", "jobs", "why", "GPU-hours", "CPU-hours", "disk", "basis")
    lines = [
        f"{heading}{_count(totals['jobs'])} jobs, {_count(plan['texts'])} texts in the run",
        "",
        *_table(head, rows),
        "",
    ]
    notes = _refused(plan["refused"]) if plan["refused"] else []
    notes.append(("Wall time", f"{_range(totals['wall_hours'], clock)} {_offer(plan)}, waiting in a queue aside"))
    notes.append(("Disk", f"{_range(totals['bytes'], readable_size)} of files that stay"))
    if totals["gpu_hours"][0]:
        power = f"{readable_number(plan['power']['watts'][0])} W each ({plan['power']['source']})"
        notes.append(("Energy", f"{_range(totals['kwh'], readable_number)} kWh of the GPUs, at {power}"))
    notes.append(("Reasons", _reasons(plan["reasons"], totals["jobs"])))
    if "budget" in plan:
        notes.append(("Budget", _budget(plan["budget"])))
    lines += [line for name, text in notes for line in _paragraph(text, f"{name:<11} ", " " * 12)]
    return "\n".join([*lines, "", "Where these figures are from:", *_sources(shown)])


def clock(hours: float) -> str:
    """A duration.

    >>> [clock(hours) for hours in (0.0005, 0.05, 0.5, 30, 400)]
    ['2 s', '3 min', '30 min', '30 h', '16.7 days']
    """
    if hours < 1 / 60:
        return f"{hours * 3600:.0f} s"
    if hours < 1:
        return f"{hours * 60:.0f} min"
    return f"{readable_number(hours)} h" if hours < 72 else f"{readable_number(hours / 24)} days"


def _matters(rule: Mapping[str, Any], totals: Mapping[str, float]) -> bool:
    return any(
        rule[key][0] > SHOWN * total for key, total in totals.items() if key != "cpu_hours" or not rule["gpu_hours"][0]
    )


def _row(name: str, rules: Sequence[Mapping[str, Any]], basis: str) -> list[str]:
    reasons: dict[str, int] = {}
    for rule in rules:
        for reason, count in rule["reasons"].items():
            reasons[reason] = reasons.get(reason, 0) + count
    jobs = sum(rule["jobs"] for rule in rules)
    sums = {
        key: [sum(rule[key][end] for rule in rules) for end in range(3)] for key in ("gpu_hours", "cpu_hours", "bytes")
    }
    return [
        name,
        _count(jobs),
        _reasons(dict(sorted(reasons.items(), key=lambda pair: -pair[1])), jobs, most=2),
        _range(sums["gpu_hours"], readable_number),
        _range(sums["cpu_hours"], readable_number),
        readable_size(sums["bytes"][0]) if sums["bytes"][0] else "",
        basis,
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest cell; the numbers of jobs stand right."""
    widths = [max(len(row[place]) for row in [head, *rows]) for place in range(len(head))]
    lines = [
        "  ".join(
            f"{cell:>{width}}" if place == 1 else f"{cell:<{width}}"
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in [head, *rows]
    ]
    rule = "  ".join("-" * width for width in widths)
    return [line.rstrip() for line in [lines[0], rule, *lines[1:-1], rule, lines[-1]]]


def _range(values: Sequence[float], form: Any) -> str:
    """The value, and the interval in brackets."""
    return f"{form(values[0])} ({form(values[1])} – {form(values[2])})" if values[0] else ""


def _reasons(reasons: Mapping[str, int], jobs: int, most: int = 9) -> str:
    """Reasons, the most frequent first; numbers where there are several."""
    words = [reason if count == jobs else f"{_count(count)} {reason}" for reason, count in reasons.items()]
    return ", ".join(words[:most] + ["…"] * (len(words) > most))


def _sources(rules: Sequence[Mapping[str, Any]]) -> list[str]:
    """One paragraph a source, with the rules that it is about."""
    about: dict[str, list[str]] = {}
    for rule in rules:
        about.setdefault(f"{rule['basis']}: {rule['source']}", []).append(rule["rule"])
    texts = [f"{', '.join(names)}: {source}" for source, names in about.items()]
    return [line for text in texts for line in _paragraph(text, "  ", "    ")]


def _paragraph(text: str, first: str, others: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=others, break_on_hyphens=False)


def _refused(rules: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Two notes: what the start refuses, and on a line of its own, to be copied, what allows it."""
    jobs = [f"{_count(each['jobs'])} of {rule} ({each['cause']})" for rule, each in rules.items()]
    text = f"{guard.UNASKED}: {'; '.join(jobs)}. `snakemake -n` tells what you can do. When it shall be done again:"
    return [("Refused", text), ("", guard.allowing(rules))]


def _offer(plan: Mapping[str, Any]) -> str:
    words = {"jobs": "jobs", "cores": "cores", "gpus": "GPUs"}
    limits = [f"{_count(value)} {words[kind]}" for kind, value in plan["offer"].items() if value]
    missing = plan["offer"]["gpus"] and plan["offer"]["gpus"] < plan["widest"]
    more = f" (a job asks for {plan['widest']}, and is reckoned to take longer with fewer)" if missing else ""
    return f"with at most {', '.join(limits)} at once{more}" if limits else "with no limit to jobs at once"


def _budget(budget: Mapping[str, Any]) -> str:
    fraction, texts = (_range(budget[key], readable_number) for key in ("fraction", "texts"))
    return (
        f"{readable_number(budget['gpu_hours'])} GPU-hours are enough for fraction={fraction}: {texts} texts; "
        f"{readable_number(budget['fixed_gpu_hours'][0])} of them for what comes before the texts, none for training"
    )


def _count(value: float) -> str:
    return f"{round(value):,}"
