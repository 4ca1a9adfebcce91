import json

import numpy as np
import pytest

from scripts.common.errors import InputError
from scripts.common.schemas import MINHASH_CLUSTERS
from scripts.common.tables import read_table
from scripts.deduplicate import clusters
from tests.unit.duplicates import deduplicate, words
from tests.unit.sealed import arguments


def write_pairs(folder, *files):
    """One file of pairs a bucket, documents given as (rank, place)."""
    paths = [folder / f"{number:03d}.dups" for number in range(len(files))]
    for path, pairs in zip(paths, files, strict=True):
        np.array([[*one, *other] for one, other in pairs], "<u4").tofile(path)
    return paths


def run(folder, pairs, buckets, rounds=1):
    """Runs the program; returns its members as tuples, and its figures."""
    output, minhash = folder / "clusters.parquet", folder / "minhash.json"
    clusters.main(arguments(pairs=pairs, buckets=buckets, rounds=rounds, output=output, minhash=minhash))
    return [tuple(row.values()) for row in read_table(output, MINHASH_CLUSTERS).to_pylist()], json.loads(
        minhash.read_text()
    )


def test_members_come_with_the_size_of_their_cluster(tmp_path):
    pairs = write_pairs(tmp_path, [((0, 1), (0, 2)), ((1, 5), (2, 0))], [((0, 2), (2, 9))])
    found, figures = run(tmp_path, pairs, buckets=2)
    assert found == [(0, 1, 0, 3), (0, 2, 0, 3), (1, 5, 1, 2), (2, 0, 1, 2), (2, 9, 0, 3)]
    assert figures == {"clusters": 2, "members": 5, "removed": 3}


def test_the_figures_of_minhash_are_those_of_the_first_round_alone(tmp_path):
    pairs = write_pairs(tmp_path, [((0, 1), (0, 2))], [], [((0, 2), (0, 3))], [((0, 7), (0, 8))])
    found, figures = run(tmp_path, pairs, buckets=2, rounds=2)
    assert [row[1] for row in found] == [1, 2, 3, 7, 8]
    assert figures == {"clusters": 1, "members": 2, "removed": 1}


def test_no_pairs_give_no_clusters(tmp_path):
    found, figures = run(tmp_path, write_pairs(tmp_path, [], []), buckets=2)
    assert (found, figures) == ([], {"clusters": 0, "members": 0, "removed": 0})


@pytest.mark.parametrize("order", ["forwards", "backwards", "by halves"])
def test_a_long_chain_is_one_cluster(tmp_path, order):
    places = {
        "forwards": list(range(100_000)),
        "backwards": list(range(100_000))[::-1],
        "by halves": sorted(range(100_000), key=lambda place: (place + 1) & -(place + 1)),
    }[order]
    pairs = write_pairs(tmp_path, [((0, place), (0, place + 1)) for place in places])
    members, sizes = clusters.find_clusters(pairs)
    assert sizes.tolist() == [100_001]
    assert len(members[0]) == 100_001


def test_files_of_pairs_that_are_damaged_or_missing_are_named(tmp_path):
    pairs = write_pairs(tmp_path, [((0, 1), (0, 2))], [((0, 1), (0, 2))])
    flags = {"buckets": 2, "output": tmp_path / "clusters.parquet", "minhash": tmp_path / "minhash.json"}
    with pytest.raises(InputError, match=r"1 files of pairs were given for 4 buckets \(2 rounds of 2\)"):
        clusters.main(arguments(pairs=pairs[:1], rounds=2, **flags))
    pairs[1].write_bytes(pairs[1].read_bytes()[:-3])
    with pytest.raises(InputError, match=r"001.dups is damaged: its 13 bytes are no whole number of records of 16"):
        clusters.main(arguments(pairs=pairs, **flags))
    pairs[1].unlink()
    with pytest.raises(InputError, match=r"001.dups is missing"):
        clusters.main(arguments(pairs=pairs, **flags))


def test_more_rounds_find_all_that_fewer_find(tmp_path):
    texts = [words((0, 200)), words((0, 160), (500, 540)), words((0, 180), (700, 720)), words((900, 1100))]
    parts = [[(str(place), text) for place, text in enumerate(texts)]]
    folders = [deduplicate(tmp_path / str(rounds), parts, rounds=rounds) for rounds in (1, 3)]
    first, more = [read_table(folder / "clusters.parquet", MINHASH_CLUSTERS).to_pylist() for folder in folders]
    assert {row["place"] for row in first} <= {row["place"] for row in more}
    assert (folders[0] / "minhash.json").read_bytes() == (folders[1] / "minhash.json").read_bytes()
