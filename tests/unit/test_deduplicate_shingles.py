"""Words and shingles are datatrove's: everything here is compared with datatrove's own functions."""

import functools
import itertools
import json
import os
import string
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies

from scripts.deduplicate import words
from scripts.deduplicate.shingles import Shingles

TRICKY = [
    "can't cant CANT im I'm wed Wed 'cause cause ill I'll shes she's gonna dunno o'clock oclock y'all",
    "0km 10km 3.5kg 20% 5% 1am 10pm 9:30a.m. 1,000,000.50 1,2,3 1|2|3 v2.0.1 7th 1990s x86_64 1.e4 .5 5. 3m² 2kg/m³",
    "e.g. i.e. etc. Ph.D. U.S. Mr. www.example.com/a?b=c http://a.b user@host.org C++ C# #tag @name $5 £5 5€ 10°C a/b",
    "‘s ‘ s x‘s x ‘s' ‘‘s ≮space≯ ≮ space ≯ a≮space≯b <space> ≯_≮ ≯ . ≮ ಠ︵ಠ ಠ ︵ ಠ xD :) =) ≠) ≠d ;d \u037ed 8) 0_0",
    "ΟΔΟΣ ΟΔΟΣ. ΣΑΣ'Σ Σ ΑΣ\u0301 ΑΣ\u0301Β İstanbul ıI ǅ ß ẞ K Å Ω \u1fef \u0387 ﬁ ½ ² ① Ⅷ ㎏",
    "a \u0301 b a\u0301 \u0301\u0323x x\u0323\u0301 \u0301 \u0301 a\u00a0\u0301",
    "日本語 テスト。中文，测试！한국어 ไทย हिन्दी العربية עברית a日b 日1本 ２月３日 第5章 10时 ５％",
    "٣٫١٤ ３．１４ １２３ १२३,४५६ 1٫5 1⎖5 𝟘𝟙.𝟚 🄀 🙂🙂a 👩‍👩‍👧 🇫🇷 ❤️ a🙂b ©2020™ • · … – — ― ‐ “a” „b‟ «c» ‹d› ′ ″",
    "a\u2003b\u3000c\u2028d\u0085e\x1cf\x1fg\u180eh\u200bi\ufeffj\u2060k\xadl\x00m\x7fn\x9fo\x0bp\x0cq\rr",
    "IS_ALPHA is_alpha ISALPHA LIKE_URL nsubj ROOT \\n \\t \\\\ <br> ``x'' a--b a-b-c a...b ... !!! ?! (a) [b] {c}",
    "us USA us$ kms hrs s 'n' n't nt couldn't've theyre lets let's that's ima i'ma \u2019s it\u2019s \u2019em",
]


BROUGHT_BACK = " ;`<=>´〈〉"
"""Signs that normalisation takes away first and that canonical decomposition, its last step, makes of others."""


@functools.cache
def ours():
    return Shingles(5)


@functools.cache
def datatrove(ngram=5):
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature

    return MinhashDedupSignature("/nowhere", MinhashConfig(n_grams=ngram))


def words_of_datatrove(text):
    from datatrove.utils.text import simplify_text

    return datatrove().word_tokenizer.word_tokenize(simplify_text(text))


def assert_same(text):
    assert ours()._words(text).split(" ") == (words_of_datatrove(text) or [""])
    assert ours()(text).tolist() == datatrove().get_shingles(text).ravel().tolist()


def sample_texts():
    """Every text of the shipped sample, and of the folder of real texts where one is given."""
    folders = [Path("resources/sample"), *([Path(real)] if (real := os.environ.get("COSMOPEDIA_REAL_DATA")) else [])]
    lines = (line for folder in folders for path in sorted(folder.rglob("*.jsonl")) for line in path.open("rb"))
    return [text for line in lines for text in json.loads(line).values() if isinstance(text, str)]


