"""The near-duplicates page: how many texts repeat another one, how alike the pairs are, and some pairs side by side.

Published: "less than 1 % of the files" (the Cosmopedia blog post), by MinHash alone. Ours are pairs whose true Jaccard
similarity of word 5-grams was computed and reaches the configured minimum.
"""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.common.files import read_json, write_text
from scripts.common.logging import run
from scripts.common.tables import NEAR_DUPLICATES, read_table
from scripts.report import page, scan, style

WIDTH = 1064
PAIRS = 20
WORDS = 120


def draw_jaccard(values: Sequence[float], minimum: float) -> str:
    """Histogram of the similarity of the removed texts to what they repeat."""
    if not len(values):
        return style.message("No text is a near-duplicate of another.", WIDTH)
    import numpy as np

    edges = np.linspace(minimum, 1, 31)
    with style.figure(WIDTH, 260) as figure:
        axis = figure.add_subplot()
        axis.hist(np.clip(values, minimum, 1), edges, color=style.OURS, edgecolor="#ffffff", linewidth=1)
        axis.set(xlabel="Jaccard similarity of word 5-grams", ylabel="texts removed", xlim=(minimum, 1.002))
        style.whole_numbers(axis)
        axis.grid(axis="y")
        return style.to_svg(figure, f"Similarity of {len(values)} removed texts to the texts kept in their place")


def differing_words(one: str, other: str) -> list[list[tuple[str, bool]]]:
    """Both texts as runs of words, each with whether the other text lacks it there; the first 120 words."""
    left, right = one.split()[:WORDS], other.split()[:WORDS]
    sides: list[list[tuple[str, bool]]] = [[], []]
    for tag, a, b, c, d in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        for side, words in zip(sides, (left[a:b], right[c:d]), strict=True):
            if words:
                side.append((" ".join(words), tag != "equal"))
    return sides


def choose_pairs(removed: Sequence[Mapping], texts: Sequence[Path]) -> list[dict[str, Any]]:
    """At most twenty pairs, by smallest id, most alike first, with the words in which they differ."""
    chosen = sorted(removed, key=lambda row: row["removed_id"])[:PAIRS]
    ids = {row[key] for row in chosen for key in ("removed_id", "kept_id")}
    rows = scan.rows_by_id(texts, ids, ["text"])
    pairs = []
    for row in sorted(chosen, key=lambda row: (-row["jaccard"], row["removed_id"])):
        sides = differing_words(rows[row["removed_id"]]["text"], rows[row["kept_id"]]["text"])
        pairs.append(dict(row, removed=sides[0], kept=sides[1]))
    return pairs


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the page, the histogram and the numbers."""
    parser = page.parser(__doc__.split("\n")[0])
    parser.add_argument("--removed", type=Path, required=True, help="deduplicate/removed.parquet")
    parser.add_argument("--summary", type=Path, required=True, help="deduplicate/summary.json")
    parser.add_argument(
        "--generations", type=Path, nargs="+", required=True, help="generations/<source>/part-*.parquet"
    )
    parser.add_argument("--figure", type=Path, required=True, help="SVG file of the histogram to write")
    args = parser.parse_args(argv)
    removed = read_table(args.removed, NEAR_DUPLICATES).to_pylist()
    summary = read_json(args.summary)
    rate = summary["removed"] / summary["documents"] if summary["documents"] else None
    figure = draw_jaccard([row["jaccard"] for row in removed], summary["minimum_jaccard"])
    write_text(args.figure, figure)
    numbers = summary | {"rate": rate, "percent": None if rate is None else 100 * rate}
    page.write_numbers(args.numbers, numbers)
    page.write_page(args, numbers=numbers, figure=figure, pairs=choose_pairs(removed, args.generations))


if __name__ == "__main__":
    run(main)
