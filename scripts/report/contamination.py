"""The contamination page: texts removed because they repeat benchmark rows, in the layout of the published table.

The table itself is decontaminate/table.json, with the published cells beside ours; this page adds how closely the
candidate pairs match and shows some of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.common.files import read_json, write_text
from scripts.common.logging import run
from scripts.common.tables import CONTAMINATION, iterate_rows
from scripts.report import page, style

WIDTH = 1064
PAIRS = 30


def collect(paths: Iterable[Path]) -> tuple[list[float], list[dict[str, Any]]]:
    """The ratio of every candidate pair, and the thirty pairs that match most (source added)."""
    ratios: list[float] = []
    best: list[dict[str, Any]] = []
    for path in paths:
        for pair in iterate_rows(path, CONTAMINATION):
            ratios.append(pair["ratio"])
            best.append(pair | {"source": path.parent.name})
            if len(best) > 10 * PAIRS:
                best = closest(best)
    return ratios, closest(best)


def closest(pairs: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The pairs that match most."""
    return sorted(pairs, key=lambda pair: (-pair["ratio"], pair["prompt_id"], pair["benchmark"], pair["row"]))[:PAIRS]


def draw_ratios(ratios: Sequence[float], limit: float) -> str:
    """Histogram of the share of the benchmark row that each candidate text holds; what is over the limit is removed."""
    if not ratios:
        return style.message("No text shares an n-gram with a benchmark row.", WIDTH)
    import numpy as np

    edges = np.linspace(0, 1, 41)
    with style.figure(WIDTH, 260) as figure:
        axis = figure.add_subplot()
        clipped = np.clip(ratios, 0, 1)
        layers = (
            (clipped[clipped <= limit], style.OURS_LIGHT, "kept"),
            (clipped[clipped > limit], style.LOST, "removed"),
        )
        for values, colour, label in layers:
            axis.hist(values, edges, color=colour, label=label, edgecolor="#ffffff", linewidth=1)
        axis.axvline(limit, color=style.INK, linewidth=1.2)
        axis.set(xlabel="share of the benchmark row found in the text", ylabel="pairs", xlim=(0, 1))
        style.whole_numbers(axis)
        axis.grid(axis="y")
        axis.legend(loc="upper right", ncols=2)
        return style.to_svg(figure, "How much of a benchmark row each candidate text holds")


def summarize(table: Mapping[str, Any], pairs: int) -> dict[str, Any]:
    """The page's numbers: removed texts by group and benchmark, and how much of the benchmarks was checked."""
    return {
        "documents": sum(group["documents"] for group in table["groups"]),
        "removed": sum(group["removed"] for group in table["groups"]),
        "pairs": pairs,
        "benchmarks": len(table["benchmarks"]),
        "checked": sum(row["checked"] for row in table["benchmarks"]),
        "uncheckable": sum(row["uncheckable"] for row in table["benchmarks"]),
        "groups": {slug(group["group"]): removed(group["cells"], "documents") for group in table["groups"]},
        "rows": {slug(group["group"]): removed(group["cells"], "rows") for group in table["groups"]},
    }


def removed(cells: Mapping[str, Mapping[str, int]], key: str) -> dict[str, int]:
    """Benchmark → removed texts or the rows they repeat; `arc` is both parts of ARC, as the blog post counts them."""
    numbers = {benchmark: cell[key] for benchmark, cell in cells.items()}
    arc = [numbers[part] for part in ("arc_easy", "arc_challenge") if part in numbers]
    return numbers | ({"arc": sum(arc)} if arc else {})


def slug(group: str) -> str:
    """A group's name as a key: its sources joined by underscores."""
    return group.replace(", ", "_").replace(" ", "_")


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the page, the histogram and the numbers."""
    parser = page.parser(__doc__.split("\n")[0])
    parser.add_argument("--table", type=Path, required=True, help="decontaminate/table.json")
    parser.add_argument("--parts", type=Path, nargs="+", required=True, help="decontaminate/<source>/part-*.parquet")
    parser.add_argument("--ratio", type=float, required=True, help="a text over this share of a row was removed")
    parser.add_argument("--ngram", type=int, required=True, help="tokens that made a pair a candidate")
    parser.add_argument("--figure", type=Path, required=True, help="SVG file of the histogram to write")
    args = parser.parse_args(argv)
    table = read_json(args.table)
    ratios, pairs = collect(args.parts)
    figure = draw_ratios(ratios, args.ratio)
    write_text(args.figure, figure)
    numbers = summarize(table, len(ratios))
    page.write_numbers(args.numbers, numbers)
    page.write_page(args, numbers=numbers, table=table, figure=figure, pairs=pairs, ratio=args.ratio, ngram=args.ngram)


if __name__ == "__main__":
    run(main)
