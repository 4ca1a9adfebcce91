"""The tiny model's card: card.md beside this file, filled with the numbers of the training."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.common.files import read_json
from scripts.train.experiment import dataset, tokens_per_step

KINDS = {
    "texts": "paragraphs of the sample by themselves",
    "conversations": "prompts as the workflow builds them from the sample, answered with fitting paragraphs of it",
    "labels": "label requests for pages of one topic, answered with its name and score",
}


def card(experiment: Mapping[str, Any], work: Path, parameters: int) -> str:
    """The page for a finished training.

    Args:
        experiment: the rendered recipe.
        work: the folder of the build, with tokens/<name>/tokens.json and log.jsonl.
        parameters: of the model.
    """
    shape, schedule = experiment["model"]["model_config"], experiment["optimizer"]["learning_rate_scheduler"]
    history = [json.loads(line) for line in (work / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    weights = dict(zip(KINDS, dataset(experiment)["dataset_weights"], strict=True))
    rows = []
    for name, meaning in KINDS.items():
        summary = read_json(work / "tokens" / name / "tokens.json")
        rows.append(f"| {name} | {summary['documents']:,} | {summary['tokens']:,} | {weights[name]:.0%} | {meaning} |")
    steps = experiment["tokens"]["train_steps"]
    template = Path(__file__).with_name("card.md").read_text(encoding="utf-8")
    return template.format(
        millions=parameters / 1e6,
        parameters=parameters,
        layers=shape["num_hidden_layers"],
        width=shape["hidden_size"],
        heads=shape["num_attention_heads"],
        ffn=shape["intermediate_size"],
        context=shape["max_position_embeddings"],
        vocabulary=shape["vocab_size"],
        steps=steps,
        step_tokens=tokens_per_step(experiment),
        total=steps * tokens_per_step(experiment),
        lr=schedule["learning_rate"],
        min_lr=schedule["min_decay_lr"],
        first=history[0]["loss"],
        first_step=history[0]["step"],
        last=history[-1]["loss"],
        window=experiment["logging"]["iteration_step_info_interval"],
        dtype=experiment["model"]["dtype"],
        rows="\n".join(rows),
    )
