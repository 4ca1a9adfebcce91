"""The tiny model's tokenizer: byte-level BPE over the project's own texts, with a chat template.

A conversation is `<|startoftext|>`, then for each turn its mark and its text on a new line; an answer ends with
`<|endoftext|>`, which is also the stop of config.yaml. A turn of the user has no closing token on purpose: a repetition
penalty counts the tokens of the prompt too, and would make the model end its texts less often. The tokenizer adds no
token by itself: the template writes the first one, `scripts.tokenize.split` the last one.
"""

from collections.abc import Iterable
from pathlib import Path

START, END, PAD, USER, ASSISTANT = "<|startoftext|>", "<|endoftext|>", "<|pad|>", "<|user|>", "<|assistant|>"

CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ '<|assistant|>\n' + message['content'] + eos_token }}"
    "{% else %}{{ '<|user|>\n' + message['content'] + '\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)


def chat(prompt: str, answer: str) -> str:
    """One question and its answer as the chat template writes them, without the end token."""
    return f"{START}{USER}\n{prompt}\n{ASSISTANT}\n{answer}"


def train_tokenizer(texts: Iterable[str], vocabulary: int, context: int, folder: Path) -> None:
    """Trains the tokenizer and writes its files.

    Args:
        texts: what it should be good at.
        vocabulary: number of tokens, the special ones included.
        context: the model's context in tokens.
        folder: gets tokenizer.json and tokenizer_config.json.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END, START, PAD, USER, ASSISTANT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=START,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[USER, ASSISTANT],
        model_max_length=context,
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    ).save_pretrained(folder)
