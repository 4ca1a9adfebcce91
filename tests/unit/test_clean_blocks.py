"""Fenced code blocks: which are found, which parse, which are not judged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.clean.blocks import FAILED, LANGUAGES, PARSED, UNJUDGED, Block, judge, python_source, split

PARSES = {
    "a program": ("python", "def rise(hours):\n    return hours * 2\n\nprint(rise(3))"),
    "a session": (
        "python",
        ">>> loaves = 3\n>>> for n in range(loaves):\n...     print(n)\n...\n0\n1\n2\n>>> loaves\n3",
    ),
    "a session with an error": (
        "pycon",
        ">>> 1 / 0\nTraceback (most recent call last):\n  ...\nZeroDivisionError: division",
    ),
    "a notebook": (
        "python",
        "%matplotlib inline\n!pip install dough\nimport math\n?math.pi",
    ),
    "a shell in Python's fence": ("python", "$ python bake.py --loaves 3\npip install dough\npython -m dough"),
    "a session of careless prompts": ("python", "  >>> if True:\n  ...     print(1)\n  ...\n1\n>>> print(2)\n2"),
    "a line that begins like a notebook's": ("python", "print('%d loaves'\n      % 3)"),
    "an indented block": ("python", "    if True:\n        rise()\n    bake()"),
    "tabs": ("py", "if True:\n\trise()\n\tbake()"),
    "an ellipsis that is Python": ("python", "def rise():\n    ...\n\nrise()[..., 0]"),
    "an escape that Python only warns of": ("python", "import re\nre.match('\\d+', '3')"),
    "await outside a function": ("python", "loaf = await bake()"),
    "a JSON document": ("json", '{"loaves": [1, 2, null]}'),
    "JSON lines": ("json", '{"loaves": 1}\n{"loaves": 2}\n'),
    "the inside of an object": ("json", '"flour": 500,\n"water": 350,'),
    "YAML with a program's own tags": ("yaml", "Loaves: !Ref Oven\nsteps:\n  - rise\n---\nmore: 1"),
    "TOML": ("toml", '[oven]\nheat = 230\nname = "stone"'),
    "XML": ("xml", '<?xml version="1.0"?>\n<oven heat="230"><loaf/></oven>'),
    "XML elements in a row": ("xml", "<loaf/>\n<loaf/>"),
    "a namespace that is not declared": ("svg", '<circle xlink:href="#a"/>'),
}
FAILS = {
    "a missing colon": ("python", "x = 1\nif x\n    rise()", "line 2: "),
    "Python 2": ("python", 'print "bread"', "line 1: Missing parentheses"),
    "a broken session": ("python", ">>> rise(\n>>> bake()", "line 1: "),
    "a broken JSON document": ("json", '{"loaves": 3,, }', "Expecting property name"),
    "YAML": ("yaml", "loaves: [1, 2\nrolls: 3", "(line 2)"),
    "TOML": ("toml", "heat = hot", "Invalid value"),
    "XML": ("xml", "<oven><loaf></oven>", "mismatched tag"),
}
EXCERPTS = {
    "code left out": ("python", "def rise(hours, ...):\n    return hours"),
    "an ellipsis in JSON": ("json", '{"loaves": [1, 2, ...]}'),
    "a template": ("yaml", "name: {{ loaf }}\n{% if x %}\na: b\n{% endif %}"),
    "a placeholder": ("python", "key = <your key>"),
    "another language": ("rust", "fn main() {"),
    "no language": ("", "1--2\n|  |"),
    "HTML, which has no wrong form": ("html", "<p>open"),
    "an empty block": ("python", "\n"),
    "a huge one": ("json", "[" * 60_000),
}


@pytest.mark.parametrize("name", PARSES)
def test_good_code_is_no_false_alarm(name):
    assert judge(Block(*PARSES[name])) == (PARSED, "")


@pytest.mark.parametrize("name", FAILS)
def test_broken_code_is_named_with_its_error(name):
    language, source, message = FAILS[name]
    outcome, found = judge(Block(language, source))
    assert (outcome, message in found) == (FAILED, True), found


@pytest.mark.parametrize("name", EXCERPTS)
def test_excerpts_and_other_languages_are_not_judged(name):
    assert judge(Block(*EXCERPTS[name])) == (UNJUDGED, "")


def test_a_block_without_an_end_says_so():
    prose, blocks = split("Look:\n\n```python\nif True:\n")
    assert (prose, len(blocks)) == ("Look:\n", 1)
    assert judge(blocks[0])[1].endswith("(the block is not closed)")


def test_blocks_are_found_with_any_fence_and_in_lists():
    text = "One\n~~~py\na = 1\n~~~\nTwo\n````md\n```python\nb = 2\n```\n````\n- Three\n"
    text += "  ``` Python title\n  c = 3\n  ```\nFour"
    prose, blocks = split(text)
    assert prose == "One\nTwo\n- Three\nFour"
    assert [(block.language, block.source) for block in blocks] == [
        ("py", "a = 1"),
        ("md", "```python\nb = 2\n```"),
        ("python", "  c = 3"),
    ]
    assert judge(blocks[2]) == (PARSED, "")


def test_code_in_a_line_of_prose_is_prose():
    assert split("The mark ```x = 1``` is code.") == ("The mark ```x = 1``` is code.", [])


def test_a_session_becomes_its_statements():
    assert python_source(">>> a = 1\n>>> a\n1\n") == "a = 1\na\n"


@given(st.sampled_from(sorted(LANGUAGES)), st.text(max_size=200))
def test_no_block_stops_the_filter(language, source):
    outcome, message = judge(Block(language, source))
    assert outcome in (PARSED, FAILED, UNJUDGED)
    assert bool(message) == (outcome == FAILED)


@given(st.text(alphabet="`~\n abpy", max_size=80))
def test_every_line_is_prose_or_fence_or_in_a_block(text):
    prose, blocks = split(text)
    inside = sum(len(block.source.split("\n")) if block.source else 0 for block in blocks)
    assert len(prose.split("\n")) + inside <= len(text.split("\n")) + 1


@pytest.mark.parametrize("source", ["(" * 5000, "-" * 20000 + "1", "[" * 300, "a\0b", "x = " + "1+" * 9000 + "1"])
def test_deep_and_strange_python_is_judged_without_harm(source):
    assert judge(Block("python", source))[0] in (PARSED, FAILED)
