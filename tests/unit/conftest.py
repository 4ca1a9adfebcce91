"""A language model small enough for tests, made once: random weights, a real tokenizer and chat template."""

import os
import shutil
from pathlib import Path

import hypothesis
import pytest

from tests.unit.endpoint import KEY, Endpoint

hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")
os.environ["HF_HUB_OFFLINE"] = "1"

TEXTS = [
    "The tide rises and falls twice a day because the moon pulls on the water of the sea.",
    "A loaf of bread needs flour, water, salt and yeast, and more patience than most people have.",
    'An answer can be JSON: {"topic": "bread and the sea", "educational_score": 7}',
    "To mend a bicycle tube, find the hole, roughen the rubber, and let the glue dry before you press the patch on.",
    "Why does ice float? Its crystal lattice keeps the molecules further apart than they are in the liquid.",
]


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Puts commands of Slurm in place that answer with a text, or fail when there is none; each call is recorded."""

    def commands(squeue, scontrol=""):
        for name, answer in (("squeue", squeue), ("scontrol", scontrol)):
            end = f"echo '{answer}'" if answer is not None else "echo 'slurm_requeue error' >&2; exit 1"
            (tmp_path / name).write_text(f"#!/bin/sh\necho {name} $@ >> {tmp_path}/calls\n{end}\n")
            (tmp_path / name).chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    return commands


@pytest.fixture(scope="session")
def random_lm(tmp_path_factory):
    """Folder of a Llama with 2 layers, hidden size 64 and 400 tokens, whose texts end now and then by themselves."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("random-lm")
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|user|>", "<|assistant|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(TEXTS, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token=special[0], additional_special_tokens=special)
    tokenizer.chat_template = (
        "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=400,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        eos_token_id=0,
        bos_token_id=None,
        initializer_range=0.2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture
def model(random_lm, tmp_path):
    """A copy of that model, to be damaged."""
    return Path(shutil.copytree(random_lm, tmp_path / "model"))


@pytest.fixture
def endpoint(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    served = Endpoint()
    yield served
    served.over.set()
    served.server.shutdown()
    served.server.server_close()
