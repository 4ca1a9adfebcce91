"""The environments: what conda installs, what a plain venv installs and what the rules name are the same."""

import re
from pathlib import Path

import pytest
import yaml

ENVS = Path("envs")
PIN = re.compile(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==[A-Za-z0-9.+!]+")


def pins(lock):
    return [line for line in lock.read_text().splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("lock", sorted(ENVS.glob("*.lock.txt")), ids=lambda path: path.name)
def test_a_lock_pins_every_package_once(lock):
    names = [re.split(r"[\[=]", line)[0].lower() for line in pins(lock)]
    assert all(PIN.fullmatch(line) for line in pins(lock))
    assert len(names) == len(set(names))


@pytest.mark.parametrize("env", sorted(ENVS.glob("*.yaml")), ids=lambda path: path.name)
def test_conda_installs_what_the_lock_says(env):
    dependencies = yaml.safe_load(env.read_text())["dependencies"]
    assert "python=3.11" in dependencies
    assert dependencies[-1]["pip"] == pins(env.with_suffix(".lock.txt"))


def test_tools_that_share_a_package_share_its_version_with_the_local_venv():
    local = dict(line.lower().split("==") for line in pins(ENVS / "local.lock.txt"))
    for name in ("base", "embed", "cluster", "transformers", "datatrove", "train", "evaluate", "report", "openai"):
        for line in pins(ENVS / f"{name}.lock.txt"):
            package, version = re.sub(r"\[.*\]", "", line.lower()).split("==")
            assert local.get(package.replace("_", "-"), local.get(package.replace("-", "_"), version)) == version, line


def test_every_environment_that_a_rule_names_is_there():
    rules = "\n".join(path.read_text() for path in Path("workflow/rules").glob("*.smk"))
    named = set(re.findall(r'"\.\./\.\./envs/(\w+)\.yaml"', rules)) | {"vllm", "transformers", "openai"}
    assert named <= {path.stem for path in ENVS.glob("*.yaml")}
