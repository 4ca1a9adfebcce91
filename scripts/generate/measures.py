"""What the texts of one template look like together: measures that show a bad template before it is paid for.

A measure is a number over some hundred texts of one template, with a mark: fine, look (a person should read some of
them), bad, or few (too few texts to tell). All limits are our choice, made by trying them on web pages, textbook units
and stories; where a measure or a number comes from a paper it says so. Measures of variety look at the first 600
characters of at most 100 texts, because they change with the amount of text.
"""

import dataclasses
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from scripts.generate.texts import (
    COMPARED_WORDS,
    GRAM,
    LEAK,
    SHOWN_OPENING,
    Seen,
    split_words,
    word_grams,
)

OPENING = 3
"""Words by which openings are told apart: the shortest stock opening, "Have you ever", has three."""
ENOUGH = {"share": 20, "variety": 100}
"""Kind of measure → texts below which there is no mark; a measure of variety looks at so many."""
NEAR = 0.5
"""Jaccard similarity of word 5-grams from which texts are near-duplicates; lower than where deduplication removes
(0.7), for a few hundred texts hold few of the near-duplicates that a million will have."""
KEYS = 16
"""Of its 5-grams by which a text finds its near-duplicates."""
SHORT = 150
"""Tokens of the shortest text in the Cosmopedia dataset."""
REPEATED = 0.15
"""Of a text's 5-grams; Gopher removes texts with more than 15 % of the characters in them (Rae et al. 2021, A1.1)."""


def openings(seen: Sequence[Seen]) -> list[tuple[str, int]]:
    """(opening, texts) from the most frequent on; an opening is shown as far as nine in ten of its texts agree.

    >>> texts = ["Once upon a time a cat sat.", "Once upon a time it rained.", "Tea is good."]
    >>> from scripts.generate.texts import look_at
    >>> openings([look_at({"text": text, "text_token_length": 9, "finish_reason": "stop"}) for text in texts])
    [('once upon a time', 2), ('tea is good', 1)]
    """
    groups: dict[tuple[str, ...], list[tuple[str, ...]]] = defaultdict(list)
    for text in seen:
        groups[text.opening[:OPENING]].append(text.opening)
    counted = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    return [(" ".join(_common(members) if len(members) > 1 else key), len(members)) for key, members in counted]


