"""Prompts of one part of a source: every kept seed × every template of the source that fits it.

A seed that occurred earlier or belongs to a removed topic gives no prompt; one on noise gives none either, or with
`--noise keep` prompts without a topic. A prompt on a clustered source names the topic with probability 0.5 (the
cosmopedia repository). The extract is the first 1000 characters of the seed (600 where a template says so: reference
text of units).

These are candidates: prompts_select finds those that the mix asks for, prompts_seal keeps them. Every choice derives
from an id: the same seeds and templates give the same file, byte for byte, in any order of parts.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.logging import get_logger, run
from scripts.common.schemas import ASSIGNMENTS, CANDIDATES, REJECTED, SEEDS, TOPICS
from scripts.common.tables import iterate_batches, iterate_rows, write_columns, write_table
from scripts.prompts.render import Recipe, prompts_of
from scripts.prompts.templates import load

COLUMNS = ["seed_id", "kind", "text", "title", "outline", "language", "asked"]
SEEDS_AT_ONCE, ROWS_PER_GROUP = 1000, 8000
LONG = ["prompt", "prompt_id", "seed_id", "rank"]
NOISE = -1
"""The cluster of a document that is in none."""


class Clusters:
    """The clusters of a part's seeds, read beside them: both tables have the same seeds in the same order."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._batches = iter(batches)
        self._rows = pa.table({name: pa.array([], ASSIGNMENTS.field(name).type) for name in ("seed_id", "cluster_id")})

    def take(self, seed_ids: pa.Array) -> list[int]:
        """The clusters of the next seeds.

        Raises:
            InputError: the next rows are not of these seeds.
        """
        while self._rows.num_rows < len(seed_ids) and (batch := next(self._batches, None)):
            self._rows = pa.concat_tables([self._rows, pa.Table.from_batches([batch])])
        found, self._rows = self._rows.slice(0, len(seed_ids)), self._rows.slice(len(seed_ids))
        if found["seed_id"].to_pylist() != seed_ids.to_pylist():
            raise InputError(
                "the clusters are not of these seeds in their order. Delete this part's assignments and rerun."
            )
        return found["cluster_id"].to_pylist()


class Selection:
    """Which seeds of a part are used, and with which topic.

    Args:
        place: this part as the duplicates table writes it (web/part-000).
        duplicates: seed id → the part where it is kept.
        clusters: of the part's seeds; None for a source without clusters.
        topics: cluster id → its row of the topics table.
        keep_noise: whether seeds on noise are used, without a topic.
    """

    def __init__(
        self,
        place: str,
        duplicates: Mapping[str, str],
        clusters: Clusters | None = None,
        topics: Mapping[int, Mapping[str, Any]] | None = None,
        keep_noise: bool = False,
    ) -> None:
        self.place, self.clusters = place, clusters
        self.elsewhere = {seed_id: kept_at for seed_id, kept_at in duplicates.items() if kept_at != place}
        self.verdicts = {cluster: _verdict(cluster, topic) for cluster, topic in (topics or {}).items()}
        self.verdicts[NOISE] = (None, "" if keep_noise else "noise", "")

    def judge(self, seed_ids: pa.Array) -> list[tuple[str | None, str, str]]:
        """(topic, reason, detail) of each seed: the reason is "" for one that is used, the topic None without one."""
        ids = seed_ids.to_pylist()
        verdicts = [(None, "", "")] * len(ids)
        if self.clusters is not None:
            try:
                verdicts = [self.verdicts[cluster] for cluster in self.clusters.take(seed_ids)]
            except KeyError as error:
                raise InputError(
                    f"{self.place}: cluster {error} is not in the topics table. Delete topics/ and rerun."
                ) from error
        if not self.elsewhere:
            return verdicts
        kept_at = map(self.elsewhere.get, ids)
        return [
            (None, "duplicate_seed", place) if place else verdict
            for place, verdict in zip(kept_at, verdicts, strict=True)
        ]


def _verdict(cluster: int, topic: Mapping[str, Any]) -> tuple[str | None, str, str]:
    if topic["decision"] == "kept":
        return topic["topic"], "", ""
    return None, "topic_removed", f"cluster {cluster}, {topic['topic']}: {topic['reason']}"


