"""Templates are sound data, are refused clearly when they are not, and are filled without reading seed text."""

from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from scripts.common.errors import InputError
from scripts.prompts.render import join
from scripts.prompts.templates import FIELDS, Template, load, read

SHIPPED = sorted(Path("config/templates").rglob("*.yaml"))
SOUND = {
    "id": "en/passage/note",
    "version": 1,
    "language": "en",
    "kind": "passage",
    "format": "blogpost",
    "audience": "general",
    "clauses": {"topic_clause": " It is about {topic}."},
    "text": "Write about {extract}.{topic_clause}",
}


def write(folder, **changes):
    path = folder / "en" / "passage" / "note.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({key: value for key, value in (SOUND | changes).items() if value is not None}))
    return path


def note(folder, **changes):
    (template,) = read(write(folder, **changes))
    return template


def render(template, **values):
    """The prompt for one row of field values."""
    filled = {field: pa.array([values.get(field, "")]) for field in FIELDS}
    return join(template, filled)[0].as_py()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: "/".join(path.parts[-3:]))
def test_a_shipped_template_is_sound(path):
    for template in read(path):
        assert template.file == "/".join(path.parts[-3:])


ENGLISH = [path for path in SHIPPED if path.parts[-3] == "en"]


@pytest.mark.parametrize("path", ENGLISH, ids=lambda path: "/".join(path.parts[-3:]))
def test_an_english_template_forbids_the_stock_openings(path):
    for template in read(path):
        for opening in ("Once upon a time", "The sun hung low in the sky", "Have you ever"):
            assert opening in template.text


def shipped(source, kind):
    return [template for template in load(ENGLISH) if template.takes(source, kind)]


def test_the_published_formats_and_audiences_are_covered():
    web = {template.format for template in shipped("web", "passage")}
    assert {"wikihow", "textbook_narrative", "textbook_academic_tone", "blogpost"} <= web
    assert {t.audience for t in shipped("auto_math_text", "passage")} == {"college_students", "grade_school_students"}
    assert len({t.format for t in shipped("ultrachat", "dialogue")}) == 5
    assert len({t.format for t in shipped("openhermes", "dialogue")}) == 3
    for source in ("openstax", "stanford", "khanacademy"):
        audiences = {t.audience for t in shipped(source, "unit") if t.format.startswith("textbook")}
        assert {"young_children", "college_students", "researchers"} < audiences
        assert len(audiences) == 4


def test_only_web_templates_name_a_topic():
    assert {source for t in load(ENGLISH) if t.can_name_topic for source in t.sources} == {"web", "fineweb"}


def test_no_two_templates_share_their_wording():
    assert len({template.digest for template in load(SHIPPED)}) == len(load(SHIPPED))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"audiense": "general"}, r"note.yaml: unknown key `audiense`: did you mean `audience`\?"),
        ({"format": None}, "note.yaml: the key `format` is missing"),
        ({"language": False}, "note.yaml: `language`: False is not of type 'string'"),
        ({"version": "1"}, "note.yaml: `version`: '1' is not of type 'integer'"),
        ({"extract_characters": 0}, "note.yaml: `extract_characters`: 0 is less than the minimum of 1"),
        ({"kind": "page"}, r"note.yaml: `kind`: 'page' is not one of \['passage', 'unit', 'title', 'dialogue'\]"),
        ({"sources": "web"}, "note.yaml: `sources`: 'web' is not of type 'array'"),
        ({"id": "en/passage/other"}, "which says `en/passage/note`"),
        ({"kind": "unit"}, "must agree with the file's place"),
        ({"text": "{extrakt}{topic_clause}"}, r"unknown field `\{extrakt\}` in `text`: did you mean `extract`\?"),
        ({"text": "{variant}{topic_clause}"}, r"unknown field `\{variant\}` in `text`"),
        ({"clauses": {"topic_clause": "{subject}"}}, r"unknown field `\{subject\}` in `clauses.topic_clause`"),
        ({"text": "{extract"}, "`topic_clause` is not used"),
        ({"text": "{extract}{topic_clause}{"}, "a brace in `text` that belongs to no field"),
        ({"text": "{extract} {topic}{topic_clause}"}, "put {topic} into a clause of its own"),
        ({"clauses": {"topic": "{topic}"}, "text": "{topic}"}, "`clauses`: 'topic' does not match"),
        ({"variants": {"plain": ""}}, "`variant` is not used"),
        ({"variants": {"a": "{titel}"}, "text": "{extract}{topic_clause}{variant}"}, r"`\{titel\}` in `variants.a`"),
        ({"text": "half \ud800 {extract}{topic_clause}"}, "is not valid YAML"),
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
    with pytest.raises(InputError, match="two template files have the id en/passage/note"):
        load([write(tmp_path / "a"), write(tmp_path / "b")])


def test_every_variant_is_a_template_of_its_own(tmp_path):
    variants = {"plain": "", "with_reference": ' Its source says: "{extract}".'}
    path = write(tmp_path, text="On {title}.{variant}{topic_clause}", variants=variants)
    plain, reference = load([path])
    assert (plain.id, reference.id) == ("en/passage/note/plain", "en/passage/note/with_reference")
    assert (plain.needed, reference.needed) == ({"title"}, {"title", "extract"})
    assert plain.digest != reference.digest
    assert render(plain, title="Tea", extract="leaves") == "On Tea."
    assert render(reference, title="Tea", extract="leaves") == 'On Tea. Its source says: "leaves".'


def test_a_clause_appears_only_when_its_fields_are_known(tmp_path):
    template = note(tmp_path)
    assert render(template, extract="tea", topic="Plants") == "Write about tea. It is about Plants."
    assert render(template, extract="tea") == "Write about tea."


def test_a_template_takes_seeds_of_its_kind_and_of_the_sources_it_names(tmp_path):
    assert note(tmp_path).takes("web", "passage")
    assert not note(tmp_path).takes("web", "title")
    assert note(tmp_path, sources=["web"]).takes("web", "passage")
    assert not note(tmp_path, sources=["web"]).takes("openwebmath", "passage")


VALUES = st.sampled_from(
    ["tea", "{title}", "{topic_clause}", "{{extract}}", "{variant}", "}{", "\\1", "\\g<0>", "%s", "$x", "'\"", "\ufffd"]
)


@given(st.dictionaries(st.sampled_from(FIELDS), VALUES | st.text(st.characters(exclude_categories=["Cs"]))))
def test_seed_text_is_never_interpreted(values):
    parts = [f"{{{field}}}" for field in FIELDS if field != "topic"]
    template = Template(**SOUND | {"text": "|".join(parts) + "|{topic_clause}"})
    filled = {field: values.get(field, "") for field in FIELDS}
    expected = [filled[field] for field in FIELDS if field != "topic"]
    expected.append(f" It is about {filled['topic']}." if filled["topic"] else "")
    assert render(template, **filled) == "|".join(expected)
