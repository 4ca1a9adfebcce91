"""A tokenizer by folder or Hub id, with its special tokens; needs `tokenizers` and `huggingface_hub` only."""

import dataclasses
from pathlib import Path
from typing import Any

from scripts.common.errors import InputError
from scripts.common.files import read_json

FILES = ("tokenizer.json", "tokenizer_config.json")
SPECIAL = ("bos_token", "eos_token", "pad_token")


@dataclasses.dataclass(frozen=True)
class LoadedTokenizer:
    """A tokenizer as it came.

    Args:
        name: the folder or the Hub id.
        backend: the tokenizer itself (tokenizers.Tokenizer).
        special: bos_token, eos_token and pad_token; None where the tokenizer has none.
    """

    name: str
    backend: Any
    special: dict[str, str | None]

    @property
    def size(self) -> int:
        """The number of tokens, the added ones included."""
        return self.backend.get_vocab_size()

    def special_id(self, token: str) -> int | None:
        """The id of `bos_token`, `eos_token` or `pad_token`."""
        return None if self.special[token] is None else self.backend.token_to_id(self.special[token])


def load_tokenizer(name: str) -> LoadedTokenizer:
    """Loads a tokenizer.

    Raises:
        InputError: it cannot be loaded, or has no end-of-sequence token.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    from tokenizers import Tokenizer

    try:
        folder = Path(name) if Path(name).is_dir() else Path(snapshot_download(name, allow_patterns=list(FILES)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise InputError(f"{_hint(name)} ({str(error).splitlines()[0]})") from error
    if missing := [file for file in FILES if not (folder / file).is_file()]:
        raise InputError(f"{_hint(name)} ({', '.join(missing)} missing)")
    settings = read_json(folder / "tokenizer_config.json")
    special = {token: _content(settings.get(token)) for token in SPECIAL}
    if special["eos_token"] is None:
        raise InputError(f"the tokenizer `{name}` has no end-of-sequence token (eos_token): choose another one.")
    return LoadedTokenizer(name, Tokenizer.from_file(str(folder / "tokenizer.json")), special)


def _hint(name: str) -> str:
    return (
        f"the tokenizer `{name}` could not be loaded: give a folder with {' and '.join(FILES)}, or the id of a Hub "
        "model that this machine has or can download (config key tokenize.tokenizer)"
    )


def _content(token: str | dict[str, Any] | None) -> str | None:
    """The text of a token, which some files write with its settings."""
    return token["content"] if isinstance(token, dict) else token
