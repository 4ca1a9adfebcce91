"""Texts to look at before all are paid for: the measures of each template with marks, and some texts, as one HTML page.

The page needs no other file. The templates come in the order of preview.json, the most troubled first; the texts shown
are those of the first prompts of each template, chosen by id and not by hand, and examples of what is marked.
"""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.common.files import read_json, write_text
from scripts.common.logging import run
from scripts.common.schemas import PREVIEW
from scripts.common.tables import iterate_rows
from scripts.generate.measures import MEASURES
from scripts.report import page, style

WIDTH, HEIGHT = 440, 170
BINS = 20
TEXTS = 3


def draw_lengths(tokens: Sequence[int]) -> str:
    """Histogram of lengths in tokens."""
    if not tokens:
        return style.message("No text was written.", WIDTH)
    import numpy as np

    with style.figure(WIDTH, HEIGHT) as figure:
        axis = figure.add_subplot()
        axis.hist(tokens, np.linspace(0, max(tokens) + 1, BINS + 1), color=style.OURS)
        axis.set(xlabel="tokens in a text", ylabel="texts", xlim=(0, max(tokens) + 1))
        style.whole_numbers(axis)
        axis.grid(axis="y")
        return style.to_svg(figure, "Histogram of text lengths in tokens")


def read_texts(paths: Iterable[Path]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """(source, template) → its PREVIEW rows that have a text, in their order."""
    texts: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for path in paths:
        for row in iterate_rows(path, PREVIEW):
            if row["text"] is not None:
                texts.setdefault((path.parent.name, row["template_id"]), []).append(row)
    return texts


def sections(summary: Mapping[str, Any], texts: Mapping[tuple[str, str], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """What the page shows of each template, besides what the summary says of it."""
    result = []
    for template in summary["templates"]:
        own = texts.get((template["source"], template["template_id"]), [])
        by_id = {row["prompt_id"]: row for row in own}
        pairs = [(jaccard, by_id[one], by_id[other]) for jaccard, one, other in template["near_duplicates"]]
        examples = [
            (MEASURES[name].title, by_id[key]) for name in MEASURES for key in template["examples"].get(name, [])
        ]
        figure = draw_lengths(template["tokens"])
        result.append({**template, "samples": own[:TEXTS], "examples": examples, "pairs": pairs, "figure": figure})
    return result


def render(summary: Mapping[str, Any], shown: Sequence[Mapping[str, Any]], run_name: str, scale: str) -> str:
    """The page, in the look of the report."""
    return (
        page.environment(Path(__file__).parent)
        .get_template("preview.html")
        .render(
            page="preview",
            pages={"preview": "Texts to look at"},
            run=run_name,
            scale=scale,
            measures={name: summary["measures"][name] for name in MEASURES},
            templates=shown,
            marks={"bad": "off", "look": "warn", "fine": "good", "few": ""},
        )
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measures", type=Path, required=True, help="preview.json")
    parser.add_argument("--previews", type=Path, nargs="+", required=True, help="preview/<source>/part-*.parquet")
    parser.add_argument("--run", required=True, help="name of the run")
    parser.add_argument("--scale", required=True)
    parser.add_argument("--output", required=True)
    args = parser.parse_args(argv)
    summary = read_json(args.measures)
    write_text(args.output, render(summary, sections(summary, read_texts(args.previews)), args.run, args.scale))


if __name__ == "__main__":
    run(main)
