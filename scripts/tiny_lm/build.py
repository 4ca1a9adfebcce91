"""Builds the tiny language model: tokenizer → corpus → token files → training → export (`make tiny-lm`).

Everything but the first two steps is the workflow's own code: `scripts.tokenize.split`, `scripts.train.config` and the
transformers trainer, with two recipes as experiments: plain texts, then conversations. The weights are stored in
float16, which halves them and changes no text that a reader would notice. The same sample, templates and threads give
the same bytes on one kind of machine; another kind of CPU rounds differently.
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
from scripts.tokenize.split import tokenize_split
from scripts.tokenize.tokenizer import load_tokenizer
from scripts.train.config import mix, read_tokens, render, special_tokens, wanted_mixture
from scripts.train.experiment import read_experiment
from scripts.train.model import train_model

log = get_logger("tiny_lm")

RECIPES = ("recipe-1-texts", "recipe-2-conversations")
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


def write_tokens(texts: corpus.Corpus, tokenizer: Path, seed: int, work: Path) -> dict[str, Path]:
    """Writes the three kinds of texts as token files: name → folder."""
    shutil.rmtree(work / "dataset", ignore_errors=True)
    kinds = {
        "texts": texts.texts(),
        "conversations": texts.conversations(),
        "labels": texts.labels(LABELS_PER_TOPIC),
    }
    folders = {}
    for name, rows in kinds.items():
        write_dataset(rows, work / "dataset" / name)
        folders[name] = work / "tokens" / name
        summary = tokenize_split(work / "dataset" / name, folders[name], str(tokenizer), seed)
        log.info("%s: %d texts, %d tokens", name, summary["documents"], summary["tokens"])
    return folders


def build(registry: Path, sample: Path, templates: Sequence[Template], output: Path, work: Path, threads: int) -> None:
    """Builds the model into `output`, by the recipes that lie there.

    `work` keeps what lies between, so that a build that was killed resumes its training.
    """
    recipes = {name: read_experiment(output / f"{name}.yaml") for name in RECIPES}
    shape, seed = recipes[RECIPES[0]]["model"]["model_config"], recipes[RECIPES[0]]["general"]["seed"]
    name_of_tokenizer = str(work / "tokenizer")
    texts = tokenizer_texts(registry, sample, templates)
    train_tokenizer(texts, shape["vocab_size"], shape["max_position_embeddings"], work / "tokenizer")
    tokenizer = load_tokenizer(name_of_tokenizer)
    material = corpus.build(registry, sample, templates, lambda text: len(tokenizer.backend.encode(text)), seed)
    folders = write_tokens(material, work / "tokenizer", seed, work)
    tokens = read_tokens(folders, name_of_tokenizer)
    trained = None
    for name, recipe in recipes.items():
        weights = mix(wanted_mixture(recipe), tokens, "fail")
        recipes[name] = render(recipe, name, folders, weights, name_of_tokenizer, special_tokens(tokenizer), seed)
        if trained:
            recipes[name]["model"]["init_method"]["path"] = str(trained)
        place = work / name
        trained = place / "model"
        train_model(recipes[name], trained, place / "log.jsonl", place / "checkpoints", device="cpu", threads=threads)
    parameters = export(trained, output)
    write_text(output / "README.md", card(recipes, work, parameters))


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags, builds the model."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, required=True, help="folder of the model; holds its recipes")
    parser.add_argument("--work", type=Path, default=Path("results/tiny-lm"), help="folder for what lies between")
    parser.add_argument("--sources", type=Path, default=Path("resources/sources.tsv"))
    parser.add_argument("--sample", type=Path, default=Path("resources/sample"))
    parser.add_argument("--templates", type=Path, default=Path("config/templates/en"))
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args(argv)
    templates = load(sorted(args.templates.rglob("*.yaml")))
    if not templates:
        raise InputError(f"{args.templates} holds no template: run from the project's folder.")
    build(args.sources, args.sample, templates, args.output, args.work, args.threads)


if __name__ == "__main__":
    run(main)
