"""The two compiled loops of a signature: xxHash64 of every shingle, and the smallest value under each permutation.

Both give datatrove's numbers exactly. xxHash64 (seed 0) follows its specification, doc/xxhash_spec.md in the xxHash
repository. A permutation of a hash h is (a·h + b) mod 2⁶¹ − 1, where product and sum wrap at 2⁶⁴ as numpy's do; since
2⁶¹ is 1 modulo 2⁶¹ − 1, the upper three bits are added to the lower 61.

Importing this module compiles it, which takes one to two seconds, so programs import it inside functions. Nothing is
cached on disk: a cache shared by machines of several kinds may hand one of them the code of another.
"""

import numba
import numpy as np

PRIME_1 = np.uint64(0x9E3779B185EBCA87)
PRIME_2 = np.uint64(0xC2B2AE3D27D4EB4F)
PRIME_3 = np.uint64(0x165667B19E3779F9)
PRIME_4 = np.uint64(0x85EBCA77C2B2AE63)
PRIME_5 = np.uint64(0x27D4EB2F165667C5)
MERSENNE = np.uint64((1 << 61) - 1)
LARGEST = np.uint64((1 << 64) - 1)

NUMBERS = numba.uint64[::1]


@numba.njit(numba.uint64(numba.uint64, numba.uint64))
def _rotate(value, bits):
    return (value << bits) | (value >> (np.uint64(64) - bits))


@numba.njit(numba.uint64(numba.uint64, numba.uint64))
def _mix(lane, value):
    return _rotate(lane + value * PRIME_2, np.uint64(31)) * PRIME_1


@numba.njit(NUMBERS(NUMBERS, numba.int64[::1], numba.int64))
def xxhash64(words, starts, ngram):
    """The hashes of all runs of `ngram` neighbouring words.

    Args:
        words: for every place in the text's UTF-8 bytes, the eight bytes from there on as a little-endian number.
        starts: where each word starts, one separator after the last; then the place after one more separator.
        ngram: words in one run.
    """
    hashes = np.empty(max(len(starts) - ngram, 0), np.uint64)
    for first in range(len(hashes)):
        place, end = starts[first], starts[first + ngram] - 1
        length = np.uint64(end - place)
        value = PRIME_5
        if end - place >= 32:
            one, two, three, four = PRIME_1 + PRIME_2, PRIME_2, np.uint64(0), np.uint64(0) - PRIME_1
            while place <= end - 32:
                one, two = _mix(one, words[place]), _mix(two, words[place + 8])
                three, four = _mix(three, words[place + 16]), _mix(four, words[place + 24])
                place += 32
            value = _rotate(one, np.uint64(1)) + _rotate(two, np.uint64(7))
            value += _rotate(three, np.uint64(12)) + _rotate(four, np.uint64(18))
            for lane in (one, two, three, four):
                value = (value ^ _mix(np.uint64(0), lane)) * PRIME_1 + PRIME_4
        value += length
        while place <= end - 8:
            value = _rotate(value ^ _mix(np.uint64(0), words[place]), np.uint64(27)) * PRIME_1 + PRIME_4
            place += 8
        if place <= end - 4:
            low = words[place] & np.uint64(0xFFFFFFFF)
            value = _rotate(value ^ (low * PRIME_1), np.uint64(23)) * PRIME_2 + PRIME_3
            place += 4
        while place < end:
            low = words[place] & np.uint64(0xFF)
            value = _rotate(value ^ (low * PRIME_5), np.uint64(11)) * PRIME_1
            place += 1
        value = (value ^ (value >> np.uint64(33))) * PRIME_2
        value = (value ^ (value >> np.uint64(29))) * PRIME_3
        hashes[first] = value ^ (value >> np.uint64(32))
    return hashes


@numba.njit(NUMBERS(NUMBERS, NUMBERS, NUMBERS))
def minima(hashes, factors, summands):
    """The smallest value of the hashes under each permutation; 2⁶⁴ − 1 where there are no hashes."""
    smallest = np.empty(len(factors), np.uint64)
    for permutation in range(len(factors)):
        factor, summand = factors[permutation], summands[permutation]
        least = LARGEST
        for place in range(len(hashes)):
            value = hashes[place] * factor + summand
            value = (value & MERSENNE) + (value >> np.uint64(61))
            # At most 2⁶¹ + 6; taking 2⁶¹ − 1 away from a smaller value wraps to a large one.
            least = min(least, value, value - MERSENNE)
        smallest[permutation] = least
    return smallest
