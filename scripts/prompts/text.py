"""Seed text made fit for a prompt: cleaned, on one line where a name is wanted, cut at a safe place.

Seeds come from the web, so they may hold control characters, broken surrogates or letters built of several code
points. Nothing here changes what a reader sees of a sound text.
"""

import re
import unicodedata

_LINE_BREAK = re.compile("\r\n?|[\u0085\u2028\u2029]")
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPACES = re.compile(r"\s+")
_MARGIN = 100
"""Characters read beyond a cut, for what is taken out before it."""

# What belongs to the character before it although Unicode does not class it as a mark: the two joiners, the Thai and
# Lao vowel AM, the halfwidth sound marks, and the trailing Hangul jamo, skin tones and tag characters below.
_EXTENDERS = frozenset("\u200c\u200d\u0e33\u0eb3\uff9e\uff9f")
_EXTENDER_RANGES = (
    ("\u1160", "\u11ff"),
    ("\ud7b0", "\ud7fb"),
    ("\U0001f3fb", "\U0001f3ff"),
    ("\U000e0020", "\U000e007f"),
)
_FLAG_FIRST, _FLAG_LAST = "\U0001f1e6", "\U0001f1ff"


def clean(text: str | None) -> str:
    """The text with plain line breaks and without control characters; a lone surrogate becomes U+FFFD."""
    text = _LINE_BREAK.sub("\n", text or "")
    return _SURROGATE.sub("\ufffd", _INVISIBLE.sub("", text)).strip()


def one_line(text: str | None) -> str:
    """The cleaned text with every run of white space as one space: for titles, topics and names."""
    return _SPACES.sub(" ", clean(text))


def excerpt(text: str | None, characters: int) -> str:
    """The first `characters` code points of the cleaned text, fewer where the cut would split a visible character.

    A text that is one endless combining sequence gives "". Of a long text only the beginning is cleaned, unless so much
    of it is taken out that the rest is needed.
    """
    whole, text = text, clean((text or "")[: characters + _MARGIN])
    if len(text) <= characters:
        text = clean(whole)
    if len(text) <= characters:
        return text
    end = characters
    while end > 0 and _continues(text, end):
        end -= 1
    return text[:end].rstrip()


def _continues(text: str, index: int) -> bool:
    """Whether the code point at `index` belongs to the visible character before it."""
    here, before = text[index], text[index - 1]
    if unicodedata.category(here).startswith("M") or here in _EXTENDERS or before == "\u200d":
        return True
    if any(first <= here <= last for first, last in _EXTENDER_RANGES):
        return True
    return _is_flag(here) and _flags_before(text, index) % 2 == 1


def _is_flag(character: str) -> bool:
    return _FLAG_FIRST <= character <= _FLAG_LAST


def _flags_before(text: str, index: int) -> int:
    """How many regional indicators stand directly before `index`; two of them make one flag."""
    start = index
    while start > 0 and _is_flag(text[start - 1]):
        start -= 1
    return index - start
