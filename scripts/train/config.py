"""The complete training configuration of an experiment, in nanotron's YAML format, which both trainers read.

An experiment (config/experiments/<name>.yaml) holds everything that makes it what it is. Left null, to be filled here:
the seeds, the tokenizer, the special token ids, the vocabulary size and the folders of the data. `dataset_folder` in
an experiment lists names: a split of the dataset, or a name of the config key `train.extra_data` for data that the
workflow does not make; null stands for all splits, each weighted by its tokens. A split without tokens is left out.
"""

import argparse
import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.common.errors import InputError
from scripts.common.files import read_json, write_text
from scripts.common.logging import get_logger, run
from scripts.tokenize.tokenizer import LoadedTokenizer, load_tokenizer
from scripts.train.experiment import dataset, dump, read_experiment, tokens_per_step

log = get_logger("train_config")


def read_tokens(folders: Mapping[str, Path], tokenizer: str) -> dict[str, int]:
    """Name → tokens in its folder, for folders that `scripts.tokenize.split` wrote with this tokenizer.

    Raises:
        InputError: a folder was written with another tokenizer.
    """
    tokens = {}
    for name, folder in folders.items():
        summary = read_json(folder / "tokens.json")
        if summary["tokenizer"] != tokenizer:
            raise InputError(
                f"{folder} was tokenised with `{summary['tokenizer']}`, not `{tokenizer}` (config key "
                "tokenize.tokenizer): delete it and run again."
            )
        tokens[name] = summary["tokens"]
    return tokens


def mix(wanted: Mapping[str, float] | None, tokens: Mapping[str, int], missing: str) -> dict[str, float]:
    """Name → weight of the data that training reads; the weights add up to 1.

    Args:
        wanted: the experiment's mixture; None for everything by its tokens.
        tokens: name → tokens of all data there is.
        missing: what to do with a wanted name that is absent or empty: fail or leave_out.

    Raises:
        InputError: something is missing, or nothing is left.
    """
    absent = [name for name in wanted or tokens if not tokens.get(name)]
    if wanted is not None and absent and missing == "fail":
        raise InputError(
            f"the experiment wants data that is absent or empty: {', '.join(absent)}. Tokenise it with `python -m "
            "scripts.tokenize.split` and name its folder in the config key train.extra_data, or set "
            "train.missing_data to leave_out to train without it."
        )
    for name in absent:
        log.warning("%s is absent or empty: left out of the mixture", name)
    weights = {name: weight for name, weight in (wanted or tokens).items() if name not in absent}
    if not weights:
        raise InputError("there is no text to train on: all splits are empty. See the counts of the dataset stage.")
    return {name: weight / sum(weights.values()) for name, weight in weights.items()}


def render(
    experiment: Mapping[str, Any],
    name: str,
    folders: Mapping[str, Path],
    weights: Mapping[str, float],
    tokenizer: str,
    special: Mapping[str, int | None],
    seed: int,
) -> dict[str, Any]:
    """The experiment with everything filled in; what it sets itself stays.

    Args:
        experiment: as read from its file.
        name: its name.
        folders: data name → folder.
        weights: data name → share.
        tokenizer: folder or Hub id.
        special: what `special_tokens` tells of the tokenizer.
        seed: the run's seed.

    Raises:
        InputError: the model's vocabulary is not the tokenizer's.
    """
    result = copy.deepcopy(dict(experiment))
    result["general"]["run"] = name
    shape = result["model"]["model_config"]
    for key, value in special.items():
        if shape.get(key) is None:
            shape[key] = value
    if shape["vocab_size"] != special["vocab_size"]:
        raise InputError(
            f"experiment {name}: vocab_size is {shape['vocab_size']}, but the tokenizer {tokenizer} has "
            f"{special['vocab_size']} tokens. Set the config key tokenize.tokenizer, or vocab_size to null."
        )
    result["tokenizer"]["tokenizer_name_or_path"] = tokenizer
    data = result["data_stages"][0]["data"]
    for section in (result["general"], data):
        section["seed"] = seed if section["seed"] is None else section["seed"]
    data["dataset"]["dataset_folder"] = [str(folders[key]) for key in weights]
    data["dataset"]["dataset_weights"] = [round(weight, 6) for weight in weights.values()]
    return result


def wanted_mixture(experiment: Mapping[str, Any]) -> dict[str, float] | None:
    """The mixture that an experiment names; None when it takes everything there is."""
    data = dataset(experiment)
    if data["dataset_folder"] is None:
        return None
    return dict(zip(data["dataset_folder"], data["dataset_weights"], strict=True))


def special_tokens(tokenizer: LoadedTokenizer) -> dict[str, int | None]:
    """What a model must know of its tokenizer: vocab_size and the ids of its special tokens."""
    return {"vocab_size": tokenizer.size, **{f"{name}_id": tokenizer.special_id(name) for name in tokenizer.special}}


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags, writes the configuration and logs the mixture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--experiment", type=Path, required=True, help="config/experiments/<name>.yaml")
    parser.add_argument("--tokens", type=Path, nargs="+", required=True, help="folders of the tokenised splits")
    parser.add_argument("--extra-data", type=json.loads, default={}, help="JSON: name → folder of further token files")
    parser.add_argument("--missing-data", choices=("fail", "leave_out"), default="fail")
    parser.add_argument("--tokenizer", required=True, help="folder or Hub id")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args(argv)
    experiment = read_experiment(args.experiment)
    folders = {folder.name: folder for folder in args.tokens} | {k: Path(v) for k, v in args.extra_data.items()}
    tokens = read_tokens(folders, args.tokenizer)
    weights = mix(wanted_mixture(experiment), tokens, args.missing_data)
    tokenizer = load_tokenizer(args.tokenizer)
    complete = render(
        experiment, args.experiment.stem, folders, weights, args.tokenizer, special_tokens(tokenizer), args.seed
    )
    total = tokens_per_step(complete) * complete["tokens"]["train_steps"]
    for name, weight in weights.items():
        log.info("%s: %.1f %% of the samples, %.2f epochs", name, 100 * weight, weight * total / tokens[name])
    log.info("%d tokens in %d steps", total, complete["tokens"]["train_steps"])
    write_text(args.output, dump(complete))


if __name__ == "__main__":
    run(main)
