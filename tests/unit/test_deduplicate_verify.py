import json
import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings, strategies

from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.tables import MINHASH_CLUSTERS, NEAR_DUPLICATES, read_table, write_table
from scripts.deduplicate import buckets, clusters, signatures, verify
from scripts.deduplicate.minhash import by_rank
from tests.unit.sealed import arguments, sealed_part


def sample_texts():
    """Pages of the shipped sample: of eight planted ones, six are over 0.8 similar to another page, two under 0.7."""
    lines = [
        line
        for name in ("near-duplicates", "weather", "cycling", "law-and-government")
        for line in Path(f"resources/sample/web/{name}.jsonl").read_text().splitlines()
    ]
    return [json.loads(line)["content"] for line in lines]


def deduplicate(folder, parts, minimum_jaccard=0.7):
    """Runs the whole stage on parts, lists of (id, text), and returns the folder of its results."""
    sealed = [
        sealed_part(folder, [text for _, text in part], [name for name, _ in part], part=f"{number:03d}")
        for number, part in enumerate(parts)
    ]
    generations, decisions = [part[0] for part in sealed], [part[1] for part in sealed]
    folders = [folder / f"signatures/web/part-{number:03d}" for number in range(len(parts))]
    for text, decided, output in zip(generations, decisions, folders, strict=True):
        signatures.main(arguments(generations=text, decisions=decided, output=output))
    pairs = [folder / f"buckets/{number:03d}.dups" for number in range(14)]
    for number, output in enumerate(pairs):
        buckets.main(arguments(signatures=folders, bucket=number, output=output))
    clusters.main(arguments(pairs=pairs, output=folder / "clusters.parquet"))
    verify.main(
        arguments(
            generations=generations,
            decisions=decisions,
            clusters=folder / "clusters.parquet",
            minimum_jaccard=minimum_jaccard,
            output=folder / "removed.parquet",
            summary=folder / "summary.json",
            counts=folder / "counts.json",
        )
    )
    return folder


def words(*ranges):
    """A text whose words are numbers spelled in letters, so that its shingles are known."""
    letters = str.maketrans("0123456789", "abcdefghij")
    return " ".join(f"w{number}".translate(letters) for start, stop in ranges for number in range(start, stop))


def test_planted_near_duplicates_are_found_whatever_the_parts_and_their_order(tmp_path):
    documents = [(f"{place:032x}", text) for place, text in enumerate(sample_texts())]
    shuffled = random.Random(3).sample(documents, len(documents))
    one = deduplicate(tmp_path / "one", [documents])
    many = deduplicate(tmp_path / "many", [shuffled[:9], [], shuffled[9:30], shuffled[30:]])
    assert (one / "removed.parquet").read_bytes() == (many / "removed.parquet").read_bytes()
    assert (one / "summary.json").read_bytes() == (many / "summary.json").read_bytes()

    removed = read_table(one / "removed.parquet", NEAR_DUPLICATES).to_pylist()
    assert len(removed) == 6
    assert [row["removed_id"] for row in removed] == sorted({row["removed_id"] for row in removed})
    shingles, texts = verify.shingler(5), dict(documents)
    for row in removed:
        left, right = shingles(texts[row["removed_id"]]), shingles(texts[row["kept_id"]])
        assert row["jaccard"] == pytest.approx(len(left & right) / len(left | right), abs=1e-6)
        assert row["jaccard"] >= 0.7
        assert row["kept_id"] < row["removed_id"]
    assert not {row["kept_id"] for row in removed} & {row["removed_id"] for row in removed}
    counts = Counts.read(one / "counts.json")
    assert (counts.rows_in, counts.rejected) == (len(documents), {"near_duplicate": len(removed)})


def test_no_duplicates_and_no_documents_give_an_empty_table(tmp_path):
    folder = deduplicate(tmp_path, [[("a", words((0, 300))), ("b", words((300, 600))), ("c", "short one")], []])
    assert read_table(folder / "removed.parquet", NEAR_DUPLICATES).num_rows == 0
    assert json.loads((folder / "summary.json").read_text()) == {
        "documents": 3,
        "clusters": 0,
        "members": 0,
        "largest_cluster": 0,
        "removed": 0,
        "spared": 0,
        "minimum_jaccard": 0.7,
    }


