"""The fenced code blocks of a text, and whether they parse.

Judged are the languages with a parser in the standard library or the environment: Python, JSON, YAML, TOML and XML.
Blocks of other languages, blocks that name none and excerpts that do not want to be whole programs are only counted:
those with an ellipsis or a template's placeholder where something was left out. In Python, interpreter sessions (>>>)
are judged by their statements; lines of a notebook or a shell (%magic, !command, $ command, pip install) are left out;
a block that is indented as a whole is moved to the left.

An indented block without fences is text here: books indent too much else.
"""

import ast
import dataclasses
import json
import re
import textwrap
import warnings
from collections.abc import Callable, Mapping
from typing import Any

LANGUAGES = {
    "python": "python", "py": "python", "python3": "python", "pycon": "python", "ipython": "python",
    "json": "json", "yaml": "yaml", "yml": "yaml", "toml": "toml", "xml": "xml", "svg": "xml",
}  # fmt: skip
"""Word after the fence → the parser that judges the block."""

LONGEST = 50_000
"""Characters of a longer block are not parsed: a language model does not write them, and parsers may choke on them."""

PARSED, FAILED, UNJUDGED = "parsed", "failed", "not_judged"

_FENCE = re.compile(r"^[ \t>]*(`{3,}|~{3,})[ \t]*([^\s`]*)[^`\n]*$")
_ELLIPSIS = re.compile(r"\.{3}|…")
_PLACEHOLDER = re.compile(r"\{\{|\{%|<(?:your|insert|path|name)\b|\[(?:your|insert)\b", re.IGNORECASE)
_SESSION = re.compile(r"^[ \t]*>>>(?: |$)", re.MULTILINE)
_STATEMENT = re.compile(r"^[ \t]*(?:>>>|\.\.\.) ?(.*)$", re.MULTILINE)
_FOREIGN = re.compile(
    r"^[ \t]*(?:[%!$?]|In ?\[\d*\]:|Out ?\[\d*\]:|(?:pip3?|conda) install |python3? [\w./-]).*$", re.MULTILINE
)
_XML_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")


@dataclasses.dataclass(frozen=True)
class Block:
    """One fenced block.

    Args:
        language: the word after the fence in lower case, "" without one.
        source: what stands between the fences.
        closed: whether the closing fence is there.
    """

    language: str
    source: str
    closed: bool = True


def split(text: str) -> tuple[str, list[Block]]:
    """The text without its fenced blocks, and the blocks; a fence ends with one of its mark and at least its length."""
    if "```" not in text and "~~~" not in text:
        return text, []
    prose: list[str] = []
    blocks: list[Block] = []
    lines: list[str] = []
    opened: re.Match[str] | None = None
    for line in text.split("\n"):
        fence = _FENCE.match(line)
        if not opened:
            if fence:
                opened, lines = fence, []
            else:
                prose.append(line)
        elif fence and not fence[2] and fence[1].startswith(opened[1]):
            blocks.append(_block(opened, lines))
            opened = None
        else:
            lines.append(line)
    if opened:
        blocks.append(_block(opened, lines, closed=False))
    return "\n".join(prose), blocks


def _block(opened: re.Match[str], lines: list[str], closed: bool = True) -> Block:
    return Block(opened[2].strip("{}.").lower(), "\n".join(lines), closed)


def judge(block: Block) -> tuple[str, str]:
    """What becomes of a block (PARSED, FAILED or UNJUDGED), and for a failed one the parser's message."""
    language = LANGUAGES.get(block.language)
    if language is None or not block.source.strip() or len(block.source) > LONGEST:
        return UNJUDGED, ""
    try:
        _PARSERS[language](block.source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if _ELLIPSIS.search(block.source) or _PLACEHOLDER.search(block.source):
            return UNJUDGED, ""
        return FAILED, _message(error) + ("" if block.closed else " (the block is not closed)")
    return PARSED, ""


def _message(error: Exception) -> str:
    """One line that tells what is wrong, and in which line of the block."""
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {error.msg}"
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def is_python(block: Block) -> bool:
    """Whether the block says that it is Python."""
    return LANGUAGES.get(block.language) == "python"


def python_source(source: str) -> str:
    """A Python block as one program: as it stands if it parses, else without what surrounds its statements."""
    source = textwrap.dedent(source.replace("\u00a0", " "))
    if _SESSION.search(source):
        return "".join(f"{line}\n" for line in _STATEMENT.findall(source))
    try:
        _parse(source)
    except (SyntaxError, ValueError):
        # A line of a longer expression may begin with % too, so lines go only where they do harm.
        return _FOREIGN.sub("", source)
    return source


def _python(source: str) -> None:
    _parse(python_source(source))


def _parse(source: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ast.parse(source)


def _json(source: str) -> None:
    """One document, one on each line, or the inside of an object or array."""
    attempts = (source, f"{{{source.strip().rstrip(',')}}}", f"[{source.strip().rstrip(',')}]")
    first: ValueError | None = None
    for attempt in attempts:
        try:
            json.loads(attempt)
        except ValueError as error:
            first = first or error
        else:
            return
    try:
        for line in filter(str.strip, source.splitlines()):
            json.loads(line)
    except ValueError:
        raise first from None


def _yaml(source: str) -> None:
    """Syntax alone: tags that only some program knows are fine."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for _ in yaml.parse(textwrap.dedent(source), Loader=loader):
            pass
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        line = f" (line {place.line + 1})" if place else ""
        raise ValueError(f"{getattr(error, 'problem', None) or error}{line}") from error


def _toml(source: str) -> None:
    import tomllib

    tomllib.loads(source)


def _xml(source: str) -> None:
    """A document or some of its elements; one that declares entities, which could grow without end, is not read."""
    from xml.parsers import expat

    if "<!ENTITY" in source:
        return
    if "<!DOCTYPE" not in source:
        source = f"<root>{_XML_DECLARATION.sub('', source)}</root>"
    try:
        expat.ParserCreate().Parse(source.strip(), True)
    except expat.ExpatError as error:
        raise ValueError(str(error)) from error


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    "python": _python,
    "json": _json,
    "yaml": _yaml,
    "toml": _toml,
    "xml": _xml,
}
