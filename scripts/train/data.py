"""Training samples out of tokenised folders: windows of sequence_length + 1 tokens, mixed by weight.

This is how nanotron reads `.ds` files: the documents of a folder are one stream of tokens, cut into windows without
regard to document ends; the last, incomplete window is dropped. A folder shorter than one window repeats to fill it.
Which sample comes from which folder follows the weights evenly (after any number of samples each folder is within one
sample of its share); the windows of a folder come in a new random order each time round.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.common.errors import InputError
from scripts.common.files import read_json


class TokenFolder:
    """The token files of one folder as one sequence of windows.

    Args:
        folder: what `scripts.tokenize.split` wrote.
        length: tokens in a window.
    """

    def __init__(self, folder: Path, length: int) -> None:
        import numpy as np

        dtype = np.dtype("<u2" if read_json(folder / "tokens.json")["bytes_per_token"] == 2 else "<u4")
        self.length = length
        self.files = [np.memmap(path, dtype, "r") for path in sorted(folder.glob("*.ds")) if path.stat().st_size]
        if not self.files:
            raise InputError(f"{folder} holds no tokens: leave it out of the mixture.")
        self.windows = [len(file) // length for file in self.files]
        if not sum(self.windows):
            self.files, self.windows = [np.resize(np.concatenate(self.files), length)], [1]

    def __len__(self) -> int:
        return sum(self.windows)

    def __getitem__(self, index: int) -> Any:
        for file, windows in zip(self.files, self.windows, strict=True):
            if index < windows:
                return file[index * self.length : (index + 1) * self.length]
            index -= windows
        raise IndexError(index)


def interleave(weights: Sequence[float], samples: int) -> Any:
    """The folder of each sample: int64 array of shape (samples,), each folder spread evenly over the whole run."""
    import numpy as np

    shares = np.asarray(weights, dtype=float) / sum(weights)
    counts = np.floor(shares * samples).astype(int)
    counts[np.argsort(counts - shares * samples, kind="stable")[: samples - counts.sum()]] += 1
    places = np.concatenate([(np.arange(count) + 0.5) / max(count, 1) for count in counts])
    owners = np.repeat(np.arange(len(counts)), counts)
    return owners[np.argsort(places, kind="stable")]


class Mixture:
    """All samples of a training run, in the order of training.

    Args:
        folders: tokenised folders.
        weights: the share of each folder; need not add up to 1.
        length: tokens the model reads in one sample.
        samples: number of samples of the whole run.
        seed: orders the windows.
    """

    def __init__(self, folders: Sequence[Path], weights: Sequence[float], length: int, samples: int, seed: int) -> None:
        import numpy as np

        self.folders = [TokenFolder(folder, length + 1) for folder in folders]
        self.owners = interleave(weights, samples)
        self.windows = np.empty(samples, dtype=np.int64)
        for number, folder in enumerate(self.folders):
            places = np.flatnonzero(self.owners == number)
            rounds = -(-len(places) // len(folder))
            orders = [np.random.default_rng([seed, number, i]).permutation(len(folder)) for i in range(rounds)]
            if orders:
                self.windows[places] = np.concatenate(orders)[: len(places)]

    def __len__(self) -> int:
        return len(self.owners)

    def __getitem__(self, index: int) -> dict[str, Any]:
        import torch

        window = self.folders[self.owners[index]][self.windows[index]]
        tokens = torch.from_numpy(window.astype("int64"))
        return {"input_ids": tokens[:-1], "labels": tokens[:-1], "shift_labels": tokens[1:]}
