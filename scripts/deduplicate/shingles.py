"""Shingles of a text: its word n-grams, hashed as datatrove's MinHash hashes them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


class Shingles:
    """A function from a text to its shingles.

    Args:
        ngram: words in one shingle.
    """

    def __init__(self, ngram: int) -> None:
        from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature

        self._datatrove = MinhashDedupSignature("/nowhere", MinhashConfig(n_grams=ngram))

    def __call__(self, text: str) -> "np.ndarray":
        """The 64-bit hashes of all shingles in their order, repeated ones too; shape (shingles,), uint64."""
        return self._datatrove.get_shingles(text).ravel()
