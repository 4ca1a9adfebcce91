"""The Gopher measures, on texts that were made to exceed one of them and on good ones that look repetitive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.clean.blocks import split
from scripts.clean.repetition import LIMITS, excesses, measures
from tests.unit.prose import PARAGRAPHS, TEXT


def test_a_good_text_is_within_all_limits():
    assert excesses(TEXT, LIMITS) == {}
    assert max(measures(TEXT).values()) < 0.06


@pytest.mark.parametrize(
    ("text", "measure"),
    [
        ("\n\n".join([*PARAGRAPHS[:2], *PARAGRAPHS[:2]]), "duplicate_paragraphs"),
        ("\n\n".join([TEXT, PARAGRAPHS[0], PARAGRAPHS[1], PARAGRAPHS[2]]), "duplicate_paragraph_characters"),
        (
            "\n".join(["Knead the dough.", "Let it rest."] * 3 + [f"Step {n} follows." for n in "abc"]),
            "duplicate_lines",
        ),
        ("\n".join([TEXT, *[PARAGRAPHS[0]] * 2]), "duplicate_line_characters"),
        ("sour dough " * 30 + TEXT, "top_2_gram"),
        ("the sour dough " * 20 + TEXT, "top_3_gram"),
        ("a very sour dough " * 16 + TEXT, "top_4_gram"),
        (TEXT + " " + PARAGRAPHS[0], "duplicate_10_grams"),
    ],
)
def test_each_kind_of_repetition_is_named(text, measure):
    assert measure in excesses(text, LIMITS)


def test_all_measures_that_fail_are_named_in_their_order():
    found = excesses("It rises. " * 100, LIMITS)
    assert list(found) == [name for name in LIMITS if name in found]
    assert {"top_2_gram", "duplicate_5_grams", "duplicate_10_grams"} <= set(found)


def test_code_formulas_and_rules_are_no_repetition():
    block = "```python\nfor loaf in loaves:\n    bake(loaf)\n```"
    assert excesses(split("\n\n".join([TEXT, *[block] * 8]))[0], LIMITS) == {}
    steps = "\n\n".join(
        f"{paragraph}\n\n---\n\n$$f(x) = a_0 + a_1 x + a_2 x^2 + {n}$$\n\n---" for n, paragraph in enumerate(PARAGRAPHS)
    )
    assert excesses(steps, LIMITS) == {}


def test_prices_are_not_taken_for_formulas():
    text = "The loaf costs $5 and the roll costs $2 at the stall. " * 12
    assert "duplicate_5_grams" in excesses(text, LIMITS)


def test_a_short_text_does_not_fail_by_the_length_of_a_word():
    assert excesses("Antidisestablishmentarianism notwithstanding, bread rises.", LIMITS) == {}


@given(st.text(alphabet="ab \n$`.", max_size=300))
def test_every_measure_is_a_share(text):
    assert set(measures(text)) == set(LIMITS)
    assert all(0 <= share <= 1 for name, share in measures(text).items() if not name.startswith("top"))


@given(
    st.lists(st.sampled_from(["dough", "bread", "salt", "oven", "yeast", "a", "refrigerator"]), max_size=120),
    st.sampled_from(["", TEXT, PARAGRAPHS[0]]),
)
def test_what_is_skipped_by_its_bound_would_not_exceed_its_limit(words, before):
    text = f"{before} {' '.join(words)}"
    everything = measures(text)
    assert excesses(text, LIMITS) == {name: everything[name] for name in LIMITS if everything[name] > LIMITS[name]}


@given(st.lists(st.sampled_from(["dough", "bread", "salt", "oven", "yeast"]), min_size=30, max_size=80))
def test_n_grams_are_counted_as_the_library_counts_them(words):
    from datatrove.pipeline.filters.gopher_repetition_filter import find_all_duplicate

    text = " ".join(words)
    found = measures(text)
    for n in range(5, 11):
        assert found[f"duplicate_{n}_grams"] == find_all_duplicate(words, n) / len(text)
