"""Prompts of one part of a source: every kept seed × its templates.

A seed that occurred earlier, fell on noise or belongs to a removed topic gives no prompt. Of the templates that fit a
seed the first `--templates-per-seed` by hash are used (all when 0). A prompt on a clustered source names the topic with
probability 0.5 (the cosmopedia repository), drawn by hash of seed and template. The extract is the first 1000
characters of the seed (600 where a template says so: OpenStax reference text). `--fraction` keeps a prompt by its id,
so a smaller run is a subset of a larger one.

prompt_id = hash(template id, hash of its wording, prompt text). Every choice derives from an id: the same seeds and
templates give the same file, byte for byte, in any order of parts. Seeds that differ only where no template looks give
one prompt twice; such prompts are found over all parts by prompts_duplicates and left out by prompts_seal.
"""

import argparse
import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.ids import content_id, unit_interval
from scripts.common.logging import get_logger, run
from scripts.common.tables import (
    ASSIGNMENTS,
    PROMPTS,
    REJECTED,
    SEEDS,
    TOPICS,
    in_batches,
    iterate_rows,
    read_table,
    write_batches,
    write_table,
)
from scripts.prompts.templates import Template, load
from scripts.prompts.text import excerpt, one_line


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How prompts are made of seeds.

    Args:
        templates: all templates of the source.
        seed_data: published name of the seeds' origin.
        characters: length of an extract.
        topic_probability: share of the prompts that name the topic, where there is one.
        per_seed: templates used for one seed; 0 for all that fit.
        fraction: share of all prompts that is kept.
    """

    templates: Sequence[Template]
    seed_data: str
    characters: int = 1000
    topic_probability: float = 0.5
    per_seed: int = 0
    fraction: float = 1.0


class Selection:
    """Which seeds of a part are used, and with which topic.

    Args:
        place: this part as the duplicates table writes it (web/part-000).
        duplicates: seed id → the part where it is kept.
        clusters: seed id → cluster id; None for a source without clusters.
        topics: cluster id → its row of the topics table.
    """

    def __init__(
        self,
        place: str,
        duplicates: Mapping[str, str],
        clusters: Mapping[str, int] | None = None,
        topics: Mapping[int, Mapping[str, Any]] | None = None,
    ) -> None:
        self.place, self.duplicates, self.clusters, self.topics = place, duplicates, clusters, topics or {}

    def judge(self, seed_id: str) -> tuple[str | None, str, str]:
        """(topic, reason, detail): the reason is "" for a seed that is used, the topic None without clusters."""
        kept_at = self.duplicates.get(seed_id, self.place)
        if kept_at != self.place:
            return None, "duplicate_seed", kept_at
        if self.clusters is None:
            return None, "", ""
        if seed_id not in self.clusters:
            raise InputError(f"{self.place}: seed {seed_id} has no cluster. Delete this part's assignments and rerun.")
        cluster = self.clusters[seed_id]
        if cluster < 0:
            return None, "noise", ""
        if cluster not in self.topics:
            raise InputError(f"{self.place}: cluster {cluster} is not in the topics table. Delete topics/ and rerun.")
        topic = self.topics[cluster]
        if topic["decision"] != "kept":
            return None, "topic_removed", f"cluster {cluster}, {topic['topic']}: {topic['reason']}"
        return topic["topic"], "", ""


def field_values(seed: Mapping[str, Any], characters: int) -> dict[str, str]:
    """The values of all fields that a seed can fill but the topic; "" where it has none.

    A level of the outline that repeats the title tells nothing and is left empty; of the earlier units the latest are
    named, as many as fit in `characters`.
    """
    outline = seed["outline"] or {}
    book, chapter, section = (one_line(outline.get(level)) for level in ("book", "chapter", "section"))
    title = one_line(seed["title"]) or (one_line(seed["text"]) if seed["kind"] == "title" else section or chapter)
    earlier = [name for name in map(one_line, outline.get("earlier") or []) if name]
    while sum(len(name) + 2 for name in earlier) > characters:
        earlier.pop(0)
    return {
        "extract": excerpt(seed["text"], characters),
        "title": title,
        "book": book,
        "chapter": "" if chapter == title else chapter,
        "section": "" if section in (title, chapter) else section,
        "earlier": "; ".join(earlier),
        "topic": "",
    }


def prompts_of(seed: Mapping[str, Any], topic: str | None, recipe: Recipe) -> list[dict[str, Any]]:
    """The prompts of one seed, by its templates' rank; none when no template fits."""
    values = field_values(seed, recipe.characters)
    fitting = [t for t in recipe.templates if t.fits(seed["source"], seed["kind"], seed["language"], values)]
    fitting.sort(key=lambda template: content_id("template", seed["seed_id"], template.id))
    return [_prompt(seed, topic, template, values, recipe) for template in fitting[: recipe.per_seed or None]]


