"""Each lock installs into a plain venv, where the programs of its stage start and find what they import.

This needs the network, up to 3 GB of disk and minutes: RUN_ENV_TESTS=1 runs all of it, RUN_ENV_TESTS=openai,report only
these. vLLM's lock, for GPUs only, is resolved and not installed. pip's own settings say where packages come from.
"""

import json
import os
import subprocess
import venv

import pytest

from scripts.workflow.locks import apart, normal, read_pins
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


def test_the_lock_of_vllm_resolves_to_the_files_that_it_holds_hashes_of(tmp_path):
    """The pins go together, and nothing else is needed; a local build of torch (2.13.0+cpu) has a hash of its own."""
    skip_unless_chosen("vllm")
    pins = read_pins(ROOT / "envs" / "vllm.yaml")
    (tmp_path / "pins.txt").write_text("".join(f"{name}=={version}\n" for name, version in pins.items()))
    venv.create(tmp_path / "venv", with_pip=True)
    pip = (tmp_path / "venv" / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-cache-dir")
    run(*pip, "--upgrade", "pip")  # an old one fetches whole files for a dry run
    run(*pip, "--dry-run", "--ignore-installed", "--report", tmp_path / "report.json", "-r", tmp_path / "pins.txt")
    lock = (ROOT / "envs" / "vllm.lock.txt").read_text()
    resolved = json.loads((tmp_path / "report.json").read_text())["install"]
    assert {normal(item["metadata"]["name"]) for item in resolved} == set(pins)
    for item in resolved:
        if "+" not in item["metadata"]["version"]:
            assert item["download_info"]["archive_info"]["hashes"]["sha256"] in lock, item["metadata"]["name"]
