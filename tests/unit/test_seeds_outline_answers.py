"""Answers about a course: what is used of them, what is left out, and that no personal data survives."""

import json
from collections import Counter

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.seeds.catalogues import clean_description
from scripts.seeds.outlines_answers import Unit, Unusable, against, guard, read_cleaned, read_outline
from scripts.seeds.outlines_request import EXAMPLE, clean_request, outline_schema, write_request

WAVES = Unit("Seismic waves", ("Body waves and surface waves", "Speed in rock"))
FAULTS = Unit("Faults", ("Elastic rebound",))


def answer(*units):
    return json.dumps({"units": [{"title": title, "subtopics": list(names)} for title, names in units]})


def outline(*units):
    return answer(*((unit.title, unit.subtopics) for unit in units))


GOOD = outline(WAVES, FAULTS)


def cleaned(text, written=(WAVES, FAULTS), reason="stop"):
    left_out = Counter()
    return read_cleaned(text, reason, 8, written, left_out), +left_out


@pytest.mark.parametrize("text", [GOOD, f"Here it is:\n```json\n{GOOD}\n```", GOOD.replace("Faults", "Unit 2: Faults")])
def test_a_usable_outline_is_read(text):
    assert read_outline(text, "stop", 8) == (WAVES, FAULTS)


def test_a_whole_outline_that_met_the_limit_is_usable():
    assert read_outline(GOOD, "length", 8) == (WAVES, FAULTS)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no_json"),
        ("1. Seismic waves\n2. Faults", "no_json"),
        ("I'm sorry, but I cannot write an outline of this course.", "refusal"),
        (answer(("I cannot help with that", []), ("Faults", [])), "refusal"),
        (answer(("Faults", ["As an AI, I have no access to it"]), ("Waves", [])), "refusal"),
        ("{" * 10000, "no_json"),
        ("{}", "malformed"),
        ('{"units": []}', "malformed"),
        ('{"units": "Faults"}', "malformed"),
        ('{"units": ["Faults", "Waves"]}', "malformed"),
        ('{"units": [{"title": "Faults"}, {"title": "Waves"}]}', "malformed"),
        (answer(("Faults", [7]), ("Waves", [])), "malformed"),
        (answer(("123", []), ("Waves", [])), "malformed"),
        (answer(("Faults", ["a", "..."]), ("Waves", [])), "malformed"),
        (answer(("Faults", [f"Fault number {n}" for n in range(7)]), ("Waves", [])), "malformed"),
        (answer(("Faults", [])), "too_few_units"),
        (answer(*((f"Fault {letter}", []) for letter in "ABCDEFGHI")), "too_many_units"),
        (answer(("Faults", []), ("Faults", [])), "repeated_unit"),
        (write_request("Waves", "What moves in rock.", 4), "copied_example"),
        (answer(("F" * 100, []), ("Waves", [])), "cut_off"),
        (GOOD[:-10], "malformed"),
    ],
)
def test_an_unusable_outline_names_its_reason(text, reason):
    with pytest.raises(Unusable, match=f"^{reason}"):
        read_outline(text, "stop", 8)


def test_an_answer_that_was_cut_off_and_a_failed_engine_are_told_apart():
    with pytest.raises(Unusable, match=r"^cut_off: malformed"):
        read_outline(GOOD[:-10], "length", 8)
    with pytest.raises(Unusable, match=r"^engine_failed: out of memory$"):
        read_outline("out of memory", "error", 8)
    with pytest.raises(Unusable, match=r"^engine_failed"):
        cleaned(GOOD, reason="error")


@given(st.text(st.sampled_from('{}[]":,\\/ unitsle0-\ud800'), max_size=80))
def test_whatever_a_model_writes_is_read_or_unusable(text):
    try:
        assert len(read_outline(text, "stop", 8)) >= 2
    except Unusable as unusable:
        assert str(unusable)


def test_the_schema_and_the_reading_agree():
    schema = outline_schema(4)
    jsonschema.validate(json.loads(GOOD), schema)
    for bad in ('{"units": []}', answer(("Faults", [])), answer(*((f"Fault {n}", ["Slip"]) for n in range(9)))):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(json.loads(bad), schema)


def test_the_request_shows_an_example_in_the_form_of_the_answer():
    request = write_request('How "Ice" {moves}', "Glaciers and their {flow}.", 16)
    assert request.endswith('Entry:\nHow "Ice" {moves}\nGlaciers and their {flow}.')
    shown = request[request.index('{"units"') : request.index("\n\nEntry:")]
    jsonschema.validate(json.loads(shown), outline_schema(16))
    assert [unit["title"] for unit in json.loads(shown)["units"]] == [title for title, *_ in EXAMPLE]
    assert len(write_request("A", "B", 3)) < len(request)


def test_the_second_request_holds_the_first_answer():
    assert clean_request(json.loads(GOOD)["units"]).endswith(json.dumps(json.loads(GOOD), separators=(",", ":")))


