"""How Snakemake copes with a run of any size: dry runs from 100 to 10,000 slices, and the scheduler until the last job.

    .venv/bin/python -m benchmarks.dag                      # all of it
    .venv/bin/python -m benchmarks.dag --slices 100 --jobs 0

Dry runs (`snakemake -n --profile slurm`) of the full scale and of corpora with about so many generation slices: parts
and slices are made larger or smaller alike (`seeds.documents_per_part`, `generate.prompts_per_slice`). Each is a
process of its own; beside it, as peer, a bare workflow of as many jobs with one rule, no inputs, no parameters and a
common target. `ratio` is CPU time over the peer's, which other work on the machine disturbs less than wall time.

A run of trivial jobs (`touch`) with the settings of profiles/default: jobs per second in the first and in the last
tenth, from the times of the files. Five jobs at once, as in a queue that is never empty.

On a machine of two cores that was busy with other work (load 6), the full scale took 13 CPU seconds (20 of the clock)
and 274 MB, 10,014 slices 37 CPU seconds (55) and 468 MB. None of it is spent in functions of this workflow; a quarter
is Snakemake's default for `disk_mb`, evaluated for each job, which `disk_mb=1000` among the default resources spares.
The groups of short jobs that profiles/slurm has since then cost more: on the same machine, quiet, the full scale takes
18.2 s with them and 10.3 s without.
"""

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from subprocess import DEVNULL

from benchmarks.assign import call

ROOT = Path(__file__).resolve().parent.parent
PAPER = 3117
"""Slices of the full scale."""

BARE = """
rule all:
    input: expand("done/{n}", n=range(%d))

rule one:
    output: "done/{n}"
    shell: "touch {output}"
"""


def dry_run(*settings: str) -> tuple[int, int, float, float, float]:
    """Jobs, slices, seconds, CPU seconds and MB of a dry run at full scale."""
    command = [sys.executable, "-m", "snakemake", "-n", "-q", "rules", "--profile", "slurm", "--nolock"]
    output, *used = call([*command, "--config", "run=never-made", *settings], 1, DEVNULL)
    jobs = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", output, flags=re.MULTILINE)}
    return jobs["total"], jobs["generate_slice"], *used


def sized(slices: int) -> list[str]:
    """Settings for about so many slices."""
    factor = PAPER / slices
    return [
        f"seeds={{documents_per_part: {round(250_000 * factor)}}}",
        f"generate={{prompts_per_slice: {round(10_000 * factor)}}}",
    ]


def bare(jobs: int) -> tuple[float, float, float]:
    """Seconds, CPU seconds and MB of a dry run of a bare workflow."""
    with tempfile.TemporaryDirectory() as folder:
        return call([*_bare(Path(folder), jobs), "-n", "-q", "rules"], 1, DEVNULL)[1:]


def tenths(jobs: int, at_once: int = 5) -> tuple[float, float, float]:
    """Jobs per second of a run of trivial jobs: in the first tenth, in the last, and of the whole process."""
    with tempfile.TemporaryDirectory() as folder:
        profile = ["--workflow-profile", str(ROOT / "profiles/default")]
        _, wall, _, _ = call([*_bare(Path(folder), jobs), "-q", "all", "--cores", str(at_once), *profile], 1, DEVNULL)
        times = sorted(entry.stat().st_mtime for entry in os.scandir(Path(folder) / "done"))
    tenth = jobs // 10
    return tenth / (times[tenth] - times[0]), tenth / (times[-1] - times[-1 - tenth]), jobs / wall


def _bare(folder: Path, jobs: int) -> list[str]:
    (folder / "Snakefile").write_text(BARE % jobs, encoding="utf-8")
    return [sys.executable, "-m", "snakemake", "--directory", str(folder), "--snakefile", str(folder / "Snakefile")]


def main(argv: Sequence[str] | None = None) -> None:
    """Prints one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--slices", type=int, nargs="*", default=[100, 300, 1000, 3000, 10000])
    parser.add_argument("--jobs", type=int, default=1000, help="trivial jobs to run; 0: none")
    args = parser.parse_args(argv)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    head = ("slices", "jobs", "seconds", "CPU s", "MB", "bare CPU s", "bare MB", "ratio")
    print(f"{'':>12}" + "".join(f"{name:>12}" for name in head))
    for name, settings in [("full scale", []), *((f"about {n:,}", sized(n)) for n in args.slices)]:
        jobs, slices, wall, cpu, memory = dry_run(*settings)
        _, peer, peer_memory = bare(jobs)
        row = (f"{slices:,}", f"{jobs:,}", f"{wall:.1f}", f"{cpu:.1f}", f"{memory:.0f}", f"{peer:.1f}")
        row = (*row, f"{peer_memory:.0f}", f"{cpu / peer:.1f}")
        print(f"{name:>12}" + "".join(f"{value:>12}" for value in row), flush=True)
    if args.jobs:
        first, last, whole = tenths(args.jobs)
        print(
            f"{args.jobs:,} trivial jobs: {first:.1f} jobs/s in the first tenth, {last:.1f} in the last "
            f"(ratio {last / first:.2f}), {whole:.1f} with start and end"
        )


if __name__ == "__main__":
    main()
