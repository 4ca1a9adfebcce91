import sys
from types import SimpleNamespace

import pytest
import snakemake_executor_plugin_slurm as plugin

from scripts.workflow import arrays

ARRAYS = SimpleNamespace(array_jobs="generate_slice")


def test_a_batch_of_jobs_waits_for_no_other(monkeypatch):
    more_ready = SimpleNamespace(ready_jobs=[SimpleNamespace(rule=SimpleNamespace(name="one"))] * 3)
    assert plugin.pending_jobs_for_rule(more_ready, "one") == 3
    monkeypatch.setattr(plugin, arrays.PENDING, plugin.pending_jobs_for_rule)
    arrays.forget_nothing()
    assert plugin.pending_jobs_for_rule(more_ready, "one") == 0


def test_nothing_happens_without_the_plugin(monkeypatch):
    monkeypatch.delitem(sys.modules, arrays.PLUGIN)
    arrays.forget_nothing()
    assert arrays.PLUGIN not in sys.modules


@pytest.mark.parametrize("value", ["llm={endpoint: 'http://host/v1'}", 'run="other"'])
def test_values_that_arrays_cannot_carry_are_named(value):
    assert value in arrays.trap(ARRAYS, ["fraction=0.1", value])


@pytest.mark.parametrize(
    ("settings", "words"),
    [(ARRAYS, None), (ARRAYS, ["llm={endpoint: http://host/v1}"]), (None, ["a='b'"]), (SimpleNamespace(), ["a='b'"])],
)
def test_other_values_and_runs_without_arrays_go_on(settings, words):
    assert arrays.trap(settings, words) == ""
