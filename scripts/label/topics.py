"""Name and educational score of each cluster, by the language model.

Each sample of a cluster's documents is one request, answered in the form of a JSON Schema. An answer that cannot be
used (malformed, empty, cut off, a refusal) is asked for again with another sampling seed, up to `--attempts` times.
Every raw answer is kept with its problem; a cluster without any usable one falls back on its keywords when topics are
decided. The drawing is that of the texts (temperature 0.6, top_p 0.95, top_k 50), but without a repetition penalty,
which would punish the quotes and keys of the form itself.
"""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scripts import engines
from scripts.common.ids import content_id, sampling_seed
from scripts.common.logging import get_logger, run
from scripts.common.schemas import TOPIC_ANSWERS, TOPIC_EXAMPLES
from scripts.common.tables import read_table, write_table
from scripts.label.answers import Answer, parse
from scripts.label.prompt import label_prompt, label_schema

TEMPERATURE, TOP_P, TOP_K = 0.6, 0.95, 50


def prompts(clusters: Iterable[Mapping[str, Any]]) -> dict[tuple[int, int], str]:
    """(cluster, sample) → the request, from rows of the examples table."""
    return {
        (row["cluster_id"], number): label_prompt(documents)
        for row in clusters
        for number, documents in enumerate(row["samples"])
    }


def request(place: tuple[int, int], prompt: str, attempt: int, seed: int) -> engines.Request:
    """One attempt at a sample; its id is cluster/sample/attempt, its random numbers are its own."""
    cluster_id, sample = place
    drawn = sampling_seed(content_id("label", str(sample), prompt), seed, attempt)
    return engines.Request(f"{cluster_id}/{sample}/{attempt}", prompt, drawn, label_schema())


def read_answer(completion: engines.Completion) -> Answer:
    """What a completion says."""
    if completion.finish_reason in ("error", "refused"):
        return Answer(None, None, f"the engine failed: {completion.text}")
    answer = parse(completion.text)
    if answer.problem and completion.finish_reason == "length":
        return Answer(None, None, f"{answer.problem}; it was cut off at {completion.n_tokens} tokens")
    return answer


def to_rows(completions: Iterable[engines.Completion]) -> list[dict[str, Any]]:
    """The rows of the answers table, by cluster, sample and attempt."""
    rows = []
    for completion in completions:
        cluster_id, sample, attempt = map(int, completion.request_id.split("/"))
        answer = read_answer(completion)
        rows.append(
            {
                "cluster_id": cluster_id,
                "sample": sample,
                "attempt": attempt,
                "raw": completion.text.encode("utf-8", "replace").decode("utf-8"),
                "topic": answer.topic,
                "educational_score": answer.educational_score,
                "problem": answer.problem,
            }
        )
    return sorted(rows, key=_place)


def ask(
    engine: engines.Engine, asked: Mapping[tuple[int, int], str], attempts: int, seed: int, max_in_flight: int
) -> list[dict[str, Any]]:
    """All answers to `prompts`; each is asked again until its answer is usable or the attempts are used up."""
    rows: list[dict[str, Any]] = []
    waiting = list(asked)
    for attempt in range(1, attempts + 1):
        requests = [request(place, asked[place], attempt, seed) for place in waiting]
        answers = to_rows(engines.complete(engine, requests, max_in_flight))
        waiting = [(row["cluster_id"], row["sample"]) for row in answers if row["problem"]]
        rows += answers
    return sorted(rows, key=_place)


def _place(row: Mapping[str, Any]) -> tuple[int, int, int]:
    return row["cluster_id"], row["sample"], row["attempt"]


def main(argv: Sequence[str] | None = None) -> None:
    """Asks for the topics of all clusters."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--examples", required=True)
    parser.add_argument("--attempts", type=int, default=3, help="how often a sample is asked about at most")
    parser.add_argument("--max-new-tokens", type=int, default=100)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output", required=True)
    engines.add_arguments(parser)
    args = parser.parse_args(argv)

    log = get_logger(__name__)
    asked = prompts(read_table(args.examples, TOPIC_EXAMPLES, ["cluster_id", "samples"]).to_pylist())
    rows = []
    if asked:
        sampling = engines.Sampling(TEMPERATURE, TOP_P, TOP_K, 1.0, args.max_new_tokens)
        engine = engines.create(engines.settings_from(args), sampling)
        try:
            rows = ask(engine, asked, args.attempts, args.seed, args.max_in_flight)
        finally:
            engine.close()
    write_table(args.output, rows, TOPIC_ANSWERS)
    unusable = [row for row in rows if row["problem"]]
    log.info("%d samples, %d answers, %d of them unusable", len(asked), len(rows), len(unusable))
    for row in unusable:
        place = f"cluster {row['cluster_id']}, sample {row['sample']}, attempt {row['attempt']}"
        log.warning("%s: %s: %.80r", place, row["problem"], row["raw"])


if __name__ == "__main__":
    run(main)
