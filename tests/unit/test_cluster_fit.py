import json

import numpy as np
import pyarrow as pa
import pytest

from scripts.cluster import assign, fit, sample, stability
from scripts.cluster.fit import by_size, check_size, summarise
from scripts.cluster.sample import choose
from scripts.common.errors import InputError
from scripts.common.ids import content_id, unit_interval
from scripts.common.schemas import ASSIGNMENTS, CLUSTER_SAMPLE, EMBEDDING_DIMENSION, EMBEDDINGS
from scripts.common.tables import read_table, write_table

UMAP = {"n_components": 2, "n_neighbors": 6, "min_dist": 0.1}
HDBSCAN = {"n_components": 3, "min_cluster_size": 0, "min_samples": 0, "selection": "auto", "marginal_share": 0.5}
DBSCAN = {"eps": 1.0, "min_samples": 5}
SETTINGS = {"method": "umap_hdbscan", "umap": UMAP, "hdbscan": HDBSCAN, "dbscan": DBSCAN, "largest_share": 0.5}
IDS = [content_id(str(number)) for number in range(90)]


def vectors():
    """Ninety documents about three topics, topic k at k, k + 3, k + 6 …"""
    random = np.random.default_rng(7)
    centres = random.standard_normal((3, EMBEDDING_DIMENSION))
    points = centres[np.arange(90) % 3] + 0.4 * random.standard_normal((90, EMBEDDING_DIMENSION))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def write_embeddings(path, ids, points):
    flat = pa.array(points.astype(np.float16).reshape(-1))
    columns = [pa.array(ids, pa.string()), pa.FixedSizeListArray.from_arrays(flat, EMBEDDING_DIMENSION)]
    write_table(path, pa.table(columns, EMBEDDINGS.names), EMBEDDINGS)
    return path


def run_all(folder, cuts):
    """Sample, fit and assignments of the ninety documents cut into parts at these rows."""
    points = vectors()
    parts = [
        write_embeddings(folder / f"part-{start}.parquet", IDS[start:stop], points[start:stop])
        for start, stop in zip([0, *cuts], [*cuts, 90], strict=True)
    ]
    chosen, fitted = folder / "points.parquet", folder / "sample.parquet"
    sample.main(["--embeddings", *map(str, parts), "--sample-size", "60", "--output", str(chosen)])
    fit.main([*flags(chosen, SETTINGS), "--output", str(fitted), "--summary", str(folder / "fit.json")])
    rows = {}
    for part in parts:
        rows |= {row["seed_id"]: row for row in run_assign(part, chosen, fitted, folder)[0]}
    return rows


def flags(points, settings):
    """The arguments that cluster_fit and cluster_stability share."""
    named = {name.replace("_", "-"): settings[name] for name in ("umap", "hdbscan", "dbscan")}
    words = [word for name, value in named.items() for word in (f"--{name}", json.dumps(value))]
    bound = ["--largest-share", str(settings["largest_share"])]
    return ["--points", str(points), "--method", settings["method"], *words, *bound, "--seed", "1"]


def run_assign(part, points, fitted, folder, policy="drop", max_distance=0.5):
    """(rows, counts) of one part."""
    target, counts = folder / "assigned.parquet", folder / "assigned.counts.json"
    argv = ["--embeddings", part, "--points", points, "--sample", fitted, "--output", target, "--counts", counts]
    assign.main([str(word) for word in [*argv, "--policy", policy, "--max-distance", max_distance]])
    return read_table(target, ASSIGNMENTS).to_pylist(), json.loads(counts.read_text())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, run_all(folder, [])


def test_topics_become_clusters_and_all_documents_follow_their_neighbours(whole):
    _, rows = whole
    topics = [{rows[seed_id]["cluster_id"] for seed_id in IDS[topic::3]} - {-1} for topic in range(3)]
    assert sorted(cluster for topic in topics for cluster in topic) == [0, 1, 2]


def test_a_document_of_the_sample_is_its_own_neighbour(whole):
    folder, rows = whole
    for row in read_table(folder / "sample.parquet", CLUSTER_SAMPLE).to_pylist():
        assert rows[row["seed_id"]]["cluster_id"] == row["cluster_id"]
        assert rows[row["seed_id"]]["distance"] == 0


