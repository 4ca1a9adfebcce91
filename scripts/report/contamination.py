"""The contamination page: texts removed because they repeat benchmark rows, in the layout of the published table.

The table itself is decontaminate/table.json, with the published cells beside ours; this page adds the evidence (how
closely the candidate pairs match, the closest side by side), what planted rows say of the scan, and the rows too short
to check. Memory: 8 bytes for every candidate pair.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.common.files import read_json, write_text
from scripts.common.logging import run
from scripts.common.schemas import BENCHMARK_ROWS, CONTAMINATION
from scripts.common.tables import iterate_rows
from scripts.report import page, passages, scan, style

WIDTH = 1064
PAIRS = 30
COLOURS = {"kept": style.OURS_LIGHT, "removed": style.LOST}


def collect(paths: Iterable[Path]) -> tuple[dict[str, array], list[dict[str, Any]]]:
    """Decision → the ratio of every candidate pair, and the thirty pairs that match most (source added)."""
    ratios = {"kept": array("d"), "removed": array("d")}
    best: list[dict[str, Any]] = []
    for path in paths:
        for pair in iterate_rows(path, CONTAMINATION):
            ratios[pair["decision"]].append(pair["ratio"])
            best.append(pair | {"source": path.parent.name})
            if len(best) > 10 * PAIRS:
                best = closest(best)
    return ratios, closest(best)


def closest(pairs: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The pairs that match most."""
    return sorted(pairs, key=lambda pair: (-pair["ratio"], pair["prompt_id"], pair["benchmark"], pair["row"]))[:PAIRS]


def draw_ratios(ratios: Mapping[str, Sequence[float]], limit: float) -> str:
    """Histogram of the share of the benchmark row that each candidate text holds; what is over the limit is removed."""
    if not any(map(len, ratios.values())):
        return style.message("No text shares an n-gram with a benchmark row.", WIDTH)
    import numpy as np

    edges = np.linspace(0, 1, 41)
    with style.figure(WIDTH, 260) as figure:
        axis = figure.add_subplot()
        shown = [decision for decision in COLOURS if len(ratios[decision])]
        axis.hist(
            [np.clip(ratios[decision], 0, 1) for decision in shown],
            edges,
            color=[COLOURS[decision] for decision in shown],
            label=shown,
            stacked=True,
            edgecolor="#ffffff",
            linewidth=1,
        )
        axis.axvline(limit, color=style.INK, linewidth=1.2)
        axis.set(xlabel="share of the benchmark row found in the text", ylabel="pairs", xlim=(0, 1))
        style.whole_numbers(axis)
        axis.grid(axis="y")
        axis.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
        return style.to_svg(figure, "How much of a benchmark row each candidate text holds")


def short_rows(path: Path, minimum: int, how: str) -> dict[str, dict[str, int]]:
    """Benchmark → its rows that are too short to check, and how many of them were looked for as a whole.

    Args:
        path: decontaminate/index/uncheckable.parquet.
        minimum: words of a row that is looked for.
        how: report (none is looked for) or remove.
    """
    found: dict[str, dict[str, int]] = {}
    for row in iterate_rows(path, BENCHMARK_ROWS, ["benchmark", "n_tokens"]):
        own = found.setdefault(row["benchmark"], {"rows": 0, "looked_for": 0})
        own["rows"] += 1
        own["looked_for"] += how == "remove" and row["n_tokens"] >= minimum
    return found


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
    parser.add_argument("--control", type=Path, required=True, help="decontaminate/control.json")
    parser.add_argument("--rows", type=Path, required=True, help="decontaminate/index/rows.parquet")
    parser.add_argument("--uncheckable", type=Path, required=True, help="decontaminate/index/uncheckable.parquet")
    parser.add_argument(
        "--generations", type=Path, nargs="+", required=True, help="generations/<source>/part-*.parquet"
    )
    parser.add_argument("--decisions", type=Path, nargs="+", required=True, help="clean/<source>/part-*.parquet")
    parser.add_argument("--ratio", type=float, required=True, help="a text over this share of a row was removed")
    parser.add_argument("--ngram", type=int, required=True, help="tokens that made a pair a candidate")
    parser.add_argument("--minimum-block", type=int, required=True, help="only longer blocks counted (characters)")
    parser.add_argument("--short-rows", required=True, help="what became of shorter rows: report or remove")
    parser.add_argument("--minimum-short", type=int, required=True, help="words of a shorter row that is looked for")
    parser.add_argument("--figure", type=Path, required=True, help="SVG file of the histogram to write")
    args = parser.parse_args(argv)
    table, control = read_json(args.table), read_json(args.control)
    ratios, closest_pairs = collect(args.parts)
    texts = scan.texts_by_id(args.generations, args.decisions, (pair["prompt_id"] for pair in closest_pairs))
    keys = ((pair["benchmark"], pair["row"]) for pair in closest_pairs)
    rows = passages.benchmark_texts([args.rows, args.uncheckable], keys)
    figure = draw_ratios(ratios, args.ratio)
    write_text(args.figure, figure)
    short = short_rows(args.uncheckable, args.minimum_short, args.short_rows)
    numbers = summarize(table, sum(map(len, ratios.values()))) | {"control": control, "short_rows": short}
    page.write_numbers(args.numbers, numbers)
    page.write_page(
        args,
        numbers=numbers,
        table=table,
        figure=figure,
        control=control,
        short=short,
        names={line["benchmark"]: line["name"] for line in table["benchmarks"]},
        pairs=passages.evidence(closest_pairs, texts, rows, args.minimum_block),
        ratio=args.ratio,
        ngram=args.ngram,
        how=args.short_rows,
        minimum_short=args.minimum_short,
    )


if __name__ == "__main__":
    run(main)
