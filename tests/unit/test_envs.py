"""The environments: what conda installs, what a plain venv installs and what the rules name are the same."""

import re
from pathlib import Path

import pytest

from scripts.common.errors import InputError
from scripts.workflow.locks import apart, head, normal, read_pins
from tests.modules import environment, rules

ENVS = Path("envs")
NAMES = sorted(path.stem for path in ENVS.glob("*.yaml"))
PLAIN = {"local", "torch", "vllm-cpu"}
PIN = re.compile(r"([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?==([A-Za-z0-9.+!]+)")


def locked(name):
    """Package, version and hashes of each pin of a lock; every line must belong to one."""
    text = (ENVS / f"{name}.lock.txt").read_text()
    lines = re.sub(r" \\\n +", " ", re.sub("^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    found = [(PIN.fullmatch(line.split()[0]), line.split()[1:]) for line in lines]
    assert all(match for match, _ in found)
    return [(normal(match[1]), match[2], hashes) for match, hashes in found]


@pytest.mark.parametrize("name", sorted(path.name.removesuffix(".lock.txt") for path in ENVS.glob("*.lock.txt")))
def test_a_lock_pins_every_package_once(name):
    packages = [package for package, _, _ in locked(name)]
    assert packages
    assert len(packages) == len(set(packages))


@pytest.mark.parametrize("name", NAMES)
def test_every_environment_has_a_lock_with_hashes(name):
    for package, _, hashes in locked(name):
        assert hashes, package
        assert all(re.fullmatch("--hash=sha256:[0-9a-f]{64}", value) for value in hashes)


def test_only_what_is_no_environment_is_without_hashes():
    assert {path.name.removesuffix(".lock.txt") for path in ENVS.glob("*.lock.txt")} == {*NAMES, *PLAIN}


@pytest.mark.parametrize("name", NAMES)
def test_conda_installs_what_the_lock_says(name):
    environment = ENVS / f"{name}.yaml"
    text = environment.read_text()
    assert "  - python=3.11\n" in text
    pins = read_pins(environment)
    versions = {package: version for package, version, _ in [*locked(name), *locked("torch")]}
    assert {package: versions.get(package) for package in pins} == pins
    assert {package for package, _, _ in locked(name)} == set(pins) - apart(pins)
    assert (ENVS / f"{name}.lock.txt").read_text().startswith(head(environment))


def test_torch_stands_apart_from_every_lock_but_that_of_vllm():
    with_torch = {name for name in NAMES if "torch" in read_pins(ENVS / f"{name}.yaml")}
    assert {name for name in with_torch if not apart(read_pins(ENVS / f"{name}.yaml"))} == {"vllm"}


def test_tools_that_share_a_package_share_its_version_with_the_local_venv():
    local = {package: version for package, version, _ in locked("local")}
    for name in set(NAMES) - {"vllm"}:
        for package, version in read_pins(ENVS / f"{name}.yaml").items():
            assert local.get(package, version) == version, (name, package)


def test_gpus_run_the_release_of_vllm_that_the_tests_run():
    tested = {package: version for package, version, _ in locked("vllm-cpu")}["vllm-cpu"]
    assert read_pins(ENVS / "vllm.yaml")["vllm"] == tested


def test_every_environment_is_used_and_every_used_one_is_there():
    named = {environment(rule) for rule in rules().values()} - {None, "llm"}
    assert named | {"vllm", "transformers", "openai"} == set(NAMES)


def test_a_loose_requirement_is_refused(tmp_path):
    path = tmp_path / "loose.yaml"
    path.write_text("# Loose\ndependencies:\n  - pip:\n      - pyarrow>=2\n")
    with pytest.raises(InputError, match="`pyarrow>=2` is not pinned"):
        read_pins(path)
