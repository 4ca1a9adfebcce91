"""Seed text is cleaned and cut without harm."""

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.prompts.fields import excerpts
from scripts.prompts.text import clean, excerpt, one_line

AWKWARD = "ab \n\r\t\x00\x1b\x85\u2028\ufeff\ud83d\udc4de\u0301\u0323\u200d\u1112\u1161\u11ab\u0e33"
AWKWARD += "\U0001f469\U0001f3fd\U0001f1e9\U0001f1ea"


def test_control_characters_go_and_line_breaks_become_plain():
    assert clean("\ufeffone\r\ntwo\rthree\x00\x1b[1m\u2028four\tfive\x85") == "one\ntwo\nthree[1m\nfour\tfive"


def test_a_lone_surrogate_becomes_the_replacement_character():
    assert clean("a\ud83db") == "a\ufffdb"


def test_names_stand_on_one_line():
    assert one_line(" How to\n  tie a \t knot ") == "How to tie a knot"
    assert one_line(None) == ""


def test_an_excerpt_is_the_first_characters():
    assert excerpt("abcdefgh", 5) == "abcde"
    assert excerpt("abc", 5) == "abc"


@pytest.mark.parametrize(
    "visible",
    [
        "e\u0301\u0323",  # letter with two marks
        "\U0001f469\u200d\U0001f4bb",  # joined emoji
        "\U0001f44d\U0001f3fd",  # skin tone
        "\U0001f1e9\U0001f1ea",  # flag
        "\u1112\u1161\u11ab",  # conjoining Hangul
        "❤\ufe0f",  # variation selector
        "ก\u0e33",  # Thai vowel
    ],
)
def test_a_cut_never_splits_a_visible_character(visible):
    for characters in range(1, len(visible)):
        assert excerpt("ab" + visible + "c", 2 + characters) == "ab"
    assert excerpt("ab" + visible + "c", 2 + len(visible)) == "ab" + visible


@given(st.text(st.sampled_from(AWKWARD), max_size=40), st.text(st.sampled_from("a \x00\r\n\u0301"), min_size=90))
def test_what_lies_far_behind_the_cut_changes_nothing_but_is_read_where_needed(start, end):
    cut = excerpt(start + end, 20)
    assert clean(start + end).startswith(cut)
    assert len(clean(start + end)) > 20 or cut == clean(start + end)


def test_flags_are_cut_in_pairs():
    flags = "\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7"
    assert excerpt(flags + "x", 3) == flags[:2]


def test_an_endless_combining_sequence_gives_nothing():
    assert excerpt("a" + "\u0301" * 50, 10) == ""


@given(st.text(st.sampled_from(AWKWARD)), st.integers(1, 30))
def test_an_excerpt_is_short_encodable_and_stable(text, characters):
    cut = excerpt(text, characters)
    assert len(cut) <= characters
    assert clean(text).startswith(cut)
    assert excerpt(cut, characters) == cut
    cut.encode("utf-8")
    assert all(unicodedata.category(character) != "Cc" or character in "\n\t" for character in cut)


SOUND = st.characters(exclude_categories=["Cs"])


@given(
    st.lists(st.text(st.sampled_from(AWKWARD.replace("\ud83d", "").replace("\udc4d", "")) | SOUND)), st.integers(1, 12)
)
def test_a_column_is_cut_like_its_texts_one_by_one(texts, characters):
    assert excerpts(pa.array(texts, pa.string()), characters).to_pylist() == [excerpt(t, characters) for t in texts]


def test_a_missing_text_is_an_empty_extract():
    assert excerpts(pa.array([None, "tea"]), 2).to_pylist() == ["", "te"]