def test_a_pair_that_minhash_connects_by_chance_is_kept_and_counted(tmp_path):
    parts = [[("a", words((0, 400))), ("b", words((0, 396), (500, 504)))]]
    folder = deduplicate(tmp_path, parts, minimum_jaccard=0.99)
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["members"], summary["removed"], summary["spared"]) == (2, 0, 1)


def test_the_ends_of_a_chain_are_compared_themselves():
    texts = {"a": words((0, 100)), "b": words((15, 115)), "c": words((30, 130))}
    shingles = verify.shingler(5)
    assert [row[:2] for row in verify.near_duplicates(texts, shingles, 0.7)] == [("b", "a")]
    assert [row[:2] for row in verify.near_duplicates(texts, shingles, 0.5)] == [("b", "a"), ("c", "a")]


def test_the_most_similar_kept_document_is_named():
    texts = {"a": words((0, 100)), "b": words((0, 80), (200, 220)), "c": words((0, 82), (200, 218))}
    found = list(verify.near_duplicates(texts, verify.shingler(5), 0.72))
    assert [row[:2] for row in found] == [("c", "b")]


@settings(max_examples=50, deadline=None)
@given(strategies.lists(strategies.frozensets(strategies.sampled_from("abcdefghij")), max_size=8))
def test_a_removed_document_has_a_kept_partner_and_no_two_kept_ones_are_similar(sets):
    def jaccard(left, right):
        return len(left & right) / len(left | right) if left | right else 0.0

    texts = {str(place): "".join(sorted(members)) for place, members in enumerate(sets)}
    removed = {row[0]: row[1:] for row in verify.near_duplicates(texts, frozenset, 0.5)}
    kept = sorted(set(texts) - set(removed))
    for name, (partner, similarity) in removed.items():
        assert partner in kept
        assert similarity == jaccard(frozenset(texts[name]), frozenset(texts[partner])) >= 0.5
    assert not [(a, b) for a in kept for b in kept if a < b and jaccard(set(texts[a]), set(texts[b])) >= 0.5]


def test_a_long_document_is_signed_as_datatrove_signs_it(tmp_path, monkeypatch):
    from datatrove.data import Document
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature

    texts = [words((0, 700)), words((50, 60)), "too short"]
    monkeypatch.setattr(signatures, "SHINGLES_AT_ONCE", 100)
    rows = [{"prompt_id": str(place), "text": text} for place, text in enumerate(texts)]
    signatures.write_signatures(iter(rows), tmp_path / "ours", MinhashConfig())
    step = MinhashDedupSignature(str(tmp_path / "theirs"), MinhashConfig())
    step.run((Document(text=text, id="") for text in texts), rank=0, world_size=1)
    files = sorted(path.relative_to(tmp_path / "theirs") for path in (tmp_path / "theirs").rglob("*.sig"))
    assert len(files) == 14
    for path in files:
        assert (tmp_path / "ours" / path).read_bytes() == (tmp_path / "theirs" / path).read_bytes()


def test_parts_and_files_that_do_not_belong_together_are_refused(tmp_path):
    with pytest.raises(InputError, match="stand for the same part"):
        by_rank([tmp_path / "a/web/part-000", tmp_path / "b/web/part-000.parquet"])
    with pytest.raises(InputError, match="2 files of pairs were given for 14 buckets"):
        clusters.main(arguments(pairs=["000.dups", "001.dups"], output=tmp_path / "clusters.parquet"))
    generations, decisions = sealed_part(tmp_path, [words((0, 50))])
    members = [{"rank": 0, "place": 0, "cluster": 0}, {"rank": 0, "place": 7, "cluster": 0}]
    write_table(tmp_path / "clusters.parquet", members, MINHASH_CLUSTERS)
    with pytest.raises(InputError, match="names documents that these parts do not have"):
        verify.read_clusters([generations], [decisions], tmp_path / "clusters.parquet")
    with pytest.raises(InputError, match=r"bucket_003/00000.minhash.sig is missing"):
        buckets.main(arguments(signatures=[tmp_path / "web/part-000"], bucket=3, output=tmp_path / "x"))


def test_columns_are_those_of_the_schema(tmp_path):
    folder = deduplicate(tmp_path, [[("a", words((0, 60))), ("b", words((0, 60)))]])
    assert pq.read_schema(folder / "removed.parquet").names == ["removed_id", "kept_id", "jaccard", "cluster"]
    assert read_table(folder / "removed.parquet", NEAR_DUPLICATES).to_pylist() == [
        {"removed_id": "b", "kept_id": "a", "jaccard": 1.0, "cluster": 0}
    ]
