"""Topics decided: which clusters give prompts, under which name.

The name is the one that most of the usable answers agree with (`scripts.label.votes`), the score their median. Where
no name has a majority, or no answer is usable, the first three keywords stand in as the name; without an answer there
is no score either, and only the size counts. A cluster with an educational score under `--minimum-score` or with fewer
than `--minimum-documents` documents is removed. A person has the last word: the files of `--overrides`, the later one
over the earlier.

The published selection was made by hand, the score being useful at its extremes only (dataset card, cosmopedia
repository); the sources give 107, 108, 110, 112 and 130 topics kept of 145. Its names are in
resources/topics_published.tsv, to be used as such a file. `review.tsv` is the list for that person: largest cluster
first, with keywords and short examples.
"""

import argparse
import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from scripts.common.files import write_text
from scripts.common.logging import get_logger, run
from scripts.common.schemas import TOPIC_ANSWERS, TOPIC_EXAMPLES, TOPICS
from scripts.common.tables import read_table, write_table
from scripts.label.overrides import COLUMNS, REVIEW_ONLY, Override, combine, read_overrides
from scripts.label.prompt import TOPIC_LENGTH
from scripts.label.votes import MAJORITY, score_agreement, vote
from scripts.prompts.text import excerpt, one_line

FALLBACK_KEYWORDS = 3
SHOWN = ("cluster_id", "n_documents", "keywords", "examples")
REVIEW_EXAMPLES, REVIEW_CHARACTERS = 3, 120
REVIEW_NUMBERS = ("educational_score", "score_min", "score_max", "score_agreement", "agreement")
UNUSED_SHOWN = 5
REVIEW_COLUMNS = (*COLUMNS, *REVIEW_ONLY)


def name_cluster(cluster: Mapping[str, Any], answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Topic, score, their agreement and spread, and the label source of a cluster from the answers about it.

    Args:
        cluster: its row of the examples table.
        answers: its rows of the answers table, in their order.
    """
    usable = [answer for answer in answers if not answer["problem"]]
    words = excerpt(", ".join(cluster["keywords"][:FALLBACK_KEYWORDS]), TOPIC_LENGTH[1])
    by_keywords = {"topic": words or f"cluster {cluster['cluster_id']}", "label_source": "keywords"}
    if not usable:
        return by_keywords | {"educational_score": None, "n_answers": 0}
    winner, agreement = vote([answer["topic"] for answer in usable])
    by_vote = {"topic": usable[winner]["topic"], "label_source": "llm"}
    scores = [answer["educational_score"] for answer in usable]
    return (by_vote if len(usable) == 1 or agreement > MAJORITY else by_keywords) | {
        "educational_score": float(median(scores)),
        "score_min": min(scores),
        "score_max": max(scores),
        "score_agreement": score_agreement(scores, median(scores)),
        "agreement": agreement,
        "n_answers": len(usable),
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


def correct(topic: dict[str, Any], override: Override, minimum_score: float, minimum_documents: int) -> None:
    """Applies what the corrections say together to a row of the topics table."""
    name, score = topic["topic"], topic["educational_score"]
    new_name = override.topic or name
    new_score = score if override.educational_score is None else override.educational_score
    topic |= {"topic": new_name, "educational_score": new_score}
    if (new_name, new_score) != (name, score):
        topic["label_source"] = "override"
    decision, reason = decide(topic["n_documents"], new_score, minimum_score, minimum_documents)
    topic |= {"decision": decision, "reason": reason, "decided_by": "rule"}
    if override.decision:
        topic |= {"decision": override.decision, "reason": "decided by a person", "decided_by": "override"}
    topic["reason"] = override.reason or topic["reason"]


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
    topics, used = [], set()
    for cluster in clusters:
        topic = dict(cluster) | name_cluster(cluster, by_cluster.get(cluster["cluster_id"], []))
        corrections = [override for override in overrides if override.concerns(topic["cluster_id"], topic["topic"])]
        correct(topic, combine(corrections), minimum_score, minimum_documents)
        used.update(corrections)
        topics.append(topic)
    return topics, [override for override in overrides if override not in used]


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
        }
        cells |= {column: _number(topic.get(column)) for column in REVIEW_NUMBERS}
        writer.writerow([cells[column] for column in REVIEW_COLUMNS])
    return text.getvalue()


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the topics and the list for review."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--examples", required=True)
    parser.add_argument("--answers", required=True)
    parser.add_argument("--overrides", nargs="*", default=[], help="files of corrections, the later one wins")
    parser.add_argument("--minimum-score", type=float, default=3)
    parser.add_argument("--minimum-documents", type=int, default=20)
    parser.add_argument("--topics", required=True, help="table to write")
    parser.add_argument("--review", required=True, help="text to write")
    args = parser.parse_args(argv)

    log = get_logger(__name__)
    overrides = {path: read_overrides(path) for path in args.overrides}
    topics, unused = build_topics(
        read_table(args.examples, TOPIC_EXAMPLES, SHOWN).to_pylist(),
        read_table(args.answers, TOPIC_ANSWERS).to_pylist(),
        [override for rows in overrides.values() for override in rows],
        args.minimum_score,
        args.minimum_documents,
    )
    write_table(args.topics, topics, TOPICS)
    write_text(args.review, review(topics))
    for path, rows in overrides.items():
        lost = [repr(row.topic) if row.cluster_id is None else str(row.cluster_id) for row in rows if row in unused]
        if lost:
            shown = ", ".join(lost[:UNUSED_SHOWN]) + (", …" if len(lost) > UNUSED_SHOWN else "")
            log.warning("%s: %d of %d rows concern no cluster: %s", path, len(lost), len(rows), shown)
    sources = Counter(topic["label_source"] for topic in topics)
    decisions = Counter(topic["decision"] for topic in topics)
    log.info("%d topics: %s; named by: %s", len(topics), dict(decisions), dict(sources))
    if sources["keywords"]:
        log.warning(
            "%d topics are named by keywords: no usable answer, or no name that most agree on", sources["keywords"]
        )


if __name__ == "__main__":
    run(main)
