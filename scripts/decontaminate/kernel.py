"""The compiled loop over the UTF-8 bytes of documents: characters → words → hashes of their runs → look-up.

Importing this module compiles it, which takes about a second of one core; nothing is cached on disk, because jobs run
side by side from folders that they may not write. scripts/decontaminate/candidates.py tells the method and makes the
tables. All arithmetic is modulo 2⁶⁴.
"""

import numba
import numpy as np

NONE, SKIP, ODD = np.uint64(0), np.uint64(1), np.uint64(2)
"""A code point between words, one that is dropped, one for the Python rule: no powers of `BASE`, which are odd."""

BASE = np.uint64(0x9E3779B97F4A7C15)
_MIX_WORD, _MIX_RUN = np.uint64(0xD6E8FEB86659FD93), np.uint64(0xBF58476D1CE4E5B9)

BITS_IN_GROUP = 5
"""Bits that a place in the bitmap has more than one in `starts`."""

_TYPES = (
    numba.types.Array(numba.uint8, 1, "C", readonly=True),
    numba.types.Array(numba.int64, 1, "C", readonly=True),
    numba.uint64[::1],
    numba.uint64[::1],
    numba.int64[::1],
    numba.uint64[::1],
    numba.uint64,
    numba.uint8[::1],
    numba.int32[::1],
    numba.uint64[::1],
    numba.uint64[::1],
    numba.uint64[::1],
    numba.boolean[::1],
    numba.boolean,
)


@numba.njit(numba.int64(*_TYPES), nogil=True)
def scan(
    data, offsets, power, value, lengths, length_powers, bits, bitmap, starts, keys, ring, hashes, found, all_hashes
):
    """Marks the documents that have a run of words among the keys, or collects the hashes of all runs.

    Args:
        data: UTF-8 of all documents; no byte outside them is read, whatever they hold.
        offsets: where each document starts, and where the last one ends.
        power: of each code point, the power of `BASE` that its characters multiply a word's hash with, or NONE, SKIP,
            ODD; the last entry stands for all code points beyond the table.
        value: what each code point then adds.
        lengths: words in the runs that are looked for.
        length_powers: `BASE` to the power of each length.
        bits: leading bits of a key that are its group.
        bitmap: the bit at the first bits + BITS_IN_GROUP bits of every key is set.
        starts: where each group of keys begins, and the last one ends.
        keys: hashes to find, ascending.
        ring: room for more entries than the longest run has words; their number is a power of two.
        hashes: room for the hashes of all runs of the longest document, or with `all_hashes` of all documents.
        found: set for each document with a key or an ODD character.
        all_hashes: leave the hashes of all documents behind, in the order of documents, words and lengths, instead of
            looking them up document by document (all of one at once, so that the processor's waits for memory overlap).

    Returns:
        The number of hashes left behind.
    """
    one = np.uint64(1)
    beyond, wrap, collected = np.uint64(len(power) - 1), np.uint64(len(ring) - 1), 0
    group_shift = np.uint64(64) - bits
    bit_shift = group_shift - np.uint64(BITS_IN_GROUP)
    for document in range(len(found)):
        place, end = np.uint64(offsets[document]), np.uint64(offsets[document + 1])
        word, inside, words, total = NONE, False, NONE, NONE
        ring[0] = NONE
        while place <= end:
            code = np.uint64(32)  # also behind the end, which closes the last word
            if place < end:
                code = np.uint64(data[place])
            place += one
            if code >= np.uint64(128):
                more = 1 if code < np.uint64(0xE0) else 2 if code < np.uint64(0xF0) else 3
                code &= np.uint64(0x3F >> more)
                while more and place < end:
                    code = code << np.uint64(6) | np.uint64(data[place]) & np.uint64(0x3F)
                    place += one
                    more -= 1
                code = min(code, beyond)
            step = power[code]
            if step != NONE:
                if step == ODD:
                    found[document] = True
                    break
                word = word * step + value[code]
                inside = inside or step != SKIP
            elif inside:
                total = total * BASE + (word ^ word >> np.uint64(32)) * _MIX_WORD
                words += one
                ring[words & wrap] = total
                word, inside = NONE, False
                for kind in range(len(lengths)):
                    length = np.uint64(lengths[kind])
                    if words >= length:
                        key = total - ring[words - length & wrap] * length_powers[kind]
                        key = (key ^ key >> np.uint64(29)) * _MIX_RUN
                        hashes[collected] = key ^ key >> np.uint64(32)
                        collected += 1
        if all_hashes:
            continue
        for number in range(collected):
            key = hashes[number]
            bit = key >> bit_shift
            if bitmap[bit >> np.uint64(3)] >> np.uint8(bit & np.uint64(7)) & np.uint8(1):
                group = key >> group_shift
                for entry in range(starts[group], starts[group + one]):
                    if keys[entry] == key:
                        found[document] = True
        collected = 0
    return collected
