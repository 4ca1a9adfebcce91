"""What training would stumble over after all texts are paid for: its data, its trainer, its checkpoints."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from scripts.preflight.findings import Finding, call, fails, ok

ORIGIN = "from importlib.util import find_spec; spec = find_spec('nanotron'); print(spec.origin if spec else '')"


def check_training(facts: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> list[Finding]:
    """The data of the mixture, and nanotron's clone."""
    rules = {request["rule"] for request in facts["rules"]}
    config = facts["config"]["train"]
    if "train_config" not in rules:
        return []
    experiment = yaml.safe_load(Path(facts["config"]["experiment"]).read_text(encoding="utf-8"))
    wanted = experiment["data_stages"][0]["data"]["dataset"]["dataset_folder"] or []
    there = {*facts["config"]["splits"], *config["extra_data"]}
    lost = [name for name in wanted if name not in there]
    lost += [name for name, folder in config["extra_data"].items() if not (Path(folder) / "tokens.json").exists()]
    findings = [ok("training data", "every part of the mixture is made here or named in train.extra_data")]
    if lost and config["missing_data"] == "fail":
        found = f"the mixture of {config['experiment']} names data that is not there: {', '.join(lost)}"
        advice = "Name its folders in train.extra_data, or set train.missing_data: leave_out"
        findings = [fails("training data", found, advice)]
    elif lost:
        findings = [ok("training data", f"left out of the mixture (train.missing_data): {', '.join(lost)}")]
    if config["trainer"] == "nanotron" and "train_model" in rules:
        findings.append(_check_nanotron(environment, facts["interpreters"]["train"]))
    return findings


def _check_nanotron(environment: Mapping[str, str], python: str) -> Finding:
    """The clone, where scripts/train/with_nanotron.py looks for it: NANOTRON_ROOT, or the installed package's."""
    root = environment.get("NANOTRON_ROOT", "")
    origin = call([python, "-c", ORIGIN], 20).out.strip()
    folders = [Path(root)] if root else []
    folders += Path(origin).parents[:3] if origin else []
    for folder in folders:
        if (folder / "run_train.py").is_file():
            return ok("nanotron", str(folder))
    found = f"NANOTRON_ROOT is {root}, where there is no run_train.py" if root else "NANOTRON_ROOT is not set"
    advice = "Clone github.com/huggingface/nanotron and set NANOTRON_ROOT to it, or take train.trainer: transformers"
    return fails("nanotron", found, advice)


def checkpoints(experiment: Path) -> dict[str, int]:
    """Parameters of the model, and how many checkpoints there are at once: two are kept while a third is written."""
    settings = yaml.safe_load(experiment.read_text(encoding="utf-8"))
    shape = settings["model"]["model_config"]
    hidden, layers, vocabulary = shape["hidden_size"], shape["num_hidden_layers"], shape.get("vocab_size") or 32000
    keys = hidden * shape["num_key_value_heads"] // shape["num_attention_heads"]
    layer = 2 * hidden * hidden + 2 * hidden * keys + 3 * hidden * shape["intermediate_size"] + 2 * hidden
    embeddings = vocabulary * hidden * (1 if shape.get("tie_word_embeddings") else 2)
    return {"parameters": layers * layer + embeddings + hidden, "count": 3}


def check_sandbox(run_code: bool) -> list[Finding]:
    """With clean.run_code: the sandbox is there."""
    if not run_code:
        return []
    if shutil.which("bwrap"):
        return [ok("sandbox", "bubblewrap is here; it has to be on the compute nodes too")]
    return [fails("sandbox", "clean.run_code needs bubblewrap (bwrap)", "Install it, or set clean.run_code: false")]