def test_the_second_pass_may_remove_and_shorten():
    written = (Unit("Guest talk on seismic waves", ("Body waves", "Waves in rock")), FAULTS)
    text = answer(("Seismic waves", ["Waves"]))
    assert cleaned(text, written) == ((Unit("Seismic waves", ("Waves",)),), {"removed_by_second_pass": 1})


def test_what_the_second_pass_invented_is_refused():
    text = answer(("Faults", ["Elastic rebound", "Plate motion"]), ("Volcanoes", ["Lava"]), ("Faults", ["Slip"]))
    units, left_out = cleaned(text)
    assert units == (FAULTS,)
    assert left_out == {"invented": 2, "subtopic_invented": 1, "removed_by_second_pass": 1}


def test_of_two_units_the_nearer_one_is_taken():
    waves, plasma = Unit("Waves", ("Crest",)), Unit("Waves in plasma", ("Ions",))
    assert cleaned(outline(waves, plasma), (plasma, waves)) == ((waves, plasma), {})


def test_an_answer_of_which_nothing_is_left_is_unusable_and_not_counted():
    left_out = Counter()
    for text in (answer(("Volcanoes", ["Lava"])), answer(("Introduction", []))):
        with pytest.raises(Unusable, match=r"^nothing_left"):
            read_cleaned(text, "stop", 8, (Unit("Introduction", ()), FAULTS), left_out)
    assert not left_out


@pytest.mark.parametrize(
    ("phrase", "reason"),
    [
        ("Prof. Øster on faults", "personal_data"),
        ("Write to m.hill@example.edu", "personal_data"),
        ("Midterm exam", "logistics"),
        ("Office hours on Fridays", "logistics"),
        ("Final project", "logistics"),
        ("Introduction", "no_subject"),
        ("Course overview", "no_subject"),
        ("Introduction and overview", "no_subject"),
        ("Review and conclusion", "no_subject"),
        ("Guest lectures", "no_subject"),
        ("Student presentations", "no_subject"),
        ("Week 3", "no_subject"),
        ("title", "no_subject"),
        ("Introduction to plate tectonics", ""),
        ("Peer review in science", ""),
        ("Aeschylus and the Oresteia", ""),
        ("Part-of-speech tagging", ""),
        ("Language models", ""),
        ("1848: a year of revolutions", ""),
    ],
)
def test_the_last_guard_knows_what_is_no_subject(phrase, reason):
    assert against(phrase) == reason


def test_the_guard_counts_units_and_subtopics_that_it_leaves_out():
    left_out = Counter()
    units = [Unit("Midterm", ("Faults",)), Unit("Faults", ("Slip", "Prof. Hill on slip", "Quizzes"))]
    assert guard(units, left_out) == (Unit("Faults", ("Slip",)),)
    assert left_out == {"logistics": 1, "subtopic_personal_data": 1, "subtopic_logistics": 1}


NAMES = st.text(st.characters(categories=["Lu"]), min_size=1, max_size=1).flatmap(
    lambda first: st.text(st.characters(categories=["Ll"]), min_size=2, max_size=8).map(lambda rest: first + rest)
)
TITLES = ["Prof. ", "Professor ", "Professors ", "Profs. ", "Dr. ", "DR. ", "Drs. ", "Mr ", "Ms. ", "prof. ", "Prof."]
PERSONAL = st.one_of(
    st.emails().filter(lambda address: len(address) < 40),
    st.from_regex(r"\A[2-9][0-9]{2}[-. ][2-9][0-9]{2}[-. ][0-9]{4}\Z"),
    st.from_regex(r"\A\+[1-9][0-9] [0-9]{2,3} [0-9]{6,8}\Z"),
    st.builds(
        "{}{}".format, st.sampled_from(["Prof. ", "Professor ", "Dr. ", "Mr ", "Ms. ", "prof. ", "Prof."]), NAMES
    ),
)
WORDS = st.lists(st.sampled_from(["waves", "in", "rock", "and", "the", "sea", "(chapter", "two)"]), max_size=4)


@st.composite
def phrases(draw):
    """A phrase with something personal in it, and that something."""
    personal = draw(PERSONAL)
    return " ".join(["Seismic", *draw(WORDS), personal, *draw(WORDS)]), personal


@given(phrases(), phrases())
def test_no_address_number_or_title_with_a_name_survives(in_title, in_subtopic):
    units = [Unit(in_title[0], ("Slip",)), Unit("Faults", (in_subtopic[0], "Slip")), WAVES]
    text = outline(*units)
    kept, left_out = cleaned(text, read_outline(text, "stop", 8))
    everything = " ".join(phrase for unit in kept for phrase in (unit.title, *unit.subtopics))
    assert in_title[1] not in everything
    assert in_subtopic[1] not in everything
    assert kept == (Unit("Faults", ("Slip",)), WAVES)
    assert left_out.total() == 2
    assert in_title[1] not in clean_description(f"Rocks. {in_title[0]} teaches. Faults.")
