"""The rule by which a document counts as contaminated by a benchmark row.

The published decontamination of Cosmopedia (the cosmopedia repository): texts become tokens (NFD, combining marks
stripped, lower case, words); a document that shares a 10-gram with a row is a candidate; the tokens of both, joined by
spaces, are compared by difflib, and the document is removed if the matching blocks longer than 5 characters cover more
than half of the row. The blocks are strung together and runs of white space count once, as they do there.

Two things differ from the published script, both defects of it: a candidate pair is every row that shares a 10-gram
(there: one row, which depended on the order of a set), and a row keeps all its 10-grams (there: a later row took over
those of an earlier one). Rows shorter than one n-gram cannot be checked by it; they are listed, not forgotten, and a
document can be asked whether it `holds` one whole.

This module is the rule in plain Python, for texts that candidates.py found to be worth it.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

WORD = re.compile(r"\w+")


class Verdict(NamedTuple):
    """How much of a benchmark row a document holds.

    Args:
        ratio: matched characters over the row's.
        span: the longest matching block, the evidence.
    """

    ratio: float
    span: str


def fold(text: str) -> str:
    """A text without case and accents."""
    if not text.isascii():
        decomposed = unicodedata.normalize("NFD", text)
        text = "".join(character for character in decomposed if unicodedata.category(character) != "Mn")
    return text.lower()


def tokenize(text: str) -> list[str]:
    """The words of a text without case and accents; a lone surrogate is no part of a word."""
    return WORD.findall(fold(text))


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


def holds(document: str, row: str) -> bool:
    """Whether a document has all words of a row, running; both as tokens joined by spaces."""
    return f" {row} " in f" {document} "


def verdict(document: str, row: str, minimum_block: int) -> Verdict:
    """Compares a document with a row, both as tokens joined by spaces; only longer blocks than the minimum count."""
    blocks = [document[start : start + size] for start, _, size in matching_blocks(document, row, minimum_block)]
    matched = " ".join("".join(blocks).split())
    return Verdict(len(matched) / len(row) if row else 0.0, max(blocks, key=len, default=""))


def matching_blocks(document: str, row: str, minimum_block: int) -> list[tuple[int, int, int]]:
    """(start in the document, start in the row, size) of difflib's matching blocks longer than the minimum, in order.

    The same blocks as `SequenceMatcher(None, document, row, autojunk=False)` gives, and found by difflib's own
    `find_longest_match`, but in pieces of minimum + 1 characters, one from each place of a text, where difflib compares
    single characters. A run of k equal characters is one of k − minimum equal pieces, so that the longest run, and the
    first of equals, are the same; runs too short to count have no piece, and beside such a run difflib finds none that
    counts. As in difflib the search goes on left and right of each block; a window's pieces end `minimum` places before
    its characters do.

    Single characters occur all over a row, pieces hardly twice: a document of 5 MB and a row of 1,241 characters take
    3 s (one busy core), where single characters took 30 s even without all stretches that share no piece with the row.
    """
    pieces = [row[start : start + minimum_block + 1] for start in range(len(row) - minimum_block)]
    known = {piece: piece for piece in pieces}
    places = range(len(document) - minimum_block)
    shared = [known.get(document[start : start + minimum_block + 1]) for start in places]
    matcher = SequenceMatcher(None, shared, pieces, autojunk=False)
    found, windows = [], [(0, len(document), 0, len(row))]
    while windows:
        low, high, row_low, row_high = windows.pop()
        if row_high - row_low <= minimum_block:
            continue
        start, row_start, size = matcher.find_longest_match(
            low, high - minimum_block, row_low, row_high - minimum_block
        )
        if size:
            size += minimum_block
            found.append((start, row_start, size))
            windows += (low, start, row_low, row_start), (start + size, high, row_start + size, row_high)
    return sorted(found)
