"""Identifiers that depend on content alone, and the numbers that derive from them.

Every id is the BLAKE2b-128 digest of its fields as 32 hexadecimal digits. Fields are length-prefixed, so ("ab", "c")
and ("a", "bc") differ. Whatever must be the same in every run, on every machine and for any number of parts (the
sampling seed of a prompt, its place in `fraction`, the choice of templates) derives from an id, never from a position
or a random generator.
"""

import hashlib


def content_id(*fields: str) -> str:
    """The 32-digit id of some text fields; lone surrogates are allowed and count as themselves."""
    digest = hashlib.blake2b(digest_size=16)
    for field in fields:
        data = field.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def unit_interval(identifier: str, purpose: str) -> float:
    """A number in [0, 1) that belongs to an id and a purpose; different purposes are independent."""
    return int(content_id(purpose, identifier)[:13], 16) / 16**13


def sampling_seed(prompt_id: str, seed: int, attempt: int = 1) -> int:
    """The engine's random seed for one attempt at one prompt: 31 bits, so that every engine accepts it."""
    return int(content_id("sampling", prompt_id, str(seed), str(attempt))[:8], 16) & 0x7FFFFFFF
