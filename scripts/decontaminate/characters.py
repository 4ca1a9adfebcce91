"""What each code point adds to the hash of a word, made from the rule's own `fold`.

A word is hashed as a polynomial of its folded characters, h ← h · BASE + value. A code point that folds to several (a
Hangul syllable, say) multiplies with a higher power at once, so that its hash is that of the characters it folds to.
"""

import functools
from typing import TYPE_CHECKING

from scripts.decontaminate.matching import WORD, fold

if TYPE_CHECKING:
    import numpy as np

LIMIT = 0x20000
"""Code points from here on (rare ideographs, tags) have no entry; emoji and almost all letters are below."""


@functools.cache
def characters() -> tuple["np.ndarray", "np.ndarray"]:
    """(power, value) of all code points below `LIMIT` and, in the last entry, of all others; see kernel.py.

    Which class a code point is of shows between two letters: it parts them, vanishes or joins them.
    """
    import numpy as np

    from scripts.decontaminate.kernel import BASE, NONE, ODD, SKIP

    values = np.arange(1, LIMIT + 2, dtype=np.uint64) * np.uint64(0xFF51AFD7ED558CCD)
    values ^= values >> np.uint64(33)
    plain, base = values.tolist(), int(BASE)
    power, value = np.full(LIMIT + 1, BASE), values
    power[LIMIT] = ODD
    letters = "".join(f"a{chr(code)}a\n" for code in range(LIMIT) if chr(code) != "\n")
    codes = (code for code in range(LIMIT) if chr(code) != "\n")
    power[ord("\n")], value[ord("\n")] = NONE, 0
    for code, line in zip(codes, fold(letters).split("\n"), strict=False):
        folded = line[1:-1].replace("ς", "σ")
        if not WORD.fullmatch(line):
            power[code], value[code] = ODD if WORD.search(folded) else NONE, 0
        elif not folded:
            power[code], value[code] = SKIP, 0
        elif folded != chr(code):
            total = 0
            for character in folded:
                total = total * base + plain[min(ord(character), LIMIT)]
            power[code], value[code] = pow(base, len(folded), 1 << 64), total % (1 << 64)
    return power, value
