"""Numbers as people read them."""

import math

SIZES = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1))


def readable_number(value: float) -> str:
    """Three digits that count.

    >>> [readable_number(value) for value in (0, 0.01234, 5.678, 123.4, 12345.6)]
    ['0', '0.0123', '5.68', '123', '12,300']
    """
    if not value:
        return "0"
    digits = 2 - math.floor(math.log10(abs(value)))
    rounded = round(value, digits)
    return f"{rounded:,.0f}" if digits <= 0 else f"{rounded:.{min(digits, 4)}f}".rstrip("0").rstrip(".")


def readable_size(value: float) -> str:
    """Bytes.

    >>> [readable_size(value) for value in (0, 2500, 60e9, 1.25e12)]
    ['0 B', '2.5 kB', '60 GB', '1.25 TB']
    """
    unit, factor = next(((unit, factor) for unit, factor in SIZES if value >= factor), SIZES[-1])
    return f"{readable_number(value / factor)} {unit}"
