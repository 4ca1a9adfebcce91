"""Examples and keywords of clusters: chosen by hash, the same in any order, with bounded memory."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.common.errors import InputError
from scripts.common.ids import content_id
from scripts.common.schemas import ASSIGNMENTS, SEEDS, TOPIC_EXAMPLES
from scripts.common.tables import read_table, write_table
from scripts.label import examples
from scripts.label.examples import collect, describe, draw_samples, keywords
from scripts.label.prompt import label_prompt

BIRDS = "The robin builds a nest and the robin sings near its nest in spring. "
BREAD = "Knead the dough, let the dough rise, and bake the bread in spring. "


def assigned(numbers, cluster):
    return [{"seed_id": content_id(str(n)), "cluster_id": cluster} for n in numbers]


def seeds(numbers, text):
    return [{"seed_id": content_id(str(n)), "text": f"{text}{n}"} for n in numbers]


def test_clusters_are_counted_and_noise_is_left_out():
    clusters = collect(assigned(range(30), 1) + assigned(range(30, 40), -1) + assigned(range(40, 45), 0), 10)
    assert {key: cluster.n_documents for key, cluster in clusters.items()} == {0: 5, 1: 30}
    assert list(clusters) == [0, 1]


def test_the_choice_depends_neither_on_order_nor_on_repeats():
    rows = assigned(range(300), 0)
    expected = collect(rows, 10)[0].ranked
    assert len(set(expected)) == 10
    shuffled = rows + rows[:100]
    random.Random(1).shuffle(shuffled)
    assert collect(shuffled, 10)[0].ranked == expected


def test_a_smaller_choice_is_the_beginning_of_a_larger_one():
    rows = assigned(range(300), 0)
    assert collect(rows, 50)[0].ranked[:10] == collect(rows, 10)[0].ranked


def test_keywords_are_what_distinguishes_a_cluster():
    birds, bread = keywords([BIRDS * 3, BREAD * 3], 3)
    assert set(birds[:2]) == {"robin", "nest"}
    assert bread[0] == "dough"


def test_keywords_leave_out_numbers_and_common_words_and_break_ties_by_the_alphabet():
    assert keywords(["the 2024 and 17 zebra apple"], 5) == [["apple", "zebra"]]


def test_clusters_without_words_have_no_keywords():
    assert keywords(["12 34", "!?"]) == [[], []]


def test_examples_are_cut_and_no_more_than_asked():
    clusters = collect(assigned(range(30), 0), 200)
    (row,) = describe(clusters, seeds(range(30), BIRDS * 20), samples=2, documents=7, characters=42)
    assert len(row["examples"]) == 10
    assert [len(sample) for sample in row["samples"]] == [7, 7]
    assert {len(example) for example in row["examples"] + row["samples"][1]} <= {41, 42}
    assert row["n_documents"] == 30


def test_samples_are_disjoint_while_the_cluster_is_large_enough():
    ranked = [str(n) for n in range(35)]
    samples = draw_samples(ranked, samples=3, documents=10)
    assert [document for sample in samples for document in sample] == ranked[:30]


@given(st.integers(1, 40), st.integers(1, 6), st.integers(1, 12))
def test_samples_have_different_documents_and_use_all_of_a_cluster_before_one_comes_twice(size, samples, documents):
    ranked = [str(n) for n in range(size)]
    drawn = draw_samples(ranked, samples, documents)
    assert {len(sample) for sample in drawn} == {min(size, documents)}
    assert all(len(set(sample)) == len(sample) for sample in drawn)
    uses = Counter(document for sample in drawn for document in sample)
    if documents <= size:
        assert max(uses.values()) - min(uses.get(document, 0) for document in ranked) <= 1


def test_a_small_cluster_shows_all_it_has():
    clusters = collect(assigned(range(3), 0), 200)
    (row,) = describe(clusters, seeds(range(3), BIRDS), samples=3, documents=10, characters=420)
    assert [len(row["examples"]), *(len(set(sample)) for sample in row["samples"])] == [3, 3, 3, 3]


def test_a_document_without_its_seed_is_named():
    with pytest.raises(InputError, match="1 documents have a cluster but no seed"):
        list(describe(collect(assigned(range(3), 0), 200), seeds(range(2), BIRDS), 1, 10, 420))


def test_the_program_reads_all_parts_and_writes_the_same_bytes_for_any_order(tmp_path):
    for part, (numbers, text) in enumerate([(range(20), BIRDS), (range(20, 40), BREAD)]):
        write_table(tmp_path / f"seeds-{part}.parquet", seeds(numbers, text), SEEDS)
        write_table(tmp_path / f"clusters-{part}.parquet", assigned(numbers, part), ASSIGNMENTS)
    for name, order in (("a", "01"), ("b", "10")):
        arguments = ["--assignments", *(str(tmp_path / f"clusters-{part}.parquet") for part in order)]
        arguments += ["--seeds", *(str(tmp_path / f"seeds-{part}.parquet") for part in order)]
        examples.main([*arguments, "--samples", "4", "--documents", "5", "--output", str(tmp_path / name)])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    rows = read_table(tmp_path / "a", TOPIC_EXAMPLES).to_pylist()
    assert [(row["cluster_id"], len(row["samples"]), row["n_documents"]) for row in rows] == [(0, 4, 20), (1, 4, 20)]
    assert [len({text for sample in row["samples"] for text in sample}) for row in rows] == [20, 20]


def test_no_clusters_at_all_are_no_error(tmp_path):
    write_table(tmp_path / "seeds", seeds(range(3), BIRDS), SEEDS)
    write_table(tmp_path / "clusters", assigned(range(3), -1), ASSIGNMENTS)
    arguments = ["--assignments", str(tmp_path / "clusters"), "--seeds", str(tmp_path / "seeds")]
    examples.main([*arguments, "--output", str(tmp_path / "out")])
    assert read_table(tmp_path / "out", TOPIC_EXAMPLES).num_rows == 0


def test_the_request_shows_every_example_and_reads_none_of_them():
    request = label_prompt(["about {number} rivers", "a\x00 {passages}"])
    assert "Passage 1: about {number} rivers" in request
    assert "Passage 2: a {passages}" in request
    assert request.startswith("These 2 passages")
    assert '"educational_score"' in request
