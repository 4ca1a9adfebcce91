"""The manifest of a run's prompts: what was asked for, what there is, with which wording.

It holds the prompts by source, format and audience; for every cell of the mix the number asked for, the candidates and
the number there is; the share that names its topic; the share of the web (73.3 % by the published split sizes; "over
75 %" and "over 80 %" in two revisions of the Cosmopedia blog post); the hash of every template; and what became of the
seeds.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.common.counts import Counts, total
from scripts.common.files import read_json, write_json
from scripts.common.logging import get_logger, run
from scripts.common.schemas import PROMPTS
from scripts.common.tables import read_table
from scripts.prompts.mix import PUBLISHED_CELL
from scripts.prompts.templates import Template, load

COLUMNS = ["template_id", "format", "audience", "language", "topic_in_prompt"]
WEB = ("web", "fineweb", "cosmopedia_web_samples_v1", "cosmopedia_web_samples_v2")
"""The sources that are pages of the web."""


def count_prompts(paths: Iterable[Path]) -> Counter[tuple]:
    """(source, template id, format, audience, language, topic named) → prompts, over all parts."""
    found: Counter[tuple] = Counter()
    for path in paths:
        groups = read_table(path, PROMPTS, COLUMNS).group_by(COLUMNS).aggregate([([], "count_all")])
        for row in groups.to_pylist():
            found[path.parent.name, *(row[column] for column in COLUMNS)] += row["count_all"]
    return found


def describe(
    found: Mapping[tuple, int],
    selections: Mapping[str, Mapping[str, Mapping[str, int]]],
    counts: Sequence[Counts],
    templates: Sequence[Template],
    clustered: Sequence[str],
) -> dict[str, Any]:
    """The manifest without the run's settings.

    Args:
        found: prompts as `count_prompts` gives them.
        selections: source → cell → what prompts_select decided.
        counts: of every part.
        templates: all templates of the run.
        clustered: the sources whose prompts may name a topic.
    """
    by_source: Counter[str] = Counter(dict.fromkeys(selections, 0))
    by_cell: Counter[tuple] = Counter()
    by_template: Counter[str] = Counter()
    by_language: Counter[str] = Counter()
    with_topic: Counter[str] = Counter()
    got: Counter[tuple] = Counter()
    for (source, template_id, format_, audience, language, named), prompts in found.items():
        by_source[source] += prompts
        by_cell[source, format_, audience] += prompts
        by_template[template_id] += prompts
        by_language[language] += prompts
        with_topic[source] += prompts if named else 0
        cell = f"{format_}/{audience}/{language}"
        got[source, cell if cell in selections[source] else PUBLISHED_CELL] += prompts
    prompts = sum(by_source.values())
    account = total(counts, "prompts_manifest")
    return {
        "prompts": prompts,
        "asked": sum(cell["asked"] for cells in selections.values() for cell in cells.values()),
        "seeds": account.rows_in,
        "rejected": dict(account.rejected),
        "by_source": {source: {"prompts": n, "share": _share(n, prompts)} for source, n in by_source.items()},
        "by_language": dict(by_language),
        "by_source_format_audience": [
            {"source": source, "format": format_, "audience": audience, "prompts": n}
            for (source, format_, audience), n in sorted(by_cell.items())
        ],
        "mix": [
            {
                "source": source,
                "cell": name,
                "asked": cell["asked"],
                "candidates": cell["candidates"],
                "got": got[source, name],
                "shortfall": max(0, cell["asked"] - cell["candidates"]),
            }
            for source, cells in selections.items()
            for name, cell in sorted(cells.items())
        ],
        "topic_share": {source: _share(with_topic[source], by_source[source]) for source in clustered},
        "web_share": _share(sum(by_source[source] for source in WEB), prompts),
        "templates": {
            template.id: {"version": template.version, "hash": template.digest, "prompts": by_template[template.id]}
            for template in templates
        },
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the manifest."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--prompts", type=Path, required=True, nargs="+", help="prompt tables of all parts")
    parser.add_argument(
        "--selections", type=Path, required=True, nargs="+", help="prompts_select's file of each source"
    )
    parser.add_argument("--counts", required=True, nargs="+", help="count files of all parts")
    parser.add_argument("--templates", nargs="*", default=[], help="template files")
    parser.add_argument("--clustered", nargs="*", default=[], help="sources whose prompts may name a topic")
    parser.add_argument("--seed", type=int, required=True, help="the run's seed, part of every sampling seed")
    parser.add_argument("--fraction", type=float, default=1.0)
    parser.add_argument("--output", required=True)
    args = parser.parse_args(argv)

    selections = {path.stem: read_json(path) for path in args.selections}
    counts = [Counts.read(path) for path in args.counts]
    manifest = describe(count_prompts(args.prompts), selections, counts, load(args.templates), args.clustered)
    write_json(args.output, manifest | {"seed": args.seed, "fraction": args.fraction})
    short = sum(row["shortfall"] for row in manifest["mix"])
    get_logger(__name__).info(
        "%d prompts, %d fewer than asked for, web share %s", manifest["prompts"], short, manifest["web_share"]
    )


if __name__ == "__main__":
    run(main)
