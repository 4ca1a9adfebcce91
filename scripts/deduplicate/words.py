"""Words of a text, exactly as datatrove's MinHash sees them, but each different piece of a text is split only once.

datatrove lower-cases a text, replaces numbers by 0 and punctuation by spaces, drops accents, and gives all of it to
spaCy's English word splitter, which takes nine tenths of the time of a signature. Every one of these steps treats what
stands between two white spaces, a *chunk*, by itself. So the same functions are called once for each different chunk:

* Lower-casing looks around a Σ, numbers around a decimal separator, canonical decomposition around a combining mark,
  and none of them farther than the next white space.
* spaCy splits at white space first. Its only special cases that may reach over it in a normalised text are "‘s" and
  "<space>"; found across a space they change nothing, and they cannot overlap.
* The letters a to z alone make one word unless they are a special case ("cant", "im"), as no prefix, suffix or infix
  of spaCy's matches among them. Such chunks need not be given to spaCy.

The tests hold all this against datatrove's own functions and against the special cases of the installed spaCy. Only
text whose chunks hardly repeat and are no plain words, as in hexadecimal dumps, gains nothing: it takes up to twice
datatrove's time.
"""

from collections.abc import Callable

REMEMBERED = 250_000
"""Chunks remembered, at about 200 bytes each in each of two tables; a full table is begun anew."""

LONGEST = 40
"""A chunk of more characters is not remembered."""


class Words:
    """A function from a text to its words, joined by single spaces."""

    def __init__(self) -> None:
        from datatrove.utils.text import TextNormConfig, simplify_text
        from datatrove.utils.typeshelper import Languages
        from datatrove.utils.word_tokenizers import load_word_tokenizer

        spacy = load_word_tokenizer(Languages.english).tokenizer
        special_cases = frozenset(spacy.tokenizer.rules)
        settings = TextNormConfig(lowercase=False)

        def is_word(chunk: str) -> bool:
            return chunk.isascii() and chunk.isalpha() and chunk not in special_cases

        def split(chunk: str) -> str:
            """The words of a chunk of normalised text."""
            if is_word(chunk):
                return chunk
            with spacy.memory_zone():
                return " ".join(token.text for token in spacy.tokenizer(chunk))

        def normalise_and_split(chunk: str) -> str:
            """The words of a chunk of lower-case text; there may be none."""
            if is_word(chunk):
                return chunk
            return " ".join(map(splits.__getitem__, simplify_text(chunk, settings).split()))

        splits = _Remembered(split)
        self._words = _Remembered(normalise_and_split)

    def __call__(self, text: str) -> str:
        """The words of a text. Half a surrogate pair, which cannot be written as UTF-8, is read as U+FFFD."""
        try:
            return " ".join(filter(None, map(self._words.__getitem__, text.lower().split())))
        except UnicodeEncodeError:
            return self(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


class _Remembered(dict[str, str]):
    """Values of a function of strings, as many as there is room for."""

    def __init__(self, function: Callable[[str], str]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, key: str) -> str:
        value = self._function(key)
        if len(key) <= LONGEST:
            if len(self) >= REMEMBERED:
                self.clear()
            self[key] = value
        return value
