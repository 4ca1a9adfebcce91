"""The original wording of the prompts as templates of ours, for `prompts.templates: upstream`.

resources/upstream.yaml says where the wording stands: Python files of the cosmopedia repository at a pinned commit,
each with its SHA-256. They are fetched, checked and parsed; nothing in them is executed. Two things are taken from one:

* its dictionary `STYLES`, by `ast.literal_eval`; a template names the `key` of its text, or of a mapping of pieces that
  `compose` joins. `marks` says which of our fields stands for a mark such as <EXTRACT>;
* `phrases`: f-strings that the published program puts between these texts, found by the expressions in them. One whose
  name ends in _clause becomes a clause of the template (it vanishes when a field is empty), another is set into the
  text.

Where ours differs from what the published programs made: `earlier` names the latest units that fit, in the order of the
book, instead of two to five drawn at random, and its list is separated by semicolons; a reference that ends with a full
stop keeps it beside that of the phrase. Khan Academy, Stanford and wikiHow have no such dictionary: they keep our own
templates.
"""

import argparse
import ast
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from scripts.common.errors import InputError
from scripts.common.files import write_text
from scripts.common.logging import get_logger, run
from scripts.prompts.templates import Template
from scripts.seeds.fetch import fetch

DICTIONARY = "STYLES"
LANGUAGE = "en"


def read_recipe(path: str | Path) -> dict[str, Any]:
    """resources/upstream.yaml."""
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


def template_id(group: Mapping[str, Any], name: str) -> str:
    """The id of a template, and its place in the folder of templates."""
    return f"{LANGUAGE}/{group['kind']}/upstream_{name}"


def planned(recipe: Mapping[str, Any]) -> list[Template]:
    """The templates that the recipe will give, without their texts: what they fit and what they ask for."""
    return [
        Template(
            template_id(group, name),
            1,
            LANGUAGE,
            group["kind"],
            entry["format"],
            entry["audience"],
            "",
            group["sources"],
        )
        for group in recipe["groups"]
        for name, entry in group["templates"].items()
        for _ in group.get("variants", [""])
    ]


def obtain(recipe: Mapping[str, Any], folder: Path) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Every group of the recipe with the text of its file.

    Args:
        recipe: resources/upstream.yaml.
        folder: where the files lie as in the repository; one that is not there is fetched.
    """
    for group in recipe["groups"]:
        path = folder / group["file"]
        if not path.exists():
            fetch(f"{recipe['repository']}/{recipe['commit']}/{group['file']}", path)
        yield group, check(path, path.read_bytes(), group["sha256"])


def check(path: Path, data: bytes, sha256: str) -> str:
    """The text of a file as it arrived.

    Raises:
        InputError: it has another SHA-256.
    """
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise InputError(
            f"{path} has the SHA-256 {found}, not {sha256}: it is not the file of the pinned commit. Delete it and try "
            "again; if it stays so, use our own templates (prompts.templates: own)."
        )
    return data.decode("utf-8")


def convert(group: Mapping[str, Any], source: str) -> list[dict[str, Any]]:
    """The templates of one file, as the keys of our template files.

    Args:
        group: an entry of resources/upstream.yaml.
        source: the text of the file.

    Raises:
        InputError: the file does not have the form that the entry describes.
    """
    try:
        tree = ast.parse(source)
        styles = find_dictionary(tree)
        phrases = {name: find_phrase(tree, fields) for name, fields in group.get("phrases", {}).items()}
        return [_template(group, name, styles, phrases) for name in group["templates"]]
    except (SyntaxError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"{group['file']} does not have the form that resources/upstream.yaml describes: {error}. "
            "Correct its entry, or use our own templates (prompts.templates: own)."
        ) from error


def find_dictionary(tree: ast.Module) -> dict[str, Any]:
    """The literal value of `STYLES`.

    Raises:
        ValueError: there is none, or it is no literal.
    """
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == DICTIONARY for target in node.targets):
            return ast.literal_eval(node.value)
    raise ValueError(f"no dictionary {DICTIONARY}")


def find_phrase(tree: ast.Module, fields: Mapping[str, str]) -> str:
    """The first f-string that has exactly these expressions, with our fields in their places.

    Args:
        tree: a parsed file.
        fields: expression, as `ast.unparse` writes it → what stands there in a template.

    Raises:
        ValueError: no f-string has them.
    """
    strings = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    for node in sorted(strings, key=lambda node: (node.lineno, node.col_offset)):
        parts = [_part(part) for part in node.values]
        if {expression for _, expression in parts if expression} == fields.keys():
            return "".join(fields[expression] if expression else text for text, expression in parts)
    raise ValueError(f"no f-string with {', '.join(fields)}")


def _part(part: ast.expr) -> tuple[str, str]:
    """(text, "") or ("", expression) of a part of an f-string."""
    return ("", ast.unparse(part.value)) if isinstance(part, ast.FormattedValue) else (part.value, "")


def _template(
    group: Mapping[str, Any], name: str, styles: Mapping[str, Any], phrases: Mapping[str, str]
) -> dict[str, Any]:
    entry = group["templates"][name]
    found = styles[entry["key"]]
    texts = found if "compose" in group else {"text": found}
    if absent := [mark for mark in group["marks"] if mark not in "".join(texts.values())]:
        raise ValueError(f"{name} has no {', '.join(absent)}")
    pieces = {piece: _mark(text, group["marks"]) for piece, text in texts.items()}
    inlined = pieces | {phrase: text for phrase, text in phrases.items() if not phrase.endswith("_clause")}
    optional = {
        "clauses": {phrase: text for phrase, text in phrases.items() if phrase.endswith("_clause")},
        "variants": {variant: _insert(text, inlined) for variant, text in group.get("variants", {}).items()},
        "extract_characters": group.get("extract_characters"),
    }
    return {
        "id": template_id(group, name),
        "version": 1,
        "language": LANGUAGE,
        "kind": group["kind"],
        "sources": group["sources"],
        "format": entry["format"],
        "audience": entry["audience"],
        "text": _insert(group.get("compose", "{text}"), inlined),
    } | {key: value for key, value in optional.items() if value}


def _mark(text: str, marks: Mapping[str, str]) -> str:
    """A text with our fields in place of its marks; no other brace may be in it."""
    pattern = "|".join(map(re.escape, marks))
    if re.search("[{}]", re.sub(pattern, "", text)):
        raise ValueError("a text has a brace that belongs to no mark")
    return re.sub(pattern, lambda match: marks[match[0]], text)


def _insert(text: str, pieces: Mapping[str, str]) -> str:
    """The text with the pieces in place of their names; our fields stay, to be filled with a seed."""
    return re.sub(r"\{(\w+)\}", lambda match: pieces.get(match[1], match[0]), text)


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the templates."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--recipe", type=Path, required=True, help="resources/upstream.yaml")
    parser.add_argument("--files", type=Path, required=True, help="folder for the files of the repository")
    parser.add_argument("--output", type=Path, required=True, help="folder of the templates: <language>/<kind>/…")
    args = parser.parse_args(argv)
    recipe = read_recipe(args.recipe)
    templates = [item for group, text in obtain(recipe, args.files) for item in convert(group, text)]
    for template in templates:
        text = yaml.safe_dump(template, sort_keys=False, allow_unicode=True)
        write_text(args.output / f"{template['id']}.yaml", text)
    get_logger("prompts_upstream").info("%d templates of commit %s", len(templates), recipe["commit"])


if __name__ == "__main__":
    run(main)
