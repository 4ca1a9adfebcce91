"""The phrases that give a model's texts away: what they find, and what they leave alone."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.common import phrases

any_text = st.text(st.one_of(st.characters(), st.sampled_from("Sure! Here is a post:\n\n#*")))


def test_the_examples_in_the_documentation_hold():
    assert doctest.testmod(phrases).failed == 0


@pytest.mark.parametrize(
    "text",
    [
        "I cannot provide a recipe for that.",
        "I'm sorry, but I can't assist with this.",
        "I’m very sorry, I am unable to write about it.",
        "Unfortunately, I cannot fulfill this request.",
        "I cannot in good faith answer this question.",
        "Let us see. I am not able to continue this story.",
        "Bread is good. As an AI language model, I have never eaten any.",
        "It was late. As an AI, my taste is limited.",
        "You ask how I feel. I'm just an AI assistant, so nothing.",
        "As of my last update, the bridge was closed.",
        "I don't have personal experiences with bread.",
        "Je ne peux pas écrire ce texte.",
        "En tant qu'IA, je ne mange pas.",
        "죄송합니다. 그 글은 쓸 수 없습니다.",
    ],
)
def test_a_refusal_and_talk_of_an_ai_are_found(text):
    assert phrases.refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I cannot remember a colder winter.",
        "I can't help but wonder where the cat went.",
        "\"I'm sorry, but I can't,\" said the baker.",
        "The kettle sang. He knew that she could not write to him.",
        "The museum hired Mara as an AI researcher.",
        "She works on AI language models, as an AI engineer in Lyon.",
        "An AI assistant is a program. It is not a person.",
    ],
)
def test_a_story_may_say_that_somebody_cannot(text):
    assert phrases.refusal(text) is None


def test_refusals_are_looked_for_at_the_start_only():
    story = "The lamp went out. " * 30
    assert phrases.refusal(story + "I cannot write.") is None
    assert phrases.refusal(story + "As an AI language model, I end here.") == "As an AI language model, I"


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("Certainly! Here's a short story about a well:\n\nA well stood.", "A well stood."),
        ("Sure, here is a textbook section on tides:\n---\nTides rise.", "Tides rise."),
        ("Here is a blog post for you:\n# Tides\nTides rise.", "# Tides\nTides rise."),
        ("Of course!\n\nTides rise.", "Tides rise."),
        ("Great question! I'd be happy to help. Tides rise.", "Tides rise."),
        ("Below is the requested lesson for young children:\n\nTides rise.", "Tides rise."),
        ("Bien sûr ! Voici un article sur les marées :\n\nLes marées montent.", "Les marées montent."),
        ("물론입니다! 밀물은", "밀물은"),
        ("Sure! Here is a post:", ""),
    ],
)
def test_courtesies_are_cut_from_the_text_itself(text, rest):
    assert phrases.boilerplate_opening(text) == (text.removesuffix(rest), rest)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sure, I was late, but who was not?",
        "Of course the tide comes back.",
        "Certainly, one could object that water is wet.",
        "Here is where the river bends: a farm, a mill, a road.",
        "Here is the story in one sentence: a well ran dry. Then it rained.",
        "Yes, bread can be baked without an oven.",
        "Great rivers begin small.",
    ],
)
def test_an_author_may_be_sure(text):
    assert phrases.boilerplate_opening(text) is None


@given(any_text)
def test_opening_and_rest_are_the_whole_text(text):
    found = phrases.boilerplate_opening(text)
    assert found is None or ("".join(found) == text and found[0])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Once upon a time, a well stood here.", "Once upon a time"),
        ("**Once upon a time** it rained.", "Once upon a time"),
        ("# The Well\n\nThe sun hung low in the sky.", "The sun hung low"),
        ("The Old Well\n\nHave you ever been thirsty?", "Have you ever"),
        ("Sure! Here is a story:\n\nOnce upon a time it rained.", "Once upon a time"),
        ("In a small coastal village lived a smith.", "In a small town"),
        ("In today's fast-paced world, bread is bought.", "In today's world"),
        ("Il était une fois un puits.", "Il était une fois"),
        ("옛날 옛적에 우물이 있었습니다.", "옛날 옛적에"),
        ("A well stood here once upon a time.", None),
        ("Imaginary numbers are numbers.", None),
        ("", None),
    ],
)
def test_a_stock_opening_is_known_behind_titles_and_markup(text, name):
    assert phrases.stock_opening(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "It rained.",
        'She asked: "Why?"',
        "It ended well. **The End**",
        "It ended well.\n\nTHE END",
        "Eat more soup! 🍲",
        "So x is 2:\n\n$$x = 2$$",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "Run it:\n```\nprint(1)\n```",
        "You need:\n- flour\n- water",
        "Good night!\n\n#bread #water",
        "All is said.\n\n— Anna, from the mill",
        "비가 왔습니다.",
    ],
)
def test_a_text_that_came_to_its_end(text):
    assert not phrases.unfinished(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n",
        "It rained and",
        "It rained, and then,",
        "The steps are:",
        "First do this.\n1. Mix the flour.\n2. Add the",
        "Run it:\n```\nprint(",
        "## Summary",
        "비가 왔습",
    ],
)
def test_a_text_that_breaks_off(text):
    assert phrases.unfinished(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("As you requested, the tone is light.", True),
        ("From the provided extract we learn of tides.", True),
        ("Dans l'extrait fourni, la mer monte.", True),
        ("In the web page you shared, tides rise.", True),
        ("I have avoided rhymes, as in your request.", True),
        ("Word count: 512", True),
        ("Dear [Insert name here], tides rise.", True),
        ("Let me know if you need another lesson.", True),
        ("A prompt answer helps: the extract was short.", False),
        ("Tides rise as the moon requested nothing.", False),
    ],
)
def test_talk_of_the_request_is_found(text, expected):
    assert bool(phrases.request_talk(text)) == expected


@given(any_text)
def test_no_text_is_too_strange(text):
    phrases.refusal(text)
    phrases.request_talk(text)
    phrases.stock_opening(text)
    phrases.unfinished(text)
