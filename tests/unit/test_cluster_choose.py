import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.cluster.choose import SMALLEST, Candidate, choose, grid, join_marginal, modularity, separation
from scripts.cluster.project import nearest_neighbours

AUTO = {"min_cluster_size": 0, "min_samples": 0, "selection": "auto"}


def candidate(worth, largest):
    return Candidate(5, 1, "eom", np.zeros(1), np.zeros(1), {"worth": worth, "largest_share": largest})


def test_the_worthiest_candidate_without_a_giant_is_chosen():
    giant, good, poor = candidate(0.9, 0.8), candidate(0.5, 0.2), candidate(0.4, 0.1)
    assert choose([poor, giant, good], 0.3) is good
    assert choose([giant, candidate(0.1, 0.5)], 0.3).criteria["largest_share"] == 0.5


@given(st.integers(10, 200_000))
def test_sizes_follow_the_sample_and_never_fall_below_the_smallest(documents):
    sizes = {size for _, size, _ in grid(documents, AUTO)}
    assert SMALLEST <= min(sizes) <= max(SMALLEST, documents**0.5)
    assert max(sizes) <= max(SMALLEST, documents**0.5, documents / 40) + 1
    assert len(sizes) <= 7


def test_what_the_settings_give_is_not_varied():
    assert list(grid(1000, {"min_cluster_size": 7, "min_samples": 3, "selection": "leaf"})) == [(3, 7, "leaf")]
    assert {number for number, _, _ in grid(1000, AUTO | {"min_samples": 3})} == {3}


def test_a_marginal_document_joins_the_cluster_of_most_of_its_neighbours():
    labels = np.array([0, 0, 1, 1, 1, -1, -1, -1])
    neighbours = np.array([[1, 5]] * 5 + [[2, 0], [5, 7], [3, 4]])
    joined, share = join_marginal(labels, neighbours, 0.5)
    assert joined.tolist() == [0, 0, 1, 1, 1, 0, -1, 1]
    assert share.tolist() == [0, 0, 0, 0, 0, 0.5, 0, 1]
    assert join_marginal(labels, neighbours, 1)[0].tolist() == [0, 0, 1, 1, 1, -1, -1, 1]


def two_groups():
    """Two groups of four documents, every one's three neighbours in its own."""
    vectors = np.repeat(np.eye(2, 4), 4, axis=0) + 0.1 * np.tile(np.eye(4), (2, 1))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return vectors, np.array([[i for i in range(k - k % 4, k - k % 4 + 4) if i != k] for k in range(8)])


@pytest.mark.parametrize("worse", [[0] * 8, [0, 0, 1, 1, 2, 2, 3, 3], [0, 1] * 4, [0, 0, 0, 0, -1, -1, -1, -1]])
def test_modularity_is_highest_for_the_groups_themselves(worse):
    _, neighbours = two_groups()
    assert modularity(neighbours, np.array([0] * 4 + [1] * 4)) == 0.5
    assert modularity(neighbours, np.array(worse)) < 0.5


def test_separation_falls_when_groups_are_mixed_and_leaves_noise_out():
    vectors, _ = two_groups()
    groups = np.array([0] * 4 + [1] * 4)
    assert separation(vectors, groups) > 0.7
    assert abs(separation(vectors, np.array([0, 0, 1, 1] * 2))) < 0.1
    assert separation(vectors, np.array([0, 0, 0, -1, 1, 1, 1, -1])) == pytest.approx(
        separation(vectors, groups), abs=0.05
    )


def test_a_document_is_its_own_first_neighbour_even_among_equal_ones():
    vectors = np.repeat(np.eye(2, dtype=np.float32), 10, axis=0)
    rows, distances = nearest_neighbours(vectors, 4)
    assert rows[:, 0].tolist() == list(range(20))
    assert all(len(set(row)) == 4 for row in rows.tolist())
    assert (rows // 10 == np.arange(20)[:, None] // 10).all()
    assert (distances == 0).all()
