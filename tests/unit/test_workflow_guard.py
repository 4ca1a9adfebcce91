"""Which names `allow_costly` may hold."""

from types import SimpleNamespace

import pytest

from scripts.workflow.guard import unknown

RESOURCES = {"train_model": {"gpu": 8}, "generate_slice": {"gpu": 0}, "clean_filter": {"mem_mb": 1}}
RULES = [SimpleNamespace(name=name, resources=resources) for name, resources in RESOURCES.items()]


@pytest.mark.parametrize("allowed", [[], ["all"], ["generate_slice", "train_model"]])
def test_rules_that_may_be_costly_are_known(allowed):
    assert unknown(allowed, RULES) == ""


def test_an_unknown_rule_is_told_with_the_nearest_or_with_all():
    assert unknown(["generate_slise", "train_model"], RULES) == (
        "`allow_costly`: unknown rule `generate_slise`: did you mean `generate_slice`?"
    )
    assert unknown(["clean_filter"], RULES) == (
        "`allow_costly`: unknown rule `clean_filter`: known rules are generate_slice, train_model, all."
    )
