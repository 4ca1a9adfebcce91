"""Answers that mean the same topic agree although their words differ; the vote depends on nothing but the names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.label.votes import SAME_TOPIC, score_agreement, similarity, vote, words

NAMES = st.text(st.sampled_from("abs eiy&,-'éß가 and"), max_size=20)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Garden birds", "GARDEN BIRD"),
        ("Garden birds", "Birds of the garden"),
        ("Bird's nests", "Birds' nest"),
        ("Stories and movies", "Movie & Story"),
        ("Boxes, watches, wishes", "box watch wish"),
        ("Physics", "physics"),
        ("Glass / buses", "buses – glass"),
        ("The And", "the and"),
        ("새 관찰", "새 관찰"),
    ],
)
def test_case_order_plurals_and_small_words_do_not_count(one, other):
    assert words(one) == words(other)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Birds", "Garden birds", True),
        ("Computer programming", "Computer programming and web development", True),
        ("Cooking and baking", "Cooking and recipes", False),
        ("Programming in C++", "Programming in C", False),
        ("Astronomy", "Astrology", False),
    ],
)
def test_half_of_the_words_make_the_same_topic(one, other, same):
    assert (similarity(words(one), words(other)) >= SAME_TOPIC) is same


def test_the_name_that_most_agree_with_wins():
    assert vote(["Poultry", "Birds", "Garden birds", "Birds in gardens"]) == (2, 0.75)


def test_without_agreement_the_first_wins():
    assert vote(["Poultry", "Cars", "Stars"]) == (0, pytest.approx(1 / 3))


def test_scores_near_the_median_agree():
    assert score_agreement([2, 6, 7, 8], 6.5) == 0.5


@given(st.lists(NAMES, min_size=1, max_size=6))
def test_any_names_can_vote_and_a_name_agrees_with_itself(names):
    winner, agreement = vote(names)
    assert 0 <= winner < len(names)
    assert 1 / len(names) <= agreement <= 1


@given(NAMES, st.integers(1, 5))
def test_equal_names_agree_fully(name, number):
    assert vote([name] * number) == (0, 1)
