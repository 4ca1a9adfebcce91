"""The container recipes are what Snakemake prints today, and hold nothing of the machine that it printed them on."""

import re

import pytest

from scripts.engines import ENGINES
from scripts.workflow.containers import FOLDER, FORMATS, recipe
from tests.modules import environment, rules
from tests.snakemake import ROOT


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_a_recipe_is_in_step_with_the_environments(engine, form):
    written = (ROOT / FOLDER / f"{engine}.{FORMATS[form]}").read_text()
    assert written == recipe(engine, form), "run `python -m scripts.workflow.containers`"
    assert str(ROOT) not in written


@pytest.mark.parametrize("suffix", FORMATS.values())
@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_an_image_holds_the_environment_of_every_rule_and_of_its_engine_alone(engine, suffix):
    copied = re.findall(r"^(?:COPY|   ) envs/(\w+)\.yaml /", (ROOT / FOLDER / f"{engine}.{suffix}").read_text(), re.M)
    assert sorted(copied) == sorted({environment(rule) for rule in rules().values()} - {None, "llm"} | {engine})