class Builder:
    """Turns seeds into prompts and keeps account of every seed that is left out."""

    def __init__(self, selection: Selection, recipe: Recipe) -> None:
        self.selection, self.recipe = selection, recipe
        self.rejected: list[dict[str, str]] = []
        self.rows_in = self.rows_out = self.used = 0

    def prompts(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yields the prompts (CANDIDATES) of each batch of seeds."""
        for seeds in batches:
            self.rows_in += seeds.num_rows
            verdicts = self.selection.judge(seeds["seed_id"])
            used = pa.array([not reason for _, reason, _ in verdicts], pa.bool_())
            topics = pa.array([topic for topic, _, _ in verdicts], pa.string())
            if not pc.all(used, min_count=0).as_py():
                self._reject_judged(seeds.filter(pc.invert(used)), [verdict for verdict in verdicts if verdict[1]])
                seeds, topics = seeds.filter(used), topics.filter(used)
            prompts = prompts_of(seeds, topics, self.recipe)
            unfit = seeds.filter(pc.invert(pc.is_in(seeds["seed_id"], value_set=prompts["seed_id"])))
            self._reject_unfit(unfit)
            self.used += seeds.num_rows - unfit.num_rows
            self.rows_out += prompts.num_rows
            yield prompts

    def counts(self, source: str, part: str) -> Counts:
        """The account so far."""
        reasons = Counter(row["reason"] for row in self.rejected)
        return Counts("prompts_build", self.rows_in, self.rows_out, reasons, source, part, self.rows_out - self.used)

    def _reject_judged(self, seeds: pa.RecordBatch, verdicts: Sequence[tuple[str | None, str, str]]) -> None:
        """Keeps the seeds aside that are not used."""
        self.rejected += [
            {"id": seed_id, "reason": reason, "detail": detail}
            for seed_id, (_, reason, detail) in zip(seeds["seed_id"].to_pylist(), verdicts, strict=True)
        ]

    def _reject_unfit(self, seeds: pa.RecordBatch) -> None:
        """Keeps the seeds aside that gave no prompt."""
        self.rejected += [
            {"id": row["seed_id"], "reason": "no_template", "detail": f"{row['kind']}, {row['language']}"}
            for row in seeds.select(["seed_id", "kind", "language"]).to_pylist()
        ]


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
    parser.add_argument("--noise", choices=["drop", "nearest", "keep"], default="drop", help="what becomes of noise")
    parser.add_argument("--templates", nargs="*", default=[], help="template files; none for published prompts")
    parser.add_argument("--languages", nargs="+", default=["en"], help="in use; the first is that of unmarked seeds")
    parser.add_argument("--cross-language", action=argparse.BooleanOptionalAction, default=False)
    parser.add_argument("--extract-characters", type=int, default=1000)
    parser.add_argument("--topic-probability", type=float, default=0.5)
    parser.add_argument("--output", required=True)
    parser.add_argument("--rejected", required=True)
    parser.add_argument("--counts", required=True)
    args = parser.parse_args(argv)
    if bool(args.assignments) != bool(args.topics):
        parser.error("--assignments and --topics go together")

    builder = Builder(_selection(args), _recipe(args))
    prompts = builder.prompts(iterate_batches(args.seeds, SEEDS, COLUMNS, SEEDS_AT_ONCE))
    write_columns(args.output, prompts, CANDIDATES, LONG, ROWS_PER_GROUP)
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
    clusters = Clusters(iterate_batches(args.assignments, ASSIGNMENTS, ["seed_id", "cluster_id"], SEEDS_AT_ONCE))
    columns = ["cluster_id", "topic", "decision", "reason"]
    topics = {row["cluster_id"]: row for row in iterate_rows(args.topics, TOPICS, columns)}
    return Selection(place, duplicates, clusters, topics, args.noise == "keep")


def _recipe(args: argparse.Namespace) -> Recipe:
    return Recipe(
        templates=load(args.templates),
        seed_data=seed_data(args.source, args.split),
        characters=args.extract_characters,
        topic_probability=args.topic_probability,
        language=args.languages[0],
        cross_language=args.cross_language,
    )


if __name__ == "__main__":
    run(main)
