"""When two answers mean the same topic, and which of several wins.

Names are compared by their words: without case, punctuation, small words and the plural s. Two names are the same topic
when at least half of all their different words are in both ("Garden birds", "Birds of the garden" and "Birds" agree;
"Cooking and baking" and "Cooking and recipes", with one word of three, do not). The winner is the medoid: the name that
most of the others agree with, of these the one with most words in common with all, of these the first.
"""

import re
import unicodedata
from collections.abc import Sequence

MAJORITY = 0.5
"""Of several answers more than this share must mean a name; without such a name the cluster has none."""
SAME_TOPIC = 0.5
SAME_SCORE = 1
"""Scores this far from the median agree with it."""

_POSSESSIVE = re.compile(r"['’]s\b")
_WORD = re.compile(r"[^\W_]+[+#]*")
_SMALL_WORDS = frozenset(["a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"])


def words(topic: str) -> frozenset[str]:
    """The words of a name that count; all of them where only small words are left."""
    found = _WORD.findall(_POSSESSIVE.sub("", unicodedata.normalize("NFKC", topic).casefold()))
    return frozenset(_singular(word) for word in found if word not in _SMALL_WORDS) or frozenset(found)


def similarity(one: frozenset[str], other: frozenset[str]) -> float:
    """Words in both over words in either (Jaccard); 1 for two empty sets."""
    return len(one & other) / len(one | other) if one | other else 1.0


def vote(topics: Sequence[str]) -> tuple[int, float]:
    """(place of the winning name, share of the names that are the same topic, itself included)."""
    names = [words(topic) for topic in topics]
    common = [[similarity(one, other) for other in names] for one in names]
    agreeing = [sum(value >= SAME_TOPIC for value in row) for row in common]
    winner = max(range(len(names)), key=lambda place: (agreeing[place], sum(common[place]), -place))
    return winner, agreeing[winner] / len(names)


def score_agreement(scores: Sequence[float], median: float) -> float:
    """The share of the scores that lie within `SAME_SCORE` of their median."""
    return sum(abs(score - median) <= SAME_SCORE for score in scores) / len(scores)


def _singular(word: str) -> str:
    """English plurals without their ending; both forms of a word give the same, which need not be a word."""
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-2] if word.endswith(("ches", "shes", "xes", "zes")) else word[:-1]
    return f"{word[:-2]}y" if len(word) > 4 and word.endswith("ie") else word
