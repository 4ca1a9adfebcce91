"""Choice of the next token, for one request by itself, in float64.

The order is that of transformers and vLLM: what a grammar allows, repetition penalty over prompt and answer (CTRL,
Keskar et al. 2019), temperature, top-k, top-p (Holtzman et al. 2019). The random number of each token is a hash of the
request's seed and the token's position, so a text depends on nothing but its own request.
"""

import numpy as np

from scripts.common.ids import unit_interval
from scripts.engines import Sampling


def next_token(
    logits: np.ndarray, seen: np.ndarray, allowed: np.ndarray | None, sampling: Sampling, seed: int, position: int
) -> int:
    """Draws a token id.

    Args:
        logits: shape (vocabulary,).
        seen: bool, shape (vocabulary,): tokens of the prompt and of the answer so far.
        allowed: bool, shape (vocabulary,): tokens the grammar allows; None: all.
        sampling: temperature, top_k, top_p and repetition_penalty.
        seed: of the request.
        position: of the token in the answer, from 0.
    """
    scores = logits.astype(np.float64)
    if allowed is not None:
        scores[~allowed] = -np.inf
    if sampling.repetition_penalty != 1.0:
        penalty = sampling.repetition_penalty
        scores[seen] = np.where(scores[seen] > 0, scores[seen] / penalty, scores[seen] * penalty)
    if sampling.temperature == 0.0:
        return int(scores.argmax())
    tokens = _most_likely(scores, sampling.top_k)
    weights = np.exp((scores[tokens] - scores[tokens[0]]) / sampling.temperature)
    before = np.cumsum(weights) - weights
    kept = max(1, int(np.searchsorted(before, sampling.top_p * weights.sum(), side="left")))
    cumulative = np.cumsum(weights[:kept])
    target = unit_interval(str(seed), f"token-{position}") * cumulative[-1]
    return int(tokens[min(np.searchsorted(cumulative, target, side="right"), kept - 1)])


def _most_likely(scores: np.ndarray, top_k: int) -> np.ndarray:
    """Token ids by falling score, the `top_k` best of them; equal scores by id."""
    if 0 < top_k < len(scores):
        threshold = np.partition(scores, -top_k)[-top_k]
        tokens = np.flatnonzero(scores >= threshold)
    else:
        tokens = np.arange(len(scores))
    return tokens[np.argsort(-scores[tokens], kind="stable")]
