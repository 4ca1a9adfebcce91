import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.cluster.assign import Assigner, Neighbours


def unit(rows):
    rows = np.asarray(rows, np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


POINTS = unit([[1, 0], [0, 1], [-1, 0]])
CLUSTERS = np.array([3, -1, 5], dtype=np.int32)
QUERIES = unit([[1, 0.1], [0.6, 1], [-0.1, 1]])


@pytest.mark.parametrize("policy", ["drop", "keep"])
def test_a_document_whose_neighbour_is_noise_stays_noise(policy):
    found, distances, rescued = Assigner(POINTS, CLUSTERS, policy, 2.0, 1).assign(QUERIES)
    assert found.tolist() == [3, -1, -1]
    assert not rescued.any()
    assert distances[0] < 0.01


@pytest.mark.parametrize(("max_distance", "expected"), [(0.0, [3, -1, -1]), (0.6, [3, 3, -1]), (1.0, [3, 3, 5])])
def test_the_nearest_clustered_document_stands_in_when_it_is_near_enough(max_distance, expected):
    found, distances, rescued = Assigner(POINTS, CLUSTERS, "nearest", max_distance, 1).assign(QUERIES)
    assert found.tolist() == expected
    assert rescued.tolist() == [False, expected[1] >= 0, expected[2] >= 0]
    assert (distances[rescued] <= max_distance).all()


def test_a_sample_that_is_all_noise_rescues_nothing():
    found, _, rescued = Assigner(POINTS, np.full(3, -1), "nearest", 2.0, 1).assign(QUERIES)
    assert (found == -1).all() and not rescued.any()


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.sampled_from([1, 2]))
def test_neither_batch_nor_threads_change_an_answer(seed, cut, threads):
    random = np.random.default_rng(seed)
    points, queries = unit(random.standard_normal((50, 16))), unit(random.standard_normal((61, 16)))
    points[7] = points[3]
    queries[:50] = points
    rows, distances = Neighbours(points, 1).nearest(queries)
    others = Neighbours(points, threads)
    pieces = [others.nearest(piece) for piece in (queries[:cut], queries[cut:])]
    assert np.concatenate([piece[0] for piece in pieces]).tolist() == rows.tolist()
    assert np.concatenate([piece[1] for piece in pieces]).tolist() == distances.tolist()
    assert rows[7] == 3
