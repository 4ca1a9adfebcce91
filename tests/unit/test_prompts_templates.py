"""Templates are sound data, are refused clearly when they are not, and are filled without reading seed text."""

from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from scripts.common.errors import InputError
from scripts.prompts.templates import FIELDS, Template, load, read

SHIPPED = sorted(Path("config/templates").rglob("*.yaml"))
SCHEMA = yaml.safe_load(Path("workflow/schemas/templates.schema.yaml").read_text())
SOUND = {
    "id": "en/web/note",
    "version": 1,
    "language": "en",
    "source": "web",
    "kind": "passage",
    "format": "blogpost",
    "audience": "general",
    "clauses": {"topic_clause": " It is about {topic}."},
    "text": "Write about {extract}.{topic_clause}",
}


def write(folder, **changes):
    path = folder / "en" / "web" / "note.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({key: value for key, value in (SOUND | changes).items() if value is not None}))
    return path


def shipped(source):
    return {t.id.split("/")[2]: t for t in load(path for path in SHIPPED if path.parent.name == source)}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: "/".join(path.parts[-3:]))
def test_a_shipped_template_is_sound_and_forbids_the_stock_openings(path):
    jsonschema.validate(yaml.safe_load(path.read_text()), SCHEMA)
    template = read(path)
    for opening in ("Once upon a time", "The sun hung low in the sky", "Have you ever"):
        assert opening in template.text
    assert "Form: " in template.text
    assert "Content: " in template.text


def test_schema_and_program_know_the_same_keys():
    assert SCHEMA["properties"].keys() == Template.__dataclass_fields__.keys()


def test_the_published_formats_and_audiences_are_covered():
    assert {t.format for t in shipped("web").values()} == {
        "wikihow",
        "textbook_narrative",
        "textbook_academic_tone",
        "blogpost",
    }
    assert {t.audience for t in shipped("auto_math_text").values()} == {"college_students", "grade_school_students"}
    assert len(shipped("ultrachat")) == 5
    assert len(shipped("openhermes")) == 3
    assert len(shipped("openstax")) == 8
    for source in ("openstax", "stanford", "khanacademy"):
        audiences = {t.audience for t in shipped(source).values()}
        assert {"young_children", "college_students", "researchers"} < audiences
        assert audiences & {"middle_school_students", "high_school_students"}


def test_only_web_templates_name_a_topic():
    assert {path.parent.name for path in SHIPPED if read(path).can_name_topic} == {"web"}


def test_no_two_templates_share_their_wording():
    assert len({read(path).digest for path in SHIPPED}) == len(SHIPPED)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"audiense": "general"}, r"note.yaml: unknown key `audiense`: did you mean `audience`\?"),
        ({"format": None}, "note.yaml: the key `format` is missing"),
        ({"language": False}, "`language` must be a text, not False"),
        ({"version": "1"}, "`version` must be a whole number"),
        ({"extract_characters": 0}, "`extract_characters` must be a whole number of at least 1"),
        ({"kind": "page"}, "kind `page` must be one of passage, unit, title, dialogue"),
        ({"id": "en/web/other"}, "which says `en/web/note`"),
        ({"source": "stanford"}, "must agree with the file's place"),
        ({"text": "{extrakt}{topic_clause}"}, r"unknown field `\{extrakt\}` in `text`: did you mean `extract`\?"),
        ({"clauses": {"topic_clause": "{subject}"}}, r"unknown field `\{subject\}` in `topic_clause`"),
        ({"text": "{extract"}, "clause `topic_clause` is not used"),
        ({"text": "{extract}{topic_clause}{"}, "a brace in `text` that belongs to no field"),
        ({"text": "{extract} {topic}{topic_clause}"}, "put {topic} into a clause of its own"),
        ({"clauses": {"topic": "{topic}"}, "text": "{topic}"}, "must have a name that ends in _clause"),
    ],
)
def test_an_unsound_template_is_refused_with_its_file_and_key(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        read(write(tmp_path, **changes))


def test_broken_yaml_and_other_documents_are_refused(tmp_path):
    path = write(tmp_path)
    path.write_text("text: [")
    with pytest.raises(InputError, match="not valid YAML"):
        read(path)
    path.write_text("- a list")
    with pytest.raises(InputError, match="must hold a mapping"):
        read(path)


def test_two_files_with_one_id_are_refused(tmp_path):
    with pytest.raises(InputError, match="two template files have the id en/web/note"):
        load([write(tmp_path / "a"), write(tmp_path / "b")])


def test_a_clause_appears_only_when_its_fields_are_known(tmp_path):
    template = read(write(tmp_path))
    assert template.render({"extract": "tea", "topic": "Plants"}) == "Write about tea. It is about Plants."
    assert template.render({"extract": "tea", "topic": ""}) == "Write about tea."


def test_a_seed_without_a_needed_field_or_of_another_kind_does_not_fit(tmp_path):
    template = read(write(tmp_path))
    assert template.fits("web", "passage", "en", {"extract": "tea"})
    assert template.fits("web", "passage", None, {"extract": "tea"})
    assert not template.fits("web", "passage", "en", {"extract": ""})
    assert not template.fits("web", "title", "en", {"extract": "tea"})
    assert not template.fits("openstax", "passage", "en", {"extract": "tea"})
    assert not template.fits("web", "passage", "de", {"extract": "tea"})


VALUES = st.sampled_from(
    ["tea", "{title}", "{topic_clause}", "{{extract}}", "}{", "\\1", "\\g<0>", "%s", "$x", "'\"", "\ud800"]
)


@given(st.dictionaries(st.sampled_from(FIELDS), VALUES))
def test_seed_text_is_never_interpreted(values):
    parts = [f"{{{field}}}" for field in FIELDS if field != "topic"]
    template = Template(**SOUND | {"text": "|".join(parts) + "|{topic_clause}"})
    filled = {field: values.get(field, "") for field in FIELDS}
    expected = [filled[field] for field in FIELDS if field != "topic"]
    expected.append(f" It is about {filled['topic']}." if filled["topic"] else "")
    assert template.render(filled) == "|".join(expected)