def test_texts_of_the_sample():
    texts = sample_texts()
    assert len(texts) > 100
    for text in texts[:: len(texts) // 50]:
        assert_same(text)


@pytest.mark.parametrize("text", TRICKY)
def test_contractions_units_and_scripts(text):
    for variant in (text, text.upper(), text.title(), text.replace(" ", ""), text.replace(" ", "\n\t "), text[::-1]):
        assert_same(variant)


PIECES = strategies.sampled_from(sorted({piece for text in TRICKY for piece in text.split(" ")}))
LETTERS = strategies.sampled_from("aZ0 9.,'‘sΣσ\u0301\u0345\u037e≮≯\u00b7\n\u00a0\u3000İé日٣٫_-<>°€kmn")


@settings(max_examples=150, deadline=None)
@given(
    strategies.one_of(
        strategies.text(max_size=60),
        strategies.text(LETTERS, max_size=60),
        strategies.text(strategies.characters(codec="ascii"), max_size=60),
        strategies.lists(PIECES, max_size=20).map(" ".join),
        strategies.lists(PIECES, max_size=8).map("".join),
    )
)
def test_any_text(text):
    assert_same(text)


def test_every_character_beside_letters_and_digits():
    codes = [*range(0x250), *range(0x2000, 0x2C00), *range(0xFE00, 0x10000), *range(0x300, 0x1F000, 11)]
    for start in range(0, len(codes), 500):
        signs = [chr(code) for code in codes[start : start + 500] if not 0xD800 <= code < 0xE000]
        text = " ".join(f"ab{sign}0{sign}km {sign}" for sign in signs)
        assert ours()._words(text).split(" ") == words_of_datatrove(text)


def test_special_cases_that_reach_over_a_space_are_the_known_ones():
    """spaCy looks for special cases with affixes in the whole text, for others in one chunk."""
    from datatrove.utils.text import simplify_text

    def may_be_left(case):
        return all(sign in BROUGHT_BACK or sign in simplify_text(sign) for sign in case)

    tokenizer = datatrove().word_tokenizer.tokenizer.tokenizer
    affixes = (tokenizer.find_prefix, tokenizer.find_suffix, tokenizer.find_infix)
    cases = [case for case in tokenizer.rules if may_be_left(case)]
    assert len(cases) > 100
    assert {case for case in cases if " " in case or any(find(case) for find in affixes)} <= {" ", "<space>", "‘s"}
    assert tokenizer.token_match is None


@settings(max_examples=200, deadline=None)
@given(strategies.text(string.ascii_lowercase, min_size=1, max_size=25))
def test_letters_alone_have_no_affixes(word):
    tokenizer = datatrove().word_tokenizer.tokenizer.tokenizer
    assert not (tokenizer.find_prefix(word) or tokenizer.find_suffix(word) or tokenizer.find_infix(word))


def test_short_words_and_special_cases_one_by_one():
    special = [case for case in datatrove().word_tokenizer.tokenizer.tokenizer.rules if " " not in case]
    short = ["".join(letters) for size in (1, 2) for letters in itertools.product(string.ascii_lowercase, repeat=size)]
    text = " ".join([*special, *short, *(f"{word}0" for word in short), *(f"0{word}" for word in short)])
    assert_same(text)


def test_a_table_that_is_full_is_begun_anew_and_long_chunks_are_not_remembered(monkeypatch):
    monkeypatch.setattr(words, "REMEMBERED", 3)
    small = words.Words()
    text = " ".join(TRICKY) + " " + "long" * 30 + "0 a b c a b c"
    assert small(text).split(" ") == words_of_datatrove(text)
    assert len(small._words) <= 3
    monkeypatch.setattr(words, "LONGEST", 0)
    assert words.Words()(text) == small(text)


def test_half_a_surrogate_pair_is_read_as_the_replacement_character():
    repaired = "one \ufffd two thr\ufffdee four five"
    assert_same(repaired)
    assert ours()("one \ud800 two thr\udfffee four five").tolist() == ours()(repaired).tolist()
    assert ours()("a \ud83d\ude00 c d e").tolist() == ours()("a \U0001f600 c d e").tolist()


@pytest.mark.parametrize("ngram", [1, 2, 5, 13])
def test_any_length_of_shingles(ngram):
    for text in ("", " ", "!", "\u0301", "one", "one two three four", "one two three four five", " ".join(TRICKY)):
        assert Shingles(ngram)(text).tolist() == datatrove(ngram).get_shingles(text).ravel().tolist()


@settings(max_examples=100, deadline=None)
@given(strategies.binary(max_size=150))
def test_hashes_of_any_bytes(data):
    import numpy as np
    import xxhash

    from scripts.deduplicate.kernels import xxhash64

    eights = np.ndarray(len(data) + 1, "<u8", data + bytes(8), strides=(1,)).copy()
    whole = np.array([0, len(data) + 1])
    assert xxhash64(eights, whole, 1).tolist() == [xxhash.xxh64_intdigest(data)]


NUMBERS = strategies.one_of(
    strategies.integers(0, 2**64 - 1),
    strategies.sampled_from([0, 1, 2**61 - 2, 2**61 - 1, 2**61, 2**62, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1]),
)


@settings(max_examples=200, deadline=None)
@given(
    strategies.lists(NUMBERS, min_size=1, max_size=20),
    strategies.lists(strategies.tuples(NUMBERS, NUMBERS), min_size=1, max_size=5),
)
def test_minima_wrap_around_as_in_numpy(hashes, permutations):
    import numpy as np

    from scripts.deduplicate.kernels import minima

    values, pairs = np.array(hashes, np.uint64), np.array(permutations, np.uint64)
    factors, summands = np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])
    wanted = ((values.reshape(-1, 1) * factors + summands) % np.uint64(2**61 - 1)).min(axis=0)
    assert minima(values, factors, summands).tolist() == wanted.tolist()


def test_only_spaces_and_eight_signs_are_brought_back_by_decomposition():
    from datatrove.utils.text import PUNCTUATION, simplify_text

    everything = [chr(code) for code in range(0x110000)]
    spaces = [sign for sign in everything if sign.isspace()]
    assert "a".join(spaces).split() == ["a"] * (len(spaces) - 1)
    assert set(simplify_text("a".join(spaces))) == {"a", " "}
    left = [sign for sign in everything if not sign.isspace() and sign not in PUNCTUATION]
    decomposed = set(unicodedata.normalize("NFD", "".join(left)))
    assert not {sign for sign in decomposed if sign.isspace()}
    assert decomposed & set(PUNCTUATION) == set(BROUGHT_BACK) - {" "}