def _common(members: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The longest start that nine in ten of some openings share."""
    shared = members[0][:OPENING]
    for length in range(OPENING + 1, SHOWN_OPENING + 1):
        start, number = Counter(member[:length] for member in members).most_common(1)[0]
        if number < 0.9 * len(members) or len(start) < length:
            break
        shared = start
    return shared


def near_duplicates(seen: Sequence[Seen], near: float = NEAR) -> list[tuple[float, int, int]]:
    """(Jaccard, place, place) of pairs at or over the limit, the most similar first.

    A text is compared with the last one before it that shares one of the `KEYS` 5-grams with the lowest numbers. Two
    texts that have half of their 5-grams in common share some eight of these, so they are hardly ever missed. The
    similarity of the pairs is exact; comparing all with all would be too dear for a job that watches itself.
    """
    last: dict[int, int] = {}
    candidates: set[tuple[int, int]] = set()
    for place, text in enumerate(seen):
        for gram in text.grams[:KEYS]:
            if gram in last:
                candidates.add((last[gram], place))
            last[gram] = place
    pairs = []
    for one, other in candidates:
        grams = set(seen[one].grams)
        common = len(grams.intersection(seen[other].grams))
        jaccard = common / (len(grams) + len(seen[other].grams) - common)
        if jaccard >= near:
            pairs.append((jaccard, one, other))
    return sorted(pairs, key=lambda pair: (-pair[0], pair[1:]))


def distinct(seen: Sequence[Seen], length: int) -> float | None:
    """Distinct word n-grams over all (distinct-n, Li et al. 2016)."""
    grams: set[tuple[str, ...]] = set()
    total = 0
    for text in seen[-ENOUGH["variety"] :]:
        words = split_words(text.head)
        own = list(word_grams(words, length))
        grams.update(own)
        total += len(own)
    return len(grams) / total if total else None


def compression(seen: Sequence[Seen]) -> float | None:
    """Size over compressed size, all texts together (compression ratio, Shaib et al. 2024; here with zlib)."""
    data = "\n".join(text.head for text in seen[-ENOUGH["variety"] :]).encode("utf-8", "replace")
    return len(data) / len(zlib.compress(data)) if data else None


def _top_openings(number: int) -> Callable[[Sequence[Seen]], float | None]:
    """The share of texts that begin with one of the most frequent openings; one that occurs once is none."""
    return lambda seen: sum(count for _, count in openings(seen)[:number] if count > 1) / len(seen) if seen else None


def _near_share(seen: Sequence[Seen]) -> float | None:
    """The share of texts with a near-duplicate."""
    return len({place for _, *pair in near_duplicates(seen) for place in pair}) / len(seen) if seen else None


@dataclasses.dataclass(frozen=True)
class Share:
    """The share of texts of which something is true; None when that is unknown (None) of one of them."""

    test: Callable[[Seen], Any]

    def __call__(self, seen: Sequence[Seen]) -> float | None:
        """The share of these texts."""
        found = [self.test(text) for text in seen]
        return None if not found or None in found else sum(map(bool, found)) / len(found)


@dataclasses.dataclass(frozen=True)
class Measure:
    """One measure.

    Args:
        title: for a table.
        definition: what it is.
        value: what computes it; None when it cannot be known.
        look: a value over which it is marked (under which, where low values are the bad ones).
        bad: the same for the worse mark.
        kind: share (of the texts; few should have it) or variety (of their words).
        closely: whether texts have to be looked at closely.
    """

    title: str
    definition: str
    value: Callable[[Sequence[Seen]], float | None]
    look: float
    bad: float
    kind: str = "share"
    closely: bool = False

    def mark(self, value: float | None, texts: int) -> str:
        """Fine, look, bad or few."""
        if value is None or texts < ENOUGH[self.kind]:
            return "few"
        sign = -1 if self.bad < self.look else 1
        return "bad" if sign * value > sign * self.bad else "look" if sign * value > sign * self.look else "fine"


MEASURES = {
    "top_opening_share": Measure(
        "Top opening", f"texts that begin with the {OPENING} words most texts begin with (title lines and courtesies "
        "left out)", _top_openings(1), 0.05, 0.2,
    ),
    "top_ten_share": Measure(
        "Top ten openings", "texts that begin with one of the ten most frequent openings", _top_openings(10), 0.3, 0.6,
    ),
    "stock_openings": Measure(
        "Stock openings", "texts that begin with a phrase of a list: Once upon a time, The sun hung low, Have you "
        "ever …", Share(lambda text: text.stock), 0.02, 0.1,
    ),
    "courtesies": Measure(
        "Courtesies", "texts that begin with an answer's courtesies (“Sure! Here is a …:”), which clean removes",
        Share(lambda text: text.courtesies), 0.05, 0.5,
    ),
    "refusals": Measure(
        "Refusals", "texts that refuse, or speak of their writer as an AI", Share(lambda text: text.refusal), 0.005,
        0.05,
    ),
    "request_talk": Measure(
        "Speaks of the request", "texts that mention the prompt, the extract or the reader's request",
        Share(lambda text: text.request_talk), 0.02, 0.1, closely=True,
    ),
    "leaked_prompts": Measure(
        "Repeats its prompt", f"texts with {LEAK} or more words in a row from their prompt",
        Share(lambda text: text.leak), 0.1, 0.3, closely=True,
    ),
    "truncated": Measure(
        "Truncated", "texts cut at the limit of new tokens (finish reason length)",
        Share(lambda text: text.truncated), 0.1, 0.3,
    ),
    "unfinished": Measure(
        "Unfinished", "texts that were not cut and still end in the middle of a sentence or a code block",
        Share(lambda text: text.unfinished), 0.05, 0.2,
    ),
    "short": Measure(
        "Short", f"texts under {SHORT} tokens, which clean removes", Share(lambda text: text.tokens < SHORT), 0.05,
        0.2,
    ),
    "other_language": Measure(
        "Other language", "texts that are surely in another language than their prompt (py3langid)",
        Share(lambda text: text.other_language), 0.01, 0.05, closely=True,
    ),
    "repetitive": Measure(
        "Repetitive", f"texts of whose word {GRAM}-grams more than {REPEATED:.0%} occurred earlier in the text",
        Share(lambda text: text.repetition and text.repetition > REPEATED), 0.02, 0.1, closely=True,
    ),
    "near_duplicates": Measure(
        "Near-duplicates", f"texts with a partner of Jaccard similarity {NEAR} or more (word {GRAM}-grams of the first "
        f"{COMPARED_WORDS} words)", _near_share, 0.02, 0.1,
    ),
    "distinct_1": Measure(
        "Distinct words", "distinct words over all words (distinct-1, Li et al. 2016)",
        lambda seen: distinct(seen, 1), 0.12, 0.08, "variety",
    ),
    "distinct_2": Measure(
        "Distinct pairs", "the same of pairs of words (distinct-2)",
        lambda seen: distinct(seen, 2), 0.5, 0.35, "variety",
    ),
    "distinct_3": Measure(
        "Distinct triples", "the same of three words (distinct-3)",
        lambda seen: distinct(seen, 3), 0.75, 0.6, "variety",
    ),
    "compression_ratio": Measure(
        "Compression ratio", "size over compressed size of the texts together (Shaib et al. 2024; here zlib)",
        compression, 3.0, 3.6, "variety",
    ),
}  # fmt: skip
"""Name → measure, in the order of the page."""

WATCHED = tuple(name for name, each in MEASURES.items() if each.kind == "share" and not each.closely)
"""What is measured while texts are generated, and can have a stop rule."""


def measure(seen: Sequence[Seen], names: Sequence[str] = tuple(MEASURES)) -> dict[str, dict[str, Any]]:
    """Name → value and mark of the measures."""
    values = {name: MEASURES[name].value(seen) for name in names}
    return {name: {"value": value, "mark": MEASURES[name].mark(value, len(seen))} for name, value in values.items()}
