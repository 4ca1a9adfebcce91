"""How the tests call Snakemake: as a user does, on the command line, in this repository."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def snakemake(*arguments: str, env: Mapping[str, str] | None = None, check: bool = True) -> subprocess.CompletedProcess:
    """Runs Snakemake to its end; a failure shows its output."""
    result = subprocess.run(
        command(*arguments), cwd=ROOT, env=environment(env), capture_output=True, text=True, check=False
    )
    if check and result.returncode:
        raise AssertionError(
            f"snakemake {' '.join(arguments)} failed:\n{result.stdout[-4000:]}\n{result.stderr[-8000:]}"
        )
    return result


def command(*arguments: str) -> list[str]:
    """The command line of Snakemake under the Python that runs the tests."""
    return [sys.executable, "-m", "snakemake", *arguments]


def environment(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of every run: offline."""
    return {**(env or os.environ), "HF_HUB_OFFLINE": "1"}


def planned_jobs(*arguments: str, env: Mapping[str, str] | None = None) -> dict[str, int]:
    """Rule → number of jobs that a dry run lists."""
    output = snakemake("-n", *arguments, env=env).stdout
    rows = re.findall(r"^(\w+) +(\d+)$", output.split("Job stats:", 1)[-1].split("\n\n", 1)[0], flags=re.MULTILINE)
    return {rule: int(count) for rule, count in rows if rule != "total"}
