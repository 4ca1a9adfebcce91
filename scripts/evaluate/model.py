"""Scores a trained model on the benchmarks with lighteval.

A benchmark of `scripts.benchmarks.rows` is run on our own tasks (`scripts.evaluate.tasks`), with rows from the shipped
sample or from the Hub. Any other name is one of lighteval's own task strings, `task|few-shots`, as in
`arc:challenge|25`: cosmo-1b's one published number, 38.57 `acc_norm` on ARC-Challenge, is with 25 examples.

Two habits of lighteval 0.13 are kept out of the way. It answers from a cache when weights change under the same path,
so every run has a cache of its own, removed at the end. And importing its task for tinyBenchmarks downloads a file, so
an empty module takes that one's place: its tasks are not available here.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from scripts.benchmarks.load import read_items
from scripts.benchmarks.rows import BENCHMARKS
from scripts.common.errors import InputError
from scripts.common.files import write_json
from scripts.common.logging import get_logger, run
from scripts.evaluate.tasks import PREFIX, task_module, write_items

log = get_logger("evaluate_model")


def evaluate(
    model: Path, benchmarks: Sequence[str], location: str, max_samples: int, device: str, batch_size: int, work: Path
) -> dict[str, dict[str, Any]]:
    """The scores of a model.

    Args:
        model: Hugging Face folder.
        benchmarks: names of our benchmarks, or lighteval task strings.
        location: the folder of the benchmarks' JSON lines.
        max_samples: items per benchmark; 0 for all.
        device: cpu or cuda.
        batch_size: sequences in one forward pass.
        work: an empty folder for what lighteval and datasets keep.

    Returns:
        benchmark → n, chance, withheld (ours only), and for each metric its value and standard error.
    """
    own = [name for name in benchmarks if name in BENCHMARKS]
    foreign = [name for name in benchmarks if name not in BENCHMARKS]
    wrong = [name for name in foreign if "|" not in name]
    if wrong:
        raise InputError(
            f"unknown benchmark {', '.join(wrong)} (config key evaluate.benchmarks): give one of "
            f"{', '.join(BENCHMARKS)}, or a lighteval task string such as arc:challenge|25."
        )
    facts = {name: write_items(name, read_items(name, location), work / "items" / name) for name in own}
    tasks = [f"{PREFIX}{name}|0" for name in own] + foreign
    results = run_lighteval(
        model, tasks, {name: work / "items" / name for name in own}, max_samples, device, batch_size, work
    )
    return collect(results, facts, max_samples)


def run_lighteval(
    model: Path,
    tasks: Sequence[str],
    folders: Mapping[str, Path],
    max_samples: int,
    device: str,
    batch_size: int,
    work: Path,
) -> dict[str, Any]:
    """The results document of lighteval for the tasks."""
    sys.modules.setdefault("lighteval.tasks.tasks.tiny_benchmarks", ModuleType("tiny_benchmarks"))
    import datasets
    from lighteval.logging.evaluation_tracker import EvaluationTracker
    from lighteval.models.transformers.transformers_model import TransformersModelConfig
    from lighteval.pipeline import ParallelismManager, Pipeline, PipelineParameters

    if not any("|" in task for task in tasks if not task.startswith(PREFIX)):
        datasets.config.HF_DATASETS_CACHE = str(work / "datasets")
    pipeline = Pipeline(
        tasks=",".join(tasks),
        pipeline_parameters=PipelineParameters(
            launcher_type=ParallelismManager.NONE,
            custom_tasks_directory=task_module(folders),
            max_samples=max_samples or None,
        ),
        evaluation_tracker=EvaluationTracker(output_dir=str(work / "results")),
        model_config=TransformersModelConfig(
            model_name=str(model),
            dtype="float32" if device == "cpu" else "bfloat16",
            device=device,
            batch_size=batch_size,
            override_chat_template=False,
            model_parallel=False,
            cache_dir=str(work / "cache"),
        ),
    )
    pipeline.evaluate()
    return pipeline.get_results()


def collect(results: Mapping[str, Any], facts: Mapping[str, Mapping[str, Any]], max_samples: int) -> dict[str, Any]:
    """The results of lighteval with our facts about each benchmark, by benchmark."""
    scores = {}
    for task, found in results["results"].items():
        name, _, shots = task.rpartition(":")
        if task == "all" or name.endswith("_average"):
            continue
        name = name.removeprefix(PREFIX) if name.startswith(PREFIX) else f"{name}|{shots}"
        metrics = {key: round(float(value), 6) for key, value in found.items() if not key.endswith("_stderr")}
        errors = {key: round(float(value), 6) for key, value in found.items() if key.endswith("_stderr")}
        scores[name] = {**facts.get(name, {}), "score": metrics, "stderr": errors}
        if max_samples and "n" in scores[name]:
            scores[name]["n"] = min(max_samples, scores[name]["n"])
    return scores


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags, scores the model, writes the scores."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="Hugging Face folder")
    parser.add_argument("--benchmarks", nargs="+", required=True, help=f"{', '.join(BENCHMARKS)}, or task|few-shots")
    parser.add_argument("--location", required=True, help="folder with <benchmark>.jsonl")
    parser.add_argument("--max-samples", type=int, default=0, help="items per benchmark; 0: all")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--threads", type=int, default=1, help="fixed, because it changes the last digits")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args(argv)
    if args.device == "cpu":
        os.environ["ACCELERATE_USE_CPU"] = "true"
    if set(args.benchmarks) <= BENCHMARKS.keys():
        os.environ["HF_HUB_OFFLINE"] = "1"
    import torch

    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as work:
        scores = evaluate(
            args.model,
            args.benchmarks,
            args.location,
            args.max_samples,
            args.device,
            args.batch_size,
            Path(work),
        )
    for name, row in scores.items():
        log.info("%s: %s (chance %s, n %s)", name, row["score"], row.get("chance"), row.get("n"))
    write_json(args.output, scores)


if __name__ == "__main__":
    run(main)
