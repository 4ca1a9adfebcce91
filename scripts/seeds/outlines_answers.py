"""What is usable in the two answers about a course; an answer that is not is never used, and its reason is kept.

Reasons: engine_failed, no_json, cut_off, refusal, malformed, too_few_units, too_many_units, repeated_unit,
copied_example, nothing_left. Of the second answer only what came from the first is taken: a unit or subtopic whose
words do not all stand in one of the first pass, in their order, was invented. Last, the rules of catalogues.py run over
every title and subtopic, and titles without a subject (Introduction, Review, Week 3) go too.
"""

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scripts.engines.answers import first_object
from scripts.prompts.text import one_line
from scripts.seeds.catalogues import is_logistic, is_personal
from scripts.seeds.outlines_request import EXAMPLE, SUBTOPIC_LENGTH, SUBTOPICS, TITLE_LENGTH

MINIMUM_UNITS = 2
"""Units of a first answer; one unit divides nothing."""

_REFUSAL = re.compile(
    r"\b(as an ai|ai (language )?model,? i|i'm sorry|i am sorry|i apologi[sz]e|i cannot|i can't|i can not|i am unable|"
    r"i'm unable|i will not|i won't)\b",
    re.IGNORECASE,
)
_COUNTED = r"(?:units?|weeks?|chapters?|parts?|lectures?|modules?|sessions?|lessons?|sections?|days?)"
_RANGE = r"\d{1,2}(?:\s*[-–&]\s*\d{1,2})?"
_NUMBER = re.compile(rf"^(?:{_COUNTED}\s*(?:{_RANGE}|[ivx]+)\s*[.:)–-]\s*|{_RANGE}\s*[.:)]\s+)", re.IGNORECASE)
_NO_SUBJECT = re.compile(
    rf"{_COUNTED}\s*(?:{_RANGE}|[ivx]+)?|(?:course |class |general )?(?:introductions?|overview|orientation|logistics|"
    r"syllabus|welcome|summary|conclusions?|reviews?|recap|wrap-?up|outlook)(?: (?:and|to|of) (?:the )?"
    r"(?:course|class|logistics|overview|review|conclusions?|outlook))?|guest (?:lectures?|speakers?|talks?)|"
    r"(?:student |final |group |project )*(?:presentations?|projects?)|office hours|readings?|subtopics?|titles?",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")


@dataclasses.dataclass(frozen=True)
class Unit:
    """A unit of an outline."""

    title: str
    subtopics: tuple[str, ...]


class Unusable(ValueError):
    """Why an answer is not used; its text is `reason` or `reason: detail`."""


def read_outline(text: str, finish_reason: str, most: int) -> tuple[Unit, ...]:
    """The units of an answer of at most so many.

    Raises:
        Unusable: for whatever else the model wrote.
    """
    units = _answered(text, finish_reason, most)
    if len(units) < MINIMUM_UNITS:
        raise Unusable(f"too_few_units: {len(units)}")
    copied = {unit.title for unit in units} & {title for title, *_ in EXAMPLE}
    if 2 * len(copied) > len(units):
        raise Unusable(f"copied_example: {len(copied)} of {len(units)} units")
    return units


def read_cleaned(
    text: str, finish_reason: str, most: int, written: Sequence[Unit], left_out: Counter[str]
) -> tuple[Unit, ...]:
    """The units of the second answer that came from the first and pass the rules.

    Args:
        text: the answer.
        finish_reason: how it ended.
        most: units that it may have.
        written: the units of the first answer.
        left_out: is given what was left out, by reason; subtopics under subtopic_<reason>.

    Raises:
        Unusable: the answer is bad, or nothing of it is left.
    """
    answered = _answered(text, finish_reason, most)
    tally: Counter[str] = Counter()
    kept = guard(only_written(answered, written, tally), tally)
    if not kept:
        raise Unusable(f"nothing_left: {dict(sorted(tally.items()))}")
    left_out.update(tally)
    return kept


def only_written(answered: Iterable[Unit], written: Iterable[Unit], left_out: Counter[str]) -> list[Unit]:
    """The units, and their subtopics, that shorten one of the first answer; each of those is used once."""
    free = list(written)
    kept = []
    for unit in answered:
        origin = min(
            (candidate for candidate in free if _shortens(unit.title, candidate.title)),
            key=lambda candidate: len(candidate.title),
            default=None,
        )
        if origin is None:
            left_out["invented"] += 1
            continue
        free.remove(origin)
        subtopics = tuple(name for name in unit.subtopics if any(_shortens(name, other) for other in origin.subtopics))
        left_out["subtopic_invented"] += len(unit.subtopics) - len(subtopics)
        kept.append(Unit(unit.title, subtopics))
    left_out["removed_by_second_pass"] += len(free)
    return kept


def guard(units: Iterable[Unit], left_out: Counter[str]) -> tuple[Unit, ...]:
    """The units and subtopics that no rule speaks against."""
    kept = []
    for unit in units:
        if reason := against(unit.title):
            left_out[reason] += 1
            continue
        reasons = [against(name) for name in unit.subtopics]
        left_out.update(f"subtopic_{reason}" for reason in reasons if reason)
        subtopics = (name for name, reason in zip(unit.subtopics, reasons, strict=True) if not reason)
        kept.append(Unit(unit.title, tuple(subtopics)))
    return tuple(kept)


def against(phrase: str) -> str:
    """The reason against a title or subtopic, or ""."""
    if is_personal(phrase):
        return "personal_data"
    if is_logistic(phrase):
        return "logistics"
    return "no_subject" if _NO_SUBJECT.fullmatch(phrase.strip(" .:")) else ""


def _answered(text: str, finish_reason: str, most: int) -> tuple[Unit, ...]:
    """The units of an answer that came whole."""
    if finish_reason == "error":
        raise Unusable(f"engine_failed: {text}")
    try:
        return _units(text, most)
    except Unusable as problem:
        if finish_reason == "length":
            raise Unusable(f"cut_off: {problem}") from problem
        raise


def _units(text: str, most: int) -> tuple[Unit, ...]:
    value = first_object(text)
    if value is None:
        raise Unusable("refusal" if _REFUSAL.search(text) else "no_json")
    units = value.get("units")
    if not isinstance(units, list) or not units:
        raise Unusable("malformed: no units")
    if len(units) > most:
        raise Unusable(f"too_many_units: {len(units)}")
    read = tuple(map(_unit, units))
    if len(set(read)) < len(read):
        raise Unusable("repeated_unit")
    return read


def _unit(value: Any) -> Unit:
    if not isinstance(value, Mapping):
        raise Unusable("malformed: a unit is no object")
    subtopics = value.get("subtopics")
    if not isinstance(subtopics, list) or not len(subtopics) <= SUBTOPICS[1]:
        raise Unusable(f"malformed: a unit without a list of up to {SUBTOPICS[1]} subtopics")
    title = _phrase(value.get("title"), TITLE_LENGTH)
    return Unit(title, tuple(_phrase(name, SUBTOPIC_LENGTH).rstrip(".;") for name in subtopics))


def _phrase(value: Any, limits: tuple[int, int]) -> str:
    """A title or subtopic on one line, without its number."""
    if not isinstance(value, str):
        raise Unusable("malformed: a title or subtopic is no text")
    phrase = one_line(value)
    if _REFUSAL.search(phrase):
        raise Unusable("refusal")
    if len(value) >= limits[1]:
        raise Unusable(f"cut_off: a phrase of {limits[1]} characters")
    if len(phrase) < limits[0] or not any(character.isalpha() for character in phrase):
        raise Unusable(f"malformed: {phrase!r} is no title or subtopic")
    return _NUMBER.sub("", phrase) or phrase


def _shortens(phrase: str, original: str) -> bool:
    """Whether all words of a phrase stand in the original, in their order."""
    words = iter(_WORD.findall(original.casefold()))
    return all(word in words for word in _WORD.findall(phrase.casefold()))
