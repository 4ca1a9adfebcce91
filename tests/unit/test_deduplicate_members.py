import json

import numpy as np
import pytest

from scripts.common.errors import InputError
from scripts.common.schemas import CLUSTER_MEMBERS, MINHASH_CLUSTERS
from scripts.common.tables import iterate_rows, read_table, write_table
from scripts.deduplicate import members
from scripts.deduplicate.shingles import Shingles
from tests.unit.duplicates import find_members, seal, words
from tests.unit.sealed import arguments


def find(folder, parts, clustered, **options):
    """Runs the program on parts of which `clustered`, (rank, place, cluster, size), are in clusters."""
    sealed = seal(folder, parts)
    rows = [dict(zip(MINHASH_CLUSTERS.names, row, strict=True)) for row in clustered]
    write_table(folder / "clusters.parquet", rows, MINHASH_CLUSTERS)
    find_members(folder, sealed, **options)
    return [folder / "members" / texts.parent.name / texts.name for texts, *_ in sealed]


def test_members_are_sorted_by_cluster_and_id_and_have_their_different_shingles(tmp_path):
    twice = words((0, 20), (0, 20))
    part = [("d", words((0, 30))), ("x", words((90, 99))), ("b", words((0, 25))), ("c", twice), ("a", words((50, 60)))]
    path = find(tmp_path, [[], part], [(1, 0, 8, 2), (1, 2, 8, 2), (1, 3, 3, 2), (1, 4, 3, 2)])[1]
    rows = read_table(path, CLUSTER_MEMBERS).to_pylist()
    assert [(row["cluster"], row["size"], row["prompt_id"]) for row in rows] == [
        (3, 2, "a"),
        (3, 2, "c"),
        (8, 2, "b"),
        (8, 2, "d"),
    ]
    assert [row["format"] for row in rows] == ["wikihow", "wikihow", "blogpost", "blogpost"]
    assert rows[1]["shingles"] == sorted(set(Shingles(5)(twice).tolist()))
    assert len(rows[1]["shingles"]) == 20
    assert [len(row["shingles"]) for row in members.read_members(path)] == [6, 20, 21, 26]
    counts = json.loads(path.with_suffix(".counts.json").read_text())
    assert counts == {"documents": 5, "formats": {"blogpost": 3, "wikihow": 2}}


def test_of_a_cluster_over_the_maximum_the_smallest_ids_alone_have_shingles(tmp_path):
    names = [f"{place * 37 % 60:02d}" for place in range(60)]
    parts = [[(name, words((0, 20))) for name in names[start : start + 30]] for start in (0, 30)]
    paths = find(tmp_path, parts, [(rank, place, 0, 60) for rank in (0, 1) for place in range(30)], maximum_cluster=59)
    rows = [row for path in paths for row in members.read_members(path)]
    assert len(rows) == 60
    compared = {row["prompt_id"] for row in rows if row["shingles"] is not None}
    assert compared >= {f"{place:02d}" for place in range(members.SAMPLE)}
    assert len(compared) == 2 * members.SAMPLE
    at_the_limit = find(tmp_path / "limit", parts, [(0, 3, 0, 59)], maximum_cluster=59)[0]
    assert next(members.read_members(at_the_limit))["shingles"] is not None


def test_rows_come_back_as_they_were_written_over_many_batches(tmp_path):
    rows = [
        {"cluster": place // 3, "size": 3, "prompt_id": f"{place:04d}", "seed_id": "s", "format": "f"}
        | {"shingles": None if place % 7 == 0 else np.arange(place % 5, dtype=np.uint64) + np.uint64(2**63 + place)}
        for place in range(2 * members.ROWS_PER_GROUP + 3)
    ]
    members.write_members(tmp_path / "members.parquet", rows)
    for written, found in zip(rows, members.read_members(tmp_path / "members.parquet"), strict=True):
        assert {**found, "shingles": None} == {**written, "shingles": None}
        assert (found["shingles"] is None) == (written["shingles"] is None)
        assert written["shingles"] is None or found["shingles"].tolist() == written["shingles"].tolist()


def test_an_empty_part_has_no_members(tmp_path):
    (path,) = find(tmp_path, [[]], [])
    assert list(iterate_rows(path, CLUSTER_MEMBERS)) == []
    assert json.loads(path.with_suffix(".counts.json").read_text()) == {"documents": 0, "formats": {}}


def test_files_that_do_not_belong_together_are_named(tmp_path):
    with pytest.raises(InputError, match=r"clusters.parquet names documents that .*part-000.parquet does not have"):
        find(tmp_path / "place", [[("a", words((0, 50)))]], [(0, 0, 0, 2), (0, 7, 0, 2)])
    with pytest.raises(InputError, match=r"names documents that"):
        find(tmp_path / "short", [[("a", "too short")]], [(0, 0, 0, 2)])
    (tmp_path / "place/clusters.parquet").write_bytes(b"PAR1")
    generations, decisions, prompts = seal(tmp_path / "place", [[("a", words((0, 50)))]])[0]
    flags = {"generations": generations, "decisions": decisions, "rank": 0}
    flags |= {"output": tmp_path / "x", "counts": tmp_path / "y"}
    with pytest.raises(InputError, match=r"clusters.parquet is not a readable Parquet file"):
        members.main(arguments(prompts=prompts, clusters=tmp_path / "place/clusters.parquet", **flags))
    other = seal(tmp_path / "other", [[("b", words((0, 50)))]])[0][2]
    write_table(tmp_path / "clusters.parquet", [], MINHASH_CLUSTERS)
    with pytest.raises(InputError, match=r"other/prompts/web/part-000.parquet does not have prompt a once"):
        members.main(arguments(prompts=other, clusters=tmp_path / "clusters.parquet", **flags))
