"""Courses of a catalogue, and the rules against personal data and logistics in them.

The published code lets the language model drop both from the outlines in a second pass. Here rules take them out of the
descriptions before any model sees the text, sentence by sentence, and run again over the outlines that the model gives
back. A sentence or phrase is dropped when it

* names a person or a way to reach one: an e-mail or web address, a phone number, Dr./Prof./Mr./Mrs./Ms. before a name,
  or words such as instructor, lecturer, taught by, led by, teaching assistant;
* tells how the course is run: units, prerequisites, grading, examinations, problem sets, percentages, attendance,
  enrolment, office hours, days and times of day, rooms, references to other listings.

The rules prefer to lose a sentence of content to keeping a name. They know no list of names: a bare name in a sentence
about the subject stays (it may be Aeschylus).
"""

import dataclasses
import re

from scripts.common.ids import content_id

_PERSONAL = re.compile(
    r"\S+@\S+|\S\s*[\[(]\s*at\s*[\])]\s*\S|https?://|www\.|\b\d{3}[-. ]\d{4}\b|\+\d[\d ().\-/]{6,}|\b\d{7,}\b"
    r"|\b(?:Drs?|Profs?|Mr|Mrs|Ms)\b\.?\s*\w|\b(?i:drs?|profs?|mr|mrs|ms)\.\s*[^\W\d]|\b(?:Professors?|PROFESSORS?)\s+(?![a-z])\w"
    r"|\bTAs?\b|\b(?i:instructors?|lecturers?|teaching assistants?|coordinators?|course head|taught by|led by)\b"
    r"|\b(?i:contact (?:the|us|me|him|her))\b"
)
_LOGISTIC = re.compile(
    r"\b\d+(?:\s*[-–]\s*\d+)? (?:units?|credits?)\b|\b(?:no|extra|for|with) credit\b|\d\s?%"
    r"|\bprerequisites?\b|\bco-?requisites?\b|\bconsent of\b|\bplacement test\b"
    r"|\b(?:letter|passing) grades?\b|\bgrad(?:ed|ing)\b|\bexams?\b|\b(?:final|midterm|written|oral) examinations?\b"
    r"|\bmidterms?\b|\bquiz(?:zes)?\b|\bproblem sets?\b|\bhomework\b|\bfinal (?:papers?|projects?)\b|\btake-home\b"
    r"|\battendance\b|\benrol\w*|\bopen to\b|\b(?:office|drop-in) hours\b|\broom \w*\d"
    r"|\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b|\b\d{1,2}:\d{2}\b"
    r"|\bmay be repeated\b|\bsame as\b|\bcontinuation of\b|\breplace lectures\b|\bsee department\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(
    r"(?i:(?<!\bdr\.)(?<!\bdrs\.)(?<!\bprof\.)(?<!\bprofs\.)(?<!\bmr\.)(?<!\bmrs\.)(?<!\bms\.))(?<!\b[A-Z]\.)"
    r"(?<=[.!?])\s+(?=[\"“(]?[A-Z0-9])"
)


@dataclasses.dataclass(frozen=True)
class Course:
    """A course whose title and description are fit for a prompt."""

    title: str
    description: str

    @property
    def id(self) -> str:
        """Content hash, by which an outline finds its course."""
        return content_id("course", self.title, self.description)


def is_personal(text: str) -> bool:
    """Whether a text names a person or a way to reach one."""
    return bool(_PERSONAL.search(text))


def is_logistic(text: str) -> bool:
    """Whether a text tells how a course is run."""
    return bool(_LOGISTIC.search(text))


def clean_description(text: str) -> str:
    """The sentences about the subject, on one line."""
    sentences = _SENTENCE_END.split(" ".join(text.split()))
    return " ".join(s for s in sentences if not is_personal(s) and not is_logistic(s))
