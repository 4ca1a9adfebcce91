"""No prompt id may stand twice among the sealed texts: removing one of two rows with one id would remove both."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts.common.errors import InputError
from scripts.common.schemas import GENERATIONS
from scripts.common.tables import iterate_batches


def check_unique(parts: Sequence[Path]) -> None:
    """Checks the ids of all sealed parts by their 64-bit hashes, 8 bytes each; about a minute for 31 million.

    Raises:
        InputError: an id stands twice; the message names both files.
    """
    import numpy as np

    hashes = np.concatenate([np.fromiter(map(_hash, _ids(part)), np.uint64) for part in parts])
    hashes.sort()
    twice = set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())
    # Equal hashes are rare enough to be looked at, and unequal ids behind them too rare to matter for time.
    seen: dict[str, Path] = {}
    for part in parts if twice else []:
        for prompt_id in _ids(part):
            if _hash(prompt_id) not in twice:
                continue
            if prompt_id in seen:
                places = f"in {seen[prompt_id]} and in {part}" if seen[prompt_id] != part else f"twice in {part}"
                raise InputError(
                    f"prompt id {prompt_id} stands {places}. Each text needs an id of its own: "
                    "delete the row, or the part, that is one too many and run again."
                )
            seen[prompt_id] = part


def _ids(part: Path) -> Iterator[str]:
    for batch in iterate_batches(part, GENERATIONS, ["prompt_id"], batch_size=100_000):
        yield from batch.column("prompt_id").to_pylist()


def _hash(prompt_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(prompt_id.encode(), digest_size=8).digest(), "little")
