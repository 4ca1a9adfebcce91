"""The request by which the language model names a cluster, and the form of its answer.

As in the text-clustering repository the model sees ten random documents of a cluster, 420 characters of each, and gives
a topic and an educational score from 1 to 10; the wording is our own.
"""

from collections.abc import Sequence
from typing import Any

from scripts.prompts.text import clean

TOPIC_LENGTH = (3, 60)
SCORE_RANGE = (1, 10)

_INSTRUCTION = """These {number} passages were put into one group by a program because they resemble each other.

{passages}

Look for what most of the passages have in common and answer with one JSON object that has two keys:
- "topic": the name of the group, a noun phrase of at most five words, as specific as the passages allow. Name a field \
of knowledge or of life, not a website or a person. If the passages share only their form (adverts, notices, error \
messages), name the form.
- "educational_score": a whole number from 1 to 10 for what a learner could gain from texts on this topic. 1: nothing, \
as in spam, adverts, gossip or adult content. 5: some practical or general knowledge. 10: a subject taught at school \
or university.

Write the JSON object and nothing else."""


def label_prompt(examples: Sequence[str]) -> str:
    """The request for one cluster, given the beginnings of some of its documents."""
    passages = "\n\n".join(f"Passage {number}: {clean(text)}" for number, text in enumerate(examples, start=1))
    return _INSTRUCTION.format(number=len(examples), passages=passages)


def label_schema() -> dict[str, Any]:
    """The JSON Schema that an answer must follow."""
    return {
        "type": "object",
        "properties": {
            "topic": {"type": "string", "minLength": TOPIC_LENGTH[0], "maxLength": TOPIC_LENGTH[1]},
            "educational_score": {"type": "integer", "minimum": SCORE_RANGE[0], "maximum": SCORE_RANGE[1]},
        },
        "required": ["topic", "educational_score"],
        "additionalProperties": False,
    }
