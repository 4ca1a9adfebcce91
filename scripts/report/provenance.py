"""The provenance page: everything needed to make this run again.

It shows the resolved configuration beside the paper's values, where they differ, the writers of the texts, and the
pinned versions of every environment beside those installed where this page was made. Nothing here depends on the clock
or on the machine's paths; times stand on the timing page.
"""

import importlib.metadata
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.common.files import read_json
from scripts.common.logging import run
from scripts.report import page

LEFT_OUT = ("interpreters", "container", "run", "scale")
"""Settings of the machine, and names without a meaning of their own."""

HEADLINE_PACKAGES = (
    "snakemake", "torch", "transformers", "vllm", "datasets", "sentence-transformers", "umap-learn", "hdbscan",
    "faiss-cpu", "datatrove", "lighteval", "pyarrow", "numpy",
)  # fmt: skip


def flatten(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of every setting; empty mappings count as values."""
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def compare(config: Mapping[str, Any], paper: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Section → its settings with key, value, the paper's value and whether they differ."""
    theirs = dict(flatten(paper))
    sections: dict[str, list[dict[str, Any]]] = {}
    for key, value in flatten(config):
        if key.split(".")[0] in LEFT_OUT:
            continue
        section, _, name = key.rpartition(".")
        row = {"key": name or key, "value": show(value), "paper": show(theirs[key]) if key in theirs else "not set"}
        sections.setdefault(section.split(".")[0] or "general", []).append(
            row | {"key": key.removeprefix(section.split(".")[0] + ".") if section else key}
        )
    for rows in sections.values():
        for row in rows:
            row["differs"] = row["value"] != row["paper"]
    return sections


def show(value: Any) -> str:
    """A setting on one line."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def read_lock(path: Path) -> dict[str, str]:
    """Package → pinned version of a lock file (name==version lines, comments, options and hashes apart)."""
    pins = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        requirement = line.split("#")[0].split(";")[0].strip()
        if "==" in requirement and not requirement.startswith("-"):
            name, version = requirement.split("==", 1)
            pins[name.split("[")[0].strip().lower().replace("_", "-")] = version.split()[0].rstrip("\\")
    return pins


def installed(package: str) -> str | None:
    """The version of a package in this interpreter, None if it is not there."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def versions(locks: Mapping[str, Mapping[str, str]]) -> list[dict[str, Any]]:
    """The headline packages: pinned versions by environment, and the one installed here."""
    rows = []
    for package in HEADLINE_PACKAGES:
        pins: dict[str, list[str]] = {}
        for environment, pinned in locks.items():
            if package in pinned:
                pins.setdefault(pinned[package], []).append(environment)
        if pins or installed(package):
            rows.append({"package": package, "pins": pins, "installed": installed(package)})
    return rows


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the page, and the configuration as the numbers that claims compare."""
    parser = page.parser(__doc__.split("\n")[0])
    parser.add_argument("--config", required=True, help="resolved configuration as JSON")
    parser.add_argument("--paper", type=Path, required=True, help="config/config.yaml, which holds the paper's values")
    parser.add_argument("--generations", type=Path, required=True, help="numbers of the texts page")
    parser.add_argument("--locks", type=Path, nargs="*", default=[], help="envs/*.lock.txt")
    args = parser.parse_args(argv)
    import yaml

    config = json.loads(args.config)
    locks = {path.name.removesuffix(".lock.txt"): read_lock(path) for path in sorted(args.locks)}
    page.write_numbers(args.numbers, {key: value for key, value in config.items() if key not in LEFT_OUT})
    page.write_page(
        args,
        config=config,
        sections=compare(config, yaml.safe_load(args.paper.read_text(encoding="utf-8"))),
        writers=read_json(args.generations)["writers"],
        versions=versions(locks),
        locks=locks,
        python=platform.python_version(),
    )


if __name__ == "__main__":
    run(main)
