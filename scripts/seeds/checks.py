"""Which texts cannot be a seed, and why.

The limits are ours: the published code shows none. They only catch what is broken; whether a page is worth teaching is
decided later, by its topic.
"""

import re

from scripts.seeds.readers import Draft, Rejected

MAXIMUM_CHARACTERS = 1_000_000
"""Of all the texts of a seed together (`seeds.max_characters`)."""

MINIMUM_PASSAGE = 20
"""Characters of a passage; less is a fragment."""

GIANT_WORD = 200
"""Characters without a space that no language writes as one word."""

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_MOJIBAKE = re.compile("[ÂÃâ][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]|�")
_SURROGATE = re.compile("[\ud800-\udfff]")


def find_problem(draft: Draft, kind: str, max_characters: int = MAXIMUM_CHARACTERS) -> Rejected | None:
    """The first reason against a draft, or None.

    Args:
        draft: what a reader made.
        kind: passage, dialogue and prompt need a text, unit and title a title.
        max_characters: of all its texts together.
    """
    length = sum(map(len, _texts(draft)))
    if length > max_characters:
        return Rejected("too_long", f"{length} characters; it begins: {draft.text[:100] or draft.title[:100]}")
    needed = draft.title if kind in ("unit", "title") else draft.text
    if not any(character.isalnum() for character in needed):
        return Rejected("empty", "no letter or digit")
    if kind == "passage" and len(draft.text) < MINIMUM_PASSAGE:
        return Rejected("too_short", draft.text)
    for text in _texts(draft):
        if match := _SURROGATE.search(text):
            return Rejected("not_unicode", f"a lone surrogate at character {match.start()}")
        if match := _CONTROL.search(text):
            return Rejected("control_characters", f"{match[0]!r} at character {match.start()}")
        if is_mojibake(text):
            return Rejected("mojibake", text)
        if is_one_word(text):
            return Rejected("giant_word", text)
    return None


def is_mojibake(text: str) -> bool:
    """UTF-8 read as Latin-1 or Windows-1252, or replacement characters: three at least, one in 500 characters."""
    hits = sum(1 for _ in _MOJIBAKE.finditer(text))
    return hits >= max(3, len(text) / 500)


def is_one_word(text: str) -> bool:
    """More than half of the text is words of over 200 characters (scripts without spaces end theirs by punctuation)."""
    giants = (len(word) for word in text.split() if len(word) > GIANT_WORD and (word.isascii() or word.isalnum()))
    return sum(giants) > len(text) / 2


def _texts(draft: Draft) -> list[str]:
    outline = draft.outline
    places = [outline.book, outline.chapter, outline.section, *outline.earlier] if outline else []
    return [draft.text, draft.title, *places]
