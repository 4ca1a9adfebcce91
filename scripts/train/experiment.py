"""A training experiment: a YAML file in nanotron's format, read and checked for what both trainers need."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from scripts.common.errors import InputError

SECTIONS = ("general", "model", "tokenizer", "tokens", "optimizer", "parallelism", "data_stages", "checkpoints")


def read_experiment(path: Path) -> dict[str, Any]:
    """The experiment as nested dictionaries.

    Raises:
        InputError: the file is missing, is not YAML or lacks a section.
    """
    if not path.exists():
        known = ", ".join(sorted(other.stem for other in path.parent.glob("*.yaml"))) or "none"
        raise InputError(f"{path} does not exist (config key train.experiment). Experiments there: {known}.")
    try:
        experiment = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not valid YAML: {error}") from error
    missing = [name for name in SECTIONS if not isinstance(experiment, Mapping) or name not in experiment]
    if missing:
        raise InputError(f"{path} lacks the section {', '.join(missing)} of nanotron's configuration format.")
    if len(experiment["data_stages"]) != 1:
        raise InputError(f"{path}: data_stages must hold exactly one stage; several are not supported here.")
    return experiment


def dataset(experiment: Mapping[str, Any]) -> dict[str, Any]:
    """The data section of the only stage: dataset_folder (list), dataset_weights and so on."""
    return experiment["data_stages"][0]["data"]["dataset"]


def tokens_per_step(experiment: Mapping[str, Any]) -> int:
    """Tokens of one optimiser step over all replicas."""
    tokens = experiment["tokens"]
    sequences = tokens["micro_batch_size"] * tokens["batch_accumulation_per_replica"] * experiment["parallelism"]["dp"]
    return sequences * tokens["sequence_length"]


def dump(experiment: Mapping[str, Any]) -> str:
    """The YAML text of an experiment; equal experiments give equal text."""
    return yaml.safe_dump(dict(experiment), sort_keys=True, allow_unicode=True, width=120)
