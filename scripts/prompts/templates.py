"""Prompt templates: data in config/templates/<language>/<kind>/<name>.yaml, checked when read.

A template names its seeds (kind, and sources where it does not fit all of them), what it asks for (format, audience,
language) and its text with named fields. Its wording is this project's own and follows the published specification
(the Cosmopedia blog post and the prompts of the cosmopedia repository).

Fields hold seed text and stand in braces: {extract}, {title}, {book}, {chapter}, {section}, {earlier}, {topic}. A field
in `text` is needed: a seed that lacks it does not fit. A clause is a piece of text with fields of its own that appears
only when all of them are known, so {topic_clause} vanishes when no topic is named. A file with `variants` holds one
template for each: its text stands in place of {variant}, its name ends the template's id.

A text is split into its pieces once, here; scripts/prompts/render.py joins them with columns of seeds. What a seed
contains, braces and placeholders included, is never read as part of a template.
"""

import dataclasses
import difflib
import functools
import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from scripts.common.errors import InputError
from scripts.common.ids import content_id
from scripts.workflow.config import check

SCHEMA = Path(__file__).parents[2] / "workflow" / "schemas" / "templates.schema.yaml"
FIELDS = ("extract", "title", "book", "chapter", "section", "earlier", "topic")
VARIANT = "{variant}"
LOADER = yaml.CSafeLoader
"""The loader written in C: the packs are read whenever Snakemake starts."""
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclasses.dataclass(frozen=True)
class Template:
    """One way to ask for a text.

    Args:
        id: language/kind/name as in its path, and /variant where the file has variants.
        version: raised by whoever changes the wording; for people, ids depend on the text itself.
        language: language of the text asked for, as in the seeds (en).
        kind: the kind of seed that it fits.
        format: published value, e.g. textbook_academic_tone.
        audience: published value, e.g. college_students.
        text: the prompt with its fields and clauses.
        sources: the sources whose seeds it fits; none named: all of the kind.
        clauses: name (ending in _clause) → optional piece of text.
        extract_characters: a limit of its own for {extract}, where lower than the run's.
    """

    id: str
    version: int
    language: str
    kind: str
    format: str
    audience: str
    text: str
    sources: Sequence[str] = ()
    clauses: Mapping[str, str] = dataclasses.field(default_factory=dict)
    extract_characters: int | None = None

    @property
    def cell(self) -> str:
        """The cell of the mix that its prompts fill: format/audience/language."""
        return f"{self.format}/{self.audience}/{self.language}"

    @property
    def file(self) -> str:
        """Its place in the folder of templates."""
        return "/".join(self.id.split("/")[:3]) + ".yaml"

    @functools.cached_property
    def digest(self) -> str:
        """The hash of the wording: the text and its clauses."""
        return content_id(self.text, json.dumps(dict(self.clauses), sort_keys=True))

    @property
    def can_name_topic(self) -> bool:
        """Whether it has a clause for the topic."""
        return any("{topic}" in clause for clause in self.clauses.values())

    @property
    def needed(self) -> frozenset[str]:
        """The fields that a seed must have."""
        return frozenset(_PLACEHOLDER.findall(self.text)) - self.clauses.keys()

    @property
    def fields(self) -> frozenset[str]:
        """All fields of the text and its clauses."""
        return self.needed.union(*map(_PLACEHOLDER.findall, self.clauses.values()))

    def takes(self, source: str, kind: str) -> bool:
        """Whether it is made for seeds of this source and kind."""
        return self.kind == kind and (not self.sources or source in self.sources)


def pieces(text: str) -> list[tuple[str, str]]:
    """The text as (literal, name of the field or clause after it); the last name is "".

    >>> pieces("On {title}.")
    [('On ', 'title'), ('.', '')]
    """
    parts = [*_PLACEHOLDER.split(text), ""]
    return list(zip(parts[::2], parts[1::2], strict=True))


def load(paths: Iterable[str | Path]) -> list[Template]:
    """The templates of these files, ordered by id.

    Raises:
        InputError: a file that is not a sound template; the message names the file, the key and the remedy.
    """
    templates = sorted((each for path in paths for each in read(path)), key=lambda template: template.id)
    for first, second in itertools.pairwise(templates):
        if first.id == second.id:
            raise InputError(f"two template files have the id {first.id}: give each template its own file and id.")
    return templates


def read(path: str | Path) -> list[Template]:
    """Reads and checks one template file: one template, or one for each of its variants."""
    path = Path(path)
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), LOADER)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise InputError(f"{path} must hold a mapping of keys to values, like the other files of its folder.")
    if findings := check(data, _schema()):
        raise InputError("\n".join(f"{path}: {finding}" for finding in findings))
    expected = "/".join(path.with_suffix("").parts[-3:])
    if data["id"] != expected or data["id"].split("/")[:2] != [data["language"], data["kind"]]:
        raise InputError(
            f"{path}: id `{data['id']}`, language `{data['language']}` and kind `{data['kind']}` must agree with the "
            f"file's place, config/templates/<language>/<kind>/<name>.yaml, which says `{expected}`."
        )
    _check_placeholders(path, data)
    return _templates(data)


def _templates(data: Mapping[str, Any]) -> list[Template]:
    variants = data.get("variants", {})
    whole = {key: value for key, value in data.items() if key != "variants"}
    if not variants:
        return [Template(**whole)]
    changes = [
        {"id": f"{data['id']}/{name}", "text": data["text"].replace(VARIANT, text)} for name, text in variants.items()
    ]
    return [Template(**whole | change) for change in changes]


def _check_placeholders(path: Path, data: Mapping[str, Any]) -> None:
    clauses, variants = data.get("clauses", {}), data.get("variants", {})
    for name in [*clauses, *(["variant"] if variants else [])]:
        if f"{{{name}}}" not in data["text"]:
            raise InputError(f"{path}: `{name}` is not used: write {{{name}}} in the text or remove it.")
    texts = {"text": data["text"], **{f"variants.{name}": text for name, text in variants.items()}}
    if any("{topic}" in text for text in texts.values()):
        raise InputError(f"{path}: not every prompt names the topic: put {{topic}} into a clause of its own.")
    known = {where: [*FIELDS, *clauses] for where in texts}
    if variants:
        known["text"] = [*known["text"], "variant"]
    known |= {f"clauses.{name}": FIELDS for name in clauses}
    texts |= {f"clauses.{name}": text for name, text in clauses.items()}
    for where, text in texts.items():
        for name in _PLACEHOLDER.findall(text):
            if name not in known[where]:
                raise InputError(f"{path}: unknown field `{{{name}}}` in `{where}`{nearest(name, known[where])}.")
        if re.search(r"[{}]", _PLACEHOLDER.sub("", text)):
            raise InputError(f"{path}: a brace in `{where}` that belongs to no field; braces are for fields only.")


@functools.cache
def _schema() -> dict[str, Any]:
    return yaml.load(SCHEMA.read_text(encoding="utf-8"), LOADER)


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error message: the known name that is most alike, or all of them."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    return f": did you mean `{near[0]}`?" if near else f"; known are {', '.join(known)}"
