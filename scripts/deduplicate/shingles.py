"""Shingles of a text: its word n-grams, hashed as datatrove's MinHash hashes them."""

from typing import TYPE_CHECKING

from scripts.deduplicate.words import Words

if TYPE_CHECKING:
    import numpy as np


class Shingles:
    """A function from a text to its shingles.

    Args:
        ngram: words in one shingle.
    """

    def __init__(self, ngram: int) -> None:
        self._ngram = ngram
        self._words = Words()

    def __call__(self, text: str) -> "np.ndarray":
        """The 64-bit hashes of all shingles in their order, repeated ones too; shape (shingles,), uint64."""
        import numpy as np

        from scripts.deduplicate.kernels import xxhash64

        words = self._words(text).encode()
        if not words:
            return np.empty(0, np.uint64)
        spaces = np.flatnonzero(np.frombuffer(words, np.uint8) == ord(" "))
        starts = np.concatenate(([0], spaces + 1, [len(words) + 1]))
        # The eight bytes from every place on: a view with steps of one byte, which is then laid out as numbers.
        eights = np.ndarray(len(words), "<u8", words + bytes(8), strides=(1,)).copy()
        return xxhash64(eights, starts, self._ngram)
