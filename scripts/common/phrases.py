"""Phrases by which texts of a language model give themselves away, in one place for everything that looks for them.

Four questions about one text: does it refuse, or speak as an AI (`refusal`); does it begin with an answer's courtesies
instead of the text that was asked for (`boilerplate_opening`); does it begin as too many others do (`stock_opening`);
does it end in the middle (`unfinished`). A fifth, whether it speaks of the request it answers (`request_talk`).

The lists are data and our choice, in the languages of the templates (English, French, Korean). The first three stock
openings are those that the authors of Cosmopedia named (huggingface.co/blog/cosmopedia); their other lists are not
published. Phrases are narrow on purpose: a story may say "I cannot", a letter "of course". Only the standard library
is used, since generation jobs look for these phrases too.
"""

import re
import unicodedata
from collections.abc import Sequence

STOCK_OPENINGS = {
    "Once upon a time": r"once upon a time",
    "The sun hung low": r"the sun (?:hung|hangs|was hanging) low",
    "Have you ever": r"have you ever",
    "It was a dark and stormy night": r"it was a dark and stormy night",
    "In a small town": r"in (?:a|the) (?:small|quaint|little|quiet|bustling|remote) (?:\w+ )?(?:town|village|city)",
    "In the heart of": r"in the heart of",
    "In a world": r"in a world (?:where|of|full|that)",
    "In today's world": r"in (?:today|our)[’']?s? (?:\S+ ){0,2}(?:world|age|era|society)",
    "As the sun": r"as the (?:\w+ )?sun (?:rose|set|sets|began|dipped|sank|rises|was)",
    "Imagine": r"imagine (?:you|a|that|this|being|having|waking|walking)\b",
    "Welcome": r"welcome(?: back)?(?: to\b|,)",
    "Are you": r"are you (?:ready|tired|looking|struggling|curious|interested)\b",
    "Picture this": r"picture this",
    "Il était une fois": r"il était une fois",
    "Avez-vous déjà": r"(?:avez[- ]vous|as[- ]tu) déjà",
    "옛날 옛적에": r"옛날 ?옛적에?|옛날에",
}
"""Name → how it reads at the start of a text, in lower case."""

_NO = r"(?:can ?not|can[’']t|could not|couldn[’']t|won[’']t|am (?:not able|unable) to|[’']m (?:not able|unable) to)"
_SERVE = (
    r"(?:write|provide|create|generate|fulfil+|assist|help(?! but\b)|answer|comply|complete|produce|continue|discuss"
    r"|offer|respond|access|browse|engage|support|share|do (?:that|this|so))\b"
)
REFUSALS = (
    rf"I {_NO} {_SERVE}",
    rf"I {_NO}[^.\n]{{0,40}} (?:this|that|your|the) (?:request|prompt|question|task)\b",
    rf"(?:I[’']m|I am|I[’']m very|I am very) sorry,? (?:but )?I {_NO} {_SERVE}",
    rf"I apologi[sz]e,? (?:but )?I {_NO}",
    rf"(?:Unfortunately|Sorry|Regrettably),? (?:but )?I {_NO} {_SERVE}",
    r"(?:I[’']m|I am) sorry,? (?:but )?(?:it|this|that) (?:goes against|violates|is not possible)",
    r"It (?:is|would be) not (?:possible|appropriate) for me to",
    r"Je (?:ne peux pas|ne suis pas en mesure de?|suis désolée?,? mais je ne)"
    r" (?:d’|d')?(?:écrire|fournir|créer|générer|répondre|aider|peux)",
    r"(?:죄송합니다|죄송하지만)",
)
"""How a refusal begins, at the start of a sentence among the first `HEAD` characters."""

_AI = r"an? (?:large )?{}(?: language)?(?: model| assistant| chatbot| system)?"
_AIS = {
    hint: _AI.format(name)
    for hint, name in {
        "AI": "AI",
        "rtificial intell": "artificial intelligence",
        "anguage model": "language model",
        "earning model": "machine learning model",
    }.items()
}
AS_AN_AI = (
    *((hint, rf"\b[Aa]s {name},? (?:I|my)\b") for hint, name in _AIS.items()),
    *(
        (hint, rf"\bI(?:[’']m| am) (?:just |only |merely )?{name}(?=[.,;!]| (?:and|so|without|that|created|trained)\b)")
        for hint, name in _AIS.items()
    ),
    ("s an AI ", r"\b[Aa]s an AI (?:language model|assistant)\b(?=,| (?:I|my|it)\b)"),
    ("my ", r"\b(?:my (?:knowledge cut-?off|training data)|[Aa]s of my last (?:knowledge )?(?:update|training))\b"),
    (" have pers", r"\bI (?:do not|don[’']t) have personal (?:experiences?|opinions?|feelings|beliefs)\b"),
    (" real-time", r"\bI (?:do not|don[’']t) have access to real-time\b"),
    ("n tant qu", r"\b[Ee]n tant qu[’'](?:IA|intelligence artificielle|assistante? IA|modèle de langage)\b"),
    ("로서", r"\b(?:AI|인공지능) (?:언어 모델|어시스턴트)로서"),
)
"""How a model speaks of itself, anywhere: (hint, pattern). A pattern is looked for only where its hint is found, which
makes the search ten times as fast."""

