"""One text as the measures of a template see it.

`look_at` costs 0.2 ms a text and needs only the standard library, so that a generation job can watch itself;
`look_closely`, for the preview, reads the whole text beside its prompt and costs ten times as much.
"""

import dataclasses
import re
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scripts.common import phrases

SHOWN_OPENING = 8
"""Words kept of an opening."""
HEAD = 600
"""Characters kept of the start of a text, after its title and courtesies."""
GRAM = 5
COMPARED_WORDS = 150
"""Words whose 5-grams are kept."""
LEAK = 13
"""Words in a row that text and prompt share; the length of the n-grams in GPT-3's overlap tests (Brown et al. 2020)."""

_WORD = re.compile(r"\w[\w’']*")


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """One text as the measures see it; the last four fields are known only of a text that was looked at closely."""

    opening: tuple[str, ...]
    stock: str
    refusal: str
    courtesies: bool
    truncated: bool
    unfinished: bool
    tokens: int
    characters: int
    head: str
    grams: array
    request_talk: bool | None = None
    repetition: float | None = None
    leak: str | None = None
    other_language: str | None = None


def look_at(row: Mapping[str, Any]) -> Seen:
    """Looks at one text, a row of the ledger."""
    text = row["text"]
    body = phrases.body(text)
    words = split_words(body[: 8 * COMPARED_WORDS])[:COMPARED_WORDS]
    truncated = row["finish_reason"] == "length"
    return Seen(
        opening=tuple(words[:SHOWN_OPENING]),
        stock=phrases.stock_opening(text) or "",
        refusal=phrases.refusal(text) or "",
        courtesies=phrases.boilerplate_opening(text) is not None,
        truncated=truncated,
        unfinished=not truncated and phrases.unfinished(text),
        tokens=row["text_token_length"],
        characters=len(text),
        head=body[:HEAD],
        grams=fingerprints(words),
    )


def fingerprints(words: Sequence[str]) -> array:
    """Numbers that stand for the distinct 5-grams of some words, in ascending order; the same in every process."""
    codes = [zlib.crc32(word.encode()) for word in words]
    return array("q", sorted(set(map(hash, word_grams(codes, GRAM)))))


def look_closely(row: Mapping[str, Any], prompt: str, language: str) -> Seen:
    """Looks at one text as a whole, beside its prompt and the language that is expected of it."""
    from scripts.seeds.languages import identify

    words = split_words(row["text"])
    grams = list(word_grams(words, GRAM))
    found = identify(row["text"], (language,))
    return dataclasses.replace(
        look_at(row),
        request_talk=phrases.request_talk(row["text"]) is not None,
        repetition=1 - len(set(grams)) / len(grams) if grams else 0.0,
        leak=longest_leak(prompt, words),
        other_language=found if found not in (None, language) else "",
    )


def longest_leak(prompt: str, words: Sequence[str]) -> str:
    """The longest run of at least `LEAK` words that a text, given as words, has in common with its prompt; "" if none.

    >>> longest_leak("Write about tea.", ["tea"])
    ''
    """
    asked = split_words(prompt)
    known = {tuple(asked[n : n + LEAK]) for n in range(len(asked) - LEAK + 1)}
    best = run = 0
    end = 0
    for place in range(len(words) - LEAK + 1):
        run = run + 1 if tuple(words[place : place + LEAK]) in known else 0
        if run > best:
            best, end = run, place + LEAK
    return " ".join(words[end - LEAK - best + 1 : end]) if best else ""


def split_words(text: str) -> list[str]:
    """The words of a text, in lower case, without punctuation."""
    return _WORD.findall(text.lower())


def word_grams(words: Sequence[Any], length: int) -> Iterator[tuple[Any, ...]]:
    """All runs of so many words."""
    return zip(*(words[n:] for n in range(length)), strict=False)
