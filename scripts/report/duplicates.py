"""The near-duplicates page: how many texts repeat another one, which ones, how alike they are, pairs side by side.

Published: "less than 1 % of the files" (the Cosmopedia blog post), by one round of MinHash alone. Ours are pairs whose
true Jaccard similarity of word 5-grams was computed and reaches the configured minimum; what the published way would
have removed stands beside them. Clusters over the limit, of which nothing is removed, come first. Memory: 4 bytes for
every removed text.
"""

import difflib
import heapq
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.common.files import read_json, write_text
from scripts.common.logging import run
from scripts.common.schemas import NEAR_DUPLICATES
from scripts.common.tables import iterate_rows, read_table
from scripts.report import page, scan, style

WIDTH = 1064
PAIRS = 20
ALARMS = 20
WORDS = 120

Matrix = Mapping[str, Mapping[str, int]]
"""Name of the removed texts → name of the kept ones → pairs."""


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


def summarize(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The page's numbers: those of deduplicate/summary.json with rates."""
    documents, removed = summary["documents"], summary["removed"]
    rate = share(removed, documents)
    same, other_format = same_seed(summary["by_format_same_seed"])
    published_way = share(summary["minhash"]["removed"], documents)
    return {
        **summary,
        "rate": rate,
        "percent": None if rate is None else 100 * rate,
        "minhash": {
            **summary["minhash"],
            "rate": published_way,
            "percent": None if published_way is None else 100 * published_way,
        },
        "not_compared": sum(alarm["size"] - 1 for alarm in summary["alarms"]),
        "same_seed": {"removed": same, "other_format": other_format, "rate": share(other_format, documents)},
    }


def share(part: int, whole: int) -> float | None:
    """A part of the whole, None of nothing."""
    return part / whole if whole else None


def same_seed(matrix: Matrix) -> tuple[int, int]:
    """Texts removed because they repeat one of their own seed, and those of them that have another format."""
    cells = [(one, other, n) for one, row in matrix.items() for other, n in row.items()]
    return sum(n for *_, n in cells), sum(n for one, other, n in cells if one != other)


def seed_answer(numbers: Mapping[str, Any]) -> tuple[str, str]:
    """Whether one seed in three styles gives three texts or one: the answer, and the figures that it comes from.

    Two of three texts would go if all seeds were asked for three styles and one text came of each: the answer is "one"
    from half of that, and "three" while under 1 % of the texts go.
    """
    documents, same = numbers["documents"], numbers["same_seed"]
    if not documents:
        return "Nothing to answer it with", "no text was compared"
    if not numbers["removed"]:
        return "Three texts", "no text repeats another one"
    rate = same["rate"]
    answer = "Three texts" if rate < 0.01 else "Mostly three texts" if rate < 0.1 else "Often fewer than three texts"
    answer = answer if rate < 1 / 3 else "One text"
    return answer, (
        f"of {documents:,} texts, {same['other_format']:,} ({page.percent(rate, 2)}) repeat a text of their own seed "
        f"in another format; {same['removed'] - same['other_format']:,} more repeat one of their own seed in the same "
        f"format, and {numbers['removed'] - same['removed']:,} one of another seed"
    )


def tabulate(matrix: Matrix, documents: Mapping[str, int]) -> dict[str, Any]:
    """A matrix as rows and cells, with rates of the removed side's documents and a shade from 0 to 1.

    Args:
        matrix: the pairs.
        documents: name → all its documents; the order of rows and columns.
    """
    others = sorted({name for row in matrix.values() for name in row} | set(matrix))
    names = [*documents, *(name for name in others if name not in documents)]
    most = max((n for row in matrix.values() for n in row.values()), default=0)
    rows = []
    for name in names:
        own, whole = matrix.get(name, {}), documents.get(name, 0)
        cells = [
            {"kept": kept, "n": n, "rate": share(n, whole), "shade": (n / most) ** 0.5 if n else 0.0}
            for kept, n in ((kept, own.get(kept, 0)) for kept in names)
        ]
        removed = sum(own.values())
        rows.append(
            {"name": name, "cells": cells, "removed": removed, "documents": whole, "rate": share(removed, whole)}
        )
    return {"names": names, "rows": rows, "pairs": sum(row["removed"] for row in rows)}


def differing_words(one: str, other: str) -> list[list[tuple[str, bool]]]:
    """Both texts as runs of words, each with whether the other text lacks it there; the first 120 words."""
    left, right = one.split()[:WORDS], other.split()[:WORDS]
    sides: list[list[tuple[str, bool]]] = [[], []]
    for tag, a, b, c, d in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        for side, words in zip(sides, (left[a:b], right[c:d]), strict=True):
            if words:
                side.append((" ".join(words), tag != "equal"))
    return sides


def choose_pairs(removed: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """At most twenty pairs, by smallest id, most alike first."""
    chosen = heapq.nsmallest(PAIRS, removed, key=lambda row: row["removed_id"])
    return sorted(chosen, key=lambda row: (-row["jaccard"], row["removed_id"]))


def needed_ids(pairs: Iterable[Mapping], alarms: Iterable[Mapping]) -> set[str]:
    """The documents whose texts are shown."""
    ids = {pair[key] for pair in pairs for key in ("removed_id", "kept_id")}
    return ids | {example for alarm in alarms for example in alarm["examples"]}


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the page, the histogram and the numbers."""
    parser = page.parser(__doc__.split("\n")[0])
    parser.add_argument("--removed", type=Path, required=True, help="deduplicate/removed.parquet")
    parser.add_argument("--summary", type=Path, required=True, help="deduplicate/summary.json")
    parser.add_argument(
        "--generations", type=Path, nargs="+", required=True, help="generations/<source>/part-*.parquet"
    )
    parser.add_argument("--decisions", type=Path, nargs="+", required=True, help="clean/<source>/part-*.parquet")
    parser.add_argument("--figure", type=Path, required=True, help="SVG file of the histogram to write")
    args = parser.parse_args(argv)
    similarity = read_table(args.removed, NEAR_DUPLICATES, ["jaccard"])["jaccard"].to_numpy()
    numbers = summarize(read_json(args.summary))
    pairs, alarms = choose_pairs(iterate_rows(args.removed, NEAR_DUPLICATES)), numbers["alarms"][:ALARMS]
    texts = scan.texts_by_id(args.generations, args.decisions, needed_ids(pairs, alarms))
    figure = draw_jaccard(similarity, numbers["minimum_jaccard"])
    write_text(args.figure, figure)
    page.write_numbers(args.numbers, numbers)
    page.write_page(
        args,
        numbers=numbers,
        figure=figure,
        pairs=[(pair, *differing_words(texts[pair["removed_id"]], texts[pair["kept_id"]])) for pair in pairs],
        alarms=[
            (alarm, [(each, " ".join(texts[each].split()[:WORDS])) for each in alarm["examples"]]) for alarm in alarms
        ],
        answer=seed_answer(numbers),
        sources=tabulate(numbers["by_source"], numbers["sources"]),
        formats=tabulate(numbers["by_format"], numbers["formats"]),
        same_seed=tabulate(numbers["by_format_same_seed"], numbers["formats"]),
    )


if __name__ == "__main__":
    run(main)
