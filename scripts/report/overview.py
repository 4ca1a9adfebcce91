"""The overview: rows through every step and why some were kept aside, the headline numbers, ours beside the published.

Reads nothing but the counts that every step wrote and the numbers of the other pages.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.common.counts import Counts
from scripts.common.files import read_json, write_text
from scripts.common.logging import run
from scripts.report import page, sankey
from scripts.report.claims import Claims, compare, look_up, show
from scripts.report.flow import STEPS, follow, steps

VERDICTS = {
    "equal": ("=", "equal", "good"),
    "within": ("~", "within the band", "good"),
    "differs": ("≠", "differs", "off"),
    "scale": ("", "not comparable at this scale", ""),
    "informational": ("i", "informational", ""),
    "absent": ("–", "no figure of ours", ""),
}
"""Verdict → sign, words, colour of its tag."""


def by_source(counts: Iterable[Counts]) -> dict[str, dict[str, Any]]:
    """Source → rows read, seeds, prompts, texts, … and the share of its seeds that fell on noise."""
    sources: dict[str, dict[str, Any]] = {}
    for each in counts:
        if not each.source or each.step not in STEPS or each.step == "dataset_split":
            continue  # what is counted for all sources together, or for a split
        row = sources.setdefault(each.source, {"read": 0, "noise_seeds": 0})
        leaves = STEPS[each.step][0].replace(" ", "_")
        row[leaves] = row.get(leaves, 0) + each.rows_out
        if each.step == "seeds_load":
            row["read"] += each.rows_in
        row["noise_seeds"] += each.rejected.get("noise", 0)
    for row in sources.values():
        row["noise"] = row["noise_seeds"] / row["seeds"] if row["noise_seeds"] and row.get("seeds") else None
    return sources


def headlines(numbers: Mapping[str, Any], seeds: Counts | None) -> list[dict[str, str]]:
    """The tiles: value, label, place of the figure among the claims."""
    wanted = [
        (seeds.rows_in if seeds else None, "rows read from all sources", ""),
        (look_up(numbers, "topics.kept"), f"topics kept, of {look_up(numbers, 'topics.topics')}", "topics.kept"),
        (look_up(numbers, "prompts.prompts"), "prompts", ""),
        (look_up(numbers, "generations.dataset.rows"), "texts in the dataset", "generations.dataset.rows"),
        (look_up(numbers, "generations.dataset.tokens"), "tokens in the dataset", "generations.dataset.tokens"),
        (
            page.percent(look_up(numbers, "duplicates.rate"), 2),
            "of the texts are near-duplicates,",
            "duplicates.percent",
        ),
        (look_up(numbers, "contamination.removed"), "texts contaminated by benchmarks", ""),
        (look_up(numbers, "training.final_loss"), "loss of the trained model at the end", ""),
    ]
    return [{"value": show(value, ""), "label": label, "path": path} for value, label, path in wanted]


def front_page(tiles: Iterable[Mapping[str, str]], claims: Claims) -> str:
    """The tiles as a table in reStructuredText, which workflow/report/workflow.rst takes in."""
    lines = [".. list-table::", "   :header-rows: 1", "", "   * - ", "     - Ours", "     - Published"]
    for tile in tiles:
        published = claims.text(tile["path"])
        lines += [f"   * - {tile['label'].rstrip(',')}", f"     - **{tile['value']}**", f"     - {published or '–'}"]
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the page, the flow figure, the comparison and the headlines of the front page."""
    parser = page.parser(__doc__.split("\n")[0])
    parser.add_argument("--counts", type=Path, nargs="+", required=True, help="count files of all steps and parts")
    parser.add_argument("--splits", type=json.loads, required=True, help="JSON: split → its sources")
    parser.add_argument("--pages", type=Path, nargs="+", required=True, help="numbers of the other pages")
    parser.add_argument("--figure", type=Path, required=True, help="SVG file of the flow to write")
    parser.add_argument("--headlines", type=Path, required=True, help="the tiles for the front page, to write")
    args = parser.parse_args(argv)
    counts = [Counts.read(path) for path in args.counts]
    flow = follow(counts, args.splits)
    whole, sources = steps(flow), by_source(counts)
    numbers = {path.stem: read_json(path) for path in args.pages}
    numbers["counts"] = {
        "steps": {step: {"in": each.rows_in, "out": each.rows_out} for step, each in whole.items()},
        "sources": sources,
    }
    figure = sankey.draw(flow)
    claims = Claims.read(args.claims)
    stages = compare(claims, numbers, args.scale)
    verdicts = {name: sum(row["verdict"] == name for rows in stages.values() for row in rows) for name in VERDICTS}
    write_text(args.figure, figure)
    page.write_numbers(args.numbers, numbers["counts"] | {"verdicts": verdicts})
    tiles = headlines(numbers, whole.get("seeds_load"))
    write_text(args.headlines, front_page(tiles, claims))
    page.write_page(
        args,
        tiles=tiles,
        figure=figure,
        steps=whole,
        meaning=STEPS,
        sources=sources,
        stages=stages,
        verdicts=verdicts,
        signs=VERDICTS,
    )


if __name__ == "__main__":
    run(main)
