"""What programs import, read from their source: nothing is executed, and imports inside functions count as well.

An import inside a function counts where the function may be called: its name stands somewhere in code that the program
reaches. Names are not resolved, so this finds rather too much than too little.
"""

import ast
import dataclasses
import functools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.snakemake import ROOT

RULES = ROOT / "workflow" / "rules"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclasses.dataclass(frozen=True)
class Code:
    """A piece of code: a module without its functions, or a function; `function` is empty for the former."""

    function: str
    names: frozenset[str]
    imports: frozenset[str]


@functools.cache
def pieces(path: Path) -> tuple[Code, ...]:
    """The pieces of a file. What Python calls by itself (__post_init__ and the like) belongs to the module."""
    tree = ast.parse(path.read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, FUNCTIONS) and not node.name.startswith("__")]
    return (_code("", _outside(tree, functions)), *(_code(node.name, ast.walk(node)) for node in functions))


def _outside(tree: ast.AST, functions: list) -> Iterator[ast.AST]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for_checkers_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        left_out = node.body if node in functions or for_checkers_only else []
        waiting.extend(child for child in ast.iter_child_nodes(node) if child not in left_out)


def _code(function: str, nodes: Iterator[ast.AST]) -> Code:
    names, imports = set(), set()
    for node in nodes:
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.Import):
            imports.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            imports.add(node.module)
            imports.update(f"{node.module}.{alias.name}" for alias in node.names)
    return Code(function, frozenset(names), frozenset(imports))


def source(module: str) -> Path | None:
    """The file of one of our modules; none for what is only a name in a module, and for other people's modules."""
    if module.split(".")[0] != "scripts":
        return None
    path = ROOT / module.replace(".", "/")
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.exists()), None)


def packages(*modules: str) -> set[str]:
    """Top-level names of other people's packages that code reached from these modules imports."""
    loaded, names, imported = set(), set(), set(modules)
    size = -1
    while size != len(names) + len(imported):
        size = len(names) + len(imported)
        loaded = {path for module in imported if (path := source(module))}
        for code in (code for path in loaded for code in pieces(path)):
            if not code.function or code.function in names:
                names |= code.names
                imported |= code.imports
    return {name.split(".")[0] for name in imported} - set(sys.stdlib_module_names) - {"scripts"}


def rules() -> dict[str, str]:
    """Rule → its text, of all rule files."""
    text = "\n".join(file.read_text() for file in sorted(RULES.glob("*.smk")))
    return dict(re.findall(r"^rule (\w+):\n((?:(?:    .*)?\n)+)", text, flags=re.MULTILINE))


def program(rule: str) -> tuple[str, str] | None:
    """(interpreter, program) that the text of a rule starts; none for a rule that runs nothing."""
    started = re.findall(r"\$PYTHON_(\w+) -m (scripts[\w.]+)", rule)
    assert len(started) < 2
    return (started[0][0].lower(), started[0][1]) if started else None


def environment(rule: str) -> str | None:
    """The environment that a rule's text names, `llm` for the one of the engine."""
    conda = re.search(r'^    conda:\n\s+(?:"\.\./\.\./envs/(\w+)\.yaml"|(LLM_ENV))\n', rule, flags=re.MULTILINE)
    return (conda[1] or "llm") if conda else None


def programs_of(name: str) -> list[str]:
    """The programs that run in an environment."""
    engines = {"vllm", "transformers", "openai"}
    named = {program(rule)[1] for rule in rules().values() if program(rule) and environment(rule) == name}
    return sorted(named) if name not in engines else [*programs_of("llm"), f"scripts.engines.{name}"]
