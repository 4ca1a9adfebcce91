"""The recipe of a generation: what was asked of which model. A ledger row of another recipe does not count as done.

It holds model, revision, sampling and seed, and nothing about how the work is carried out: an engine, a data type or a
context length may change in the middle of a run without giving up what is finished. A model in a folder has no commit,
so its files stand for it: names and contents, and of files over 64 MiB (weights) the size instead of the contents.
"""

import argparse
import dataclasses
import hashlib
import json
from pathlib import Path

from scripts.common.ids import content_id
from scripts.engines import ENGINES, Sampling

WHOLE_FILES = 64 * 2**20
SUFFIXES = {".json", ".jinja", ".model", ".safetensors", ".bin", ".txt"}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Model, revision (as it is written into the rows), sampling, and the seed of the run."""

    model: str
    revision: str
    sampling: Sampling
    seed: int

    @property
    def id(self) -> str:
        """32 digits that change with any of its fields."""
        return content_id("recipe", json.dumps(dataclasses.asdict(self), sort_keys=True))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of sampling, and the run's seed."""
    group = parser.add_argument_group("sampling")
    group.add_argument("--temperature", type=float, required=True)
    group.add_argument("--top-p", type=float, required=True)
    group.add_argument("--top-k", type=int, required=True)
    group.add_argument("--repetition-penalty", type=float, required=True)
    group.add_argument("--max-new-tokens", type=int, required=True)
    group.add_argument("--stop", nargs="*", default=[], help="strings that end a text")
    group.add_argument("--seed", type=int, required=True, help="of the run")


def recipe_from(args: argparse.Namespace) -> Recipe:
    """The recipe that the flags ask for, with those of `scripts.engines.add_arguments`."""
    fields = {field.name: getattr(args, field.name) for field in dataclasses.fields(Sampling)}
    sampling = Sampling(**fields | {"stop": tuple(args.stop)})
    local = ENGINES[args.engine] and Path(args.model).is_dir()
    revision = folder_revision(Path(args.model)) if local else args.revision
    return Recipe(args.model, revision, sampling, args.seed)


def folder_revision(folder: Path) -> str:
    """A revision for a model in a folder: `files-` and 16 digits of a hash over what the engines read."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(folder.iterdir()):
        if path.suffix in SUFFIXES and path.is_file():
            size = path.stat().st_size
            content = path.read_bytes() if size <= WHOLE_FILES else str(size).encode()
            digest.update(content_id(path.name, hashlib.blake2b(content).hexdigest()).encode())
    return f"files-{digest.hexdigest()}"
