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


def card(recipes: Mapping[str, Mapping[str, Any]], work: Path, parameters: int) -> str:
    """The page for a finished training.

    Args:
        recipes: name → rendered experiment, in the order of training.
        work: the folder of the build, with tokens/<name>/tokens.json and <recipe>/log.jsonl.
        parameters: of the model.
    """
    last = list(recipes.values())[-1]
    shape = last["model"]["model_config"]
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
        dtype=last["model"]["dtype"],
        data="\n".join(data_rows(work)),
        training="\n".join(training_row(name, recipe, work) for name, recipe in recipes.items()),
    )


def data_rows(work: Path) -> list[str]:
    """A table row for each kind of text."""
    rows = []
    for name, meaning in KINDS.items():
        summary = read_json(work / "tokens" / name / "tokens.json")
        rows.append(f"| {name} | {summary['documents']:,} | {summary['tokens']:,} | {meaning} |")
    return rows


def training_row(name: str, recipe: Mapping[str, Any], work: Path) -> str:
    """A table row for one part of the training."""
    history = [json.loads(line) for line in (work / name / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    schedule, data = recipe["optimizer"]["learning_rate_scheduler"], dataset(recipe)
    mixture = ", ".join(
        f"{Path(folder).name} {weight:.0%}"
        for folder, weight in zip(data["dataset_folder"], data["dataset_weights"], strict=True)
    )
    rate = f"{schedule['learning_rate']:g} → {schedule['min_decay_lr']:g}"
    steps, length = recipe["tokens"]["train_steps"], recipe["tokens"]["sequence_length"]
    total = steps * tokens_per_step(recipe)
    loss = f"{history[0]['loss']:.2f} → {history[-1]['loss']:.2f}"
    return f"| `{name}.yaml` | {mixture} | {steps:,} | {length:,} | {total:,} | {rate} | {loss} |"
