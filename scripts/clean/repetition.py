"""How much a text repeats itself: the thirteen measures of Gopher (Rae et al. 2021, arXiv 2112.11446, table A1).

Each is a share of the text: lines and paragraphs that were there before (of their number, and of all characters), the
characters of the most frequent 2-, 3- and 4-gram of words, and those of 5- to 10-grams that were there before. The
counting is datatrove's (GopherRepetitionFilter); three things differ from its filter:

* All measures that fail are named, not the first one alone.
* Words are runs of letters and digits instead of spaCy's tokens. Splitting is what datatrove's filter spends its time
  on (6.0 of 8.2 ms for a text of 3.7 kB); of 210 web pages both remove the same four. With marks as words of their own,
  27 of 39 mathematical solutions would go.
* Fenced code blocks do not count, nor do the words of formulas, nor lines and paragraphs without a letter or digit:
  rules (`---`), braces and the steps of a calculation repeat in every good textbook.
"""

import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence

LIMITS = {
    "duplicate_lines": 0.30,
    "duplicate_paragraphs": 0.30,
    "duplicate_line_characters": 0.20,
    "duplicate_paragraph_characters": 0.20,
    "top_2_gram": 0.20,
    "top_3_gram": 0.18,
    "top_4_gram": 0.16,
    "duplicate_5_grams": 0.15,
    "duplicate_6_grams": 0.14,
    "duplicate_7_grams": 0.13,
    "duplicate_8_grams": 0.12,
    "duplicate_9_grams": 0.11,
    "duplicate_10_grams": 0.10,
}
"""Measure → largest share that passes."""

SHORT = 1000
"""Characters from which on one n-gram cannot reach a limit by its own length."""

_PARAGRAPHS = re.compile(r"\n{2,}")
_LINES = re.compile(r"\n+")
_FORMULAS = re.compile(
    r"\$\$.+?\$\$|\$(?!\s)[^$\n]+?(?<!\s)\$(?!\d)|\\\[.+?\\\]|\\\(.+?\\\)|\\begin\{(\w+\*?)\}.+?\\end\{\1\}",
    re.DOTALL,
)
_WORDS = re.compile(r"\w+")
_SUBSTANCE = re.compile(r"[^\W_]")


def measures(prose: str, limits: Mapping[str, float] | None = None) -> dict[str, float]:
    """The shares of a text without its code blocks; all 0 for an empty one.

    With limits, a measure that cannot exceed its own, by a bound that is quicker to find, is left out. Few texts come
    near their limits, and the counts of n-grams are what takes the time.
    """
    from datatrove.pipeline.filters.gopher_repetition_filter import (
        find_all_duplicate,
        find_duplicates,
        find_top_duplicate,
        get_n_grams,
    )

    prose = prose.strip()
    if not prose:
        return dict.fromkeys(LIMITS, 0.0)
    found: dict[str, float] = {}
    for name, splitter in (("line", _LINES), ("paragraph", _PARAGRAPHS)):
        pieces = [piece for piece in splitter.split(prose) if _SUBSTANCE.search(piece)]
        number, characters = find_duplicates(pieces)
        found[f"duplicate_{name}s"] = number / max(len(pieces), 1)
        found[f"duplicate_{name}_characters"] = characters / len(prose)
    words = _WORDS.findall(_FORMULAS.sub(" ", prose))
    most = max(Counter(itertools.pairwise(words)).values(), default=0)
    longest = max(map(len, words), default=0)
    for n in (2, 3, 4):
        name = f"top_{n}_gram"
        # No n-gram is there more often than the most frequent pair of words.
        if limits and most * n * (longest + 1) <= limits[name] * len(prose):
            continue
        grams = get_n_grams(words, n)
        # In a short text the longest n-gram would count although it stands there once.
        repeats = len(prose) > SHORT or len(set(grams)) < len(grams)
        found[name] = find_top_duplicate(grams) / len(prose) if grams and repeats else 0.0
    bound = _in_repeated_5_grams(words)
    for n in range(5, 11):
        name = f"duplicate_{n}_grams"
        if not limits or bound > limits[name] * len(prose):
            found[name] = find_all_duplicate(words, n) / len(prose)
    return found


def excesses(prose: str, limits: Mapping[str, float]) -> dict[str, float]:
    """The measures above their limit, in the order of LIMITS."""
    found = measures(prose, limits)
    return {name: found[name] for name in LIMITS if found.get(name, 0.0) > limits[name]}


def _in_repeated_5_grams(words: Sequence[str]) -> int:
    """Characters of the words that are part of any 5-gram that was there before, as part of a longer one is too."""
    seen: set[tuple[str, ...]] = set()
    characters = end = 0
    for place, gram in enumerate(zip(*(words[start:] for start in range(5)), strict=False)):
        if gram in seen:
            characters += sum(map(len, words[max(place, end) : place + 5]))
            end = place + 5
        seen.add(gram)
    return characters
