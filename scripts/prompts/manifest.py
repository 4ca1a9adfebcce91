"""The manifest of a run's prompts: what was asked for, how often, with which wording.

It holds the prompts by source, format and audience, the share that names its topic, the share of the web (73.3 % by the
published split sizes; "over 75 %" and "over 80 %" in two revisions of the Cosmopedia blog post), the hash of every
template, and what became of the seeds.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scripts.common.counts import Counts, total
from scripts.common.files import write_json
from scripts.common.logging import get_logger, run
from scripts.common.tables import PROMPTS, read_table
from scripts.prompts.templates import Template, load

COLUMNS = ["template_id", "format", "audience", "language", "topic_in_prompt"]


def count_prompts(paths: Iterable[str]) -> Counter[tuple]:
    """(template id, format, audience, language, topic named) → prompts, over all parts."""
    found: Counter[tuple] = Counter()
    for path in paths:
        groups = read_table(path, PROMPTS, COLUMNS).group_by(COLUMNS).aggregate([([], "count_all")])
        for row in groups.to_pylist():
            found[tuple(row[column] for column in COLUMNS)] += row["count_all"]
    return found


def describe(
    found: Mapping[tuple, int], counts: Sequence[Counts], templates: Sequence[Template], clustered: Sequence[str]
) -> dict[str, Any]:
    """The manifest without the run's settings.

    Args:
        found: prompts by template, format, audience, language and topic named, as `count_prompts` gives them.
        counts: of every part.
        templates: all templates of the run.
        clustered: the sources whose prompts may name a topic.
    """
    by_source: Counter[str] = Counter()
    by_cell: Counter[tuple] = Counter()
    by_template: Counter[str] = Counter()
    by_language: Counter[str] = Counter()
    with_topic: Counter[str] = Counter()
    for (template_id, format_, audience, language, named), prompts in found.items():
        source = template_id.split("/")[1]
        by_source[source] += prompts
        by_cell[source, format_, audience] += prompts
        by_template[template_id] += prompts
        by_language[language] += prompts
        with_topic[source] += prompts if named else 0
    prompts = sum(by_source.values())
    account = total(counts, "prompts_manifest")
    topical = {source: _share(with_topic[source], by_source[source]) for source in clustered}
    return {
        "prompts": prompts,
        "seeds": account.rows_in,
        "rejected": dict(account.rejected),
        "by_source": {source: {"prompts": n, "share": _share(n, prompts)} for source, n in by_source.items()},
        "by_language": dict(by_language),
        "by_source_format_audience": [
            {"source": source, "format": format_, "audience": audience, "prompts": n}
            for (source, format_, audience), n in sorted(by_cell.items())
        ],
        "topic_share": topical,
        "web_share": _share(by_source["web"], prompts),
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
    parser.add_argument("--prompts", required=True, nargs="+", help="prompt tables of all parts")
    parser.add_argument("--counts", required=True, nargs="+", help="their count files")
    parser.add_argument("--templates", required=True, nargs="+", help="template files")
    parser.add_argument("--clustered", nargs="*", default=[], help="sources whose prompts may name a topic")
    parser.add_argument("--seed", type=int, required=True, help="the run's seed, part of every sampling seed")
    parser.add_argument("--fraction", type=float, default=1.0)
    parser.add_argument("--output", required=True)
    args = parser.parse_args(argv)

    counts = [Counts.read(path) for path in args.counts]
    manifest = describe(count_prompts(args.prompts), counts, load(args.templates), args.clustered)
    write_json(args.output, manifest | {"seed": args.seed, "fraction": args.fraction})
    get_logger(__name__).info("%d prompts, web share %s", manifest["prompts"], manifest["web_share"])


if __name__ == "__main__":
    run(main)
