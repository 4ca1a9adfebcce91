"""Answers of the language model about a cluster: what is usable in them, and what is wrong with the others."""

import dataclasses
import re
from typing import Any

from scripts.engines.answers import first_object
from scripts.label.prompt import SCORE_RANGE, TOPIC_LENGTH
from scripts.prompts.text import one_line

_REFUSAL = re.compile(
    r"\b(i am|i'm|i can|i cannot|i can't|i will not|i won't|as an ai|language model|sorry|unable to|not possible|"
    r"cannot (be|determine)|can't (be|determine))\b",
    re.IGNORECASE,
)
_PLACEHOLDERS = frozenset(
    {"topic", "string", "name", "none", "null", "n/a", "unknown", "various", "various topics", "miscellaneous"}
    | {"name of the group", "the name of the group", "noun phrase", "no common topic", "no topic", "not applicable"}
)
_NOT_IN_A_NAME = re.compile(r"[^\w\s,.;:&/()'’\-–+#]")
_SENTENCE_END = re.compile(r"\w{4}[.!?] ")  # not "U.S. history" or "St. Petersburg"
_EDGES = " \"'`*_.,:;!?-–—“”‘’«»"
_FORMULA_STARTS = "=+-@#"  # a spreadsheet that opens the review would compute such a cell


@dataclasses.dataclass(frozen=True)
class Answer:
    """What an answer says; with a problem, topic and score are None."""

    topic: str | None
    educational_score: int | None
    problem: str


def parse(text: str) -> Answer:
    """Reads one answer; whatever the model wrote, a bad answer gives a problem and never an error.

    The object may stand inside other text, as in a Markdown fence: endpoints do not all enforce the form.
    """
    try:
        value = first_object(text)
        if value is None:
            raise _Unusable("no valid JSON object")
        return Answer(_topic(value.get("topic")), _score(value.get("educational_score")), "")
    except _Unusable as problem:
        return Answer(None, None, str(problem))


class _Unusable(ValueError):
    """Why an answer is not used."""


def _topic(value: Any) -> str:
    if not isinstance(value, str):
        raise _Unusable("no topic")
    topic = one_line(value).strip(_EDGES).lstrip(_FORMULA_STARTS).strip()
    shortest, longest = TOPIC_LENGTH
    if not shortest <= len(topic) <= longest:
        raise _Unusable(f"the topic has {len(topic)} characters, not {shortest} to {longest}")
    if len(value) >= longest:
        raise _Unusable(f"the topic was cut at {longest} characters")
    if strange := _NOT_IN_A_NAME.search(topic):
        raise _Unusable(f"the topic has the character {strange.group()}, which is in no name")
    if not any(character.isalpha() for character in topic):
        raise _Unusable("the topic has no letters")
    if _SENTENCE_END.search(topic):
        raise _Unusable("the topic is a sentence and no name")
    if topic.casefold() in _PLACEHOLDERS or _REFUSAL.search(topic):
        raise _Unusable("the topic is a refusal or says nothing")
    return topic


def _score(value: Any) -> int:
    lowest, highest = SCORE_RANGE
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,2}", value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise _Unusable("the educational score is no whole number")
    if not lowest <= value <= highest:
        raise _Unusable(f"the educational score is not between {lowest} and {highest}")
    return int(value)
