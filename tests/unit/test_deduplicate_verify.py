import json
import os
import random
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings, strategies

from benchmarks.duplicates import best, similarities
from benchmarks.similar_texts import make_texts
from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.deduplicate import buckets
from scripts.deduplicate.ids import check_unique
from scripts.deduplicate.members import SAMPLE
from scripts.deduplicate.minhash import by_rank
from scripts.deduplicate.shingles import Shingles
from scripts.deduplicate.similarity import jaccard, near_duplicates
from tests.unit.duplicates import SOURCES, check, code, deduplicate, find_clusters, find_members, removed, seal, words
from tests.unit.sealed import arguments

shingles = Shingles(5)


def similarity(one, other):
    """The Jaccard similarity of two texts, from their definition."""
    left, right = (set(shingles(text).tolist()) for text in (one, other))
    return len(left & right) / len(left | right)


def sample_texts():
    """Pages of the shipped sample: of eight planted ones, six are over 0.8 similar to another page, two under 0.7."""
    lines = [
        line
        for name in ("near-duplicates", "weather", "cycling", "law-and-government")
        for line in Path(f"resources/sample/web/{name}.jsonl").read_text().splitlines()
    ]
    return [json.loads(line)["content"] for line in lines]


def summary(folder):
    return json.loads((folder / "summary.json").read_text())


def greedy(texts, minimum):
    """(removed, kept) of texts in their order, in the way of the documentation."""
    documents = [np.unique(shingles(text)) for text in texts]
    return [(one, other) for one, other, _ in near_duplicates(documents, minimum)]


def test_planted_near_duplicates_are_found_whatever_the_parts_and_their_order(tmp_path):
    documents = [(f"{place:032x}", text) for place, text in enumerate(sample_texts())]
    shuffled = random.Random(3).sample(documents, len(documents))
    one = deduplicate(tmp_path / "one", [documents], rounds=2)
    assert [row["removed_id"] for row in removed(one)] == sorted({row["removed_id"] for row in removed(one)})
    assert len(removed(one)) == 6
    for place, cut in enumerate(([9, 9, 30], [30], [1, 2, 3, 40])):
        parts = [shuffled[start:stop] for start, stop in zip([0, *cut], [*cut, None], strict=True)]
        many = deduplicate(tmp_path / str(place), parts, rounds=2)
        assert (one / "removed.parquet").read_bytes() == (many / "removed.parquet").read_bytes()
        assert (one / "summary.json").read_bytes() == (many / "summary.json").read_bytes()

    texts = dict(documents)
    for row in removed(one):
        assert row["jaccard"] == pytest.approx(similarity(texts[row["removed_id"]], texts[row["kept_id"]]), abs=1e-6)
        assert row["jaccard"] >= 0.7
        assert row["cluster"] <= row["kept_id"] < row["removed_id"]
    assert not {row["kept_id"] for row in removed(one)} & {row["removed_id"] for row in removed(one)}
    counts = Counts.read(one / "counts.json")
    assert (counts.rows_in, counts.rejected) == (len(documents), {"near_duplicate": 6})


def test_no_duplicates_and_no_documents_give_an_empty_table(tmp_path):
    folder = deduplicate(tmp_path, [[("a", words((0, 300))), ("b", words((300, 600))), ("c", "short one")], []])
    assert removed(folder) == []
    assert summary(folder) == {
        "documents": 3,
        "sources": {"web": 3},
        "formats": {"blogpost": 1, "wikihow": 2},
        "rounds": 1,
        "clusters": 0,
        "members": 0,
        "largest_cluster": 0,
        "removed": 0,
        "spared": 0,
        "minimum_jaccard": 0.7,
        "maximum_cluster": 1000,
        "minhash": {"clusters": 0, "members": 0, "removed": 0},
        "by_source": {},
        "by_format": {},
        "by_format_same_seed": {},
        "alarms": [],
    }


def test_removed_texts_are_counted_by_source_and_format_of_both(tmp_path):
    parts = [[("b", words((0, 60))), ("c", words((0, 60)))], [("a", words((0, 60)))]]
    folder = deduplicate(tmp_path, parts, sources=SOURCES, seeds={"a": "s", "c": "s"})
    assert pq.read_table(folder / "removed.parquet").to_pylist() == [
        {
            "removed_id": name,
            "kept_id": "a",
            "jaccard": 1.0,
            "cluster": "a",
            "removed_source": "web",
            "kept_source": "stories",
            "removed_format": form,
            "kept_format": "wikihow",
            "same_seed": name == "c",
        }
        for name, form in (("b", "blogpost"), ("c", "wikihow"))
    ]
    found = summary(folder)
    assert found["by_source"] == {"web": {"stories": 2}}
    assert found["by_format"] == {"blogpost": {"wikihow": 1}, "wikihow": {"wikihow": 1}}
    assert found["by_format_same_seed"] == {"wikihow": {"wikihow": 1}}
    assert (found["sources"], found["formats"]) == ({"stories": 1, "web": 2}, {"blogpost": 1, "wikihow": 2})
    assert found["minhash"] == {"clusters": 1, "members": 3, "removed": 2}


