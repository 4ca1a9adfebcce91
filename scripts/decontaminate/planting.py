"""Eight ways to plant a benchmark row in a text, which rows are taken, and where they are put.

| kind | what is planted | what the rule asks for |
|---|---|---|
| verbatim | the row as it is | removed |
| recased | every letter in the other case | removed |
| accented | an acute accent on every vowel | removed |
| repunctuated | dashes for its punctuation, commas between all words | removed |
| half | its first words, up to half of its characters | kept: matches half at most; the text around may add to it |
| ten_words | ten words in a row | removed if they are more than half of the row, else kept |
| nine_words | nine words in a row | kept: no 10-gram is shared |
| gaps | every sixth word left out | kept: no 10-gram is shared, the rule's known blind spot |

The first four leave the words of the row untouched. The others are cut out of its words, and of them the table says
only what is usual: a text may happen to go on as the row does, or to hold blocks of more than 5 characters of it, so
what the rule asks for is worked out for each planted text (scripts/decontaminate/plainly.py). Ten, nine and six follow
`decontaminate.ngram`: an n-gram, one word less, and gaps that leave a little more than half of one.
"""

import dataclasses
import itertools
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from scripts.common.ids import content_id, unit_interval
from scripts.decontaminate.plainly import words

VOWELS = frozenset("aeiouAEIOU")
SIGMAS = frozenset("Σσς")
"""Their lower case depends on the letters around them."""


def verbatim(text: str, ngram: int) -> str:
    """The row as it is."""
    return text


def recased(text: str, ngram: int) -> str:
    """Every letter in the other case, but for those whose lower case would not be the same again (ß, ŉ, σ)."""
    return "".join(
        other
        if len(other := letter.swapcase()) == 1 and other.lower() == letter.lower() and letter not in SIGMAS
        else letter
        for letter in text
    )


def accented(text: str, ngram: int) -> str:
    """An acute accent on every vowel."""
    marked = "".join(f"{letter}\u0301" if letter in VOWELS else letter for letter in text)
    return unicodedata.normalize("NFC", marked)


def repunctuated(text: str, ngram: int) -> str:
    """A dash for every sign of punctuation, and a comma between all words."""
    dashed = (
        "–" if unicodedata.category(letter)[0] in "PS" and letter != "_" else letter
        for letter in unicodedata.normalize("NFC", text)
    )
    return ", ".join("".join(dashed).split())


def half(text: str, ngram: int) -> str:
    """The first words, up to half of the characters."""
    tokens = words(text)
    ends = list(itertools.accumulate(len(token) + 1 for token in tokens))
    return " ".join(token for token, end in zip(tokens, ends, strict=True) if 2 * (end - 1) <= ends[-1] - 1)


def ten_words(text: str, ngram: int) -> str:
    """As many words in a row as an n-gram has, from a place that the row itself decides."""
    return _run(text, ngram)


def nine_words(text: str, ngram: int) -> str:
    """One word less."""
    return _run(text, ngram - 1)


def gaps(text: str, ngram: int) -> str:
    """Every sixth word left out (for n-grams of ten words)."""
    step = ngram // 2 + 1
    return " ".join(token for place, token in enumerate(words(text), 1) if place % step)


def _run(text: str, length: int) -> str:
    tokens = words(text)
    start = int(unit_interval(content_id(text), "run of words") * (len(tokens) - length + 1))
    return " ".join(tokens[start : start + length])


Way = Callable[[str, int], str]

KINDS: Mapping[str, tuple[Way, str]] = {
    "verbatim": (verbatim, "as it is"),
    "recased": (recased, "upper for lower case and the other way round"),
    "accented": (accented, "an accent on every vowel"),
    "repunctuated": (repunctuated, "other punctuation, and a comma between all words"),
    "half": (half, "the first half of it"),
    "ten_words": (ten_words, "as many words of it as an n-gram has"),
    "nine_words": (nine_words, "one word less than an n-gram"),
    "gaps": (gaps, "some words left out, so that no n-gram remains"),
}
"""Kind → how a row's text is changed, and that in words."""


@dataclasses.dataclass(frozen=True)
class Planted:
    """A copy of a document with a benchmark row in it."""

    kind: str
    row: Mapping[str, Any]
    host: str
    text: str


def plant(rows: Sequence[Mapping[str, Any]], hosts: Sequence[tuple[str, str]], each: int, ngram: int) -> list[Planted]:
    """Plants `each` rows in each of the eight ways, every time another row in another document while there are any.

    Args:
        rows: benchmark rows (BENCHMARK_ROWS) of at least `ngram` words.
        hosts: id and text of the documents.
        each: how many of a kind.
        ngram: words in an n-gram.
    """
    if not rows or not hosts:
        return []
    chosen, places = spread(rows, each * len(KINDS)), itertools.count()
    planted = []
    for kind, (way, _) in KINDS.items():
        for _ in range(each):
            place = next(places)
            row, (host, text) = chosen[place % len(chosen)], hosts[place % len(hosts)]
            planted.append(Planted(kind, row, host, insert(way(row["text"], ngram), host, text)))
    return planted


def spread(rows: Sequence[Mapping[str, Any]], number: int) -> list[Mapping[str, Any]]:
    """At most so many rows, in turn from every benchmark; which ones is decided by their ids."""
    by_benchmark: dict[str, list[Mapping[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: content_id("planted", row["benchmark"], row["row"])):
        by_benchmark.setdefault(row["benchmark"], []).append(row)
    rounds = itertools.zip_longest(*(by_benchmark[name] for name in sorted(by_benchmark)))
    in_turn: Iterable[Mapping[str, Any]] = (row for taken in rounds for row in taken if row is not None)
    return list(itertools.islice(in_turn, number))


def insert(fragment: str, host: str, text: str) -> str:
    """The fragment between two words of a text, at a place that the text's id decides."""
    gap = text.find(" ", int(unit_interval(host, "planted") * len(text)))
    place = gap if gap >= 0 else len(text)
    return f"{text[:place]} {fragment} {text[place:]}"
