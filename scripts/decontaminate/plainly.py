"""The rule of decontamination told a second time, as plainly as it can be said, to hold the fast scan against.

It is the rule of scripts/decontaminate/matching.py without any of its shortcuts, and shares no line with it: tokens by
a regular expression, n-grams as sets of tuples, difflib on the whole texts. difflib's time grows with the product of
both lengths (0.04 s for 4,000 characters and a row of 350, one busy core), so this is for hundreds of texts, no more.
"""

import difflib
import re
import unicodedata
from collections.abc import Sequence


def words(text: str) -> list[str]:
    """The words of a text: decomposed, without combining marks, in lower case."""
    decomposed = unicodedata.normalize("NFD", text)
    bare = "".join(character for character in decomposed if unicodedata.category(character) != "Mn")
    return re.findall(r"\w+", bare.lower())


def ngrams(tokens: Sequence[str], n: int) -> set[tuple[str, ...]]:
    """All runs of n words."""
    return {tuple(tokens[start : start + n]) for start in range(len(tokens) - n + 1)}


def matched_share(document: Sequence[str], row: Sequence[str], minimum_block: int) -> float:
    """Characters of the matching blocks longer than the minimum over those of the row."""
    text, wanted = " ".join(document), " ".join(row)
    blocks = difflib.SequenceMatcher(None, text, wanted, autojunk=False).get_matching_blocks()
    strung = "".join(text[block.a : block.a + block.size] for block in blocks if block.size > minimum_block)
    return len(re.sub(r"\s+", " ", strung).strip()) / len(wanted)


def decision(document: str, row: str, ngram: int, minimum_block: int, ratio: float) -> str:
    """What the rule asks for of a document and one row: removed or kept."""
    found, wanted = words(document), words(row)
    if ngrams(found, ngram).isdisjoint(ngrams(wanted, ngram)):
        return "kept"
    return "removed" if matched_share(found, wanted, minimum_block) > ratio else "kept"
