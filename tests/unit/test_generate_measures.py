"""What is measured of the texts of a template: hand-written texts whose values are known."""

import doctest
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.generate import measures, texts
from scripts.generate.measures import ENOUGH, MEASURES, compression, distinct, measure, near_duplicates, openings
from scripts.generate.texts import look_at, look_closely

WORDS = "river stone cloud bread lamp wheel seed tide glass thread copper owl moss kettle fence plum north wax"


def row(text, tokens=200, reason="stop"):
    return {"text": text, "text_token_length": tokens, "finish_reason": reason}


def looked(*some, **columns):
    return [look_at(row(text, **columns)) for text in some]


def essay(number, words=60):
    """A text that has next to nothing in common with those of other numbers; a longer one begins as a shorter one."""
    chance = random.Random(number)
    return " ".join(chance.choice(WORDS.split()) + str(chance.randrange(100)) for _ in range(words)) + "."


def value(name, seen):
    return MEASURES[name].value(seen)


@pytest.mark.parametrize("module", [measures, texts])
def test_the_examples_in_the_documentation_hold(module):
    assert doctest.testmod(module).failed == 0


def test_openings_are_told_apart_by_three_words_and_shown_as_far_as_they_agree():
    seen = looked(
        "Once upon a time a fox slept.",
        "# The Fox\n\n**Once** upon a time, it rained.",
        "Sure! Here is a story:\n\nOnce upon a hill stood a mill.",
        "A fox slept.",
        "",
    )
    assert openings(seen) == [("once upon a", 3), ("", 1), ("a fox slept", 1)]
    assert openings(seen[:2]) == [("once upon a time", 2)]
    assert value("top_opening_share", seen) == 0.6
    assert value("top_ten_share", seen) == 0.6
    assert value("stock_openings", seen) == 0.4


def test_texts_that_all_begin_differently_have_no_top_opening():
    seen = looked(*(essay(number) for number in range(20)))
    assert value("top_opening_share", seen) == 0
    assert value("top_ten_share", seen) == 0


def test_shares_count_the_texts_that_have_a_fault():
    seen = looked("It rained.", "I cannot write that story.", "Sure! Here is a tale:\n\nIt rained.", "It rained and")
    assert (value("refusals", seen), value("courtesies", seen), value("unfinished", seen)) == (0.25, 0.25, 0.25)


def test_a_text_that_was_cut_is_truncated_and_not_also_unfinished():
    seen = [*looked("It rained and", reason="length"), *looked("It rained.", tokens=149)]
    assert (value("truncated", seen), value("unfinished", seen), value("short", seen)) == (0.5, 0, 0.5)


def test_near_duplicates_are_found_with_their_exact_similarity():
    one = essay(1)
    changed = f"{one.rpartition(' ')[0]} end."
    pairs = near_duplicates(looked(one, essay(2), changed, one, essay(3)))
    assert pairs == [(1.0, 0, 3), (pytest.approx(55 / 57), 0, 2), (pytest.approx(55 / 57), 2, 3)]
    assert value("near_duplicates", looked(one, essay(2), changed, one, essay(3))) == 0.6


def test_similarity_under_the_limit_is_none():
    half = " ".join([*essay(1).split()[:30], *essay(2).split()[:30]])
    assert near_duplicates(looked(essay(1), half)) == []
    assert near_duplicates(looked("Too short.", "Too short.")) == []


def test_variety_falls_when_texts_say_the_same():
    same, various = looked(*["The tide is high again."] * 50), looked(*map(essay, range(50)))
    assert distinct(same, 1) == 5 / 250
    assert distinct(same, 3) < distinct(various, 3) <= 1
    assert compression(same) > 10 > compression(various)
    assert distinct(looked("One."), 2) is None


def test_variety_does_not_depend_on_how_long_texts_are_or_how_many():
    long, longer = looked(*(essay(n, 200) for n in range(100))), looked(*(essay(n, 900) for n in range(100)))
    assert distinct(long, 2) == distinct(longer, 2)
    assert compression(long) == compression([*longer, *longer])


def test_a_close_look_finds_what_repeats_the_prompt_itself_or_the_request():
    asked = f"Write about this: {essay(4)} Do it well."
    clean = look_closely(row(essay(5)), asked, "en")
    assert (clean.leak, clean.repetition, clean.request_talk) == ("", 0, False)
    leaking = look_closely(row(f"It begins. {essay(4, 20).upper()} It ends. As you requested."), asked, "en")
    assert leaking.leak == essay(4, 20).rstrip(".")
    assert leaking.request_talk
    assert look_closely(row("Round and round it goes. " * 20), asked, "en").repetition > 0.9


def test_twelve_words_of_the_prompt_are_a_quotation_and_thirteen_a_leak():
    assert look_closely(row(f"So {essay(4, 12)} end."), essay(4), "en").leak == ""
    assert look_closely(row(f"So {essay(4, 13)} end."), essay(4), "en").leak == essay(4, 13).rstrip(".")


def test_a_text_in_another_language_than_its_prompt_is_noticed():
    french = (
        "Le pain lève lentement dans la cuisine, et toute la maison attend que le four soit enfin assez chaud. " * 2
    )
    seen = [look_closely(row(french), "Write.", language) for language in ("en", "fr")]
    assert [text.other_language for text in seen] == ["fr", ""]
    assert value("other_language", seen) == 0.5


def test_what_was_not_looked_at_closely_is_unknown_and_not_zero():
    seen = looked(*map(essay, range(30)))
    found = measure(seen)
    assert {name for name, each in found.items() if each["value"] is None} == {
        name for name, each in MEASURES.items() if each.closely
    }
    assert found["leaked_prompts"]["mark"] == "few"


def test_marks_follow_the_limits_in_both_directions():
    share, variety = MEASURES["refusals"], MEASURES["distinct_2"]
    assert [share.mark(found, 200) for found in (0, share.look, 0.01, share.bad, 0.06)] == [
        "fine", "fine", "look", "look", "bad",
    ]  # fmt: skip
    assert [variety.mark(found, 200) for found in (0.9, 0.4, 0.1)] == ["fine", "look", "bad"]


def test_few_texts_have_no_mark():
    assert MEASURES["refusals"].mark(1.0, ENOUGH["share"] - 1) == "few"
    assert MEASURES["distinct_2"].mark(0.0, ENOUGH["variety"] - 1) == "few"
    assert {each["mark"] for each in measure([]).values()} == {"few"}


@given(st.lists(st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("a b.\n"))), max_size=8))
def test_every_share_is_one(some):
    seen = looked(*some)
    for name, each in MEASURES.items():
        found = value(name, seen)
        assert found is None or (0 <= found <= 1 if name != "compression_ratio" else found > 0), each.title
    assert sum(count for _, count in openings(seen)) == len(seen)
