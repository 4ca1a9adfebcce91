"""The review of the topics as one HTML page, for the person who decides.

Every cluster is a row with its topic, score, agreement, size, keywords and decision; unfolded it shows ten examples,
every answer of the model and the map of the sample with the cluster lit up. What is changed in the page is written out
as rows for config/topics.tsv. The page needs no network and no other file. The map draws at most 20,000 documents of
the sample, chosen by id (ids are content hashes, so this is a random choice that is the same in every run).
"""

import argparse
import heapq
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.common.files import write_text
from scripts.common.logging import get_logger, run
from scripts.common.schemas import CLUSTER_SAMPLE, TOPIC_ANSWERS, TOPICS
from scripts.common.tables import iterate_rows, read_table
from scripts.label.overrides import COLUMNS, read_cells
from scripts.label.votes import SAME_TOPIC, similarity, vote, words
from scripts.report.page import environment
from scripts.report.topics import NOISE_CLUSTER, cluster_colour

DRAWN = 20_000
GRID = 2000
"""Coordinates on the map are whole numbers from 0 to this."""
DOUBTFUL = 0.66
"""A topic is doubtful when a smaller share of its answers agrees on the name or on the score."""
TEMPLATES = Path(__file__).parent / "templates"


def draw_points(sample: Iterable[Mapping[str, Any]], limit: int) -> dict[str, list[int]]:
    """x, y (downwards) and cluster of at most so many points; each axis fills the grid."""
    points = heapq.nsmallest(limit, sample, key=lambda point: point["seed_id"])
    columns = [_scaled([point[axis] for point in points]) for axis in ("x", "y")]
    return {
        "x": columns[0],
        "y": [GRID - value for value in columns[1]],
        "cluster": [point["cluster_id"] for point in points],
    }


def _scaled(values: Sequence[float]) -> list[int]:
    low, high = min(values, default=0), max(values, default=0)
    return [round(GRID * (value - low) / (high - low)) if high > low else GRID // 2 for value in values]


def describe(topics: Sequence[Mapping[str, Any]], answers: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The topics, largest first, with colour, share of the documents, marks for the filters, and their answers."""
    by_cluster: dict[int, list[Mapping[str, Any]]] = {}
    for answer in answers:
        by_cluster.setdefault(answer["cluster_id"], []).append(answer)
    documents = sum(topic["n_documents"] for topic in topics)
    return [
        topic
        | {
            "colour": cluster_colour(topic["cluster_id"]),
            "share": topic["n_documents"] / documents,
            "marks": marks(topic),
            "answers": judge(by_cluster.get(topic["cluster_id"], [])),
        }
        for topic in sorted(topics, key=lambda topic: (-topic["n_documents"], topic["cluster_id"]))
    ]


def marks(topic: Mapping[str, Any]) -> list[str]:
    """The filters of the page that show the topic."""
    found = [topic["decision"]]
    shares = [topic[name] for name in ("agreement", "score_agreement") if topic[name] is not None]
    if any(share < DOUBTFUL for share in shares):
        found.append("doubtful")
    if not topic["n_answers"]:
        found.append("unanswered")
    if "override" in (topic["label_source"], topic["decided_by"]):
        found.append("corrected")
    return found


def judge(answers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The answers about a cluster, each usable one marked by whether it agrees with the name that won the vote."""
    usable = [answer["topic"] for answer in answers if not answer["problem"]]
    winner = words(usable[vote(usable)[0]]) if usable else frozenset()
    return [
        {**answer, "agrees": not answer["problem"] and similarity(words(answer["topic"]), winner) >= SAME_TOPIC}
        for answer in answers
    ]


def render(topics: Sequence[Mapping[str, Any]], points: Mapping[str, list[int]], **context: Any) -> str:
    """The page; `context` holds run, scale, sample and noise (documents), the two minima and the corrections so far."""
    counts = {"all": len(topics)}
    for mark in (mark for topic in topics for mark in topic["marks"]):
        counts[mark] = counts.get(mark, 0) + 1
    documents = sum(topic["n_documents"] for topic in topics)
    kept = sum(topic["n_documents"] for topic in topics if topic["decision"] == "kept")
    template = environment(TEMPLATES).get_template("review.html")
    return template.render(
        topics=topics,
        points=points,
        counts=counts,
        documents=documents,
        kept_share=kept / documents if documents else None,
        columns=COLUMNS,
        **context,
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", required=True, help="name of the run")
    parser.add_argument("--scale", required=True, help="scale of the run: tiny, small or full")
    parser.add_argument("--sample", required=True, help="clusters/sample.parquet")
    parser.add_argument("--topics", required=True, help="topics/topics.parquet")
    parser.add_argument("--answers", required=True, help="topics/answers.parquet")
    parser.add_argument("--corrections", help="a person's file of corrections, which new ones are added to")
    parser.add_argument("--minimum-score", type=float, default=3)
    parser.add_argument("--minimum-documents", type=int, default=20)
    parser.add_argument("--page", required=True, help="HTML file to write")
    args = parser.parse_args(argv)

    clusters = read_table(args.sample, CLUSTER_SAMPLE, ["cluster_id"])["cluster_id"].to_pylist()
    points = draw_points(iterate_rows(args.sample, CLUSTER_SAMPLE, ["seed_id", "cluster_id", "x", "y"]), DRAWN)
    answers = read_table(args.answers, TOPIC_ANSWERS).to_pylist()
    topics = describe(read_table(args.topics, TOPICS).to_pylist(), answers)
    page = render(
        topics,
        points,
        run=args.run,
        scale=args.scale,
        sample=len(clusters),
        noise=clusters.count(NOISE_CLUSTER),
        corrections=[cells for _, cells in read_cells(args.corrections)] if args.corrections else [],
        minimum_score=args.minimum_score,
        minimum_documents=args.minimum_documents,
    )
    write_text(args.page, page)
    shown = (len(topics), len(points["x"]), len(page.encode()) / 1e6)
    get_logger(__name__).info("%d topics, %d points on the map, %.1f MB", *shown)


if __name__ == "__main__":
    run(main)
