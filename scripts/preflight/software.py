"""Programs: the Python of every stage with the libraries of its stage, conda, and the versions of all that matters.

Libraries are looked for and their versions read without importing them, which takes milliseconds and works on a login
node without GPU; with --import they are imported, which takes up to minutes and finds what is broken inside.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from scripts.preflight.findings import Finding, call, fails, ok, warning

LIBRARIES = {
    "base": ("pyarrow", "numpy", "httpx", "huggingface_hub", "datasets"),
    "embed": ("pyarrow", "torch", "sentence_transformers"),
    "cluster": ("pyarrow", "umap", "hdbscan", "sklearn", "faiss"),
    "datatrove": ("pyarrow", "datatrove", "numba", "spacy", "tokenizers"),
    "train": ("pyarrow", "torch", "transformers"),
    "evaluate": ("pyarrow", "torch", "lighteval"),
    "report": ("pyarrow", "matplotlib", "jinja2"),
    "vllm": ("pyarrow", "vllm"),
    "transformers": ("pyarrow", "torch", "transformers", "llguidance"),
    "openai": ("pyarrow", "httpx"),
}
"""Tool → what its programs import first of all."""
MAIN = {
    "embed": "sentence-transformers",
    "cluster": "umap-learn",
    "datatrove": "datatrove",
    "train": "transformers",
    "evaluate": "lighteval",
    "vllm": "vllm",
    "transformers": "transformers",
}
"""Tool → the package whose version is set beside its lock."""
SNAKEMAKE, PLUGIN, PYTHON, CONDA = (9, 27), (2, 8), (3, 11), (24, 7)
SECONDS, IMPORT_SECONDS = 20.0, 180.0
LOOK = """
import importlib, importlib.metadata, importlib.util, json, sys
names, package, deep = json.loads(sys.argv[1])
problems = {}
for name in names:
    try:
        if importlib.util.find_spec(name) is None:
            problems[name] = "it is not installed"
        elif deep:
            importlib.import_module(name)
    except BaseException as error:
        problems[name] = f"{type(error).__name__}: {error}"
try:
    found = importlib.metadata.version(package) if package else ""
except importlib.metadata.PackageNotFoundError:
    found = ""
print(json.dumps({"python": list(sys.version_info[:3]), "problems": problems, "version": found}))
"""


def check_interpreters(facts: Mapping[str, Any], deep: bool = False) -> list[Finding]:
    """Every Python that a needed rule runs, and its libraries; with conda those that conda will make are left out."""
    needed = sorted({tool for request in facts["rules"] for tool in request["tools"]})
    pythons = {facts["tools"].get(tool, tool): facts["interpreters"][tool] for tool in needed}
    made = sorted(tool for tool, python in pythons.items() if python == "python" and "conda" in facts["deployment"])
    findings = []
    if made:
        findings.append(ok("environments", f"conda makes those of {', '.join(made)} (envs/<name>.yaml)"))
    others = [(tool, python, deep) for tool, python in sorted(pythons.items()) if tool not in made]
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda item: check_interpreter(*item), others))
    bad = [finding for finding in results if finding.level != "ok"]
    good = [finding.found for finding in results if finding.level == "ok"]
    return findings + bad + ([ok("interpreters", "; ".join(good))] if good else [])


def check_interpreter(tool: str, python: str, deep: bool = False) -> Finding:
    """One Python."""
    check = f"interpreter of {tool}"
    question = json.dumps([LIBRARIES.get(tool, ("pyarrow",)), MAIN.get(tool, ""), deep])
    answer = call([python, "-c", LOOK, question], IMPORT_SECONDS if deep else SECONDS)
    name = f"Name a Python that has it (interpreters: {{{tool}: /path/to/python}}) or run with --sdm conda"
    lines = answer.out.strip().splitlines()
    if not answer.good or not lines:
        return fails(check, f"{python} does not run: {answer.problem}", name)
    told = json.loads(lines[-1])
    if told["problems"]:
        problems = "; ".join(f"{library}: {problem}" for library, problem in told["problems"].items())
        return fails(check, f"{python} lacks {problems}", name)
    if tuple(told["python"][:2]) < PYTHON:
        return fails(check, f"{python} is Python {_dots(told['python'])}, and {_dots(PYTHON)} is needed", name)
    pin = locked(Path("envs") / f"{tool}.lock.txt", MAIN.get(tool, ""))
    found = " ".join(filter(None, (MAIN.get(tool, ""), told["version"])))
    if pin and told["version"].split("+")[0] != pin:
        return warning(check, f"{python} has {found}, tested was {pin}", f"pip install -r envs/{tool}.lock.txt")
    return ok(check, f"{tool} ({found or python})")


def locked(lock: Path, package: str) -> str:
    """The version of a package in a lock; empty when it is not there."""
    lines = lock.read_text(encoding="utf-8").splitlines() if lock.is_file() and package else []
    pins = dict(line.split("==", 1) for line in lines if "==" in line and not line.startswith("#"))
    named = {name.lower().replace("_", "-"): pin for name, pin in pins.items()}
    return named.get(package, "").split(" ")[0]


def check_conda(facts: Mapping[str, Any]) -> list[Finding]:
    """With --sdm conda: it answers and is new enough."""
    if "conda" not in facts["deployment"]:
        return []
    answer = call(["conda", "--version"], SECONDS)
    found = answer.out.split()[-1] if answer.good and answer.out.strip() else ""
    if not found:
        advice = "Install conda (miniforge), or give `interpreters` and leave --sdm conda out"
        return [fails("conda", answer.problem, advice)]
    if _parts(found) < CONDA:
        return [fails("conda", f"it is {found}, and Snakemake needs {_dots(CONDA)}", "conda update -n base conda")]
    return [ok("conda", found)]


def check_versions(executor: str) -> list[Finding]:
    """Snakemake, its executor plugin and its Python."""
    asked = [("snakemake", SNAKEMAKE)] + ([("snakemake-executor-plugin-slurm", PLUGIN)] if executor == "slurm" else [])
    findings, good = [], [f"Python {_dots(sys.version_info[:3])}"]
    if sys.version_info[:2] < PYTHON:
        findings.append(fails("versions", f"{sys.executable} is older than {_dots(PYTHON)}", "Make a newer venv"))
    for package, least in asked:
        try:
            found = version(package)
        except PackageNotFoundError:
            findings.append(fails("versions", f"{package} is not installed", "pip install -r envs/local.lock.txt"))
            continue
        good.append(f"{package} {found}")
        if _parts(found) < least:
            advice = "pip install -r envs/local.lock.txt"
            findings.append(fails("versions", f"{package} is {found}, and {_dots(least)} is needed", advice))
        elif _parts(found)[0] > least[0]:
            findings.append(warning("versions", f"{package} is {found}; tested was {_dots(least)}", "Try a small run"))
    return findings or [ok("versions", ", ".join(good))]


def _parts(text: str) -> tuple[int, int]:
    """Major and minor."""
    steps = [int("".join(filter(str.isdigit, step)) or 0) for step in f"{text}.0".split(".")[:2]]
    return steps[0], steps[1]


def _dots(steps: Sequence[int]) -> str:
    return ".".join(map(str, steps))
