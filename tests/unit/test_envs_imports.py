"""The `conda:` of the rules: each program finds what it imports in the environment that its rule names."""

import re
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from scripts.engines import ENGINES
from scripts.workflow.locks import normal, read_pins
from tests.modules import RULES, environment, packages, program, rules

BESIDE = {"preflight"}
"""Runs in the Python that runs Snakemake, whose plugins it asks."""
RUNNING = {name: text for name, text in rules().items() if program(text) and program(text)[0] not in BESIDE}
DISTRIBUTIONS = {name: {normal(each) for each in names} for name, names in packages_distributions().items()}
OPTIONAL = {"trackio"}
"""Used where it is installed (`generate.tracker`), and asked for in one sentence where it is not."""


def missing(name, *modules):
    """Imports of these modules that no pin of an environment provides."""
    pins = set(read_pins(Path(f"envs/{name}.yaml")))
    distributions = packages_distributions()
    needed = packages(*modules) - OPTIONAL
    return {
        package for package in needed if not pins & {normal(name) for name in distributions.get(package, [package])}
    }


def test_all_rules_are_looked_at():
    written = re.findall(r"^(?:rule|checkpoint) (\w+):", "\n".join(f.read_text() for f in RULES.glob("*.smk")), re.M)
    assert set(written) == set(rules())
    assert len(RUNNING) > 50


@pytest.mark.parametrize("name", [name for name in RUNNING if environment(RUNNING[name]) != "llm"])
def test_a_program_finds_its_imports_in_the_environment_of_its_rule(name):
    interpreter, module = program(RUNNING[name])
    assert environment(RUNNING[name]) == interpreter, "conda: and $PYTHON_… name different environments"
    assert not missing(interpreter, module)


@pytest.mark.parametrize("engine", sorted(ENGINES))
@pytest.mark.parametrize("name", [name for name in RUNNING if environment(RUNNING[name]) == "llm"])
def test_a_program_of_the_language_model_finds_its_imports_with_every_engine(name, engine):
    interpreter, module = program(RUNNING[name])
    assert interpreter == "llm"
    assert not missing(engine, module, f"scripts.engines.{engine}")


def test_the_environment_of_the_engine_follows_the_configuration():
    common = (RULES / "common.smk").read_text()
    assert "LLM_ENV = f\"../../envs/{config['llm']['engine']}.yaml\"\n" in common
    assert 'TOOLS["llm"] = config["llm"]["engine"]\n' in common


def test_rules_without_a_program_name_no_environment():
    assert {name for name in rules() if name not in RUNNING and environment(rules()[name])} == set()


def test_what_runs_beside_snakemake_needs_no_heavy_environment():
    text = "\n".join(file.read_text() for file in RULES.glob("*.smk"))
    local = {name for block in re.findall(r"^localrules:\n((?:    \w+,\n)+)", text, re.M) for name in block.split()}
    used = {environment(RUNNING[name]) for name in {name.rstrip(",") for name in local} & set(RUNNING)}
    assert used <= {"base", "report"}


def test_an_import_that_is_never_reached_does_not_count():
    assert "py3langid" in packages("scripts.generate.preview_measures")
    assert "py3langid" not in packages("scripts.generate.preview_page")  # reads the measures, does not make them


def test_an_import_inside_a_function_counts():
    assert {"umap", "hdbscan"} <= packages("scripts.cluster.fit")
