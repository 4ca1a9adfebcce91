"""Builds the tiny language model: tokenizer → corpus → token files → training → export (`make tiny-lm`).

Everything but the first two steps is the workflow's own code: `scripts.tokenize.split`, `scripts.train.config` and the
transformers trainer, with `recipe.yaml` as the experiment. The weights are stored in float16, which halves them and
changes no text that a reader would notice. The same sample, templates and threads give the same bytes on one kind of
machine; another kind of CPU rounds differently.
"""

import argparse
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from scripts.common.errors import InputError
from scripts.common.files import write_text
from scripts.common.logging import get_logger, run
from scripts.label.prompt import label_prompt
from scripts.prompts.templates import Template, load
from scripts.tiny_lm import corpus
from scripts.tiny_lm.card import card
from scripts.tiny_lm.tokenizer import train_tokenizer
from scripts.tokenize.split import load_tokenizer, tokenize_split
from scripts.train.config import mix, read_tokens, render, special_tokens, wanted_mixture
from scripts.train.experiment import dump, read_experiment
from scripts.train.with_transformers import train

log = get_logger("tiny_lm")

LABELS_PER_TOPIC = 20
GENERATION = {"do_sample": True, "temperature": 0.6, "top_p": 0.95, "top_k": 50, "repetition_penalty": 1.2}
"""The workflow's own sampling (config key `generate`) as the model's default."""


def tokenizer_texts(registry: Path, sample: Path, templates: Sequence[Template]) -> list[str]:
    """What the tokenizer is trained on: seeds, answers of dialogues, prompt templates and the label request."""
    texts = [seed["text"] or seed["title"] for source in corpus.SOURCES for seed in corpus.seeds_of(registry, source)]
    return [*texts, *corpus.dialogue_answers(sample), *(template.text for template in templates), label_prompt([])]


def write_dataset(texts: Iterable[str], folder: Path) -> None:
    """Writes texts as a split that `scripts.tokenize.split` can read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True)
    pq.write_table(pa.table({"text": list(texts)}), folder / "train-00000-of-00001.parquet")


def export(trained: Path, output: Path) -> int:
    """Writes the model for use: float16 weights, default sampling, tokenizer. Returns the number of parameters."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    model = AutoModelForCausalLM.from_pretrained(trained, dtype=torch.float16)
    ids = {name: getattr(model.config, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    model.generation_config = GenerationConfig(**ids, **GENERATION)
    model.save_pretrained(output)
    (output / "model.safetensors").chmod(0o644)
    AutoTokenizer.from_pretrained(trained).save_pretrained(output)
    return model.num_parameters()


def build(registry: Path, sample: Path, templates: Sequence[Template], recipe: Path, output: Path, work: Path) -> None:
    """Builds the model into `output`; `work` keeps what lies between, so that a killed run resumes its training."""
    experiment = read_experiment(recipe)
    shape, seed = experiment["model"]["model_config"], experiment["general"]["seed"]
    tokenizer_folder = work / "tokenizer"
    train_tokenizer(
        tokenizer_texts(registry, sample, templates),
        shape["vocab_size"],
        shape["max_position_embeddings"],
        tokenizer_folder,
    )
    tokenizer = load_tokenizer(str(tokenizer_folder))
    texts = corpus.build(registry, sample, templates, lambda text: len(tokenizer(text).input_ids), seed)
    shutil.rmtree(work / "dataset", ignore_errors=True)
    folders = {}
    for name, rows in {
        "texts": texts.texts(),
        "conversations": texts.conversations(),
        "labels": texts.labels(LABELS_PER_TOPIC),
    }.items():
        write_dataset(rows, work / "dataset" / name)
        folders[name] = work / "tokens" / name
        summary = tokenize_split(work / "dataset" / name, folders[name], str(tokenizer_folder), seed)
        log.info("%s: %d texts, %d tokens", name, summary["documents"], summary["tokens"])
    weights = mix(wanted_mixture(experiment), read_tokens(folders, str(tokenizer_folder)), "fail")
    complete = render(experiment, "tiny-lm", folders, weights, str(tokenizer_folder), special_tokens(tokenizer), seed)
    write_text(work / "config.yaml", dump(complete))
    train(complete, work / "model", work / "log.jsonl", work / "checkpoints", "cpu")
    parameters = export(work / "model", output)
    write_text(output / "README.md", card(complete, work, parameters))


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags, builds the model."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, required=True, help="folder of the model; holds recipe.yaml")
    parser.add_argument("--work", type=Path, default=Path("results/tiny-lm"), help="folder for what lies between")
    parser.add_argument("--sources", type=Path, default=Path("resources/sources.tsv"))
    parser.add_argument("--sample", type=Path, default=Path("resources/sample"))
    parser.add_argument("--templates", type=Path, default=Path("config/templates/en"))
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args(argv)
    templates = load(sorted(args.templates.rglob("*.yaml")))
    if not templates:
        raise InputError(f"{args.templates} holds no template: run from the project's folder.")
    import torch

    torch.set_num_threads(args.threads)
    build(args.sources, args.sample, templates, args.output / "recipe.yaml", args.output, args.work)


if __name__ == "__main__":
    run(main)