def test_another_split_into_parts_gives_the_same_bytes(whole, tmp_path):
    folder, rows = whole
    assert run_all(tmp_path, [20, 21, 70]) == rows
    for name in ("points.parquet", "sample.parquet", "fit.json"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_the_summary_tells_parameters_and_shares(whole):
    summary = json.loads((whole[0] / "fit.json").read_text())
    assert (summary["documents"], summary["clusters"], summary["umap"], summary["seed"]) == (60, 3, UMAP, 1)
    assert 0 <= summary["noise_share"] < summary["largest_share"] < 1
    assert summary["chosen"] in summary["candidates"]
    assert summary["chosen"]["worth"] == max(row["worth"] for row in summary["candidates"])


def test_the_sample_is_the_lowest_hashes_and_holds_a_repeated_seed_once():
    chosen = choose([IDS[:50], IDS[40:]], 20)
    assert chosen == sorted(IDS, key=lambda seed_id: unit_interval(seed_id, "cluster-sample"))[:20]
    assert choose([IDS[:5], IDS[:5]], 20) == choose([IDS[:5]], 20)


def test_a_smaller_sample_is_the_beginning_of_a_larger_one():
    assert choose([IDS], 10) == choose([IDS], 30)[:10]


@pytest.mark.parametrize(("size", "needed"), [(0, 10), (7, 14)])
def test_a_sample_too_small_for_the_parameters_is_refused_with_what_to_change(size, needed):
    settings = SETTINGS | {"hdbscan": HDBSCAN | {"min_cluster_size": size}}
    with pytest.raises(InputError, match=f"has {needed - 1} documents, its parameters need {needed} .*seeds.sources"):
        check_size(needed - 1, settings)
    check_size(needed, settings)


def test_clusters_are_numbered_by_size():
    assert by_size(np.array([2, 0, 0, -1, 1, 1, 1, 2])).tolist() == [1, 2, 2, -1, 0, 0, 0, 1]
    assert by_size(np.array([-1, -1])).tolist() == [-1, -1]


def test_a_sample_that_is_all_noise_has_no_cluster():
    assert summarise(np.array([-1, -1])) == {"documents": 2, "clusters": 0, "noise_share": 1.0, "largest_share": 0.0}


def test_clusters_of_another_sample_are_refused(whole, tmp_path):
    folder, _ = whole
    other = write_embeddings(tmp_path / "points.parquet", IDS[:60], vectors()[:60])
    with pytest.raises(InputError, match="does not belong to"):
        run_assign(folder / "part-0.parquet", other, folder / "sample.parquet", tmp_path)


def test_stability_compares_every_pair_of_seeds(whole, tmp_path):
    outputs = ["--output", str(tmp_path / "stability.json"), "--table", str(tmp_path / "stability.tsv")]
    stability.main([*flags(whole[0] / "points.parquet", SETTINGS), "--stability-seeds", "3", *outputs])
    result = json.loads((tmp_path / "stability.json").read_text())
    assert [run["seed"] for run in result["runs"]] == [1, 2, 3]
    assert [pair["seeds"] for pair in result["pairs"]] == [[1, 2], [1, 3], [2, 3]]
    assert result["runs"][0]["clusters"] == json.loads((whole[0] / "fit.json").read_text())["clusters"]
    lines = (tmp_path / "stability.tsv").read_text().splitlines()
    assert lines[5].split("\t") == ["seed", "other_seed", "ari", "shared"]
    assert len(lines) == 9


def test_agreement_knows_no_names_and_leaves_noise_out():
    one, other = np.array([0, 0, 1, 1, -1, 2]), np.array([5, 5, 3, 3, 3, -1])
    assert stability.agreement(one, other) == {"ari": 1.0, "shared": 0.6667}
    assert stability.agreement(one, np.full(6, -1)) == {"ari": 0.0, "shared": 0.0}


def test_the_published_method_clusters_in_the_plane(whole, tmp_path):
    settings = SETTINGS | {"method": "umap_dbscan"}
    outputs = ["--output", str(tmp_path / "sample.parquet"), "--summary", str(tmp_path / "fit.json")]
    fit.main([*flags(whole[0] / "points.parquet", settings), *outputs])
    summary = json.loads((tmp_path / "fit.json").read_text())
    assert (summary["clusters"], summary["chosen"], summary["candidates"]) == (3, DBSCAN, [])
    settings["dbscan"] = {"eps": 0.0001, "min_samples": 50}
    with pytest.raises(InputError, match=r"no cluster among 60 documents.*umap_hdbscan"):
        fit.main([*flags(whole[0] / "points.parquet", settings), *outputs])
