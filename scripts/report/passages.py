"""What a document and a benchmark row have in common, marked in both as they were written.

The blocks are those that the decision counted (scripts/decontaminate/matching.py), which lie in the words of both texts
without case and accents; here they are found again in the texts themselves. Of the document only the surroundings of
its blocks are shown.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.common.errors import InputError
from scripts.common.schemas import BENCHMARK_ROWS
from scripts.common.tables import iterate_rows
from scripts.decontaminate.matching import matching_blocks, tokenize

AROUND = 160
"""Characters of the document shown before, between and after its blocks."""

Run = tuple[str, bool]
"""A piece of text and whether it is in common."""

CUT = "[…]"


def side_by_side(text: str, row: str, minimum_block: int) -> tuple[list[Run], list[Run]]:
    """The document's passage and the whole row, with what they have in common marked."""
    text, document, places = locate(text)
    row, tokens, row_places = locate(row)
    blocks = matching_blocks(document, tokens, minimum_block)
    found = [where(document, places, start, size) for start, _, size in blocks]
    in_row = [where(tokens, row_places, start, size) for _, start, size in blocks]
    return shorten(mark(text, found)), mark(row, in_row)


def where(words: str, places: Sequence[int], start: int, size: int) -> tuple[int, int]:
    """Where a block of the words begins and ends in the text; spaces at its ends are left away."""
    block = words[start : start + size]
    start += len(block) - len(block.lstrip())
    return places[start], places[start + len(block.strip()) - 1] + 1


def locate(text: str) -> tuple[str, str, list[int]]:
    """A text, its words as they are compared, joined by spaces, and the place in the text of each of their characters.

    Where a word cannot be found again in the text, the words stand for the text.
    """
    tokens = tokenize(text)
    joined = " ".join(tokens)
    kept, origins = [], []
    for place, character in enumerate(text):
        for piece in unicodedata.normalize("NFD", character):
            if unicodedata.category(piece) != "Mn":
                kept.append(piece)
                origins.append(place)
    places: list[int] = []
    sizes = []
    for match in re.finditer(r"\w+", "".join(kept)):
        places += [*([places[-1] + 1] if places else []), *origins[match.start() : match.end()]]
        sizes.append(match.end() - match.start())
    if sizes == list(map(len, tokens)):
        return text, joined, places
    return joined, joined, list(range(len(joined)))


def mark(text: str, spans: Iterable[tuple[int, int]]) -> list[Run]:
    """The text as runs inside and outside of these spans, which may touch."""
    runs: list[Run] = []
    end = 0
    for start, stop in sorted(spans):
        start = max(start, end)
        if text[end:start]:
            runs.append((text[end:start], False))
        if text[start:stop]:
            runs.append((text[start:stop], True))
        end = max(end, stop)
    return [*runs, (text[end:], False)] if text[end:] else runs


def shorten(runs: Sequence[Run]) -> list[Run]:
    """The same without what is far from anything marked."""
    result = []
    for place, (text, marked) in enumerate(runs):
        first, last = place == 0, place == len(runs) - 1
        if not marked and len(text) > (1 if first or last else 2) * AROUND:
            before = "" if first else text[:AROUND].rpartition(" ")[0] + " "
            after = "" if last else " " + text[-AROUND:].partition(" ")[2]
            text = f"{before}{CUT}{after}"
        result.append((text, marked))
    return result


def benchmark_texts(tables: Iterable[Path], wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Benchmark and row → the row's text, for the wanted ones."""
    keys = set(wanted)
    columns = ["benchmark", "row", "text"]
    rows = (row for table in tables for row in iterate_rows(table, BENCHMARK_ROWS, columns))
    return {key: row["text"] for row in rows if (key := (row["benchmark"], row["row"])) in keys}


def evidence(
    pairs: Iterable[Mapping[str, Any]], texts: Mapping[str, str], rows: Mapping[tuple[str, str], str], block: int
) -> list[dict[str, Any]]:
    """The pairs with what is shown of document and row.

    Raises:
        InputError: a row is in none of the tables.
    """
    result = []
    for pair in pairs:
        key = pair["benchmark"], pair["row"]
        if key not in rows:
            raise InputError(
                f"row {key[1]} of {key[0]} was found in a document, but the index has no such row. "
                "Delete decontaminate/ and run again."
            )
        passage, row = side_by_side(texts[pair["prompt_id"]], rows[key], block)
        result.append(dict(pair, passage=passage, in_row=row))
    return result
