"""The tiny model's training texts: conversations made of the shipped sample alone.

Prompts are built by the workflow's own code from the sample's seeds (`scripts.prompts.render`, all templates that fit)
and answered with paragraphs of the sample (`scripts.tiny_lm.answers`). Label requests (`scripts.label.prompt`) show
pages of one topic and are answered with its name and a score. The paragraphs also stand alone: on text that is short
and dense the model learns its English.
"""

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

from scripts.common.schemas import SEEDS
from scripts.label.prompt import label_prompt
from scripts.prompts.mix import fitting
from scripts.prompts.render import Recipe, prompts_of
from scripts.prompts.templates import Template
from scripts.prompts.text import excerpt
from scripts.seeds.load import Part
from scripts.seeds.rows import raw_rows
from scripts.seeds.sources import read_entry
from scripts.tiny_lm.answers import Paragraphs
from scripts.tiny_lm.tokenizer import START, chat

SOURCES = ("web", "stanford", "openstax", "khanacademy", "wikihow", "auto_math_text", "ultrachat", "openhermes")
TOPICS = {
    "astronomy": ("Astronomy", 9),
    "birds": ("Birds", 7),
    "computing": ("Computing", 8),
    "cooking": ("Cooking", 5),
    "cycling": ("Cycling", 4),
    "gardening": ("Gardening", 6),
    "history": ("History", 9),
    "human-body": ("The Human Body", 9),
    "law-and-government": ("Law and Government", 8),
    "music": ("Music", 7),
    "oceans": ("Oceans", 8),
    "personal-finance": ("Personal Finance", 6),
    "weather": ("Weather", 8),
    "no-value": ("Adverts and Notices", 1),
}
"""Topic of the web pages, as in their address → its name and the educational score that the model shall give."""
NO_VALUE = "no-value"
ROWS = 1_000_000
"""More rows than any sample file has."""
MINIMUM_TOKENS, MAXIMUM_TOKENS = 40, 260
"""A shorter paragraph is a heading or a scrap; a longer one would leave an answer no room for a second."""
ANSWER_TOKENS = (170, 230)
"""An answer ends with the paragraph that brings it to a length drawn from this range."""
EXTRACT_CHARACTERS = 600
"""As at the tiny scale."""
EXAMPLES, EXAMPLE_CHARACTERS = 10, 420
ANSWERS_PER_PROMPT = {"web": 1, "openstax": 1, "stanford": 1, "khanacademy": 1}
OTHER_ANSWERS = 3
"""Answers to one prompt; the sources with few prompts get more."""


def seeds_of(registry: Path, source: str) -> list[dict[str, Any]]:
    """The seeds of one source of the sample, without the web pages that are broken on purpose."""
    entry = read_entry(registry, source, "sample")
    seeds = Part(entry).seeds(raw_rows(entry, Path(), 0, ROWS))
    return [seed for seed in seeds if source != "web" or topic_of(seed) in TOPICS]


def topic_of(seed: Mapping[str, Any]) -> str:
    """The topic of a web page: the first step of its address."""
    return urlsplit(seed["origin"]).path.split("/")[1]


def dialogue_answers(sample: Path) -> Iterator[str]:
    """The answers of the sample's dialogues, which seeds do not hold."""
    for line in (sample / "ultrachat.jsonl").read_text(encoding="utf-8").splitlines():
        yield from json.loads(line)["data"][1::2]
    for line in (sample / "openhermes.jsonl").read_text(encoding="utf-8").splitlines():
        yield from (turn["value"] for turn in json.loads(line)["conversations"] if turn["from"] == "gpt")


def paragraphs(texts: Sequence[str], length: Callable[[str], int]) -> list[str]:
    """The distinct paragraphs of fitting length."""
    found = [paragraph.strip() for text in texts for paragraph in text.split("\n\n")]
    return [text for text in dict.fromkeys(found) if MINIMUM_TOKENS <= length(text) <= MAXIMUM_TOKENS]


class Corpus:
    """Everything the tiny model learns from.

    Args:
        seeds: source → its seeds.
        dialogues: answers of the sample's dialogues.
        templates: all prompt templates.
        length: the length of a text in tokens.
        seed: of what is drawn.
    """

    def __init__(
        self,
        seeds: Mapping[str, Sequence[Mapping[str, Any]]],
        dialogues: Sequence[str],
        templates: Sequence[Template],
        length: Callable[[str], int],
        seed: int,
    ) -> None:
        self.seeds, self.templates = seeds, templates
        self.rng = random.Random(seed)
        pages = [page["text"] for page in seeds["web"] if topic_of(page) != NO_VALUE]
        web, books = paragraphs(pages, length), paragraphs([unit["text"] for unit in seeds["openstax"]], length)
        maths = paragraphs([text["text"] for text in seeds["auto_math_text"]], length)
        talk = paragraphs(dialogues, length)
        self._texts = web + books + talk + maths
        every = Paragraphs(web + books + talk, length)
        self._pools = {
            "web": Paragraphs(web, length),
            "openstax": Paragraphs(books + web, length),
            "auto_math_text": Paragraphs(maths, length),
            **dict.fromkeys(["stanford", "khanacademy", "wikihow", "ultrachat", "openhermes"], every),
        }

    def texts(self) -> Iterator[str]:
        """The paragraphs by themselves."""
        return (START + text for text in self._texts)

    def conversations(self) -> Iterator[str]:
        """Every prompt of every seed with its answers."""
        for source, seeds in self.seeds.items():
            templates = fitting(self.templates, source, seeds[0]["kind"])
            recipe = Recipe(templates, source, EXTRACT_CHARACTERS)
            for seed in seeds:
                row = pa.RecordBatch.from_pylist([seed], SEEDS)
                topic = pa.array([TOPICS[topic_of(seed)][0] if source == "web" else None], pa.string())
                places = [value for value in (seed["outline"] or {}).values() if isinstance(value, str)]
                subject = " ".join([seed["text"], seed["title"] or "", *places])
                for prompt in prompts_of(row, topic, recipe)["prompt"].to_pylist():
                    for _ in range(ANSWERS_PER_PROMPT.get(source, OTHER_ANSWERS)):
                        target = self.rng.randint(*ANSWER_TOKENS)
                        yield chat(prompt, self._pools[source].answer(subject, target, self.rng))

    def labels(self, per_topic: int) -> Iterator[str]:
        """Label requests: pages of a topic, and what it is called."""
        pages: dict[str, list[str]] = {}
        for page in self.seeds["web"]:
            pages.setdefault(topic_of(page), []).append(excerpt(page["text"], EXAMPLE_CHARACTERS))
        for topic, texts in sorted(pages.items()):
            name, score = TOPICS[topic]
            for _ in range(per_topic):
                shown = self.rng.sample(texts, min(self.rng.randint(EXAMPLES // 2, EXAMPLES), len(texts)))
                yield chat(label_prompt(shown), json.dumps({"topic": name, "educational_score": score}))


def build(
    registry: Path, sample: Path, templates: Sequence[Template], length: Callable[[str], int], seed: int
) -> Corpus:
    """The corpus of the shipped sample."""
    seeds = {source: seeds_of(registry, source) for source in SOURCES}
    return Corpus(seeds, list(dialogue_answers(sample)), templates, length, seed)
