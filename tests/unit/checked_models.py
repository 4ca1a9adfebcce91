"""What the tests of checks before an engine starts ask of it."""

import pytest

from scripts import engines
from scripts.common.errors import InputError
from scripts.engines import EngineSettings, Sampling

SAMPLING = Sampling(0.0, 1.0, 0, 1.0, 4)


def settings(model, **changes):
    defaults = {"dtype": "float32", "max_model_len": 256, "max_in_flight": 2, "options": {"device": "cpu"}}
    return EngineSettings("transformers", str(model), **defaults | changes)


def refused(model, **changes):
    """The message with which the engine refuses a model."""
    with pytest.raises(InputError) as refusal:
        engines.create(settings(model, **changes), SAMPLING)
    return str(refusal.value)
