from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from scripts.engines import Sampling
from scripts.engines.sampling import next_token

SIZE = 40
LOGITS = arrays.arrays(np.float32, SIZE, elements=st.floats(-20, 20, width=32), unique=True)
SEEN = arrays.arrays(bool, SIZE)


def sampling(temperature=0.7, top_p=1.0, top_k=0, repetition_penalty=1.0):
    return Sampling(temperature, top_p, top_k, repetition_penalty, max_new_tokens=1)


def reference(logits, seen, wanted):
    """Probabilities by the processors of transformers."""
    import torch
    from transformers import generation

    tokens = torch.tensor(np.flatnonzero(seen))[None]
    scores = torch.tensor(logits, dtype=torch.float64)[None]
    if len(tokens[0]):
        scores = generation.RepetitionPenaltyLogitsProcessor(wanted.repetition_penalty)(tokens, scores)
    scores = generation.TemperatureLogitsWarper(wanted.temperature)(tokens, scores)
    if wanted.top_k:
        scores = generation.TopKLogitsWarper(wanted.top_k)(tokens, scores)
    if wanted.top_p < 1:
        scores = generation.TopPLogitsWarper(wanted.top_p)(tokens, scores)
    return scores.softmax(-1)[0].numpy()


@given(LOGITS, SEEN, st.integers(0, 60), st.floats(0.05, 0.99), st.floats(1.0, 2.0), st.integers(0, 2**31 - 1))
def test_only_tokens_that_transformers_would_keep_are_drawn(logits, seen, top_k, top_p, penalty, seed):
    wanted = sampling(top_p=top_p, top_k=top_k, repetition_penalty=penalty)
    token = next_token(logits, seen, None, wanted, seed, 0)
    rounding = 1e-9
    assert reference(logits, seen, replace(wanted, top_p=top_p + rounding))[token] > 0


def test_tokens_come_as_often_as_transformers_would_draw_them():
    logits = np.random.default_rng(0).normal(0, 2, SIZE)
    seen = np.arange(SIZE) % 3 == 0
    wanted = sampling(temperature=0.6, top_p=0.95, top_k=12, repetition_penalty=1.2)
    draws = Counter(next_token(logits, seen, None, wanted, seed, 0) for seed in range(5000))
    expected = reference(logits, seen, wanted)
    assert set(draws) == set(np.flatnonzero(expected))
    assert max(abs(draws[token] / 5000 - expected[token]) for token in draws) < 0.025


def test_a_draw_depends_on_seed_and_position():
    logits, seen = np.zeros(SIZE), np.zeros(SIZE, dtype=bool)
    draws = {
        (seed, place): next_token(logits, seen, None, sampling(), seed, place)
        for seed in range(5)
        for place in range(5)
    }
    assert draws == {key: next_token(logits, seen, None, sampling(), *key) for key in draws}
    assert len(set(draws.values())) > 10


@given(LOGITS, SEEN, arrays.arrays(bool, SIZE).filter(np.any), st.integers(0, 1000), st.sampled_from([0.0, 0.7]))
def test_what_the_grammar_forbids_is_never_drawn(logits, seen, allowed, seed, temperature):
    wanted = sampling(temperature=temperature, top_k=3, top_p=0.5, repetition_penalty=1.2)
    assert allowed[next_token(logits, seen, allowed, wanted, seed, 0)]


@pytest.mark.parametrize("top_k", [0, 1, SIZE, 1000])
def test_top_k_of_nothing_or_everything(top_k):
    logits = np.arange(SIZE, dtype=np.float32)
    token = next_token(logits, np.zeros(SIZE, dtype=bool), None, sampling(temperature=0.01, top_k=top_k), 1, 0)
    assert token == SIZE - 1
