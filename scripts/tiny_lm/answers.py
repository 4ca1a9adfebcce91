"""Answers for the tiny model's conversations, put together from the paragraphs of the sample.

An answer is a few paragraphs that share rare words with the prompt's seed (weights: inverse document frequency), the
nearest first, with some chance in their choice: the same seed gives different answers, and near seeds share paragraphs.
The model thus sees every paragraph many times but few answers twice, which keeps it from learning whole texts by heart.
"""

import math
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence

WORD = re.compile(r"[^\W\d_]{3,}")
CANDIDATES = 8
"""An answer is drawn from this many nearest paragraphs …"""
KEEP = 0.6
"""… each of which is taken with this probability, in the order of nearness."""


def words(text: str) -> set[str]:
    """The words of a text that may tell its subject."""
    return {word.lower() for word in WORD.findall(text)}


class Paragraphs:
    """Paragraphs by their nearness to a text.

    Args:
        texts: the paragraphs.
        length: the length of a text in tokens.
    """

    def __init__(self, texts: Sequence[str], length: Callable[[str], int]) -> None:
        self.texts = list(texts)
        self.lengths = [length(text) for text in self.texts]
        self._words = [words(text) for text in self.texts]
        counts = Counter(word for found in self._words for word in found)
        self._weights = {word: math.log(len(self.texts) / count) for word, count in counts.items()}

    def nearest(self, seed: str) -> list[int]:
        """The numbers of the candidates, nearest first."""
        wanted = words(seed)

        def nearness(number: int) -> float:
            shared = wanted & self._words[number]
            return sum(sorted(self._weights[word] for word in shared)) / math.sqrt(len(self._words[number]) + 1)

        return sorted(range(len(self.texts)), key=nearness, reverse=True)[:CANDIDATES]

    def answer(self, seed: str, target: int, rng: random.Random) -> str:
        """An answer to a prompt on `seed`: paragraphs until the text has at least `target` tokens."""
        candidates = self.nearest(seed)
        chosen = [number for number in candidates if rng.random() < KEEP]
        chosen += [number for number in candidates if number not in chosen]
        text: list[str] = []
        tokens = 0
        for number in chosen:
            if tokens >= target:
                break
            text.append(self.texts[number])
            tokens += self.lengths[number]
        return "\n\n".join(text)