def _prompt(
    seed: Mapping[str, Any], topic: str | None, template: Template, values: Mapping[str, str], recipe: Recipe
) -> dict[str, Any]:
    place = unit_interval(content_id(seed["seed_id"], template.id), "topic")
    named = bool(topic) and template.can_name_topic and place < recipe.topic_probability
    limit = min(recipe.characters, template.extract_characters or recipe.characters)
    prompt = template.render(
        {**values, "extract": excerpt(values["extract"], limit), "topic": one_line(topic) if named else ""}
    )
    return {
        "prompt_id": content_id(template.id, template.digest, prompt),
        "prompt": prompt,
        "seed_id": seed["seed_id"],
        "seed_data": recipe.seed_data,
        "format": template.format,
        "audience": template.audience,
        "topic": topic,
        "topic_in_prompt": named,
        "template_id": template.id,
        "language": template.language,
    }


class Builder:
    """Turns seeds into prompts and keeps account of every seed and prompt that is left out."""

    def __init__(self, selection: Selection, recipe: Recipe) -> None:
        self.selection, self.recipe = selection, recipe
        self.rejected: list[dict[str, str]] = []
        self.reasons: Counter[str] = Counter()
        self.rows_in = self.rows_out = self.added = 0

    def prompts(self, seeds: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yields the prompts of these seeds in their order."""
        for seed in seeds:
            self.rows_in += 1
            topic, reason, detail = self.selection.judge(seed["seed_id"])
            if reason:
                self._reject(seed["seed_id"], reason, detail)
                continue
            found = prompts_of(seed, topic, self.recipe)
            if not found:
                self._reject(seed["seed_id"], "no_template", f"{seed['source']}, {seed['kind']}, {seed['language']}")
                continue
            kept = [p for p in found if unit_interval(p["prompt_id"], "fraction") < self.recipe.fraction]
            if len(kept) < len(found):  # counted only: a small fraction leaves millions of prompts out
                self.reasons["outside_fraction"] += len(found) - len(kept)
            self.added += len(found) - 1
            self.rows_out += len(kept)
            yield from kept

    def counts(self, source: str, part: str) -> Counts:
        """The account so far."""
        return Counts("prompts_build", self.rows_in, self.rows_out, dict(self.reasons), source, part, self.added)

    def _reject(self, identifier: str, reason: str, detail: str) -> None:
        self.rejected.append({"id": identifier, "reason": reason, "detail": detail})
        self.reasons[reason] += 1


def seed_data(source: str, split: str) -> str:
    """The published name: that of the split, but stories keep the name of their source."""
    return source if split == "stories" else split


def main(argv: Sequence[str] | None = None) -> None:
    """Builds the prompts of one part."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", required=True, help="seeds of the part")
    parser.add_argument("--source", required=True)
    parser.add_argument("--part", required=True, help="number as in the file name, e.g. 000")
    parser.add_argument("--split", required=True, help="split of the dataset that the source belongs to")
    parser.add_argument("--duplicates", required=True, help="table of seeds that occurred in an earlier part")
    parser.add_argument("--assignments", help="clusters of the part's seeds, for a clustered source")
    parser.add_argument("--topics", help="topics table, for a clustered source")
    parser.add_argument("--templates", required=True, nargs="+", help="template files")
    parser.add_argument("--extract-characters", type=int, default=1000)
    parser.add_argument("--topic-probability", type=float, default=0.5)
    parser.add_argument("--templates-per-seed", type=int, default=0, help="0: all that fit")
    parser.add_argument("--fraction", type=float, default=1.0)
    parser.add_argument("--output", required=True)
    parser.add_argument("--rejected", required=True)
    parser.add_argument("--counts", required=True)
    args = parser.parse_args(argv)
    if bool(args.assignments) != bool(args.topics):
        parser.error("--assignments and --topics go together")

    builder = Builder(_selection(args), _recipe(args))
    write_batches(args.output, in_batches(builder.prompts(iterate_rows(args.seeds, SEEDS))), PROMPTS)
    write_table(args.rejected, builder.rejected, REJECTED)
    counts = builder.counts(args.source, args.part)
    counts.write(args.counts)
    get_logger(__name__).info(
        "%d seeds + %d → %d prompts; rejected: %s", counts.rows_in, counts.added, counts.rows_out, dict(counts.rejected)
    )


def _selection(args: argparse.Namespace) -> Selection:
    duplicates = {row["id"]: row["detail"] for row in iterate_rows(args.duplicates, REJECTED)}
    place = f"{args.source}/part-{args.part}"
    if not args.assignments:
        return Selection(place, duplicates)
    table = read_table(args.assignments, ASSIGNMENTS, ["seed_id", "cluster_id"])
    clusters = dict(zip(table["seed_id"].to_pylist(), table["cluster_id"].to_pylist(), strict=True))
    columns = ["cluster_id", "topic", "decision", "reason"]
    topics = {row["cluster_id"]: row for row in iterate_rows(args.topics, TOPICS, columns)}
    return Selection(place, duplicates, clusters, topics)


def _recipe(args: argparse.Namespace) -> Recipe:
    return Recipe(
        templates=load(args.templates),
        seed_data=seed_data(args.source, args.split),
        characters=args.extract_characters,
        topic_probability=args.topic_probability,
        per_seed=args.templates_per_seed,
        fraction=args.fraction,
    )


if __name__ == "__main__":
    run(main)
