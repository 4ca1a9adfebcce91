import json
import random
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from scripts.prompts.templates import load
from scripts.tiny_lm import corpus
from scripts.tiny_lm.answers import Paragraphs
from scripts.tiny_lm.build import tokenizer_texts
from scripts.tiny_lm.tokenizer import END, START, chat, train_tokenizer

FOLDER = Path("resources/tiny-lm")
SAMPLE = Path("resources/sample")
SOURCES = Path("resources/sources.tsv")
TEXTS = [
    "The Moon turns once on its axis while it travels once around the Earth.",
    "A telescope gathers light with its mirror and shows the craters of the Moon.",
    "Bread dough rises because yeast makes gas from sugar.",
    "An oven must be hot before the bread goes in.",
]


@pytest.fixture(scope="module")
def templates():
    return load(sorted(Path("config/templates/en").rglob("*.yaml")))


def test_the_shipped_model_is_small_and_complete():
    names = {path.name for path in FOLDER.iterdir()}
    assert {"model.safetensors", "config.json", "generation_config.json", "tokenizer.json", "README.md"} <= names
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 10_000_000


def test_the_shipped_card_says_what_the_model_is_not_for():
    card = (FOLDER / "README.md").read_text()
    assert "license: apache-2.0" in card
    assert "It is no source of good text" in card


def test_the_chat_template_writes_what_the_training_texts_have():
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    turns = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    assert tokenizer.apply_chat_template(turns, tokenize=False) == chat("Why?", "So.") + END
    begun = tokenizer.apply_chat_template(turns[:1], tokenize=False, add_generation_prompt=True)
    assert chat("Why?", "So.").startswith(begun)


def test_no_prompt_holds_the_token_that_ends_a_text():
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    tokens = tokenizer.apply_chat_template([{"role": "user", "content": "Why?"}], return_dict=False)
    assert tokenizer.eos_token_id not in tokens


def test_a_tokenizer_gives_back_any_text(tmp_path):
    train_tokenizer(TEXTS, 300, 64, tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    for text in [*TEXTS, "  naïve — 5 µm\n\t🌙"]:
        assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_answers_take_the_paragraphs_that_share_rare_words():
    paragraphs = Paragraphs(TEXTS, length=lambda text: len(text.split()))
    assert paragraphs.nearest("craters of the Moon")[:2] == [1, 0]
    assert set(paragraphs.nearest("why does bread rise in the oven")[:2]) == {2, 3}


def test_an_answer_is_as_long_as_asked_and_repeats_no_paragraph():
    paragraphs = Paragraphs(TEXTS, length=lambda text: len(text.split()))
    answer = paragraphs.answer("the Moon", 20, random.Random(1)).split("\n\n")
    assert len(set(answer)) == len(answer) == 2


def test_label_requests_are_answered_with_a_known_topic_and_a_low_score_for_adverts(templates):
    built = corpus.build(SOURCES, SAMPLE, templates, lambda text: len(text.split()), seed=1)
    answers = {text.rsplit("\n", 1)[1] for text in built.labels(1)}
    scores = {found["topic"]: found["educational_score"] for found in map(json.loads, answers)}
    assert scores == dict(corpus.TOPICS.values())
    assert min(scores, key=scores.get) == "Adverts and Notices"


def test_the_tokenizer_learns_from_the_sample_and_the_prompts(templates):
    texts = tokenizer_texts(SOURCES, SAMPLE, templates)
    assert templates[0].text in texts
    assert all(isinstance(text, str) and text for text in texts)
    assert not any(START in text for text in texts)
