"""Topics decided: which clusters give prompts, under which name.

The name is the one most of the usable answers gave, the score their mean. A cluster with an educational score under
`--minimum-score` or with fewer than `--minimum-documents` documents is removed. Without a usable answer the first three
keywords stand in as its name and it has no score: only its size counts. A person has the last word (config/topics.tsv).

The published selection was made by hand, the score being useful at its extremes only (dataset card, cosmopedia
repository); the sources give 107, 108, 110, 112 and 130 topics kept of 145. `review.tsv` is the list for that person:
largest cluster first, with keywords and short examples.
"""

import argparse
import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scripts.common.files import write_text
from scripts.common.logging import get_logger, run
from scripts.common.tables import TOPIC_ANSWERS, TOPIC_EXAMPLES, TOPICS, read_table, write_table
from scripts.label.overrides import Override, read_overrides
from scripts.label.prompt import TOPIC_LENGTH
from scripts.prompts.text import excerpt, one_line

FALLBACK_KEYWORDS = 3
REVIEW_EXAMPLES, REVIEW_CHARACTERS = 3, 120
REVIEW_COLUMNS = (
    "cluster_id",
    "topic",
    "educational_score",
    "decision",
    "reason",
    "n_documents",
    "label_source",
    "agreement",
    "keywords",
    "examples",
)


def name_cluster(cluster: Mapping[str, Any], answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Topic, score, agreement and label source of a cluster from the answers about it.

    Args:
        cluster: its row of the examples table.
        answers: its rows of the answers table, by their number.
    """
    usable = [answer for answer in answers if not answer["problem"]]
    if not usable:
        words = excerpt(", ".join(cluster["keywords"][:FALLBACK_KEYWORDS]), TOPIC_LENGTH[1])
        words = words or f"cluster {cluster['cluster_id']}"
        return {"topic": words, "educational_score": None, "agreement": None, "label_source": "keywords"}
    votes = Counter(answer["topic"].casefold() for answer in usable)
    winner, count = votes.most_common(1)[0]  # equal counts: the first given
    return {
        "topic": next(answer["topic"] for answer in usable if answer["topic"].casefold() == winner),
        "educational_score": sum(answer["educational_score"] for answer in usable) / len(usable),
        "agreement": count / len(usable),
        "label_source": "llm",
    }


def decide(
    n_documents: int, educational_score: float | None, minimum_score: float, minimum_documents: int
) -> tuple[str, str]:
    """(decision, reason) by size and score; a score of None does not count."""
    if n_documents < minimum_documents:
        return "removed", f"{n_documents} documents, fewer than {minimum_documents}"
    if educational_score is None:
        return "kept", "no model score was available"
    if educational_score < minimum_score:
        return "removed", f"educational score {educational_score:g} under {minimum_score:g}"
    return "kept", f"educational score {educational_score:g}"


def correct(topic: dict[str, Any], overrides: Iterable[Override], minimum_score: float, minimum_documents: int) -> None:
    """Applies a person's corrections to a row of the topics table."""
    for override in overrides:
        topic["label_source"] = "override"
        topic["topic"] = override.topic or topic["topic"]
        if override.educational_score is not None:
            topic["educational_score"] = override.educational_score
        score = topic["educational_score"]
        decision, reason = decide(topic["n_documents"], score, minimum_score, minimum_documents)
        topic["decision"] = override.decision or decision
        topic["reason"] = override.reason or ("decided by a person" if override.decision else reason)


def build_topics(
    clusters: Iterable[Mapping[str, Any]],
    answers: Iterable[Mapping[str, Any]],
    overrides: Sequence[Override],
    minimum_score: float,
    minimum_documents: int,
) -> tuple[list[dict[str, Any]], list[Override]]:
    """The rows of the topics table by cluster id, and the corrections that concerned no cluster."""
    by_cluster: dict[int, list[Mapping[str, Any]]] = {}
    for answer in answers:
        by_cluster.setdefault(answer["cluster_id"], []).append(answer)
    topics, unused = [], list(overrides)
    for cluster in clusters:
        named = name_cluster(cluster, by_cluster.get(cluster["cluster_id"], []))
        decision, reason = decide(cluster["n_documents"], named["educational_score"], minimum_score, minimum_documents)
        topic = {**cluster, **named, "decision": decision, "reason": reason}
        corrections = [override for override in overrides if override.concerns(topic["cluster_id"], topic["topic"])]
        correct(topic, corrections, minimum_score, minimum_documents)
        unused = [override for override in unused if override not in corrections]
        topics.append(topic)
    return topics, unused


def review(topics: Iterable[Mapping[str, Any]]) -> str:
    """The topics as tab-separated text for people, largest first, one line each."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(REVIEW_COLUMNS)
    for topic in sorted(topics, key=lambda topic: (-topic["n_documents"], topic["cluster_id"])):
        shown = [excerpt(one_line(example), REVIEW_CHARACTERS) for example in topic["examples"][:REVIEW_EXAMPLES]]
        cells = topic | {
            "keywords": ", ".join(topic["keywords"]),
            "examples": " | ".join(f"{number}) {example}" for number, example in enumerate(shown, start=1)),
            "educational_score": _number(topic["educational_score"]),
            "agreement": _number(topic["agreement"]),
        }
        writer.writerow([cells[column] for column in REVIEW_COLUMNS])
    return text.getvalue()


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the topics and the list for review."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--examples", required=True)
    parser.add_argument("--answers", required=True)
    parser.add_argument("--overrides", help="a person's corrections, tab-separated")
    parser.add_argument("--minimum-score", type=float, default=3)
    parser.add_argument("--minimum-documents", type=int, default=20)
    parser.add_argument("--topics", required=True, help="table to write")
    parser.add_argument("--review", required=True, help="text to write")
    args = parser.parse_args(argv)

    log = get_logger(__name__)
    topics, unused = build_topics(
        read_table(args.examples, TOPIC_EXAMPLES).to_pylist(),
        read_table(args.answers, TOPIC_ANSWERS).to_pylist(),
        read_overrides(args.overrides) if args.overrides else [],
        args.minimum_score,
        args.minimum_documents,
    )
    write_table(args.topics, topics, TOPICS)
    write_text(args.review, review(topics))
    for override in unused:
        meant = override.topic if override.cluster_id is None else override.cluster_id
        log.warning("%s: there is no cluster %s: the row was not used", args.overrides, meant)
    sources = Counter(topic["label_source"] for topic in topics)
    decisions = Counter(topic["decision"] for topic in topics)
    log.info("%d topics: %s; named by: %s", len(topics), dict(decisions), dict(sources))
    if sources["keywords"]:
        log.warning("%d topics have no usable answer and are named by keywords", sources["keywords"])


if __name__ == "__main__":
    run(main)
