"""Prompt templates: data in config/templates/<language>/<source>/<name>.yaml, checked when read, filled in one pass.

A template names its seeds (source and kind), what it asks for (format, audience, language) and its text with named
fields. Its wording is this project's own and follows the published specification (the Cosmopedia blog post and the
prompts of the cosmopedia repository): each template tells how form and content differ for its audience, and forbids the
stock openings.

Fields hold seed text and stand in braces: {extract}, {title}, {book}, {chapter}, {section}, {earlier}, {topic}. A field
in `text` is needed: a seed that lacks it does not fit. A clause is a piece of text with fields of its own that appears
only when all of them are known, so {topic_clause} vanishes when no topic is named. Filling is a single pass over the
template: what a seed contains, braces and placeholders included, is never read again.
"""

import dataclasses
import difflib
import itertools
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from scripts.common.errors import InputError
from scripts.common.ids import content_id

KINDS = ("passage", "unit", "title", "dialogue")
FIELDS = ("extract", "title", "book", "chapter", "section", "earlier", "topic")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclasses.dataclass(frozen=True)
class Template:
    """One way to ask for a text.

    Args:
        id: language/source/name, as in its path.
        version: raised by whoever changes the wording; for people, ids depend on the text itself.
        language: language of the text asked for, as in the seeds (en).
        source: the source whose seeds it fits.
        kind: the kind of seed that it fits.
        format: published value, e.g. textbook_academic_tone.
        audience: published value, e.g. college_students.
        text: the prompt with its fields and clauses.
        clauses: name (ending in _clause) → optional piece of text.
        extract_characters: a limit of its own for {extract}, where lower than the run's.
    """

    id: str
    version: int
    language: str
    source: str
    kind: str
    format: str
    audience: str
    text: str
    clauses: Mapping[str, str] = dataclasses.field(default_factory=dict)
    extract_characters: int | None = None

    @property
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

    def fits(self, source: str, kind: str, language: str | None, values: Mapping[str, str]) -> bool:
        """Whether a seed of this source, kind and language (None: unknown) with these field values can use it."""
        return (
            (self.source, self.kind) == (source, kind)
            and language in (None, "", self.language)
            and all(values.get(field) for field in self.needed)
        )

    def render(self, values: Mapping[str, str]) -> str:
        """The prompt for these field values; an absent or empty value drops the clauses that use it."""
        clauses = {
            name: _fill(clause, values) if all(values.get(field) for field in _PLACEHOLDER.findall(clause)) else ""
            for name, clause in self.clauses.items()
        }
        return _fill(self.text, {**values, **clauses})


def load(paths: Iterable[str | Path]) -> list[Template]:
    """The templates of these files, ordered by id.

    Raises:
        InputError: a file that is not a sound template; the message names the file, the key and the remedy.
    """
    templates = sorted((read(path) for path in paths), key=lambda template: template.id)
    for first, second in itertools.pairwise(templates):
        if first.id == second.id:
            raise InputError(f"two template files have the id {first.id}: give each template its own file and id.")
    return templates


def read(path: str | Path) -> Template:
    """Reads and checks one template file."""
    path = Path(path)
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise InputError(f"{path} must hold a mapping of keys to values, like the other files of its folder.")
    _check_keys(path, data)
    template = Template(**data)
    expected = "/".join(path.with_suffix("").parts[-3:])
    if template.id != expected or template.id.split("/")[:2] != [template.language, template.source]:
        raise InputError(
            f"{path}: id `{template.id}`, language `{template.language}` and source `{template.source}` must agree "
            f"with the file's place, config/templates/<language>/<source>/<name>.yaml, which says `{expected}`."
        )
    if template.kind not in KINDS:
        raise InputError(f"{path}: kind `{template.kind}` must be one of {', '.join(KINDS)}.")
    _check_placeholders(path, template)
    return template


def _fill(text: str, values: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: values[match[1]], text)


def _check_keys(path: Path, data: Mapping[str, Any]) -> None:
    fields = {field.name: field for field in dataclasses.fields(Template)}
    for key in data.keys() - fields.keys():
        raise InputError(f"{path}: unknown key `{key}`{_nearest(key, fields)}.")
    for name, field in fields.items():
        has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if name not in data:
            if not has_default:
                raise InputError(f"{path}: the key `{name}` is missing.")
        elif name in ("version", "extract_characters"):
            if type(data[name]) is not int or data[name] < 1:
                raise InputError(f"{path}: `{name}` must be a whole number of at least 1, not {data[name]!r}.")
        elif name == "clauses":
            if not isinstance(data[name], dict) or not all(
                _is_text(item) for pair in data[name].items() for item in pair
            ):
                raise InputError(f"{path}: `clauses` must map names ending in _clause to texts.")
        elif not _is_text(data[name]):
            raise InputError(
                f"{path}: `{name}` must be a text, not {data[name]!r}; quote it if it looks like a number."
            )


def _check_placeholders(path: Path, template: Template) -> None:
    for name in template.clauses:
        if not name.endswith("_clause"):
            raise InputError(f"{path}: the clause `{name}` must have a name that ends in _clause.")
        if f"{{{name}}}" not in template.text:
            raise InputError(f"{path}: the clause `{name}` is not used: write {{{name}}} in the text or remove it.")
    if "{topic}" in template.text:
        raise InputError(f"{path}: not every prompt names the topic: put {{topic}} into a clause of its own.")
    known = (*FIELDS, *template.clauses)
    for where, text, allowed in [
        ("text", template.text, known),
        *((n, c, FIELDS) for n, c in template.clauses.items()),
    ]:
        for name in _PLACEHOLDER.findall(text):
            if name not in allowed:
                raise InputError(f"{path}: unknown field `{{{name}}}` in `{where}`{_nearest(name, allowed)}.")
        if re.search(r"[{}]", _PLACEHOLDER.sub("", text)):
            raise InputError(f"{path}: a brace in `{where}` that belongs to no field; braces are for fields only.")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _nearest(name: Any, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(name), list(known), n=1)
    return f": did you mean `{near[0]}`?" if near else f"; known are {', '.join(known)}"
