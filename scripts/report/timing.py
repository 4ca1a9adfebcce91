"""The timing page: how long every rule took and how much memory it needed, from Snakemake's benchmark files.

Tokens per second and GPU are those of all generation jobs together, start of the engine included; the published ones
stand among the claims. A plan that was made before (`snakemake plan`) is set against what its jobs took. This is the
one page that differs between two runs of the same data.
"""

import csv
import dataclasses
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from scripts.common.files import read_json, write_text
from scripts.common.logging import run
from scripts.plan.reality import compare
from scripts.report import page, style

WIDTH = 1064


@dataclasses.dataclass(frozen=True)
class Timing:
    """What the jobs of one rule took.

    Args:
        rule: the rule's name.
        jobs: benchmark files found.
        seconds: wall time of all jobs.
        longest: wall time of the longest job.
        cpu_seconds: CPU time of all jobs.
        memory: largest resident set of a job in MB.
    """

    rule: str
    jobs: int
    seconds: float
    longest: float
    cpu_seconds: float
    memory: float


def read_benchmarks(folder: Path) -> list[Timing]:
    """One entry a rule; the first folder below is the rule's name, everything below that a job."""
    timings = []
    for rule in sorted(path for path in folder.iterdir() if path.is_dir()):
        rows = [row for path in sorted(rule.rglob("*.tsv")) for row in read_rows(path)]
        if rows:
            seconds = [number(row["s"]) for row in rows]
            cpu = sum(number(row["cpu_time"]) for row in rows)
            memory = max(number(row["max_rss"]) for row in rows)
            timings.append(Timing(rule.name, len(rows), sum(seconds), max(seconds), cpu, memory))
    return timings


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of one benchmark file."""
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


def number(text: str) -> float:
    """A benchmark value; NA and - (too short to measure) count as nothing."""
    try:
        return float(text)
    except ValueError:
        return 0.0


def clock(seconds: float) -> str:
    """A duration for people.

    >>> [clock(seconds) for seconds in (0.3, 42, 200, 9000, 700000)]
    ['0.3 s', '42 s', '3 min 20 s', '2 h 30 min', '194 h 26 min']
    """
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def draw_timings(timings: Sequence[Timing]) -> str:
    """Wall time of all jobs of each rule, longest first."""
    if not timings:
        return style.message("No benchmark file was found.", WIDTH)
    rows = sorted(timings, key=lambda timing: -timing.seconds)
    with style.figure(WIDTH, 60 + 25 * len(rows)) as figure:
        axis = figure.add_subplot()
        axis.barh(range(len(rows)), [row.seconds for row in rows], color=style.OURS, height=0.66)
        for y, row in enumerate(rows):
            label = f"{clock(row.seconds)}" + (f"  in {row.jobs} jobs" if row.jobs > 1 else "")
            axis.annotate(
                label, (row.seconds, y), (6, 0), textcoords="offset points", va="center", fontsize=11, color=style.QUIET
            )
        axis.set_yticks(range(len(rows)), [row.rule for row in rows], color=style.INK, fontsize=11)
        axis.set(ylim=(len(rows) - 0.4, -0.6), xlim=(0, rows[0].seconds * 1.2 or 1))
        axis.xaxis.set_visible(False)
        axis.spines[["left", "bottom"]].set_visible(False)
        return style.to_svg(figure, "Wall time of each rule")


def commit() -> str | None:
    """The commit of this checkout, marked if files differ from it; None outside of git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def seconds_of(timings: Iterable[Timing], rule: str) -> float:
    """Wall time of one rule."""
    return sum(timing.seconds for timing in timings if timing.rule == rule)


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the page and its figure."""
    parser = page.parser(__doc__.split("\n")[0])
    parser.add_argument("--benchmarks", type=Path, required=True, help="results/<run>/benchmarks")
    parser.add_argument("--generations", type=Path, required=True, help="numbers of the texts page")
    parser.add_argument("--gpus", type=int, default=0, help="GPUs of one generation job")
    parser.add_argument("--figure", type=Path, required=True, help="SVG file of the wall times to write")
    parser.add_argument("--plan", type=Path, help="results/<run>/plan.json of `snakemake plan`; may be absent")
    args = parser.parse_args(argv)
    plan = read_json(args.plan) if args.plan and args.plan.exists() else {"jobs": {}}
    timings = read_benchmarks(args.benchmarks) if args.benchmarks.is_dir() else []
    tokens, seconds = read_json(args.generations)["tokens"], seconds_of(timings, "generate_slice")
    numbers = {
        "jobs": sum(timing.jobs for timing in timings),
        "seconds": sum(timing.seconds for timing in timings),
        "generate_seconds": seconds,
        "tokens_per_second": tokens / seconds / max(args.gpus, 1) if seconds else None,
        "gpu_hours": seconds * args.gpus / 3600,
    }
    figure = draw_timings(timings)
    write_text(args.figure, figure)
    page.write_numbers(args.numbers, numbers)
    page.write_page(
        args,
        numbers=numbers | {"clock": clock(numbers["seconds"])},
        timings=[dataclasses.asdict(timing) | {"clock": clock(timing.seconds)} for timing in timings],
        plan=sorted(compare(plan, args.benchmarks.parent), key=lambda row: -row["hours"]),
        figure=figure,
        gpus=args.gpus,
        machine=f"{platform.system()} {platform.machine()} with {os.cpu_count()} CPU cores",
        commit=commit(),
    )


if __name__ == "__main__":
    run(main)
