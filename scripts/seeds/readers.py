"""One reader for each shape of raw row: it takes a row apart into drafts of seeds.

| reader | shape of a row | seeds of a row |
|---|---|---|
| passage | a text (RefinedWeb, AutoMathText) | the text |
| first_turn | a dialogue as a list of texts, or its first text (UltraChat) | the first turn |
| conversation | messages {from, value} (OpenHermes) | the first human message and the answer to it |
| title | a title, a page name or its address (wikiHow) | the title |
| article | a title and a text (Wikipedia, the Stanford Encyclopedia) | the title with its text |
| published_prompt | a prompt with what it asked for (Cosmopedia itself) | the prompt |
| catalogue | a course catalogue, courses {title, description} (Stanford) | one a unit of the course's outline |
| book | chapters that nest, sections {title, paragraph} (OpenStax) | one a section |
| course | units of lesson groups of lessons (Khan Academy) | one a lesson |

What counts as a unit follows the published prompt builders: prefaces are left out, a part of a chapter that has no
sections but an abstract is a unit itself unless it is an introduction, and a lesson knows the lesson groups and
lessons before it. Ours is that sections whose title names no subject are kept aside. A reader yields a `Draft`, or a
`Rejected` for a unit that cannot be used; it raises `BadRow` when the whole row cannot be.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from scripts.seeds.catalogues import Course, clean_description, is_personal

MINIMUM_DESCRIPTION = 20
"""Characters that a course description must keep after its clean-up, as for passages."""

NO_SUBJECT = {"introduction", "learning objectives", "summary", "chapter summary", "key terms", "review questions"}
"""Titles of sections that cannot be the subject of a text."""


@dataclasses.dataclass(frozen=True)
class Outline:
    """Where a unit stands: book › chapter › section, and the titles of the units covered before it."""

    book: str
    chapter: str = ""
    section: str = ""
    earlier: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Asked:
    """What a published prompt asked for."""

    seed_data: str
    format: str
    audience: str


@dataclasses.dataclass(frozen=True)
class Draft:
    """A seed before its checks."""

    text: str = ""
    title: str = ""
    outline: Outline | None = None
    asked: Asked | None = None


@dataclasses.dataclass(frozen=True)
class Rejected:
    """A row or unit that is kept aside."""

    reason: str
    detail: str = ""


class BadRow(Exception):
    """The whole row is kept aside, for `args` = (reason, detail)."""


def passage(row: Mapping, columns: Mapping[str, str]) -> Iterator[Draft]:
    """One text."""
    yield Draft(text=_value(row, columns["text"], str).strip())


def first_turn(row: Mapping, columns: Mapping[str, str]) -> Iterator[Draft]:
    """The first text of a dialogue."""
    turns = _value(row, columns["text"], (str, list))
    first = turns if isinstance(turns, str) else (turns or [""])[0]
    yield Draft(text=_string(first).strip())


def conversation(row: Mapping, columns: Mapping[str, str]) -> Iterator[Draft]:
    """The first human message and, when one follows, the answer."""
    messages = [message for message in _value(row, columns["messages"], list) if isinstance(message, Mapping)]
    for index, message in enumerate(messages):
        if message.get("from") == "human":
            answer = messages[index + 1 : index + 2]
            texts = [_string(part.get("value")).strip() for part in [message, *answer]]
            yield Draft(text="\n".join(texts).strip() if texts[0] else "")
            return
    raise BadRow("no_human_message")


def title(row: Mapping, columns: Mapping[str, str]) -> Iterator[Draft]:
    """One title; a page name such as `Bake-Bread`, or its address, becomes `How to Bake Bread`."""
    text = " ".join(_value(row, columns["title"], str).split())
    if text.startswith(("http://", "https://")):
        text = unquote(urlsplit(text).path.rpartition("/")[2])
    words = text.replace("-", " ").replace("_", " ").split()
    yield Draft(title=text if " " in text or len(words) < 2 else " ".join(["How to", *words]))


def article(row: Mapping, columns: Mapping[str, str]) -> Iterator[Draft]:
    """One title with its text; it stands in no outline."""
    yield Draft(_value(row, columns["text"], str).strip(), " ".join(_value(row, columns["title"], str).split()))


def published_prompt(row: Mapping, columns: Mapping[str, str]) -> Iterator[Draft]:
    """The whole prompt as it was sent, and the seed data, format and audience it was made of."""
    roles = ("seed_data", "format", "audience")
    asked = Asked(**{role: _value(row, columns[role], str).strip() for role in roles})
    yield Draft(text=_value(row, columns["prompt"], str), asked=asked)


def courses(row: Mapping, columns: Mapping[str, str]) -> Iterator[Course | Rejected]:
    """The courses of a catalogue, with personal data and logistics removed from their descriptions."""
    for course in _mappings(_value(row, columns["courses"], list)):
        name = " ".join(_string(course.get("title")).split())
        description = clean_description(_string(course.get("description")))
        if not name:
            yield Rejected("empty", "a course without a title")
        elif is_personal(name):
            yield Rejected("personal_data", "a course whose title names a person or a way to reach one")
        elif len(description) < MINIMUM_DESCRIPTION:
            yield Rejected("too_short", f"{name}: nothing but logistics in the description")
        else:
            yield Course(name, description)


def catalogue(
    row: Mapping, columns: Mapping[str, str], outlines: Mapping[str, Sequence[Mapping]] | None = None
) -> Iterator[Draft | Rejected]:
    """One unit for each unit of a course's outline; a course without an outline is one unit, told by its description.

    Args:
        row: the catalogue.
        columns: role → column.
        outlines: id of a course → its units {title, subtopics}.
    """
    book = _value(row, columns["title"], str)
    for course in courses(row, columns):
        units = (outlines or {}).get(course.id) if isinstance(course, Course) else None
        if isinstance(course, Rejected):
            yield course
        elif not units:
            yield Draft(text=course.description, title=course.title, outline=Outline(book=book, chapter=course.title))
        else:
            titles = tuple(unit["title"] for unit in units)
            for number, unit in enumerate(units):
                text = f"{'; '.join(unit['subtopics'])}." if unit["subtopics"] else ""
                outline = Outline(book=course.title, earlier=titles[:number])
                yield Draft(text=text, title=unit["title"], outline=outline)


def book(row: Mapping, columns: Mapping[str, str]) -> Iterator[Draft | Rejected]:
    """One unit a section of every chapter at any depth, but for prefaces."""
    name = _value(row, columns["title"], str)
    for chapter in _mappings(_value(row, columns["chapters"], list)):
        if "preface" not in _string(chapter.get("title")).lower():
            yield from _sections(chapter, name, ())


def course(row: Mapping, columns: Mapping[str, str]) -> Iterator[Draft]:
    """One unit a lesson; `earlier` names the groups before its own in the unit, then the lessons before it."""
    name = _value(row, columns["title"], str).replace("_", " ")
    for unit in _mappings(_value(row, columns["units"], list)):
        groups: list[str] = []
        for group in _mappings(unit.get("subunits") or []):
            lessons = [_string(lesson).strip() for lesson in group.get("lessons") or []]
            section = _string(group.get("title")).strip()
            for index, lesson in enumerate(lessons):
                chapter = _string(unit.get("title")).strip()
                yield Draft(title=lesson, outline=Outline(name, chapter, section, (*groups, *lessons[:index])))
            groups.append(section)


@dataclasses.dataclass(frozen=True)
class Reader:
    """A reader and the roles that `columns` of its sources must fill."""

    read: Callable[[Mapping, Mapping[str, str]], Iterator[Draft | Rejected]]
    roles: tuple[str, ...]


READERS = {
    "passage": Reader(passage, ("text",)),
    "first_turn": Reader(first_turn, ("text",)),
    "conversation": Reader(conversation, ("messages",)),
    "title": Reader(title, ("title",)),
    "article": Reader(article, ("title", "text")),
    "published_prompt": Reader(published_prompt, ("prompt", "seed_data", "format", "audience")),
    "catalogue": Reader(catalogue, ("title", "courses")),
    "book": Reader(book, ("title", "chapters")),
    "course": Reader(course, ("title", "units")),
}


def _sections(chapter: Mapping, book_title: str, trail: tuple[str, ...]) -> Iterator[Draft | Rejected]:
    """The units of one chapter: its sections, then those of its own chapters."""
    trail = (*trail, _string(chapter.get("title")).strip())
    chapter_title, section_title = (": ".join(trail[:-1]), trail[-1]) if trail[1:] else (trail[0], "")
    earlier: list[str] = []
    for section in _mappings(chapter.get("sections") or []):
        name = _string(section.get("title")).strip()
        text = _string(section.get("paragraph")).strip()
        if name.lower() in NO_SUBJECT:
            yield Rejected("no_subject", name)
            continue
        yield Draft(text=text, title=name, outline=Outline(book_title, chapter_title, section_title, tuple(earlier)))
        earlier.append(name)
    covered: list[str] = []
    for part in _mappings(chapter.get("chapters") or []):
        name, abstract = _string(part.get("title")).strip(), _string(part.get("abstract")).strip()
        if part.get("sections") or part.get("chapters"):
            yield from _sections(part, book_title, trail)
        elif abstract and "introduction" not in name.lower():
            yield Draft(abstract, name, Outline(book_title, ": ".join(trail), earlier=tuple(covered)))
        if name.lower() not in NO_SUBJECT:
            covered.append(name)


def _value(row: Mapping, column: str, kind: type | tuple[type, ...]) -> Any:
    if column not in row:
        raise BadRow("missing_column", f"{column}; the row has {', '.join(map(str, row))}")
    value = row[column]
    if value is None:
        raise BadRow("null", column)
    if not isinstance(value, kind):
        raise BadRow("wrong_type", f"{column} is {type(value).__name__}")
    return value


def _string(value: Any) -> str:
    """A nested value as text; anything else counts as absent."""
    return value if isinstance(value, str) else ""


def _mappings(values: list) -> Iterator[Mapping]:
    return (value for value in values if isinstance(value, Mapping))
