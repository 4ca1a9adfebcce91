"""Prompts to read: some of each template, as one HTML page that needs no other file.

Of the prompts of a template on a source those with the lowest number drawn from their ids are shown: a random sample
that is the same in every run. What a template left to be filled is marked. It is found again by matching the finished
prompt with the template's own words, so that prompts need no extra column.
"""

import argparse
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from scripts.common.files import write_text
from scripts.common.ids import draws
from scripts.common.logging import get_logger, run
from scripts.common.schemas import PROMPTS
from scripts.common.tables import iterate_batches
from scripts.prompts.templates import Template, load, pieces

COLUMNS = ["prompt_id", "prompt", "format", "audience", "topic", "topic_in_prompt", "template_id", "language"]
GROUP = ("source", "format", "audience", "language")


def sample(paths: Iterable[Path], number: int) -> list[dict[str, Any]]:
    """So many prompts of each template and source, with the column `source`, ordered as the page shows them."""
    lowest: dict[tuple[str, str], list[tuple[int, dict[str, Any]]]] = {}
    for path in paths:
        for batch in iterate_batches(path, PROMPTS, COLUMNS):
            ids = "".join(identifier[:16] for identifier in batch["prompt_id"].to_pylist())
            drawn = draws(np.frombuffer(bytes.fromhex(ids), ">u8").astype(np.uint64), "preview")
            for template_id in set(batch["template_id"].to_pylist()):
                key = (path.parent.name, template_id)
                chosen = lowest.setdefault(key, [])
                chosen += _lowest(batch, drawn, template_id, number, path.parent.name)
                chosen.sort(key=lambda pair: pair[0])
                del chosen[number:]
    rows = [row for chosen in lowest.values() for _, row in chosen]
    return sorted(rows, key=lambda row: (*(row[name] for name in GROUP), row["template_id"]))


def spans(template: Template | None, prompt: str) -> list[tuple[str, bool]]:
    """The prompt in pieces: (text, whether it was filled in). Without a template all of it was.

    >>> spans(Template("a", 1, "en", "title", "f", "a", "On {title}."), "On tea.")
    [('On ', False), ('tea', True), ('.', False)]
    """
    if template is None:
        return [(prompt, True)]
    match = re.fullmatch(_pattern(template.text, template.clauses), prompt, re.DOTALL)
    found = [match.span(number) for number in range(1, len(match.groups()) + 1)] if match else []
    result, place = [], 0
    for start, end in found:
        if start < end:
            result += [(prompt[place:start], False), (prompt[start:end], True)]
            place = end
    return [span for span in [*result, (prompt[place:], False)] if span[0]]


def _pattern(text: str, clauses: Mapping[str, str]) -> str:
    """A regular expression with a group for each field, in which a clause may be absent."""
    parts = []
    for literal, name in pieces(text):
        parts.append(re.escape(literal))
        if name in clauses:
            parts.append(f"(?:{_pattern(clauses[name], {})})?")
        elif name:
            parts.append("(.*?)")
    return "".join(parts)


def _lowest(
    batch: pa.RecordBatch, drawn: np.ndarray, template_id: str, number: int, source: str
) -> list[tuple[int, dict[str, Any]]]:
    """(drawn number, row) of the prompts of one template in a batch that come first."""
    own = np.flatnonzero(np.array(batch["template_id"].to_pylist()) == template_id)
    first = own[np.argsort(drawn[own], kind="stable")[:number]]
    rows = batch.take(pa.array(first)).to_pylist()
    return [(int(n), {"source": source, **row}) for n, row in zip(drawn[first], rows, strict=True)]


def render(rows: Sequence[Mapping[str, Any]], templates: Sequence[Template], run_name: str, scale: str) -> str:
    """The page, in the look of the report."""
    from scripts.report import page

    known = {template.id: template for template in templates}
    groups: dict[tuple, list[dict[str, Any]]] = {}
    for row in rows:
        shown = {**row, "spans": spans(known.get(row["template_id"]), row["prompt"])}
        groups.setdefault(tuple(row[name] for name in GROUP), []).append(shown)
    return (
        page.environment(Path(__file__).parent)
        .get_template("preview.html")
        .render(
            page="preview",
            pages={"preview": "Prompts to read"},
            run=run_name,
            scale=scale,
            prompts=len(rows),
            templates=len({row["template_id"] for row in rows}),
            groups=[dict(zip(GROUP, key, strict=True)) | {"samples": samples} for key, samples in groups.items()],
        )
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--prompts", type=Path, nargs="+", required=True, help="prompt tables of all parts")
    parser.add_argument("--templates", nargs="*", default=[], help="template files of the run")
    parser.add_argument("--preview", type=int, default=3, help="prompts of each template and source")
    parser.add_argument("--run", required=True, help="name of the run")
    parser.add_argument("--scale", required=True)
    parser.add_argument("--output", required=True)
    args = parser.parse_args(argv)
    rows = sample(args.prompts, args.preview)
    write_text(args.output, render(rows, load(args.templates), args.run, args.scale))
    get_logger(__name__).info("%d prompts to read in %s", len(rows), args.output)


if __name__ == "__main__":
    run(main)