def test_a_pair_that_minhash_connects_by_chance_is_kept_and_counted(tmp_path):
    parts = [[("a", words((0, 400))), ("b", words((0, 396), (500, 504)))]]
    found = summary(deduplicate(tmp_path, parts, minimum_jaccard=0.99))
    assert (found["members"], found["removed"], found["spared"]) == (2, 0, 1)


def test_a_cluster_over_the_maximum_raises_an_alarm_and_loses_nothing(tmp_path):
    family = [(f"{place:02d}", words((0, 200), (1000 + 3 * place, 1003 + 3 * place))) for place in range(30)]
    shuffled = random.Random(5).sample(family, len(family))
    pair = [("x", words((3000, 3100))), ("y", words((3000, 3100)))]
    two = [pair + shuffled[:15], shuffled[15:]]
    four = [shuffled[3:15], shuffled[20:], shuffled[:3] + pair, shuffled[15:20]]
    folders = [
        deduplicate(tmp_path / name, parts, maximum_cluster=29, sources=SOURCES)
        for name, parts in (("two", two), ("four", four))
    ]
    assert (folders[0] / "summary.json").read_bytes() == (folders[1] / "summary.json").read_bytes()
    assert [row["removed_id"] for row in removed(folders[0])] == ["y"]
    found = summary(folders[0])
    assert (found["clusters"], found["largest_cluster"], found["members"]) == (2, 30, 32)
    (alarm,) = found["alarms"]
    assert (alarm["cluster"], alarm["size"]) == ("00", 30)
    assert alarm["sources"] == {"stories": 15, "web": 15}
    assert sum(alarm["formats"].values()) == 30
    assert alarm["examples"] == ["00", "01", "02", "03", "04"]
    texts = [text for _, text in family[:SAMPLE]]
    values = [similarity(one, other) for place, one in enumerate(texts) for other in texts[place + 1 :]]
    assert alarm["jaccard"]["pairs"] == len(values) == SAMPLE * (SAMPLE - 1) // 2
    assert alarm["jaccard"]["minimum"] == pytest.approx(min(values), abs=1e-4)
    assert alarm["jaccard"]["maximum"] == pytest.approx(max(values), abs=1e-4)


def test_a_cluster_at_the_maximum_is_compared(tmp_path):
    parts = [[(str(place), words((0, 100))) for place in range(6)]]
    folder = deduplicate(tmp_path, parts, maximum_cluster=6)
    assert [(row["removed_id"], row["kept_id"]) for row in removed(folder)] == [(name, "0") for name in "12345"]
    assert summary(folder)["alarms"] == []


def test_of_a_templated_family_nothing_is_removed_without_a_kept_partner(tmp_path):
    texts = {f"{number:02d}": code(number) for number in range(50)}
    texts["99"] = texts["07"]
    alike = [similarity(texts["00"], texts[f"{number:02d}"]) for number in range(1, 50)]
    assert 0.5 < min(alike) <= max(alike) < 0.7
    folder = deduplicate(tmp_path, [list(texts.items())], rounds=2)
    found = summary(folder)
    assert found["largest_cluster"] > 25, "MinHash must chain most of the family together"
    assert found["minhash"]["removed"] > 10
    assert [(row["removed_id"], row["kept_id"], row["jaccard"]) for row in removed(folder)] == [("99", "07", 1.0)]
    assert found["spared"] == found["members"] - found["clusters"] - 1


def test_the_ends_of_a_chain_are_compared_themselves():
    texts = [words((0, 100)), words((15, 115)), words((30, 130))]
    assert greedy(texts, 0.7) == [(1, 0)]
    assert greedy(texts, 0.5) == [(1, 0), (2, 0)]


def test_the_most_similar_kept_document_is_named_and_the_first_of_equals():
    texts = [words((0, 100)), words((0, 80), (200, 220)), words((0, 82), (200, 218))]
    assert greedy(texts, 0.72) == [(2, 1)]
    texts = [words((0, 100), (500, 520)), words((0, 100), (600, 620)), words((0, 100))]
    assert greedy(texts, 0.75) == [(2, 0)]


def test_a_pair_at_the_minimum_itself_is_removed():
    for minimum in (0.7, 0.8, 0.1, 1.0):
        for union in range(10, 400, 10):
            shared = round(minimum * union)
            one, other = np.arange(shared, dtype=np.uint64), np.arange(union, dtype=np.uint64)
            assert list(near_duplicates([one, other], minimum)) == [(1, 0, shared / union)]
            assert list(near_duplicates([other, one], minimum)) == [(1, 0, shared / union)]


