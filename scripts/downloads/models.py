"""Fetches the models of a run into the Hub's cache, where every other job finds them without the network.

Weights are taken as safetensors only, tokenizers without the weights beside them. The manifest holds the commit of
each; the jobs that use a model wait for it. The cache (HF_HOME) must be on a disk that all nodes see.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from scripts.common.errors import InputError
from scripts.common.files import write_json
from scripts.common.logging import get_logger, run
from scripts.seeds.patience import PATIENCE, Patience, Transient, retrying

FILES = ["*.json", "*.txt", "*.model", "*.jinja", "*.safetensors"]
TOKENIZER_FILES = [pattern for pattern in FILES if pattern != "*.safetensors"]
PAGE = "https://huggingface.co"


def fetch_model(name: str, revision: str, patterns: Sequence[str], patience: Patience = PATIENCE) -> str:
    """Fetches one model or tokenizer, or finds it in the cache, and returns its commit.

    Raises:
        InputError: it cannot be had, with what to do.
    """
    from httpx import HTTPError
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    def step() -> Path:
        try:
            return Path(snapshot_download(name, revision=revision, allow_patterns=list(patterns)))
        except GatedRepoError as error:
            raise InputError(
                f"{name}: access has to be asked for. Accept the terms at {PAGE}/{name}, log in with `hf auth login` "
                "or set HF_TOKEN to a token of that account, and run again; or choose another model."
            ) from error
        except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
            raise InputError(
                f"{name}, revision {revision}: there is no such model on the Hub, or it is private ({PAGE}/{name}). "
                "Correct the name, log in with `hf auth login`, or give a folder."
            ) from error
        except (LocalEntryNotFoundError, HTTPError, ConnectionError, TimeoutError) as error:
            raise Transient(f"{name}: {type(error).__name__} {error}") from error

    try:
        return retrying(patience)(step).name
    except Transient as error:
        raise InputError(
            f"{error}. Neither the cache nor the Hub gives it: check the network and HF_HUB_OFFLINE, or give a folder."
        ) from error


def main(argv: Sequence[str] | None = None) -> None:
    """Fetches all models and writes the manifest."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="*", default=[], help="Hub ids, each as name@revision")
    parser.add_argument("--tokenizers", nargs="*", default=[], help="the same, of tokenizers")
    parser.add_argument("--attempts", type=int, default=PATIENCE.attempts, help="failures in a row before giving up")
    parser.add_argument("--first-wait", type=float, default=PATIENCE.first_wait, help="seconds before trying again")
    parser.add_argument("--output", type=Path, required=True, help="manifest")
    args = parser.parse_args(argv)
    patience = Patience(attempts=args.attempts, first_wait=args.first_wait)
    manifest = {}
    for names, patterns in ((args.models, FILES), (args.tokenizers, TOKENIZER_FILES)):
        for place in names:
            name, _, revision = place.rpartition("@")
            manifest[place] = fetch_model(name, revision, patterns, patience)
            get_logger("downloads_models").info("%s is here at commit %s", place, manifest[place])
    write_json(args.output, manifest)


if __name__ == "__main__":
    run(main)
