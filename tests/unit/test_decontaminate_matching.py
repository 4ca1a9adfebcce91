import difflib

import pytest
from hypothesis import example, given, settings, strategies

from scripts.decontaminate.matching import candidates, index, matching_blocks, ngrams, tokenize, verdict

TEXT = strategies.text("ab c", max_size=60)


@settings(max_examples=400, deadline=None)
@given(TEXT, TEXT, strategies.integers(0, 6))
@example("aaaaaaaa", "aaaa", 2)
@example("abcabcabc" * 3, "cabcab", 1)
def test_blocks_are_those_of_difflib(document, row, minimum):
    blocks = difflib.SequenceMatcher(None, document, row, autojunk=False).get_matching_blocks()
    expected = [(block.a, block.size) for block in blocks if block.size > minimum]
    assert matching_blocks(document, row, minimum) == expected


def test_words_have_neither_case_nor_accents():
    assert tokenize("Él comió ÑANDÚ, don't_2!") == ["el", "comio", "nandu", "don", "t_2"]
    assert tokenize("lone \ud800 half") == ["lone", "half"]
    assert tokenize(" … ") == []


@given(strategies.lists(strategies.text("abé", min_size=1, max_size=3), max_size=8), strategies.integers(1, 4))
def test_ngrams_are_joined_runs(tokens, n):
    assert list(ngrams(tokens, n)) == [" ".join(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]


def test_every_row_that_has_a_shared_ngram_is_a_candidate():
    rows = ["a b c d e", "z a b c y", "b c d", "a b"]
    found = index(rows, 3)
    assert candidates(["q", "a", "b", "c", "d", "q"], found, 3) == [0, 1, 2]
    assert candidates(["a", "b"], found, 3) == []
    assert candidates([], found, 3) == []


def test_matched_text_is_measured_without_doubled_spaces():
    row = "one two three four five six"
    found = verdict("x one two three x x four five six x", row, 5)
    assert found.span == "one two three "
    assert found.ratio == pytest.approx(len("one two three four five six") / len(row))
    assert verdict("nothing of it", row, 5).ratio == 0.0
    assert verdict("anything", "", 5).ratio == 0.0


def test_blocks_of_five_characters_do_not_count():
    assert verdict("xxabcdexx", "abcde", 5).ratio == 0.0
    assert verdict("xxabcdefxx", "abcdef", 5).ratio == 1.0
