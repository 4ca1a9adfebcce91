"""Writes containers/<engine>.Dockerfile and .def: one image with all conda environments of a run, as Snakemake prints.

`snakemake --containerize` reads envs/*.yaml and prints the recipe; each engine has its own, so that nobody who uses an
endpoint builds vLLM. Before it prints, Snakemake asks conda for its version and settings, which do not enter the
recipe: where conda is missing, a stand-in answers. With --check nothing is written, and a recipe out of step fails.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scripts.common.errors import InputError
from scripts.common.files import write_text
from scripts.common.logging import run
from scripts.engines import ENGINES

FOLDER = Path("containers")
FORMATS = {"dockerfile": "Dockerfile", "apptainer": "def"}
STAND_IN = """#!/bin/sh
case "$1" in
  info) echo '{"platform": "linux-64", "conda_prefix": "/opt/conda"}' ;;
  --version) echo 'conda 24.7.1' ;;
  config) echo '{"get": {"channel_priority": "strict"}}' ;;
  *) exit 1 ;;
esac
"""


def recipe(engine: str, form: str) -> str:
    """What Snakemake prints for one engine; without a lock, so that a run at work in this folder is not disturbed."""
    with tempfile.TemporaryDirectory() as folder:
        conda = Path(folder) / "conda"
        conda.write_text(STAND_IN, encoding="utf-8")
        conda.chmod(0o755)
        command = [sys.executable, "-m", "snakemake", "all", "--containerize", form, "--nolock", "--config"]
        result = subprocess.run(
            [*command, "run=containers", f"llm={{engine: {engine}, endpoint: 'http://localhost/v1'}}"],
            env={**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )
    if result.returncode:
        raise InputError(f"Snakemake could not write the recipe for {engine}: {result.stderr.strip()}")
    return "\n".join(line.rstrip() for line in result.stdout.splitlines()) + "\n"


def main(argv: Sequence[str] | None = None) -> None:
    """Writes all recipes, or checks them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing, fail when a recipe is out of step")
    args = parser.parse_args(argv)
    for engine in sorted(ENGINES):
        for form, suffix in FORMATS.items():
            path, text = FOLDER / f"{engine}.{suffix}", recipe(engine, form)
            if not args.check:
                write_text(path, text)
            elif not path.exists() or path.read_text(encoding="utf-8") != text:
                raise InputError(f"{path} is out of step with envs/: run `python -m scripts.workflow.containers`.")


if __name__ == "__main__":
    run(main)
