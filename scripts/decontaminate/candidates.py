"""Finds the documents that may share words with benchmark rows, on their UTF-8 bytes: no Python string is made of them.

A compiled loop (scripts/decontaminate/kernel.py) does what the rule's `fold` and `tokenize` do, one code point at a
time by a table that was made with `fold` itself (characters.py), and keeps a polynomial hash of the last words. A
bitmap of all hashes of the rows, at least 32 bits an n-gram, rejects almost every run of words out of the processor's
caches; what passes is looked up among the sorted hashes. A document that is found goes to the exact rule in Python.

A document may be found in vain, but none is missed. Equal words have equal hashes, because `fold` treats each code
point by itself, with three exceptions:

* the lower case of a capital sigma depends on its neighbours: all sigmas have one value here;
* NFD sorts the marks behind a letter: those that are not dropped (categories Mc and Me) are no part of a word, so that
  their order does not matter;
* a few letters decompose into one and a mark that ends the word (in Balinese, for instance), and code points from
  characters.LIMIT on have no entry in the table: a document with any of these counts as found.

Memory does not grow with the documents. An n-gram of the rows takes about 22 bytes: 40 MB for the 1.8 million of the
full benchmarks. A job with so many had a peak of 0.5 GB, compiler and all.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    import numpy as np


class Candidates:
    """The rows, ready to be looked for in documents.

    Args:
        rows: tokens of each row, joined by spaces.
        lengths: for each row, how many words running a document must share with it.
    """

    def __init__(self, rows: Sequence[str], lengths: Sequence[int]) -> None:
        import numpy as np

        from scripts.decontaminate.characters import characters
        from scripts.decontaminate.kernel import BASE, BITS_IN_GROUP, ODD

        self._power, self._value = characters()
        # Tokens hold only characters of words, so what the table lacks may be hashed as one: hits in vain at worst.
        self._token_power = np.where(self._power == ODD, BASE, self._power)
        self._lengths = np.array(sorted(set(lengths)), np.int64)
        self._bits = 5
        self._bitmap, self._starts, self._keys = np.empty(0, np.uint8), np.empty(0, np.int32), np.empty(0, np.uint64)

        keys, numbers = [self._keys], [np.empty(0, np.int32)]
        for length in self._lengths.tolist():
            chosen = [number for number, own in enumerate(lengths) if own == length]
            runs = [max(len(rows[number].split()) - length + 1, 0) for number in chosen]
            keys.append(self._hashes([rows[number] for number in chosen], np.array([length])))
            numbers.append(np.repeat(np.array(chosen, np.int32), runs))
        order = np.argsort(np.concatenate(keys), kind="stable")
        self._keys, self._numbers = np.concatenate(keys)[order], np.concatenate(numbers)[order]

        self._bits = max(self._bits, len(self._keys).bit_length())
        groups = (self._keys >> np.uint64(64 - self._bits)).astype(np.int64)
        sizes = np.bincount(groups, minlength=1 << self._bits)
        self._starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
        seen = np.zeros(1 << self._bits + BITS_IN_GROUP, bool)
        seen[self._keys >> np.uint64(64 - self._bits - BITS_IN_GROUP)] = True
        self._bitmap = np.packbits(seen, bitorder="little")

    def documents(self, texts: pa.Array) -> list[int]:
        """The places of the texts that may share enough words with a row."""
        import numpy as np

        longest = int(np.diff(_buffers(texts)[1]).max(initial=0))
        hashes = np.empty((longest // 2 + 1) * len(self._lengths), np.uint64)
        found = np.zeros(len(texts), bool)
        self._scan(texts, self._power, self._lengths, hashes, found, False)
        return np.flatnonzero(found).tolist()

    def rows(self, document: str) -> list[int]:
        """The numbers of the rows that may share enough words with a document, given as tokens joined by spaces."""
        import numpy as np

        hashes = np.unique(self._hashes([document], self._lengths))
        first, last = (np.searchsorted(self._keys, hashes, side) for side in ("left", "right"))
        hits = np.flatnonzero(first < last)
        return sorted({number for hit in hits for number in self._numbers[first[hit] : last[hit]].tolist()})

    def _hashes(self, texts: Sequence[str], lengths: "np.ndarray") -> "np.ndarray":
        """The hashes of all runs of words in texts that are tokens joined by spaces."""
        import numpy as np

        words = sum(text.count(" ") + 1 for text in texts)
        hashes = np.empty(words * len(lengths), np.uint64)
        found = np.zeros(len(texts), bool)
        return hashes[: self._scan(pa.array(texts, pa.string()), self._token_power, lengths, hashes, found, True)]

    def _scan(
        self,
        texts: pa.Array,
        power: "np.ndarray",
        lengths: "np.ndarray",
        hashes: "np.ndarray",
        found: "np.ndarray",
        all_hashes: bool,
    ) -> int:
        import numpy as np

        from scripts.decontaminate.kernel import BASE, scan

        data, offsets = _buffers(texts)
        return scan(
            data,
            offsets,
            power,
            self._value,
            lengths,
            BASE ** lengths.astype(np.uint64),
            np.uint64(self._bits),
            self._bitmap,
            self._starts,
            self._keys,
            np.zeros(1 << int(lengths.max(initial=1)).bit_length(), np.uint64),
            hashes,
            found,
            all_hashes,
        )


def _buffers(texts: pa.Array) -> tuple["np.ndarray", "np.ndarray"]:
    """The bytes of texts and where each starts, without a copy; a missing text is an empty one."""
    import numpy as np

    texts = texts.fill_null("").cast(pa.large_string())
    _, offsets, data = texts.buffers()
    starts = np.frombuffer(offsets or bytes(8), np.int64)
    return np.frombuffer(data or b"", np.uint8), starts[texts.offset : texts.offset + len(texts) + 1]
