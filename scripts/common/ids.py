"""Identifiers that depend on content alone, and the numbers that derive from them.

Every id is the BLAKE2b-128 digest of its fields as 32 hexadecimal digits. Fields are length-prefixed, so ("ab", "c")
and ("a", "bc") differ. Whatever must be the same in every run, on every machine and for any number of parts (the
sampling seed of a prompt, its place in `fraction`, the choice of templates) derives from an id, never from a position
or a random generator.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


ID_DIGITS = 32


def content_id(*fields: str) -> str:
    """The 32-digit id of some text fields; lone surrogates are allowed and count as themselves."""
    return _digest(fields).hexdigest()


def ids_after(fields: Sequence[str], texts: Iterable[bytes]) -> str:
    """`content_id(*fields, text)` for each text, given as its UTF-8 bytes; all ids in one string, `ID_DIGITS` each.

    The state after the common fields is kept and copied, which spares hashing them again for every text.
    """
    start, digests = _digest(fields).copy, []
    for text in texts:
        digest = start()
        digest.update(len(text).to_bytes(8, "little"))
        digest.update(text)
        digests.append(digest.digest())
    return b"".join(digests).hex()


def draws(identifiers: "np.ndarray", purpose: str) -> "np.ndarray":
    """Numbers below 2**63 that belong to an id and a purpose, for a column of ids.

    Ids are hashes already, so the finaliser of SplitMix64 (Steele, Lea and Flood 2014) over the id and the purpose's
    hash is enough to make the numbers of different purposes independent, at a few nanoseconds each.

    Args:
        identifiers: the first 64 bits of each id, as unsigned numbers.
        purpose: what is drawn.
    """
    import numpy as np

    z = identifiers ^ np.uint64(int(content_id(purpose)[:16], 16))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(1)).astype(np.int64)


def unit_interval(identifier: str, purpose: str) -> float:
    """A number in [0, 1) that belongs to an id and a purpose; different purposes are independent."""
    return int(content_id(purpose, identifier)[:13], 16) / 16**13


def sampling_seed(prompt_id: str, seed: int, attempt: int = 1) -> int:
    """The engine's random seed for one attempt at one prompt: 31 bits, so that every engine accepts it."""
    return int(content_id("sampling", prompt_id, str(seed), str(attempt))[:8], 16) & 0x7FFFFFFF


def _digest(fields: Iterable[str]) -> "hashlib.blake2b":
    digest = hashlib.blake2b(digest_size=16)
    for field in fields:
        data = field.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest
