"""Each lock installs into a plain venv, where the programs of its stage start and find what they import.

This needs the network, up to 3 GB of disk and minutes: RUN_ENV_TESTS=1 runs all of it, RUN_ENV_TESTS=openai,report only
these. vLLM's lock, for GPUs only, is resolved and not installed. pip's own settings say where packages come from.
"""

import os
import subprocess
import sys
import venv

import pytest

from scripts.workflow.locks import apart, read_pins
from tests.modules import packages, programs_of
from tests.snakemake import ROOT

CHOSEN = os.environ.get("RUN_ENV_TESTS", "")
NAMES = sorted(path.stem for path in (ROOT / "envs").glob("*.yaml"))
OPTIONAL = {"trackio"}  # see tests/unit/test_envs_imports.py


def skip_unless_chosen(name):
    if CHOSEN != "1" and name not in CHOSEN.split(","):
        pytest.skip("set RUN_ENV_TESTS=1, or to names of environments, to install them")


def run(*command):
    result = subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}:\n{result.stdout[-2000:]}\n{result.stderr[-4000:]}"


@pytest.mark.parametrize("name", [name for name in NAMES if name != "vllm"])
def test_a_lock_installs_and_the_programs_of_its_stage_start(name, tmp_path):
    skip_unless_chosen(name)
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = (python, "-m", "pip", "install", "--quiet", "--no-cache-dir")
    if apart(read_pins(ROOT / "envs" / f"{name}.yaml")):
        run(*install, "-r", "envs/torch.lock.txt")
    run(*install, "--no-deps", "--require-hashes", "-r", f"envs/{name}.lock.txt")
    run(python, "-m", "pip", "check")
    run(python, "-c", f"import {', '.join(sorted(packages(*programs_of(name)) - OPTIONAL))}")
    for program in programs_of(name):
        if not program.startswith("scripts.engines."):
            run(python, "-m", program, "--help")


def test_the_lock_of_vllm_resolves(tmp_path):
    skip_unless_chosen("vllm")
    run(sys.executable, "-m", "venv", tmp_path)
    resolve = (tmp_path / "bin" / "python", "-m", "pip", "install", "--dry-run", "--ignore-installed")
    run(*resolve, "--require-hashes", "--report", tmp_path / "report.json", "-r", "envs/vllm.lock.txt")
