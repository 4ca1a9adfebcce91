from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.common.errors import InputError
from scripts.common.files import write_json
from scripts.train.data import Mixture, TokenFolder, interleave


def write_tokens(folder, *files):
    folder.mkdir()
    for number, tokens in enumerate(files):
        np.asarray(tokens, "<u2").tofile(folder / f"{number:05d}.ds")
    write_json(folder / "tokens.json", {"bytes_per_token": 2})
    return folder


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=6), st.integers(1, 300))
def test_every_folder_gets_its_share_to_within_one_sample(weights, samples):
    counts = np.bincount(interleave(weights, samples), minlength=len(weights))
    assert counts.sum() == samples
    assert np.all(np.abs(counts - np.asarray(weights) / sum(weights) * samples) < 1)


def test_folders_are_spread_evenly_over_the_run():
    places = np.flatnonzero(interleave([1, 9], 100) == 0)
    assert {after - before for before, after in pairwise(places)} == {10}


def test_windows_follow_one_another_and_the_incomplete_last_one_is_dropped(tmp_path):
    folder = TokenFolder(write_tokens(tmp_path / "a", range(10), range(100, 105)), 4)
    assert [window.tolist() for window in folder] == [[0, 1, 2, 3], [4, 5, 6, 7], [100, 101, 102, 103]]


def test_a_folder_shorter_than_a_window_repeats(tmp_path):
    folder = TokenFolder(write_tokens(tmp_path / "a", [1, 2], [3]), 5)
    assert [window.tolist() for window in folder] == [[1, 2, 3, 1, 2]]


def test_a_folder_without_tokens_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no tokens"):
        TokenFolder(write_tokens(tmp_path / "a", []), 4)


def test_every_window_comes_once_in_each_round(tmp_path):
    mixture = Mixture([write_tokens(tmp_path / "a", range(20))], [1.0], 3, 15, seed=1)
    starts = [int(mixture[i]["input_ids"][0]) for i in range(15)]
    rounds = [starts[:5], starts[5:10], starts[10:]]
    assert all(sorted(part) == [0, 4, 8, 12, 16] for part in rounds)
    assert rounds[0] != rounds[1]


def test_targets_are_the_next_tokens(tmp_path):
    sample = Mixture([write_tokens(tmp_path / "a", range(4))], [1.0], 3, 1, seed=1)[0]
    assert sample["input_ids"].tolist() == [0, 1, 2]
    assert sample["shift_labels"].tolist() == [1, 2, 3]
