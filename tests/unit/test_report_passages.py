import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.common.errors import InputError
from scripts.common.schemas import BENCHMARK_ROWS, DECISIONS, GENERATIONS
from scripts.common.tables import write_table
from scripts.decontaminate.matching import tokenize
from scripts.report import passages, scan

ROW = "How do you keep a cut apple from turning brown in a lunch box?"


def shared(runs):
    return [text for text, marked in runs if marked]


def joined(runs):
    return "".join(text for text, _ in runs)


def test_what_is_shared_is_marked_on_both_sides_as_it_was_written():
    text = "She asked: “How do you KEEP a cut ápple, from turning brown in a lunch-box?” Nobody knew."
    passage, row = passages.side_by_side(text, ROW, 5)
    assert shared(passage) == ["How do you KEEP a cut ápple, from turning brown in a lunch-box"]
    assert shared(row) == [ROW.rstrip("?")]
    assert (joined(passage), joined(row)) == (text, ROW)


def test_several_passages_are_marked_each_and_what_lies_far_from_them_is_left_out():
    filler = "Bees gather nectar. " * 60
    text = f"{filler}How do you keep a cut apple {filler}from turning brown in a lunch box{filler}"
    passage, row = passages.side_by_side(text, ROW, 5)
    assert shared(passage) == ["How do you keep a cut apple", "from turning brown in a lunch box"]
    assert joined(passage).count("[…]") == 3
    assert len(joined(passage)) < 900
    assert joined(row) == ROW


def test_texts_without_anything_in_common_have_no_mark():
    assert passages.side_by_side("Zzz!", ROW, 5) == ([("Zzz!", False)], [(ROW, False)])
    assert passages.side_by_side("", ROW, 5) == ([], [(ROW, False)])


@given(st.text(max_size=60))
def test_every_word_of_a_text_is_found_again_in_it(text):
    shown, words, places = passages.locate(text)
    assert words == " ".join(tokenize(text))
    assert len(places) == len(words)
    assert places == sorted(places)
    assert all(0 <= place < len(shown) for place, letter in zip(places, words, strict=True) if letter != " ")


@given(st.text(max_size=60), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=4))
def test_marking_loses_nothing_of_a_text(text, spans):
    runs = passages.mark(text, [(start, start + size) for start, size in spans])
    assert joined(runs) == text
    assert all(piece for piece, _ in runs)


def test_a_row_that_the_index_does_not_have_is_named(tmp_path):
    row = {"benchmark": "piqa", "row": "7", "text": ROW, "tokens": " ".join(tokenize(ROW)), "n_tokens": 14}
    write_table(tmp_path / "rows.parquet", [row], BENCHMARK_ROWS)
    rows = passages.benchmark_texts([tmp_path / "rows.parquet"], [("piqa", "7"), ("piqa", "8")])
    assert rows == {("piqa", "7"): ROW}
    pair = {"prompt_id": "a", "benchmark": "piqa", "row": "8"}
    with pytest.raises(InputError, match="row 8 of piqa"):
        passages.evidence([pair], {"a": ROW}, rows, 5)


def test_a_text_is_shown_as_clean_left_it(tmp_path):
    generations, decisions = sealed(tmp_path)
    assert scan.texts_by_id([generations], [decisions], ["a", "b"]) == {"a": "cut short", "b": "as it was"}
    with pytest.raises(InputError, match="document c"):
        scan.texts_by_id([generations], [decisions], ["c"])
    with pytest.raises(InputError, match="document d"):
        scan.texts_by_id([generations], [decisions], ["d"])


def sealed(folder):
    """A part of three texts: one that clean cut, one that it kept, one that it removed."""
    texts = {"a": "cut short. I hope this helps!", "b": "as it was", "c": "no"}
    generations, decisions = folder / "generations.parquet", folder / "decisions.parquet"
    write_table(generations, [{"prompt_id": each, "text": text} for each, text in texts.items()], GENERATIONS)
    changes = {"a": ("kept", "cut short"), "b": ("kept", None), "c": ("removed", None)}
    rows = [
        {"prompt_id": each, "decision": decision, "reason": "", "flags": [], "text": text}
        for each, (decision, text) in changes.items()
    ]
    write_table(decisions, rows, DECISIONS)
    return generations, decisions
