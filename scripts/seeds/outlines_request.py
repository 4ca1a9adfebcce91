"""The two requests by which the language model writes the outline of a course, and the form of both answers.

As in the cosmopedia repository the first request shows one worked example (1-shot), and the second hands the outline
back for everything to be dropped that is logistics or personal data; wording and example are our own.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from scripts.prompts.text import excerpt

DESCRIPTION_CHARACTERS = 2000
TITLE_LENGTH = (3, 100)
SUBTOPIC_LENGTH = (3, 150)
SUBTOPICS = (1, 6)

_WRITE = """Turn the catalogue entry of a university course into the outline of a textbook. Divide the subject into \
{units} units in the order in which they should be taught. Each unit has a "title", a noun phrase that is understood \
without the entry, and two to six "subtopics", short phrases for what the unit explains. Cover what the entry names or \
clearly implies, and nothing that concerns only those who take the course. Answer with one JSON object and nothing else.

Example of an entry:
{example_entry}

Its outline:
{example}

Entry:
{entry}"""

_CLEAN = """This is the outline of a textbook, made from the catalogue entry of a university course. Some of it may \
concern only the people who ran that course. Copy the JSON object with these changes:
- leave out units and subtopics that tell how the course is run: introductions and reviews, exams, grades, homework, \
student projects and presentations, deadlines, office hours, rooms, guest lectures;
- leave out names of teachers and guests, e-mail addresses, telephone numbers and web addresses; names that are a \
subject of study stay;
- change nothing else: add no unit, no subtopic and no word.
Answer with the JSON object and nothing else.

{outline}"""

_EXAMPLE_ENTRY = (
    "How Bridges Stand",
    "What keeps a bridge up, from a plank over a ditch to spans of two kilometres. Loads and supports, beams, arches, "
    "trusses and cables; stone, timber, iron, steel and concrete; wind, water, fatigue and how old bridges are kept "
    "safe. Students build and break a model.",
)
EXAMPLE = (
    ("Loads on a bridge", "Dead load and traffic", "Wind, snow and temperature", "Paths of forces to the ground"),
    ("Tension, compression and bending", "Stress and strain", "Neutral axis of a bent plank", "Stiffness and strength"),
    ("Supports and equilibrium", "Fixed, hinged and rolling supports", "Balance of forces and moments"),
    ("Beam bridges", "Deflection and span", "Shape of the cross-section", "Continuous beams over several piers"),
    ("Stone arches", "Line of thrust", "Keystone and abutments", "Roman and medieval arches"),
    ("Timber bridges", "Strength along and across the grain", "Joints", "Covered bridges and decay"),
    ("Trusses", "Why triangles are stiff", "Forces in the members", "Common truss patterns"),
    ("Cast iron, wrought iron and steel", "Brittle and ductile metals", "Rivets, bolts and welds"),
    ("Reinforced and prestressed concrete", "Weakness of concrete in tension", "Bars and tendons", "Creep"),
    ("Suspension bridges", "Shape of the main cable", "Towers and anchorages", "Spinning a cable in place"),
    ("Cable-stayed bridges", "Fans and harps of stays", "Balanced construction from the tower"),
    ("Foundations in water", "Piles and caissons", "Scour around piers", "Ship impact"),
    ("Wind and vibration", "Resonance and damping", "Flutter of a slender deck", "Wind tunnel models"),
    ("Fatigue and corrosion", "Growth of cracks under repeated load", "Rust and its prevention"),
    ("Famous failures", "Collapse of an under-designed truss", "A deck torn apart by wind", "Rules that came of them"),
    ("Inspection and repair of old bridges", "Signs of distress", "Load tests", "Strengthening and replacement"),
)
"""Sixteen units, as many as the published data has for a course (about 250,000 units of about 15,400 courses)."""


def write_request(title: str, description: str, units: int) -> str:
    """The first request: an outline of about so many units."""
    example = [{"title": name, "subtopics": subtopics} for name, *subtopics in EXAMPLE[:units]]
    return _WRITE.format(
        units=f"about {units}",
        example_entry=_entry(*_EXAMPLE_ENTRY),
        example=_to_json(example),
        entry=_entry(title, excerpt(description, DESCRIPTION_CHARACTERS)),
    )


def clean_request(units: Iterable[Mapping[str, Any]]) -> str:
    """The second request: the same outline without logistics and personal data."""
    return _CLEAN.format(outline=_to_json(units))


def outline_schema(units: int) -> dict[str, Any]:
    """The JSON Schema of both answers; there may be twice as many units as asked for."""
    title = {"type": "string", "minLength": TITLE_LENGTH[0], "maxLength": TITLE_LENGTH[1]}
    subtopic = {"type": "string", "minLength": SUBTOPIC_LENGTH[0], "maxLength": SUBTOPIC_LENGTH[1]}
    subtopics = {"type": "array", "items": subtopic, "minItems": SUBTOPICS[0], "maxItems": SUBTOPICS[1]}
    unit = {
        "type": "object",
        "properties": {"title": title, "subtopics": subtopics},
        "required": ["title", "subtopics"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"units": {"type": "array", "items": unit, "minItems": 1, "maxItems": 2 * units}},
        "required": ["units"],
        "additionalProperties": False,
    }


def _entry(title: str, description: str) -> str:
    return f"{title}\n{description}"


def _to_json(units: Iterable[Mapping[str, Any]]) -> str:
    """The outline in the compact form that the engines enforce."""
    return json.dumps({"units": list(units)}, ensure_ascii=False, separators=(",", ":"))