REQUEST_TALK = (
    ("s you ", r"\b[Aa]s you (?:requested|instructed)\b"),
    ("s per your", r"\b[Aa]s per your (?:request|instructions?)\b"),
    ("prompt", r"\b(?:your|the|this) (?:given |above )?prompt (?:asks?|above|provided|you|requires?|given)\b"),
    ("provided ", r"\b(?:the|this) provided (?:extract|web ?page|prompt)\b"),
    ("given ", r"\b(?:the|this) given (?:extract|web ?page|prompt)\b"),
    ("extract ", r"\b(?:the|this) extract (?:provided|given|above)\b"),
    ("you ", r"\bthe (?:extract|web ?page|seed|snippet) (?:that )?you (?:provided|gave|shared|mentioned)\b"),
    (
        "I",
        r"\bI(?: have|[’']ve) (?:written|created|kept|followed|avoided|tried to)[^.\n]{0,60}"
        r"\b(?:your request|instructions?|prompt|you asked)",
    ),
    ("ope ", r"\b(?:I hope|Hope) (?:this|that|it) (?:helps|meets your|satisfies)\b"),
    ("me know if", r"\b[Ll]et me know if you(?:[’']d| would| need| want| have)\b"),
    ("Word count", r"(?m)^\W{0,3}Word count\b"),
    ("Note to", r"(?m)^\W{0,3}Note to (?:the )?(?:user|reader)\b"),
    ("[Insert", r"\[Insert [^\]\n]{1,40}\]"),
    ("[Your", r"\[Your [^\]\n]{1,40}\]"),
    ("extrait", r"\bl[’']extrait (?:fourni|ci-dessus)\b"),
)
"""How a text speaks of the request that it answers, anywhere: (hint, pattern) too."""

_GENRE = (
    r"(?:blog ?post|post|article|story|tale|text(?:book)?|chapter|section|unit|lesson|guide|tutorial|essay|excerpt"
    r"|outline|course|module|piece|narrative|version|example|response|answer|draft|dialogue|conversation|introduction"
    r"|explanation|how-to|wikihow|content|attempt|take|continuation)s?"
)
_ASSENT = r"(?:Sure(?: thing)?|Certainly|Of course|Absolutely|Definitely|Gladly|Yes|Okay|Great|Understood|Got it)"
_OFFER = (
    rf"(?:(?:So )?[Hh]ere(?:[’']s| is| are)|[Bb]elow(?: is| are|,? you[’']ll find)|[Hh]ere you go)"
    rf"[^\n]{{0,160}}?\b{_GENRE}\b[^\n]{{0,240}}?:[ \t*_]*(?=\n|$)"
)
_HAPPY = (
    r"I(?:[’']d| would|[’']ll| will|[’']m| am)(?: be)? (?:be )?(?:happy|glad|delighted|pleased) to[^\n]{0,200}?[.!:]"
)
_PRAISE = (
    r"(?:(?:That[’']s|What) a (?:great|good|fascinating|wonderful) question|Great question"
    r"|Thank you for [^\n.!]{1,80})[.!]"
)
_FRENCH = r"(?:Bien sûr|Certainement|Avec plaisir|D[’']accord) ?[!.,]"
_FRENCH_OFFER = (
    r"[Vv]oici [^\n]{0,160}?\b(?:article|texte|histoire|récit|chapitre|section|leçon|guide|billet|exemple|extrait|cours"
    r"|version)s?\b[^\n]{0,240}?:[ \t*_]*(?=\n|$)"
)
_KOREAN = r"(?:물론입니다|물론이죠|네,? 알겠습니다|알겠습니다)[!.]"
_PIECES = (
    rf"{_ASSENT}!",
    rf"{_ASSENT}[,.:]?(?=\s+(?:{_OFFER}|{_HAPPY}))",
    _PRAISE,
    _HAPPY,
    _OFFER,
    _FRENCH,
    _FRENCH_OFFER,
    _KOREAN,
)

HEAD = 300
"""Characters in which a refusal begins."""

