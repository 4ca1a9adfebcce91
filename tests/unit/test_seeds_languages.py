"""Free texts in other languages are told apart, short and mathematical ones are left alone."""

import json
import os
from pathlib import Path

import pytest

from scripts.seeds.languages import identify, language_code

TIDES = {
    "de": "Die Gezeiten steigen und fallen zweimal am Tag, weil der Mond das Wasser des Meeres anzieht. Im Frühling "
    "legen die Springfluten ganze Strände frei.",
    "es": "Las mareas suben y bajan dos veces al día porque la luna atrae el agua del mar. En primavera las mareas "
    "vivas dejan al descubierto playas enteras.",
    "fr": "Les marées montent et descendent deux fois par jour parce que la lune attire l'eau de la mer. Au printemps, "
    "les grandes marées découvrent des plages.",
    "ru": "Приливы поднимаются и опускаются дважды в день, потому что луна притягивает воду моря. Весной открываются "
    "целые пляжи, где собирают ракушки.",
    "zh": "因为月亮吸引海水，潮水每天涨落两次。春天，当太阳和月亮排成一线时，大潮会露出整片沙滩，人们在那里捡拾贝壳。"
    * 3,
}


@pytest.mark.parametrize("language", TIDES)
def test_another_language_is_named(language):
    assert identify(TIDES[language], ["en"]) == language
    assert identify(TIDES[language], ["en", language]) == language


@pytest.mark.parametrize(
    "text",
    [
        "set an alarm for 235pm and another an hour later",
        "Les marées montent.",
        r"$$\int_0^1 x^n\,dx = \frac{1}{n+1},\quad \sum_{k=1}^{n} k = \frac{n(n+1)}{2},\quad e^{i\pi}+1=0,\quad a=b$$",
        "Mario Rossi, Hans Müller, Pierre Dupont, María García, Anna Kowalska, Lars Hansen, Ivan Petrov, Yuki Tanaka",
        "1 2 3 4 5 6 7 8 9 " * 20,
        "",
    ],
)
def test_what_cannot_be_told_is_not_guessed(text):
    assert identify(text, ["en"]) in (None, "en")


@pytest.mark.parametrize(
    ("name", "code"), [("English", "en"), ("en-GB", "en"), ("fr_CA", "fr"), ("Korean", "ko"), ("eo", "eo")]
)
def test_columns_name_languages_in_many_ways(name, code):
    assert language_code(name) == code


def strings(value):
    """Every text of a row, at any depth."""
    if isinstance(value, dict | list):
        return [text for part in (value.values() if isinstance(value, dict) else value) for text in strings(part)]
    return [value] if isinstance(value, str) else []


@pytest.mark.skipif("COSMOPEDIA_REAL_DATA" not in os.environ, reason="COSMOPEDIA_REAL_DATA names no folder")
@pytest.mark.parametrize("name", ["web_pages", "math_problems", "instruct", "ultrachat_questions", "tinystories"])
def test_real_english_texts_are_not_thrown_away(name):
    lines = Path(os.environ["COSMOPEDIA_REAL_DATA"], f"{name}_mini.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [max(strings(json.loads(line)), key=len) for line in lines]
    assert sum(identify(text, ["en"]) in (None, "en") for text in texts) > 0.99 * len(texts)
