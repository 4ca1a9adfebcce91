import difflib

import pytest
from hypothesis import example, given, settings, strategies

from scripts.decontaminate.matching import holds, matching_blocks, ngrams, tokenize, verdict

TEXT = strategies.text("ab c", max_size=60)


@settings(max_examples=400, deadline=None)
@given(TEXT, TEXT, strategies.integers(0, 6))
@example("aaaaaaaa", "aaaa", 2)
@example("abcabcabc" * 3, "cabcab", 1)
def test_blocks_are_those_of_difflib(document, row, minimum):
    blocks = difflib.SequenceMatcher(None, document, row, autojunk=False).get_matching_blocks()
    assert matching_blocks(document, row, minimum) == [block for block in blocks if block.size > minimum]


@settings(max_examples=100, deadline=None)
@given(strategies.lists(strategies.integers(0, 11), max_size=30), strategies.lists(strategies.integers(0, 11)))
def test_blocks_of_sentences_are_those_of_difflib(document, row):
    words = ["the", "cell", "of", "a", "plant", "divides", "when", "its", "wall", "has", "grown", "enough"]
    document, row = (" ".join(words[number] for number in numbers) for numbers in (document, row))
    blocks = difflib.SequenceMatcher(None, document, row, autojunk=False).get_matching_blocks()
    assert matching_blocks(document, row, 5) == [block for block in blocks if block.size > 5]


def test_a_block_tells_where_it_stands_in_both_texts():
    document, row = "xx first part yy second part", "first part, second part"
    found = matching_blocks(document, row, 5)
    assert [document[start : start + size] for start, _, size in found] == ["first part", " second part"]
    assert all(document[a : a + size] == row[b : b + size] for a, b, size in found)


def test_words_have_neither_case_nor_accents():
    assert tokenize("Él comió ÑANDÚ, don't_2!") == ["el", "comio", "nandu", "don", "t_2"]
    assert tokenize("lone \ud800 half") == ["lone", "half"]
    assert tokenize(" … ") == []


@given(strategies.lists(strategies.text("abé", min_size=1, max_size=3), max_size=8), strategies.integers(1, 4))
def test_ngrams_are_joined_runs(tokens, n):
    assert list(ngrams(tokens, n)) == [" ".join(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]


def test_a_short_row_is_held_word_by_word():
    assert holds("b c d", "c d")
    assert holds("b c d", "b c d")
    assert not holds("b cc d", "c d")
    assert not holds("b c", "b c d")


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