_REFUSAL = re.compile(rf"(?:^|(?<=[.!?\n])\s*)(?:{'|'.join(REFUSALS)})")
_AS_AN_AI = [(hint, re.compile(pattern)) for hint, pattern in AS_AN_AI]
_REQUEST = [(hint, re.compile(pattern)) for hint, pattern in REQUEST_TALK]
_OPENING = re.compile(rf"\s*(?:(?:{'|'.join(_PIECES)})\s*)+(?:[-*_=]{{3,}}[ \t]*(?:\n\s*|$))?")
_STOCK = {name: re.compile(pattern) for name, pattern in STOCK_OPENINGS.items()}
_MARKUP = re.compile(r"[\s#*_>\"“”‘’'`«»~-]+")
_TITLE = re.compile(r"(?:#{1,6}[ \t][^\n]*|[^\n]{1,100}(?<![.!?:;,…。])[ \t]*)\n\s*(?=\S)|\s*[-=*_]{3,}[ \t]*\n\s*")
_CLOSERS = "\"'”’»)]}$*_`>~ \t\n\r\ufe0f"
_ENDS = (".", "!", "?", "…", "。", "！", "？", "‼")
_BLOCK_END = re.compile(r"(?:```|\||\$\$|\\\]|\\\)|\\end\{\w+\*?\}\$*)\s*$")
_NOTES = re.compile(r"(?<=[.!?…\"”])(?: ?\[[^\]\n]{1,20}\])+\s*$")
_ITEM = re.compile(r"\s*(?:[-*•+]|\d{1,3}[.)]|[a-zA-Z][.)])\s+\S")
_FINAL_LINE = re.compile(
    r"(?:^|[.!?])\W{0,9}(?:the end|fin|end|끝|q\.?e\.?d)\W{0,9}$|^\s*(?:#\w+\s*)+$|^\s*[—–]", re.IGNORECASE
)


def refusal(text: str) -> str | None:
    """The words by which a text refuses its request or speaks of its writer as an AI; None when it does neither.

    >>> refusal("I'm sorry, but I cannot write that story."), refusal("I cannot remember a colder winter.")
    ("I'm sorry, but I cannot write", None)
    """
    found = _REFUSAL.search(text[:HEAD])
    return found[0].strip() if found else _first(_AS_AN_AI, text)


def request_talk(text: str) -> str | None:
    """The words by which a text speaks of the request that it answers.

    >>> request_talk("Snow is cold. I hope this helps!"), request_talk("Snow is cold.")
    ('I hope this helps', None)
    """
    return _first(_REQUEST, text)


def boilerplate_opening(text: str) -> tuple[str, str] | None:
    """The courtesies before the text itself, and the rest, which together are the text; None when there are none.

    >>> boilerplate_opening("Sure! Here is a blog post about tea:\\n\\nTea is a leaf.")
    ('Sure! Here is a blog post about tea:\\n\\n', 'Tea is a leaf.')
    """
    found = _OPENING.match(text)
    return (text[: found.end()], text[found.end() :]) if found else None


def body(text: str) -> str:
    """The text from its first sentence on: without courtesies, title lines and markup.

    >>> body("Sure! Here is a story:\\n\\n# The Well\\n\\n**Once** upon a time")
    'Once** upon a time'
    """
    text = (boilerplate_opening(text) or ("", text))[1].strip()
    for _ in range(3):
        title = _TITLE.match(text)
        if not title or not text[title.end() :].strip():
            break
        text = text[title.end() :]
    start = _MARKUP.match(text)
    return text[start.end() :] if start else text


def stock_opening(text: str) -> str | None:
    """The name of the stock opening with which the first sentence begins.

    >>> stock_opening("**The Well**\\n\\nOnce upon a time there was a well."), stock_opening("A well stood in a yard.")
    ('Once upon a time', None)
    """
    start = body(text)[:120].replace("*", "").lower()
    return next((name for name, pattern in _STOCK.items() if pattern.match(start)), None)


def unfinished(text: str) -> bool:
    """Whether a text breaks off: no end of a sentence, an open code block, an empty text.

    A table, a formula, a closed code block, a line of tags and "The end" are ends too; so is an item of a list whose
    items have no full stops.

    >>> unfinished("It rained. Then the"), unfinished("It rained."), unfinished('"It rained!"')
    (True, False, False)
    """
    text = text.rstrip()
    if not text or text.count("```") % 2:
        return True
    lines = text.splitlines()
    last = lines[-1]
    if _BLOCK_END.search(last):
        return False
    bare = _NOTES.sub("", last).rstrip(_CLOSERS)
    if not bare or bare.endswith(_ENDS) or _FINAL_LINE.search(last) or unicodedata.category(bare[-1]) == "So":
        return False
    earlier = next((line for line in lines[-2::-1] if line.strip()), "")
    like_the_others = _ITEM.match(last) and _ITEM.match(earlier) and earlier.rstrip(_CLOSERS)[-1:] not in _ENDS
    return not like_the_others


def _first(patterns: Sequence[tuple[str, re.Pattern]], text: str) -> str | None:
    """What the first pattern that is found finds."""
    for hint, pattern in patterns:
        if hint in text and (found := pattern.search(text)):
            return found[0].strip()
    return None
