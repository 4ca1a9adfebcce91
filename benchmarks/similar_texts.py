"""Made documents that are more or less alike, for benchmarks.duplicates: their similarities lie anywhere from 0.3 to 1.

Words are drawn from a vocabulary of made-up ones, so that two documents share a shingle only where one was copied. Of
20,000 documents two thirds are originals with an edited copy, in six ways and all strengths; a tenth each are chains of
copies of copies, and families of 50 that share a template as generated code does; the rest repeat nothing, or all but
case and punctuation.
"""

import random
from collections.abc import Callable

FAMILY = 50
CHAIN = 4

Words = list[str]


def make_texts(number: int, seed: int = 1234) -> list[str]:
    """So many documents, shuffled; equal arguments give equal documents."""
    draw = random.Random(seed)
    syllables = [consonant + vowel for consonant in "bcdfghklmnprstvw" for vowel in "aeiou"]
    vocabulary = ["".join(draw.choices(syllables, k=3)) for _ in range(20_000)]

    def fresh(length: int) -> Words:
        return draw.choices(vocabulary, k=length)

    def original() -> Words:
        return fresh(int(80 * 5 ** draw.random()))

    groups: list[list[Words]] = []
    for _ in range(number // 3):
        first = original()
        groups.append([first, edited(first, _strength(draw), fresh, draw)])
    for _ in range(number // 10 // CHAIN):
        chain = [original()]
        while len(chain) < CHAIN:
            chain.append(edited(chain[-1], draw.uniform(0.7, 0.95), fresh, draw))
        groups.append(chain)
    groups += [family(draw.uniform(0.05, 0.4), fresh, draw) for _ in range(number // 10 // FAMILY)]
    for _ in range(number // 40):
        first = original()
        ends = draw.choices([",", ".", ""], k=len(first))
        groups.append([first, [word.capitalize() + end for word, end in zip(first, ends, strict=True)]])
    texts = [" ".join(words) for group in groups for words in group]
    texts += [" ".join(original()) for _ in range(number - len(texts))]
    return draw.sample(texts, len(texts))


def edited(words: Words, similarity: float, fresh: Callable[[int], Words], draw: random.Random) -> Words:
    """A copy of about this similarity, edited in one of six ways."""
    length = len(words)
    # A changed word is part of five shingles: of n, k changes far apart leave n − 5k in common of n + 5k.
    places = sorted(draw.sample(range(length), max(1, round(length * (1 - similarity) / (1 + similarity) / 5))))
    passage = min(length - 10, max(1, round(length * (1 - similarity))))
    start = draw.randrange(length - passage)
    match draw.randrange(6):
        case 0:
            return [fresh(1)[0] if place in places else word for place, word in enumerate(words)]
        case 1:
            return [word for place, word in enumerate(words) if place not in places]
        case 2:
            return [new for place, word in enumerate(words) for new in (*fresh(place in places), word)]
        case 3:
            return words[:start] + words[start + passage :]
        case 4:
            return words[:start] + fresh(round(length * (1 / similarity - 1))) + words[start:]
        case _:
            pieces = [words[one:other] for one, other in zip([0, *places], [*places, length], strict=True)]
            return [word for piece in draw.sample(pieces, len(pieces)) for word in piece]


def family(own: float, fresh: Callable[[int], Words], draw: random.Random) -> list[Words]:
    """Documents that share the lines of a template, but for a part of them that each has of its own."""
    template = [fresh(10) for _ in range(30)]
    return [[word for line in template for word in (fresh(10) if draw.random() < own else line)] for _ in range(FAMILY)]


def _strength(draw: random.Random) -> float:
    """Any similarity, and more of those about the minimum."""
    return draw.uniform(0.3, 1) if draw.random() < 0.5 else draw.uniform(0.65, 0.95)
