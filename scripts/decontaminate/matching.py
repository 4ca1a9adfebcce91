"""The rule by which a document counts as contaminated by a benchmark row.

The published decontamination of Cosmopedia (the cosmopedia repository): texts become tokens (NFD, combining marks
stripped, lower case, words); a document that shares a 10-gram with a row is a candidate; the tokens of both, joined by
spaces, are compared by difflib, and the document is removed if the matching blocks longer than 5 characters cover more
than half of the row. The blocks are strung together and runs of white space count once, as they do there.

Two things differ from the published script, both defects of it: a candidate pair is every row that shares a 10-gram
(there: one row, which depended on the order of a set), and a row keeps all its 10-grams (there: a later row took over
those of an earlier one). Rows shorter than one n-gram cannot be checked; they are listed, not forgotten.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

_WORD = re.compile(r"\w+")


class Verdict(NamedTuple):
    """How much of a benchmark row a document holds.

    Args:
        ratio: matched characters over the row's.
        span: the longest matching block, the evidence.
    """

    ratio: float
    span: str


def tokenize(text: str) -> list[str]:
    """The words of a text without case and accents; a lone surrogate is no part of a word."""
    if not text.isascii():
        decomposed = unicodedata.normalize("NFD", text)
        text = "".join(character for character in decomposed if unicodedata.category(character) != "Mn")
    return _WORD.findall(text.lower())


def ngrams(tokens: Sequence[str], n: int) -> Iterator[str]:
    """All runs of n tokens, joined by spaces, in their order."""
    joined = " ".join(tokens)
    ends, position = [], -1
    for token in tokens:
        position += len(token) + 1
        ends.append(position)
    starts = [0, *(end + 1 for end in ends)]
    for first in range(len(tokens) - n + 1):
        yield joined[starts[first] : ends[first + n - 1]]


def index(rows: Iterable[str], n: int) -> dict[str, tuple[int, ...]]:
    """Every n-gram of the benchmark rows → the numbers of all rows that have it.

    Args:
        rows: the rows' tokens joined by spaces.
        n: tokens in an n-gram.
    """
    found: dict[str, tuple[int, ...]] = {}
    for number, row in enumerate(rows):
        for ngram in set(ngrams(row.split(" "), n)):
            found[ngram] = (*found.get(ngram, ()), number)
    return found


def candidates(tokens: Sequence[str], rows: Mapping[str, Sequence[int]], n: int) -> list[int]:
    """The numbers of all rows that share an n-gram with a document, in ascending order."""
    return sorted({number for ngram in ngrams(tokens, n) for number in rows.get(ngram, ())})


def verdict(document: str, row: str, minimum_block: int) -> Verdict:
    """Compares a document with a row, both as tokens joined by spaces; only longer blocks than the minimum count."""
    blocks = [document[start : start + size] for start, size in matching_blocks(document, row, minimum_block)]
    matched = " ".join("".join(blocks).split())
    return Verdict(len(matched) / len(row) if row else 0.0, max(blocks, key=len, default=""))


def matching_blocks(document: str, row: str, minimum_block: int) -> list[tuple[int, int]]:
    """Start and size of difflib's matching blocks longer than the minimum, in the order of the document.

    The same blocks as `SequenceMatcher(None, document, row, autojunk=False)` finds, but in time that hardly grows with
    the document (difflib takes minutes for one of 5 MB). difflib takes the longest run of equal characters, the first
    of equals, and goes on left and right of it. A run too short to count has only runs as short beside it, so all that
    matters are the maximal runs that begin with minimum + 1 equal characters, and those are found by look-up.
    """
    runs = _runs(document, row, minimum_block + 1)
    found = []
    windows = [(0, len(document), 0, len(row))]
    while windows:
        low, high, row_low, row_high = windows.pop()
        best = (minimum_block, 0, 0)
        for start, row_start, size in runs:
            cut = max(0, low - start, row_low - row_start)
            length = min(start + size, high, row_high + start - row_start) - start - cut
            if (length, -start - cut, -row_start - cut) > best:
                best = (length, -start - cut, -row_start - cut)
        size, start, row_start = best[0], -best[1], -best[2]
        if size > minimum_block:
            found.append((start, size))
            windows.append((low, start, row_low, row_start))
            windows.append((start + size, high, row_start + size, row_high))
    return sorted(found)


def _runs(document: str, row: str, minimum: int) -> list[tuple[int, int, int]]:
    """(start in the document, start in the row, size) of all maximal runs of at least `minimum` equal characters."""
    places: dict[str, list[int]] = {}
    for place in range(len(row) - minimum + 1):
        places.setdefault(row[place : place + minimum], []).append(place)
    runs = []
    for start in range(len(document) - minimum + 1):
        for row_start in places.get(document[start : start + minimum], ()):
            if start and row_start and document[start - 1] == row[row_start - 1]:
                continue  # inside a run that was found at its own start
            size = minimum
            while (
                start + size < len(document)
                and row_start + size < len(row)
                and document[start + size] == row[row_start + size]
            ):
                size += 1
            runs.append((start, row_start, size))
    return runs
