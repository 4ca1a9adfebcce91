"""The rules of the quality filter. Each takes a text and says what is wrong with it, or None when nothing is.

Never kept, because there is nothing to keep:

error               the engine gave an error message instead of a text
broken              the text is not valid UTF-8, as a lone surrogate leaves it
empty               the text is absent or white space, or was nothing but courtesies

The others do what the config key `clean.rules` says, remove or flag (kept and listed) or ignore, in this order:

too_short           fewer than `minimum_tokens` tokens
too_few_characters  fewer than `minimum_characters` characters
refusal             the text refuses, or its writer speaks as an AI (scripts/common/phrases.py)
request_talk        the text speaks of the request that it answers
incomplete          cut at the longest length that was asked for
unfinished          the last sentence does not end, in a text that is not cut
repetition          a Gopher measure above its limit (scripts/clean/repetition.py)
language            clearly in another language than the prompt's (scripts/seeds/languages.py), code blocks aside
code                a fenced block does not parse (scripts/clean/blocks.py)
code_fails          the Python blocks, run as one program in the sandbox, end with an error; asked with `run_code`

`opening` is no rule but a cut, made before all but the first two: courtesies before the text ("Sure! Here is a blog
post:") are taken away, and the other rules judge what is left.
"""

import dataclasses
from collections.abc import Callable, Mapping
from functools import cached_property

from scripts.clean import blocks
from scripts.clean.repetition import LIMITS, excesses
from scripts.clean.sandbox import Sandbox
from scripts.common import phrases
from scripts.common.errors import InputError
from scripts.seeds.languages import identify, language_code

REMOVE, FLAG, CUT, IGNORE = "remove", "flag", "cut", "ignore"
OPENING = "opening"


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the rules measure against, and what becomes of a text that fails one.

    Args:
        actions: rule → remove, flag or ignore; for `opening` cut, flag or ignore.
        minimum_tokens: the shortest text that passes, in tokens.
        minimum_characters: … and in characters.
        repetition: Gopher measure → largest share that passes.
        sandbox: runs code; None: no code is run.

    Raises:
        InputError: rules or measures are missing or unknown.
    """

    actions: Mapping[str, str]
    minimum_tokens: int = 150
    minimum_characters: int = 500
    repetition: Mapping[str, float] = dataclasses.field(default_factory=lambda: LIMITS)
    sandbox: Sandbox | None = None

    def __post_init__(self) -> None:
        for key, given, known in (
            ("clean.rules", self.actions, [OPENING, *RULES]),
            ("clean.repetition", self.repetition, LIMITS),
        ):
            if wrong := sorted(set(given) ^ set(known)):
                raise InputError(f"the config key {key} must name {', '.join(known)}: see {', '.join(wrong)}.")

    def asks(self, rule: str) -> bool:
        """Whether the rule is asked at all."""
        return self.actions[rule] != IGNORE and (rule != "code_fails" or self.sandbox is not None)


@dataclasses.dataclass
class Text:
    """One text under judgement; what several rules look at is found once.

    Args:
        text: the text, courtesies cut away if they are.
        tokens: its length.
        finish_reason: why it ended.
        language: of its prompt.
    """

    text: str
    tokens: int
    finish_reason: str
    language: str

    @cached_property
    def split(self) -> tuple[str, list[blocks.Block]]:
        """The text without its code blocks, and these."""
        return blocks.split(self.text)

    @cached_property
    def judged(self) -> list[tuple[blocks.Block, str, str]]:
        """Each code block, what became of it and the parser's message."""
        return [(block, *blocks.judge(block)) for block in self.split[1]]

    def program(self) -> str | None:
        """All Python blocks as one program, later ones building on earlier; None if one of them cannot be run."""
        outcomes = [(block, outcome) for block, outcome, _ in self.judged if blocks.is_python(block)]
        if not outcomes or any(outcome != blocks.PARSED for _, outcome in outcomes):
            return None
        return "\n\n".join(blocks.python_source(block.source) for block, _ in outcomes)


def too_short(text: Text, settings: Settings) -> str | None:
    """The text has enough tokens."""
    return f"{text.tokens} tokens" if text.tokens < settings.minimum_tokens else None


def too_few_characters(text: Text, settings: Settings) -> str | None:
    """The text has enough characters."""
    length = len(text.text)
    return f"{length} characters" if length < settings.minimum_characters else None


def refusal(text: Text, settings: Settings) -> str | None:
    """The text does what it was asked, and its writer does not speak as a machine; else its words."""
    return phrases.refusal(text.text)


def request_talk(text: Text, settings: Settings) -> str | None:
    """The text does not speak of its request; else its words."""
    return phrases.request_talk(text.text)


def incomplete(text: Text, settings: Settings) -> str | None:
    """The model ended the text itself."""
    return f"cut at {text.tokens} tokens" if text.finish_reason == "length" else None


def unfinished(text: Text, settings: Settings) -> str | None:
    """The last sentence ends, or `incomplete` has told already; else its last words."""
    if text.finish_reason == "length" or not phrases.unfinished(text.text):
        return None
    return f"ends with: {text.text.rstrip()[-60:]}"


def repetition(text: Text, settings: Settings) -> str | None:
    """Every measure is within its limit; else those above theirs, with their shares."""
    found = excesses(text.split[0], settings.repetition)
    return ", ".join(f"{name} {share:.2f}" for name, share in found.items()) or None


def language(text: Text, settings: Settings) -> str | None:
    """The text is in the language of its prompt, or in none for sure; else its language's code."""
    wanted = language_code(text.language)
    found = identify(text.split[0].lstrip(), [wanted])
    return f"{found} instead of {wanted}" if found not in (None, wanted) else None


def code(text: Text, settings: Settings) -> str | None:
    """Every block in a language that can be judged parses; else the first that does not, with the parser's message."""
    for number, (block, outcome, message) in enumerate(text.judged, 1):
        if outcome == blocks.FAILED:
            return f"block {number} ({block.language}): {message}"
    return None


def code_fails(text: Text, settings: Settings) -> str | None:
    """The text's Python program comes to its end; else the last line of its error."""
    program = text.program() if settings.sandbox else None
    if program is None:
        return None
    result = settings.sandbox.run(program)
    return None if result.ok else result.detail


RULES: dict[str, Callable[[Text, Settings], str | None]] = {
    rule.__name__: rule
    for rule in (
        too_short,
        too_few_characters,
        refusal,
        request_talk,
        incomplete,
        unfinished,
        repetition,
        language,
        code,
        code_fails,
    )
}
"""Name → rule, in the order in which they are asked: the cheap ones first."""