@settings(max_examples=200)
@given(
    strategies.lists(strategies.frozensets(strategies.integers(0, 14), min_size=1), max_size=12),
    strategies.sampled_from([0.3, 0.5, 0.7, 0.75, 0.8, 1.0]),
)
def test_a_removed_document_has_a_kept_partner_and_no_two_kept_ones_are_similar(sets, minimum):
    documents = [np.array(sorted(members), np.uint64) for members in sets]
    found = {row[0]: row[1:] for row in near_duplicates(documents, minimum)}
    kept = sorted(set(range(len(sets))) - set(found))
    for place, (partner, value) in found.items():
        similar = {other: len(sets[place] & sets[other]) / len(sets[place] | sets[other]) for other in kept}
        before = {other: value for other, value in similar.items() if other < place}
        assert value == before[partner] == max(before.values()) == jaccard(documents[place], documents[partner])
        assert value >= minimum
        assert partner == min(other for other in before if before[other] == value)
    pairs = [(sets[one], sets[other]) for one in kept for other in kept if one < other]
    assert not [pair for pair in pairs if len(pair[0] & pair[1]) / len(pair[0] | pair[1]) >= minimum]


def check_against_all_pairs(folder, documents):
    """Of documents (id → text): none is removed wrongly, and of all pairs at 0.8 or more one at least is removed."""
    names = list(documents)
    similar = similarities([np.unique(shingles(text)) for text in documents.values()])
    gone = {names.index(row["removed_id"]) for row in removed(folder)}
    assert all(best(place, gone, similar) >= 0.7 for place in gone)
    alike = [(one, other) for one, partners in similar.items() for other in partners if partners[other] >= 0.8]
    assert alike
    assert not [pair for pair in alike if gone.isdisjoint(pair)]
    return gone


def test_all_pairs_of_made_documents_are_resolved_and_none_is_removed_wrongly(tmp_path):
    documents = {f"{place:03d}": text for place, text in enumerate(make_texts(500))}
    listed = list(documents.items())
    folder = deduplicate(tmp_path, [listed[:200], listed[200:]], rounds=4)
    gone = check_against_all_pairs(folder, documents)
    assert summary(folder)["removed"] == len(gone)


@pytest.mark.skipif("COSMOPEDIA_REAL_DATA" not in os.environ, reason="needs COSMOPEDIA_REAL_DATA")
def test_the_gold_pairs_of_real_articles_are_resolved(tmp_path):
    articles = Path(os.environ["COSMOPEDIA_REAL_DATA"]) / "dedup_minhash_articles_100.jsonl"
    rows = [json.loads(line) for line in articles.read_text().splitlines()]
    documents = {row["id"]: row["text"] for row in rows}
    folder = deduplicate(tmp_path, [list(documents.items())])
    gone = {list(documents)[place] for place in check_against_all_pairs(folder, documents)}
    gold = [json.loads(line) for line in articles.with_suffix(".truth.jsonl").read_text().splitlines()]
    assert all(gone & set(pair.values()) for pair in gold)
    assert len(gone) == len(gold)


def test_two_rows_with_one_id_are_named_with_their_files(tmp_path):
    text = words((0, 100))
    parts = [[("a", text), ("b", words((500, 600)))], [("c", text), ("a", words((700, 800)))]]
    with pytest.raises(InputError, match=r"prompt id a stands in .*part-000.parquet and in .*part-001.parquet"):
        deduplicate(tmp_path / "two", parts)
    (generations, *_) = seal(tmp_path / "one", [[("a", text), ("b", text), ("a", text)]])[0]
    with pytest.raises(InputError, match=r"prompt id a stands twice in .*part-000.parquet.* delete the row"):
        check_unique([generations])


def test_parts_and_files_that_do_not_belong_together_are_refused(tmp_path):
    with pytest.raises(InputError, match="stand for the same part"):
        by_rank([tmp_path / "a/web/part-000", tmp_path / "b/web/part-000.parquet"])
    with pytest.raises(InputError, match=r"bucket_003/00000.minhash.sig is missing"):
        buckets.main(arguments(signatures=[tmp_path / "web/part-000"], bucket=3, output=tmp_path / "x"))
    sealed = seal(tmp_path, [[("a", words((0, 50)))], [("b", words((0, 50)))]])
    find_clusters(tmp_path, sealed)
    signature = tmp_path / "signatures/web/part-001/bucket_002/00000.minhash.sig"
    signature.write_bytes(signature.read_bytes()[:50])
    with pytest.raises(InputError, match=r"part-001/bucket_002/00000.minhash.sig is damaged: its 50 bytes"):
        buckets.main(arguments(signatures=[signature.parents[1]], bucket=2, output=tmp_path / "x"))
    find_members(tmp_path, sealed)
    (tmp_path / "members/web/part-001.parquet").write_bytes(
        (tmp_path / "members/web/part-000.parquet").read_bytes()[:9]
    )
    with pytest.raises(InputError, match=r"members/web/part-001.parquet is not a readable Parquet file"):
        check(tmp_path, sealed)
    find_members(tmp_path, sealed)
    with pytest.raises(InputError, match=r"1 of the 2 members of the cluster of document a were found"):
        check(tmp_path, sealed[:1])
