"""The compiled search for candidates against the rule in Python."""

import json
import os
import re
import unicodedata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings, strategies

from scripts.benchmarks.rows import BENCHMARKS, decontamination_text, to_item
from scripts.decontaminate.candidates import Candidates
from scripts.decontaminate.characters import LIMIT, characters
from scripts.decontaminate.kernel import ODD
from scripts.decontaminate.matching import WORD, ngrams, tokenize
from scripts.decontaminate.scan import Scanner

EVERYTHING = range(0x110000)
SURROGATES = range(0xD800, 0xE000)

# Case and final sigma, marks of several classes, dropped and kept, Hangul as syllables and letters, letters that end a
# word when they decompose, ligatures, invisible characters, emoji, capitals and ideographs beyond the BMP.
ODDITIES = (
    "aAzZ09_ -'’…\x00\n\u200b\u00adéÉÅﬁßẞİıǅΣσςΩϴKſ\u0301\u0307\u0323\u0345\u0488\u0903\u0bbe\u302e\u1b35"
    "가각힣ᄀ\u1161ᆨ\u11a8क़ऩоёЁйǖ\u1b06\u1b08\U0001d15e漢字かが\u3099😀👩🏽\u200d𐐀𐐨𝐀𝟘\U00011935"
    "\U00020000\U0002f800\U000e0100\U000e0041\U0010ffff"
)
CHARACTER = strategies.one_of(
    strategies.sampled_from("ab  "),
    strategies.sampled_from(ODDITIES),
    strategies.characters(exclude_categories=["Cs"]),
)
TEXT = strategies.text(CHARACTER, max_size=40)
PLAIN = strategies.text("aAb é", max_size=40)


def row(tokens, number=0):
    return {"benchmark": "piqa", "row": str(number), "tokens": " ".join(tokens)}


def exact(texts, rows, n):
    """The (text, row) that share an n-gram by the rule alone."""
    grams = [set(ngrams(tokenize(text), n)) for text in texts]
    own = [set(ngrams(row["tokens"].split(), n)) for row in rows]
    return [(a, b) for a in range(len(texts)) for b in range(len(rows)) if grams[a] & own[b]]


def test_every_code_point_is_folded_as_by_the_rule():
    power, _ = characters()
    codes = [code for code in range(LIMIT) if code not in SURROGATES and power[code] != ODD]
    assert len(codes) > 0.99 * (LIMIT - len(SURROGATES))
    texts = [f"a{chr(code)}b {chr(code)}" for code in codes]
    search = Candidates([], [])
    one = np.array([1])
    tokens = [" ".join(tokenize(text)) for text in texts]
    expected = search._hashes(tokens, one)
    hashes, found = np.empty(4 * len(texts), np.uint64), np.zeros(len(texts), bool)
    end = search._scan(pa.array(texts), power, one, hashes, found, True)
    assert not found.any()
    assert np.array_equal(hashes[:end], expected)


def test_words_share_a_hash_only_by_sigmas_and_characters_beyond_the_table():
    words = sorted({token for code in range(LIMIT) for token in tokenize(f"a{chr(code)}b")})
    merged = {re.sub(f"[{chr(LIMIT)}-\U0010ffff]", chr(LIMIT), word.replace("ς", "σ")) for word in words}
    assert len(np.unique(Candidates([], [])._hashes(words, np.array([1])))) == len(merged)


def test_what_the_table_lacks_is_left_to_the_rule():
    power, _ = characters()
    odd = [code for code in range(LIMIT) if power[code] == ODD]
    assert all(
        len(tokenize(f"a{chr(code)}b")) == 2 and WORD.search(unicodedata.normalize("NFD", chr(code))) for code in odd
    )
    left = [chr(code) for code in [*odd, *EVERYTHING[LIMIT:]]]
    assert len(Candidates([], []).documents(pa.array(left))) == len(left)


def test_marks_that_normalisation_sorts_are_no_part_of_words():
    sorted_marks = (chr(code) for code in EVERYTHING if unicodedata.combining(chr(code)))
    assert not any(WORD.search(mark) for mark in sorted_marks if unicodedata.category(mark) != "Mn")


