"""Measures of the previewed texts, template by template, the most troubled first: what the page shows, for machines.

A template's trouble is how many of its measures are bad, then how many want a look. Failed prompts are counted.
"""

import argparse
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.common.files import write_json
from scripts.common.logging import get_logger, run
from scripts.common.schemas import PREVIEW
from scripts.common.tables import iterate_rows
from scripts.generate.measures import MEASURES, Share, measure, near_duplicates, openings
from scripts.generate.texts import look_closely

SHOWN = 10
EXAMPLES = 2
DIGITS = 4


def describe(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What there is to say of one template's PREVIEW rows."""
    texts = [row for row in rows if row["text"] is not None]
    seen = [look_closely(row, row["prompt"], row["language"]) for row in texts]
    measures = measure(seen)
    for each in measures.values():
        each["value"] = None if each["value"] is None else round(each["value"], DIGITS)
    examples = {
        name: [row["prompt_id"] for row, text in zip(texts, seen, strict=True) if MEASURES[name].value.test(text)]
        for name, each in measures.items()
        if each["mark"] in ("bad", "look") and isinstance(MEASURES[name].value, Share)
    }
    marks = Counter(each["mark"] for each in measures.values())
    return {
        **{name: rows[0][name] for name in ("template_id", "format", "audience", "language")},
        "prompts": len(rows),
        "texts": len(texts),
        "failed": len(rows) - len(texts),
        "bad": marks["bad"],
        "look": marks["look"],
        "measures": measures,
        "openings": [list(opening) for opening in openings(seen)[:SHOWN]],
        "stock_openings": _frequent(text.stock for text in seen),
        "refusals": _frequent(text.refusal for text in seen),
        "examples": {name: ids[:EXAMPLES] for name, ids in examples.items()},
        "tokens": sorted(row["text_token_length"] for row in texts),
        "median": {
            "tokens": statistics.median(text.tokens for text in seen) if seen else None,
            "characters": statistics.median(text.characters for text in seen) if seen else None,
        },
        "near_duplicates": [
            [round(jaccard, DIGITS), texts[one]["prompt_id"], texts[other]["prompt_id"]]
            for jaccard, one, other in near_duplicates(seen)[:SHOWN]
        ],
    }


def _frequent(names: Iterable[str]) -> list[list]:
    """[name, how often], the most frequent first; "" is none."""
    return [list(pair) for pair in sorted(Counter(filter(None, names)).items(), key=lambda pair: (-pair[1], pair[0]))]


def summarise(paths: Iterable[Path]) -> dict[str, Any]:
    """All templates of the previews (a folder is a source), the most troubled first, and what the measures are."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for path in paths:
        for row in iterate_rows(path, PREVIEW):
            groups.setdefault((path.parent.name, row["template_id"]), []).append(row)
    templates = [{"source": source, **describe(rows)} for (source, _), rows in groups.items()]
    order = sorted(templates, key=lambda each: (-each["bad"], -each["look"], each["source"], each["template_id"]))
    explained = {
        name: {key: getattr(each, key) for key in ("title", "definition", "kind", "look", "bad")}
        for name, each in MEASURES.items()
    }
    return {"measures": explained, "templates": order}


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the measures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--previews", type=Path, nargs="+", required=True, help="preview/<source>/part-*.parquet")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args(argv)
    summary = summarise(args.previews)
    write_json(args.output, summary)
    for each in summary["templates"]:
        bad = [name for name, found in each["measures"].items() if found["mark"] == "bad"]
        if bad:
            get_logger(__name__).warning("%s %s is bad in %s", each["source"], each["template_id"], ", ".join(bad))


if __name__ == "__main__":
    run(main)
