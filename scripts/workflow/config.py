"""The configuration of a run: config.yaml, then the scale's overlay, then what the user set.

The result is checked against workflow/schemas/config.schema.yaml, which refuses unknown keys; every finding is one line
that names the key, the value and, for a misspelt key, the nearest known one.
"""

import copy
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from scripts.common.errors import InputError

OWN_OVERRIDES = "config/topics.tsv"
"""A person's corrections of the topics; the only file of `label.overrides` that need not exist."""
SHAPES = {"array": ". Write a list, like [a, b]", "object": ". Write a mapping, like {key: value}"}
"""What JSON Schema's words for a shape mean in YAML."""


def resolve(base: Mapping, user: Mapping, scales: Path, schema: Mapping) -> dict:
    """The complete configuration.

    Args:
        base: config/config.yaml.
        user: what came with --config and --configfile; wins over the scale.
        scales: folder of the overlays, one <scale>.yaml each.
        schema: JSON Schema of the result.

    Raises:
        InputError: an unknown scale, an unknown key or a wrong value; the message lists all findings.
    """
    user = typed(user, base)
    scale = user.get("scale", base.get("scale"))
    known = sorted(path.stem for path in scales.glob("*.yaml"))
    if scale not in known:
        raise InputError(f"unknown scale {scale!r}: it must be one of {', '.join(known)} (config key `scale`).")
    overlay = yaml.safe_load((scales / f"{scale}.yaml").read_text(encoding="utf-8"))
    config = merge(merge(base, overlay), user)
    findings = check(config, schema) or missing_files(config, scales.parent.parent)
    if findings:
        raise InputError("the configuration is not valid:\n" + "\n".join(f"  - {finding}" for finding in findings))
    config["run"] = config["run"] or config["scale"]
    return config


def typed(user: Mapping, base: Mapping) -> dict:
    """The user's settings with nested values of the command line, which arrive as text, read as YAML.

    A value whose default is text stays text.
    """
    result = {}
    for key, value in user.items():
        default = base.get(key)
        if isinstance(value, Mapping):
            value = typed(value, default if isinstance(default, Mapping) else {})
        elif isinstance(value, str) and not isinstance(default, str):
            value = yaml.safe_load(value)
        result[key] = value
    return result


def missing_files(config: Mapping, root: Path) -> list[str]:
    """Every file or folder that the configuration names and that is not there.

    A model or tokenizer is a folder when the first step of its name is one (`resources/tiny-lm`), else a Hub id.
    """
    experiment = root / "config" / "experiments" / f"{config['train']['experiment']}.yaml"
    named = {"train.experiment": experiment}
    named |= {f"interpreters.{tool}": Path(path) for tool, path in config["interpreters"].items() if path}
    overrides = enumerate(config["label"]["overrides"])
    named |= {f"label.overrides[{place}]": root / path for place, path in overrides if path != OWN_OVERRIDES}
    for section, key in (("embed", "model"), ("llm", "model"), ("tokenize", "tokenizer")):
        path = root / config[section][key]
        if (root / Path(config[section][key]).parts[0]).is_dir():
            named[f"{section}.{key}"] = path
    return [f"`{key}`: there is no {path}" for key, path in named.items() if not path.exists()]


def merge(base: Mapping, other: Mapping) -> dict:
    """A deep copy of `base` updated with `other`; mappings merge, everything else is replaced.

    What `mix` gives a source is one value too: the patterns of two tables make no sense together.
    """
    result = copy.deepcopy(dict(base))
    for key, value in other.items():
        nested = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        if nested and key == "mix":
            result[key] |= copy.deepcopy(dict(value))
        else:
            result[key] = merge(result[key], value) if nested else copy.deepcopy(value)
    return result


def check(config: Mapping, schema: Mapping) -> list[str]:
    """Every violation of the schema in plain words, in the order of the keys."""
    from jsonschema import Draft202012Validator

    errors = sorted(Draft202012Validator(schema).iter_errors(config), key=lambda error: list(map(str, error.path)))
    return [finding for error in errors for finding in _explain(error)]


def _explain(error: Any) -> list[str]:
    place = ".".join(str(step) for step in error.absolute_path)
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = [key for key in error.instance if key not in known]
        return [f"unknown key `{'.'.join(filter(None, [place, key]))}`{nearest(key, known)}" for key in unknown]
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        return [f"the key `{'.'.join(filter(None, [place, key]))}` is missing" for key in missing]
    if error.validator == "type" and error.validator_value == "string" and isinstance(error.instance, int | float):
        # Snakemake reads `--config document=0123456` as a number, and the digits that were typed are lost.
        return [f"`{place}`: {error.message}. Give a text with a letter in it, or quote it in a file for --configfile"]
    shape = SHAPES.get(str(error.validator_value), "") if error.validator == "type" else ""
    return [f"`{place or 'config'}`: {error.message}{shape}"]


def nearest(key: str, known: list[str], kind: str = "keys") -> str:
    """The end of a finding about an unknown name: the known one that was meant, else all of them."""
    match = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f": did you mean `{match[0]}`?" if match else f": known {kind} are {', '.join(known)}."
