"""The model's chat format: a prompt becomes the tokens of a user turn, and an answer has an end and a length.

Shared by the engines that run a model themselves, so that both send the same tokens. A prompt that holds the name of a
control token, such as a web page about chat formats, is text: it can neither end the user's turn nor begin another one.
With the openai engine this is up to the endpoint.
"""

from collections.abc import Sequence
from typing import Any

from scripts.common.errors import InputError
from scripts.engines import Refused

_PLACE = "\ue000"
"""Stands for a prompt in the chat template (a private character, which no template holds)."""


def load_tokenizer(model: str, revision: str) -> Any:
    """The model's tokenizer.

    Raises:
        InputError: there is no such model, or it has no chat template and so was not made to follow prompts.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(model, revision=revision)
    except Exception as error:  # a damaged file is anything to the library: OSError, ValueError, KeyError, Exception
        raise InputError(
            f"cannot load the tokenizer of llm.model {model}, revision {revision}: {type(error).__name__}: {error} "
            "(a folder, or a Hub id that is in the cache or can be reached)"
        ) from error
    if tokenizer.chat_template is None:
        raise InputError(
            f"the tokenizer of {model} has no chat template: it is a base model, which continues a prompt instead of "
            "following it. Set llm.model to an instruction-tuned model."
        )
    try:
        _conversation(tokenizer, "Hello")
    except Refused as error:
        raise InputError(f"the chat template of {model} does not take a single turn of a user: {error}") from error
    return tokenizer


def prompt_tokens(tokenizer: Any, prompt: str) -> list[int]:
    """Token ids of a conversation with one user turn, up to where the answer begins.

    Raises:
        Refused: the chat template does not take the prompt, or it names a control token and the tokenizer cannot tell
            where its tokens stand in the text.
    """
    text = _conversation(tokenizer, prompt)
    control = special_tokens(tokenizer)
    if not any(name in prompt for name in control):
        return tokenizer(text, add_special_tokens=False)["input_ids"]
    if not tokenizer.is_fast:
        raise Refused("the prompt names a control token, which this tokenizer cannot read as text")
    before, _, after = _conversation(tokenizer, _PLACE).partition(_PLACE)
    prompt_range = range(len(before), len(text) - len(after))
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    tokens: list[int] = []
    for token, (start, end) in zip(encoding["input_ids"], encoding["offset_mapping"], strict=True):
        if start in prompt_range and token in control.values():
            tokens += tokenizer(text[start:end], add_special_tokens=False, split_special_tokens=True)["input_ids"]
        else:
            tokens.append(token)
    return tokens


def _conversation(tokenizer: Any, prompt: str) -> str:
    from jinja2 import TemplateError

    turn = [{"role": "user", "content": prompt}]
    try:
        return tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)
    except TemplateError as error:
        raise Refused(f"the chat template fails ({error})") from error


def end_tokens(tokenizer: Any, config: Any, stop: Sequence[str]) -> set[int]:
    """Token ids that end an answer: the model's own, and stop strings that are one special token.

    A special token never shows in the decoded text, so a stop string of that name has to be matched by its id.
    """
    own = getattr(config, "eos_token_id", None)
    ids = set(own if isinstance(own, list | tuple) else [own]) | {tokenizer.eos_token_id}
    special = special_tokens(tokenizer)
    return (ids | {special.get(text) for text in stop}) - {None}


def special_tokens(tokenizer: Any) -> dict[str, int]:
    """Text → id of the tokens that never show in decoded text."""
    return {token.content: number for number, token in tokenizer.added_tokens_decoder.items() if token.special}


def room(n_prompt: int, max_model_len: int, max_new_tokens: int) -> int:
    """How many tokens the answer may have; the prompt and at least one new token must fit into the context.

    Raises:
        Refused: the prompt is too long.
    """
    if n_prompt + 1 > max_model_len:
        raise Refused(f"the prompt has {n_prompt} tokens and leaves no room in a context of {max_model_len}")
    return min(max_new_tokens, max_model_len - n_prompt)
