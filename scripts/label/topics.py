"""Name and educational score of each cluster, by the language model.

Each cluster is one request of examples, answered in the form of a JSON Schema; `--answers` asks as many times with
other random numbers, and their agreement is reported (the text-clustering repository asked once). An answer that
cannot be used keeps its raw text and the problem, and the cluster falls back on its keywords when topics are decided.
The drawing is that of the texts (temperature 0.6, top_p 0.95, top_k 50), but without a repetition penalty, which would
punish the quotes and keys of the form itself.
"""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scripts import engines
from scripts.common.ids import content_id, sampling_seed
from scripts.common.logging import get_logger, run
from scripts.common.tables import TOPIC_ANSWERS, TOPIC_EXAMPLES, read_table, write_table
from scripts.label.answers import Answer, parse
from scripts.label.prompt import label_prompt, label_schema

TEMPERATURE, TOP_P, TOP_K = 0.6, 0.95, 50


def requests(rows: Iterable[Mapping[str, Any]], answers: int, seed: int) -> list[engines.Request]:
    """The requests for all clusters that have examples; ids are cluster/answer."""
    result = []
    for row in rows:
        prompt = label_prompt(row["examples"])
        for number in range(answers):
            drawn = sampling_seed(content_id("label", prompt), seed, number + 1)
            result.append(engines.Request(f"{row['cluster_id']}/{number}", prompt, drawn, label_schema()))
    return result


def read_answer(completion: engines.Completion) -> Answer:
    """What a completion says."""
    if completion.finish_reason == "error":
        return Answer(None, None, f"the engine failed: {completion.text}")
    answer = parse(completion.text)
    if answer.problem and completion.finish_reason == "length":
        return Answer(None, None, f"{answer.problem}; it was cut off at {completion.n_tokens} tokens")
    return answer


def to_rows(completions: Iterable[engines.Completion]) -> list[dict[str, Any]]:
    """The rows of the answers table, ordered by cluster and number of the answer."""
    rows = []
    for completion in completions:
        cluster_id, number = map(int, completion.request_id.split("/"))
        answer = read_answer(completion)
        rows.append(
            {
                "cluster_id": cluster_id,
                "answer": number,
                "raw": completion.text.encode("utf-8", "replace").decode("utf-8"),
                "topic": answer.topic,
                "educational_score": answer.educational_score,
                "problem": answer.problem,
            }
        )
    return sorted(rows, key=lambda row: (row["cluster_id"], row["answer"]))


def main(argv: Sequence[str] | None = None) -> None:
    """Asks for the topics of all clusters."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--examples", required=True)
    parser.add_argument("--answers", type=int, default=1, help="how often each cluster is asked about")
    parser.add_argument("--max-new-tokens", type=int, default=100)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output", required=True)
    engines.add_arguments(parser)
    args = parser.parse_args(argv)

    log = get_logger(__name__)
    asked = requests(read_table(args.examples, TOPIC_EXAMPLES).to_pylist(), args.answers, args.seed)
    rows = []
    if asked:
        sampling = engines.Sampling(TEMPERATURE, TOP_P, TOP_K, 1.0, args.max_new_tokens)
        engine = engines.create(engines.settings_from(args), sampling)
        try:
            rows = to_rows(engines.complete(engine, asked, args.max_in_flight))
        finally:
            engine.close()
    write_table(args.output, rows, TOPIC_ANSWERS)
    unusable = [row for row in rows if row["problem"]]
    log.info("%d answers, %d of them unusable", len(rows), len(unusable))
    for row in unusable:
        log.warning("cluster %d: %s: %.80r", row["cluster_id"], row["problem"], row["raw"])


if __name__ == "__main__":
    run(main)
