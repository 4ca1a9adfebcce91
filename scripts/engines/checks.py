"""What can be known about a model and a machine before an engine starts, which takes minutes and a GPU.

Only names, headers and small files are read, so this takes seconds for the largest model too. Every refusal names the
setting or the file that has to change. Engines that read a model themselves call `check` first in their `load`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.common.errors import InputError
from scripts.engines import EngineSettings, machine, weights

DTYPES = ("auto", "bfloat16", "float16", "float32", "float64")
VOCABULARIES = ("tokenizer.json", "*.model", "vocab.*", "tekken.json", "*.tiktoken")
CONTEXT_NAMES = ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length", "max_seq_len")
STRETCHED = ("linear", "dynamic", "yarn")


def check(settings: EngineSettings, n_gpus: int, windows: bool = True) -> None:
    """Refuses what cannot work.

    Args:
        settings: of the engine.
        n_gpus: GPUs over which the engine spreads the weights; 0: it runs on the CPU.
        windows: whether the engine can do attention over a sliding window.

    Raises:
        InputError: the model or the machine is not as the settings say.
    """
    if settings.dtype not in DTYPES:
        raise InputError(f"llm.dtype is {settings.dtype!r}, which is not one of {', '.join(DTYPES)}")
    gpus = _check_gpus(settings, n_gpus) if n_gpus else None
    folder = model_folder(settings.model, settings.revision)
    if folder is None:
        return
    _check_context(settings, _config(folder), windows)
    check_tokenizer(folder)
    _check_memory(settings, folder, n_gpus, gpus)


def model_folder(model: str, revision: str) -> Path | None:
    """Where a model's files are: its folder, or the snapshot of its revision in the Hub's cache.

    None: it is in neither, but the Hub may be asked, so that an engine will fetch it.

    Raises:
        InputError: it is not on this machine, and jobs are offline.
    """
    if Path(model).is_dir():
        return Path(model)
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, revision=revision, local_files_only=True))
    except HFValidationError as error:
        raise InputError(f"llm.model {model}: there is no such folder, and it is no name of the Hub either") from error
    except LocalEntryNotFoundError as error:
        if not constants.HF_HUB_OFFLINE:
            return None
        cache = Path(constants.HF_HUB_CACHE)
        stored = cache / f"models--{model.replace('/', '--')}"
        revisions = sorted(path.name for kind in ("refs", "snapshots") for path in stored.glob(f"{kind}/*"))
        what = f"revision {revision}, only {', '.join(revisions)}" if revisions else "this model"
        raise InputError(
            f"llm.model {model}: there is no such folder, and the Hub's cache {cache} does not have {what}. Correct "
            "llm.model or llm.revision, or delete models.json of the run and run again with the network, so that the "
            "model is downloaded"
        ) from error


def check_tokenizer(folder: Path) -> None:
    """Refuses a model without tokenizer or chat template."""
    if not any(any(folder.glob(pattern)) for pattern in VOCABULARIES):
        raise InputError(
            f"{folder} has no tokenizer (tokenizer.json, tokenizer.model or a vocabulary). {weights.REMEDY}"
        )
    settings = folder / "tokenizer_config.json"
    own = _read(settings).get("chat_template") if settings.is_file() else None
    if not own and not any((folder / f"chat_template.{kind}").is_file() for kind in ("jinja", "json")):
        raise InputError(
            f"{folder} has no chat template (chat_template.jinja, or in tokenizer_config.json): it is a base model, "
            "which continues a prompt instead of following it. Set llm.model to an instruction-tuned model"
        )


def context(config: Mapping[str, Any]) -> int | None:
    """The longest context that a model's config.json allows, in tokens; positions may be stretched (rope scaling)."""
    sizes = [config[name] for name in CONTEXT_NAMES if isinstance(config.get(name), int)]
    if not sizes:
        return None
    rope = config.get("rope_scaling") or config.get("rope_parameters") or {}
    if rope.get("rope_type", rope.get("type")) in STRETCHED and "factor" in rope:
        sizes.append(int(rope["factor"] * rope.get("original_max_position_embeddings", max(sizes))))
    return max(sizes)


def _check_gpus(settings: EngineSettings, needed: int) -> list[int] | None:
    if settings.gpus and settings.gpus < needed:
        raise InputError(
            f"llm.tensor_parallel is {needed}, but llm.gpus asks for {settings.gpus} only: make them equal"
        )
    gpus = machine.gpu_memory()
    asked = max(settings.gpus, needed)
    if gpus is not None and len(gpus) < asked:
        raise InputError(
            f"llm.gpus and llm.tensor_parallel ask for {asked} GPUs, and the job sees {len(gpus) or 'none'}. Ask the "
            "cluster for them (profiles/), look at nvidia-smi and CUDA_VISIBLE_DEVICES, or set llm.gpus to 0 and take "
            "an engine that can do without (transformers, or vLLM's build for CPUs)"
        )
    return gpus


def _check_memory(settings: EngineSettings, folder: Path, n_gpus: int, gpus: list[int] | None) -> None:
    """Refuses weights that are not whole, or that are larger than the memory they must be in.

    They are spread evenly over the GPUs, and no other memory is reckoned with (see `weights.memory`), so that what is
    refused cannot work; with options that make weights smaller or keep them elsewhere nothing is said of memory.
    """
    if settings.options.get("load_format", "auto") not in ("auto", "hf", "safetensors"):
        return
    needed = weights.memory(weights.weight_files(folder), settings.dtype)
    if {"quantization", "cpu_offload_gb"} & settings.options.keys():
        return
    remedy = f"Take a smaller model, a smaller llm.dtype than {settings.dtype} or "
    if not n_gpus:
        machine.check_fits(needed, *machine.memory_limit(), remedy + "ask for more memory")
    elif gpus:
        each = "the memory of each GPU" if n_gpus > 1 else "the memory of the GPU"
        machine.check_fits(needed // n_gpus, min(gpus[:n_gpus]), each, remedy + "more GPUs (llm.tensor_parallel)")


def _check_context(settings: EngineSettings, config: Mapping[str, Any], windows: bool) -> None:
    if "hf_overrides" in settings.options:
        return
    limits = {"a context": context(config)}
    if not windows and config.get("use_sliding_window", True):
        limits["a sliding_window"] = config.get("sliding_window")
    for name, limit in limits.items():
        if limit and limit < settings.max_model_len:
            raise InputError(
                f"llm.max_model_len is {settings.max_model_len}, but {settings.model} has {name} of {limit} tokens: "
                f"set it to {limit} or less"
            )


def _config(folder: Path) -> Mapping[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        raise InputError(f"{folder} has no config.json, so it holds no model. {weights.REMEDY}, or correct llm.model")
    config = _read(path)
    return config.get("text_config") or config


def _read(path: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON ({error}). {weights.REMEDY}") from error
    if not isinstance(value, Mapping):
        raise InputError(f"{path} holds no settings. {weights.REMEDY}")
    return value