@settings(max_examples=300, deadline=None)
@given(
    strategies.lists(strategies.one_of(TEXT, PLAIN), max_size=4),
    strategies.lists(strategies.one_of(TEXT, PLAIN), max_size=3),
    strategies.integers(1, 4),
    strategies.randoms(use_true_random=False),
)
@example(["ΑΣ ΑΣ\u0301Α", "q \u1b06"], ["ας ασα", "\u1b05"], 2, None)
@example(["a\u0323\u302e\u0301b 한국어"], ["A b 한국어"], 3, None)
def test_no_document_is_missed_and_the_pairs_are_those_of_the_rule(texts, others, n, draw):
    pieces = [tokenize(text) for text in [*texts, *others]]
    if draw:
        pieces = [tokens[draw.randrange(len(tokens)) :] if tokens else tokens for tokens in pieces]
    rows = [row(tokens, number) for number, tokens in enumerate(pieces)]
    expected = exact(texts, rows, n)
    scanner = Scanner(rows, (), n)
    batch = pa.record_batch(
        {"prompt_id": [str(place) for place in range(len(texts))], "text": pa.array(texts, pa.string())}
    )
    assert set(scanner.candidates(batch)) >= {place for place, _ in expected}
    assert [(int(pair["prompt_id"]), int(pair["row"])) for pair in scanner.batch(batch)] == expected
    alone = [(place, int(pair["row"])) for place, text in enumerate(texts) for pair in scanner.pairs("id", text)]
    assert alone == expected


@given(strategies.lists(strategies.sampled_from(["ab", "c", "Dé"]), max_size=12), strategies.data())
@settings(max_examples=100, deadline=None)
def test_rows_of_several_lengths_are_found_whole(words, data):
    rows = data.draw(
        strategies.lists(strategies.lists(strategies.sampled_from(["ab", "c", "de"]), min_size=1, max_size=4))
    )
    document = tokenize(" ".join(words))
    expected = [
        number
        for number, tokens in enumerate(rows)
        if any(document[start : start + len(tokens)] == tokens for start in range(len(document)))
    ]
    pairs = Scanner([], [row(tokens, number) for number, tokens in enumerate(rows)], 10).pairs("id", " ".join(words))
    found = [(int(pair["row"]), pair["rule"], pair["ratio"], pair["decision"]) for pair in pairs]
    assert found == [(number, "short_row", 1.0, "removed") for number in expected]


@pytest.mark.parametrize("data", [b"\xff\xfe", b"ab \xe2\x82", b"\xf0", b"\xed\xa0\x80 x", b"\x80\x80\x80"])
def test_bytes_that_are_no_text_hurt_nobody(data):
    texts = pa.array([data, b"one two", data], pa.binary()).view(pa.string())
    assert 1 in Candidates(["one two"], [2]).documents(texts)


def test_slices_missing_and_empty_texts_keep_their_places():
    texts = pa.array(["x", "one two", None, "", "ONE, TWO", "one", "two"])
    search = Candidates(["one two"], [2])
    assert search.documents(texts) == [1, 4]
    assert search.documents(texts[3:]) == [1]
    assert search.documents(texts[:0]) == []
    assert Candidates([], []).documents(texts) == []


REAL_DATA = os.environ.get("COSMOPEDIA_REAL_DATA")


@pytest.mark.skipif(not REAL_DATA, reason="COSMOPEDIA_REAL_DATA names no folder")
def test_real_texts_and_benchmarks_give_the_pairs_of_the_rule():
    files = ("synthetic_textbook_mini", "tinystories_mini", "web_pages_mini", "benchmarks_mini")
    lines = [(Path(REAL_DATA) / f"{name}.jsonl").read_text(encoding="utf-8").splitlines() for name in files]
    items = [json.loads(line) for line in lines.pop()]
    own = [decontamination_text(to_item(item["task"], item["row"], 0)) for item in items if item["task"] in BENCHMARKS]
    texts = [json.loads(line).get("text") or "" for name in lines for line in name]
    texts += [f"{host} {text.upper()}" for host, text in zip(texts, own, strict=False)]
    rows = [row(tokenize(text), number) for number, text in enumerate(own)]
    batch = pa.record_batch({"prompt_id": [str(place) for place in range(len(texts))], "text": texts})
    expected = exact(texts, rows, 10)
    assert len(own) > 100
    assert len(expected) > len(own) / 2
    scanner = Scanner(rows)
    assert scanner.candidates(batch) == sorted({place for place, _ in expected})
    assert [(int(pair["prompt_id"]), int(pair["row"])) for pair in scanner.batch(batch)] == expected
