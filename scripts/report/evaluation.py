"""The evaluation page: the trained model's scores with their standard errors, against guessing.

Published values come from the claims. There is one number for cosmo-1b, ARC-Challenge with 25 examples (the model
card); the Cosmopedia blog post compares it with other models in a figure without numbers.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.common.files import read_json, write_text
from scripts.common.logging import run
from scripts.report import page, style
from scripts.report.claims import Claims

WIDTH = 1064
INTERVAL = 1.96
"""Standard errors on each side of a score: the 95 % interval."""


def rows(scores: Mapping[str, Mapping[str, Any]], claims: Claims) -> list[dict[str, Any]]:
    """One row a benchmark, in per cent: the headline metric is acc_norm where there is one, else the first."""
    result = []
    for name, entry in sorted(scores.items()):
        metric = "acc_norm" if "acc_norm" in entry["score"] else next(iter(sorted(entry["score"])), None)
        if metric is None:
            continue
        error = entry["stderr"].get(f"{metric}_stderr")
        chance = entry.get("chance")
        score = 100 * entry["score"][metric]
        interval = None if error is None else 100 * INTERVAL * error
        result.append(
            {
                "benchmark": name,
                "metric": metric,
                "score": score,
                "interval": interval,
                "acc": 100 * entry["score"]["acc"] if "acc" in entry["score"] else None,
                "chance": None if chance is None else 100 * chance,
                "above": None if chance is None or interval is None else score - interval > 100 * chance,
                "n": entry.get("n"),
                "withheld": entry.get("withheld"),
                "published": claims.of(f"evaluation.{name}.{metric}"),
            }
        )
    return result


def draw_scores(scores: Sequence[Mapping[str, Any]]) -> str:
    """A dot with its 95 % interval for each benchmark, a grey tick at chance, orange diamonds where published."""
    if not scores:
        return style.message("No benchmark was scored.", WIDTH)
    with style.figure(WIDTH, 100 + 38 * len(scores)) as figure:
        axis = figure.add_subplot()
        for y, row in enumerate(scores):
            axis.axhline(y, color=style.GRID, linewidth=0.8, zorder=0)
            if row["interval"] is not None:
                low, high = max(0, row["score"] - row["interval"]), min(100, row["score"] + row["interval"])
                axis.plot([low, high], [y, y], color=style.OURS_LIGHT, linewidth=6, solid_capstyle="round")
            if row["chance"] is not None:
                axis.plot([row["chance"]] * 2, [y - 0.3, y + 0.3], color=style.QUIET, linewidth=2)
            for claim in row["published"]:
                axis.plot(float(claim.published), y, "D", color=style.PUBLISHED, markersize=7)
            axis.plot(row["score"], y, "o", color=style.OURS, markersize=9)
            axis.annotate(
                f"{row['score']:.1f}", (row["score"], y), (0, 9), textcoords="offset points", ha="center",
                fontsize=11, color=style.OURS, fontweight="bold",
            )  # fmt: skip
        legend = [
            axis.plot([], [], "o", color=style.OURS, markersize=9, label="ours, with its 95 % interval")[0],
            axis.plot([], [], "|", color=style.QUIET, markersize=13, markeredgewidth=2, label="guessing")[0],
            axis.plot([], [], "D", color=style.PUBLISHED, markersize=7, label="published")[0],
        ]
        axis.set_yticks(range(len(scores)), [row["benchmark"].replace("_", " ") for row in scores], color=style.INK)
        axis.set(xlabel="per cent correct", xlim=(-1, 101), ylim=(len(scores) - 0.4, -0.8))
        axis.spines["left"].set_visible(False)
        axis.legend(handles=legend, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
        return style.to_svg(figure, "Benchmark scores against guessing")


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the page, the figure and the numbers."""
    parser = page.parser(__doc__.split("\n")[0])
    parser.add_argument("--scores", type=Path, required=True, help="evaluate/<experiment>/scores.json")
    parser.add_argument("--experiment", required=True)
    parser.add_argument("--figure", type=Path, required=True, help="SVG file of the scores to write")
    args = parser.parse_args(argv)
    scores = rows(read_json(args.scores), Claims.read(args.claims))
    figure = draw_scores(scores)
    write_text(args.figure, figure)
    page.write_numbers(args.numbers, {row["benchmark"]: {row["metric"]: row["score"]} for row in scores})
    page.write_page(args, scores=scores, figure=figure, experiment=args.experiment)


if __name__ == "__main__":
    run(main)
