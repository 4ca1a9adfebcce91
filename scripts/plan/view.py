"""The plan as a table for people."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from scripts.common.units import readable_number, readable_size
from scripts.workflow import guard

SHOWN = 0.05
"""A rule without GPUs and with a smaller share of the bytes, and of CPU-hours without GPUs, is among the others."""

WIDTH = 110


def as_text(plan: Mapping[str, Any]) -> str:
    """The plan: rules that matter, all in all, and where the figures are from."""
    totals = plan["totals"]
    heading = f"Plan of run {plan['run']}, {' '.join(plan['targets'])}: "
    if not totals["jobs"]:
        return heading + "nothing to be done."
    matters = {
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
    notes.append(("Wall time", f"{clock(totals['wall_hours'])} {_offer(plan)}, waiting in a queue aside"))
    more = "; training needs more while it runs" * any(rule["rule"] == "train_model" for rule in plan["rules"])
    notes.append(("Disk", f"{_range(totals['bytes'], readable_size)} of files that stay{more}"))
    if totals["gpu_hours"][0]:
        power = f"{readable_number(plan['power']['watts'][0])} W each ({plan['power']['source']})"
        notes.append(("Energy", f"{_range(totals['kwh'], readable_number)} kWh of the GPUs, at {power}"))
    notes.append(("Reasons", _reasons(plan["reasons"], totals["jobs"])))
    if "budget" in plan:
        notes.append(("Budget", _budget(plan["budget"])))
    lines += [line for name, text in notes for line in _paragraph(text, f"{name:<11} ", " " * 12)]
    return "\n".join([*lines, "", "Where these figures are from:", *_sources(shown)])


def clock(hours: Sequence[float]) -> str:
    """A duration with its interval, in one unit.

    >>> clock((0.0039, 0.002, 0.0083)), clock((0.5, 0.25, 2)), clock((400, 380, 420))
    ('14 (7.2 – 30) s', '30 (15 – 120) min', '16.7 (15.8 – 17.5) days')
    """
    if hours[0] >= 72:
        return f"{_range([number / 24 for number in hours], readable_number)} days"
    return f"{amount(hours)} h" if hours[0] >= 1 else amount(hours)


def amount(hours: Sequence[float]) -> str:
    """So many hours with their interval; less than one in minutes or seconds, with the unit.

    >>> amount((12800, 9530, 17600)), amount((0.5, 0.25, 2)), amount((0, 0, 0))
    ('12,800 (9,530 – 17,600)', '30 (15 – 120) min', '')
    """
    if not hours[0] or hours[0] >= 1:
        return _range(hours, readable_number)
    unit, factor = ("min", 60) if hours[0] * 60 >= 1 else ("s", 3600)
    return f"{_range([number * factor for number in hours], _small)} {unit}"


def _small(value: float) -> str:
    """A whole number where it has two digits.

    >>> _small(14.04), _small(7.24), _small(0.018)
    ('14', '7.2', '0.018')
    """
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _matters(rule: Mapping[str, Any], totals: Mapping[str, float]) -> bool:
    return bool(rule["gpu_hours"][0]) or any(rule[key][0] > SHOWN * total for key, total in totals.items())


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
        amount(sums["gpu_hours"]),
        amount(sums["cpu_hours"]),
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
    """The value, and the interval in brackets where there is one."""
    value, low, high = map(form, values)
    if not values[0]:
        return ""
    return value if value == low == high else f"{value} ({low} – {high})"


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
    offer = plan["offer"]
    words = {"jobs": "job", "cores": "core", "gpus": "GPU"}
    limits = [f"{_count(value)} {words[kind]}{'s' * (value > 1)}" for kind, value in offer.items() if value]
    bound = f"with at most {', '.join(limits)} at once" if limits else "with no limit to jobs at once"
    if offer["gpus"] and offer["gpus"] < plan["widest"]:
        return f"{bound} (a job asks for {plan['widest']}, and is reckoned to take longer with fewer)"
    if plan["gpus_at_once"] > 1 and not offer["gpus"]:
        return f"{bound} (up to {_count(plan['gpus_at_once'])} GPUs; with fewer: plan.gpus)"
    return bound


def _budget(budget: Mapping[str, Any]) -> str:
    """What the budget reaches: no text, a fraction of them, or all; and what it leaves unpaid."""
    (reached, least, _), every, before = budget["texts"], budget["all_texts"], budget["fixed_gpu_hours"]
    texts = _range(budget["texts"], lambda number: _count(number) if number > every - 1 else readable_number(number))
    fraction, lowest = _range(budget["fraction"], readable_number), readable_number(budget["fraction"][1])
    text = f"{readable_number(budget['gpu_hours'])} GPU-hours "
    if reached < 1:
        text += f"do not reach the first text: {_gpu_time(before)} come before it"
    elif reached < every - 1:
        text += f"are enough for fraction={fraction}: {texts} texts"
    elif least < every - 1:
        text += f"are enough for all {_count(every)} texts; at the highest costs for fraction={lowest}"
    else:
        text += f"are enough for all {_count(every)} texts"
    if reached >= 1 and before[0]:
        text += f"; {_gpu_time(before)} of them for what comes before the texts"
    if budget["after"]:
        cost = "cost" if len(budget["after"]) > 1 else "costs"
        text += f"; {' and '.join(budget['after'])} {cost} another {_gpu_time(budget['after_gpu_hours'])}"
    return text


def _gpu_time(hours: Sequence[float]) -> str:
    return f"{amount(hours)} {'GPU-hours' if hours[0] >= 1 else 'of a GPU'}"


def _count(value: float) -> str:
    return f"{round(value):,}"
