"""Writes envs/<environment>.lock.txt, the pins of envs/<environment>.yaml with the hashes of all their files on PyPI.

uv asks the index for them (`pip install uv`; `uv pip compile --generate-hashes`); nothing is resolved, since the YAML
pins everything. Torch is apart, unhashed, in torch.lock.txt: its builds for CPUs and for each CUDA come from different
indexes, have different hashes and bring different libraries, and a site takes the one that fits its machines. Only an
environment that vLLM is in takes the build that vLLM was compiled for, hashed and with its CUDA libraries.

    python -m scripts.workflow.locks                  # all of them; or names: python -m scripts.workflow.locks report
    uv pip compile pins.in --python-version 3.11.5    # to move pins: resolve anew, copy the result into the YAML
"""

import argparse
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import yaml

from scripts.common.errors import InputError
from scripts.common.files import write_text
from scripts.common.logging import run

ENVS = Path("envs")
PYTHON = "3.11.5"
"""The oldest Python that all pinned packages accept."""
HEAD = """{comment}
# The pins of {name}.yaml with their hashes, by `python -m scripts.workflow.locks`. For a plain venv (Python 3.11):
#   {install}
"""


def normal(name: str) -> str:
    """A package name as the index spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_pins(environment: Path) -> dict[str, str]:
    """Package → version in the pip section of an environment's YAML.

    Raises:
        InputError: something there is not pinned by `==`.
    """
    pins = {}
    for dependency in yaml.safe_load(environment.read_text(encoding="utf-8"))["dependencies"]:
        for requirement in dependency["pip"] if isinstance(dependency, dict) else ():
            name, equals, version = requirement.partition("==")
            if not equals:
                raise InputError(f"{environment}: `{requirement}` is not pinned. Write name==version.")
            pins[normal(name)] = version
    return pins


def apart(pins: dict[str, str]) -> set[str]:
    """Packages that a site installs before the lock, in the build that fits its machines."""
    return {"torch"} & set(pins) if "vllm" not in pins else set()


def head(environment: Path) -> str:
    """What stands above the pins: what they are for and how they are installed."""
    comment = environment.read_text(encoding="utf-8").splitlines()[0]
    install = f"pip install --no-deps --require-hashes -r envs/{environment.stem}.lock.txt"
    if apart(read_pins(environment)):
        install = f"pip install -r envs/torch.lock.txt && {install}"
    return HEAD.format(comment=comment, name=environment.stem, install=install)


def hashed(pins: dict[str, str]) -> str:
    """The pins with the hashes that the index gives."""
    command = ["uv", "pip", "compile", "-", "--quiet", "--no-deps", "--generate-hashes", "--no-annotate", "--no-header"]
    if not shutil.which("uv"):
        raise InputError("this needs uv on the path: pip install uv")
    result = subprocess.run(
        [*command, "--python-version", PYTHON],
        input="".join(f"{name}=={version}\n" for name, version in pins.items()),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise InputError(f"uv could not find the pinned packages: {result.stderr.strip()}")
    return result.stdout


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the lock of each environment."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="environments; all where none is named")
    args = parser.parse_args(argv)
    for name in args.names or sorted(path.stem for path in ENVS.glob("*.yaml")):
        environment = ENVS / f"{name}.yaml"
        if not environment.exists():
            raise InputError(f"there is no {environment}")
        pins = read_pins(environment)
        listed = {package: version for package, version in pins.items() if package not in apart(pins)}
        write_text(ENVS / f"{name}.lock.txt", head(environment) + hashed(listed))


if __name__ == "__main__":
    run(main)
