"""The benchmarks as lighteval tasks: multiple choice by likelihood, with the full answer as the continuation.

The Cosmopedia evaluation scores small models this way (the cosmopedia repository, `evaluation`): a choice is compared
by the log-likelihood of its whole text, because a small model asked for a letter answers at random. Rows are read by
`scripts.benchmarks.load`, as in decontamination, and handed to lighteval as a local folder of JSON lines. Benchmarks
that continue a text (HellaSwag, WinoGrande, OpenBookQA) are given as they stand; a question is put as
"Question: … Answer:".
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from scripts.benchmarks.rows import Item
from scripts.common.errors import InputError

CONTINUED = ("hellaswag", "winogrande", "openbookqa")
PREFIX = "cosmopedia_"
"""Sets the task names apart from lighteval's own."""


def query(item: Item) -> str:
    """What the model reads before a choice."""
    return item.question if item.benchmark in CONTINUED else f"Question: {item.question}\nAnswer:"


def write_items(benchmark: str, items: Iterable[Item], folder: Path) -> dict[str, Any]:
    """Writes the items that can be scored as `test.jsonl`.

    Returns:
        n: items written; withheld: items without a published answer; chance: the expected score of guessing.

    Raises:
        InputError: no item can be scored.
    """
    chances, withheld = [], 0
    folder.mkdir(parents=True)
    with (folder / "test.jsonl").open("w", encoding="utf-8") as handle:
        for item in items:
            if item.answer is None:
                withheld += 1
                continue
            row = {"query": query(item), "choices": [f" {choice}" for choice in item.choices], "answer": item.answer}
            handle.write(json.dumps(row, ensure_ascii=False) + "\n")
            chances.append(1 / len(item.choices))
    if not chances:
        raise InputError(f"benchmark {benchmark} has no item with a published answer: remove it from the benchmarks.")
    return {"n": len(chances), "withheld": withheld, "chance": sum(chances) / len(chances)}


def to_doc(row: Mapping[str, Any], task_name: str) -> Any:
    """A row of `test.jsonl` as lighteval's Doc."""
    from lighteval.tasks.requests import Doc

    return Doc(task_name=task_name, query=row["query"], choices=row["choices"], gold_index=row["answer"])


def task_module(folders: Mapping[str, Path]) -> ModuleType:
    """A module with lighteval's TASKS_TABLE for these benchmarks: name → folder with `test.jsonl`.

    Metrics: `acc`, and `acc_norm`, which divides a choice's log-likelihood by its number of characters without the
    leading space.
    """
    import numpy as np
    from lighteval.metrics.metrics import Metrics
    from lighteval.metrics.metrics_sample import LoglikelihoodAcc
    from lighteval.metrics.normalizations import LogProbCharNorm
    from lighteval.metrics.utils.metric_utils import SampleLevelMetric
    from lighteval.tasks.lighteval_task import LightevalTaskConfig
    from lighteval.tasks.requests import SamplingMethod

    normalised = SampleLevelMetric(
        metric_name="acc_norm",
        sample_level_fn=LoglikelihoodAcc(logprob_normalization=LogProbCharNorm(ignore_first_space=True)),
        category=SamplingMethod.LOGPROBS,
        corpus_level_fn=np.mean,
        higher_is_better=True,
    )
    module = ModuleType("cosmopedia_tasks")
    module.TASKS_TABLE = [
        LightevalTaskConfig(
            name=PREFIX + benchmark,
            prompt_function=to_doc,
            hf_repo=str(folder),
            hf_subset="default",
            hf_avail_splits=["test"],
            evaluation_splits=["test"],
            metrics=[Metrics.loglikelihood_acc, normalised],
        )
        for benchmark, folder in folders.items()
    ]
    return module
