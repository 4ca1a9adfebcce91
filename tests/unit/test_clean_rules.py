"""The rules on one text each: lengths, phrases, endings, language, openings."""

import pytest

from scripts.clean.filter import Filter, token_counter
from scripts.clean.repetition import LIMITS
from scripts.clean.rules import OPENING, RULES, Settings
from scripts.clean.summary import Tally
from scripts.common.errors import InputError
from tests.unit.prose import PARAGRAPHS, TEXT
from tests.unit.sealed import actions, rows

FRENCH = (
    "Le pain lève parce que la levure mange le sucre et rejette du gaz. Ce gaz ne peut pas s'échapper tout de suite, "
    "car le pétrissage a relié les protéines de la farine en un filet qui retient chaque bulle jusqu'à la cuisson. "
)


def judge(text, rules, language="en", **columns):
    """The decision on one text, by all rules flagging or as given."""
    tally = Tally("web", rules)
    count = token_counter("resources/tiny-lm")
    return Filter(Settings(rules), count, tally).decide(
        rows([text], **columns)[0], {"language": language, "format": "blogpost"}
    )


def flags(text, language="en", **columns):
    found = judge(text, actions("flag"), language, **columns)
    assert found["decision"] == "kept"
    return {flag["rule"]: flag["detail"] for flag in found["flags"]}


def test_a_good_text_fails_no_rule():
    assert flags(TEXT) == {}


def test_lengths_are_counted_in_tokens_and_in_characters():
    assert flags(TEXT, text_token_length=150) == {}
    assert flags(TEXT, text_token_length=149) == {"too_short": "149 tokens"}
    assert flags(TEXT, text_token_length=None) == {"too_short": "0 tokens"}
    short = " ".join(PARAGRAPHS[:3])[:499].rpartition(".")[0] + "."
    assert flags(short) == {"too_few_characters": f"{len(short)} characters"}


def test_refusals_and_talk_of_the_request_are_told_apart():
    assert flags("I'm sorry, but I cannot write this story. " + TEXT) == {"refusal": "I'm sorry, but I cannot write"}
    assert flags(TEXT + " As an AI language model, I have never baked.")["refusal"].startswith(
        "As an AI language model"
    )
    assert flags(TEXT + "\n\nLet me know if you need more loaves!") == {"request_talk": "Let me know if you need"}
    assert flags('"I cannot write to her," said the baker, and he put down the pen. ' + TEXT) == {}


def test_a_cut_text_is_incomplete_and_not_unfinished_as_well():
    assert flags(TEXT[:-30], finish_reason="length", text_token_length=2500) == {"incomplete": "cut at 2500 tokens"}
    assert list(flags(TEXT[:-30])) == ["unfinished"]
    assert flags(TEXT[:-30])["unfinished"].endswith(TEXT[:-30][-40:])


@pytest.mark.parametrize(
    "ending",
    [
        "So $x = \\boxed{4}.$",
        "\\begin{align*}\nx &= 4\n\\end{align*}",
        "$$x = 4$$",
        "Bread rose.[2]",
        "He asked why?[a] [12]",
    ],
)
def test_formulas_and_notes_end_a_text(ending):
    assert flags(f"{TEXT}\n\n{ending}") == {}


def test_only_a_text_that_is_clearly_in_another_language_is_named():
    assert flags(FRENCH * 4, language="fr").keys() == {"repetition"}
    assert flags(FRENCH * 4)["language"] == "fr instead of en"
    assert "language" not in flags("Qin, Han, Wei, Jin, Sui, Tang, Song, Yuan, Ming. " * 8)


def test_code_before_the_prose_does_not_decide_of_the_language():
    code = "```python\n" + "valeur = fonction(donnees_du_fichier)\n" * 40 + "```\n"
    assert "language" not in flags(code + TEXT)


@pytest.mark.parametrize(
    "opening", ["Sure! Here is a blog post about bread:\n\n", "Certainly! Here's a story about bread:\n"]
)
def test_an_opening_is_cut_and_the_rest_is_counted_anew(opening):
    found = judge(opening + TEXT, actions("remove", opening="cut"))
    assert (found["decision"], found["text"]) == ("kept", TEXT)
    assert found["text_token_length"] == token_counter("resources/tiny-lm")(TEXT)
    assert found["flags"] == [{"rule": "opening", "detail": opening.strip()}]


def test_an_opening_may_stay_and_a_text_without_one_is_not_changed():
    found = judge("Sure! " + TEXT, actions("remove", opening="flag"))
    assert (found["text"], [flag["rule"] for flag in found["flags"]]) == (None, ["opening"])
    assert judge("Sure! " + TEXT, actions("remove", opening="ignore"))["flags"] == []
    found = judge(TEXT, actions("remove", opening="cut"))
    assert (found["text"], found["text_token_length"], found["flags"]) == (None, None, [])


def test_the_length_rules_see_what_is_left_after_the_cut():
    opening = f"Sure! Here is a blog post about {'bread and ' * 20}salt:\n\n"
    assert judge(opening + TEXT[:400], actions("ignore", too_few_characters="remove"))["decision"] == "kept"
    found = judge(opening + TEXT[:400], actions("ignore", too_few_characters="remove", opening="cut"))
    assert (found["decision"], found["reason"], found["detail"]) == ("removed", "too_few_characters", "400 characters")
    found = judge("Sure! Here is a story about bread:\n", actions("flag", opening="cut"))
    assert (found["reason"], found["detail"]) == ("empty", "nothing but an opening")


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_that_is_ignored_finds_nothing(rule):
    bad = "I cannot write this. " + "As you requested, the dough rises. " * 3 + "\n```python\nif\n```\nIt rises and"
    columns = {"text_token_length": 20, "finish_reason": "length" if rule == "incomplete" else "stop"}
    assert judge(bad, actions(**{rule: "ignore"}), **columns)["flags"] == []
    if rule not in ("language", "code_fails"):
        assert [flag["rule"] for flag in judge(bad, actions(**{rule: "flag"}), **columns)["flags"]] == [rule]
        assert judge(bad, actions(**{rule: "remove"}), **columns)["reason"] == rule


def test_the_first_rule_that_removes_names_the_reason_and_its_flags_are_dropped():
    found = judge("It rises and", actions("flag", unfinished="remove", repetition="remove"), text_token_length=3)
    assert (found["decision"], found["reason"], found["flags"]) == ("removed", "unfinished", [])


def test_rules_and_measures_must_be_all_and_no_others():
    with pytest.raises(InputError, match=r"clean.rules must name opening, too_short.*: see code, too_long"):
        Settings({**{rule: "flag" for rule in RULES if rule != "code"}, OPENING: "cut", "too_long": "flag"})
    with pytest.raises(InputError, match=r"clean.repetition must name .*: see top_5_gram"):
        Settings(actions(), repetition={**LIMITS, "top_5_gram": 0.1})
