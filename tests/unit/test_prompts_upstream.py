"""The original wording, from a file tree shaped like the original repository; its sentences here are our own."""

import functools
import hashlib
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from scripts.common.errors import InputError
from scripts.prompts import upstream
from scripts.prompts.render import join
from scripts.prompts.templates import FIELDS, load

RECIPE = upstream.read_recipe("resources/upstream.yaml")
PASSAGES = '''
import random

STYLES = {"wikihow": """A page says: "<INSERT_EXTRACT>".

Explain a task<ADD_TOPIC>. Write long.""", "blogpost": "Tell of it<ADD_TOPIC>: <INSERT_EXTRACT>"}


def build_prompt(x):
    topic = x["category"]
    add_topic = f', as part of "{topic}"' if random.random() < 0.5 else ""
    return add_topic
'''
UNITS = """
STYLES = {"young children": {"beginning": "Teach small children {{X}}.\\n", "criteria": "Be kind."}}
open("was-executed", "w")


def build(chapter, subchapter, unit, units, ref):
    text = f"Chapter '{chapter['title']}'. "
    text += f"Section '{subchapter['title']}'. "
    text += f"Done: unit{plural} {prev_units}. "
    ref = f" It begins: {unit['content'][:min(refrence_size, size)]}".rstrip(".")
    return text + f"Now '{unit['title']}'.{ref}\\n"
"""


def groups(*kinds):
    """Entries of the recipe as they are shipped, but with one template each."""
    wanted = {"passage": ["wikihow", "blogpost"], "unit": ["openstax_young_children"]}
    entries = [next(group for group in RECIPE["groups"] if group["kind"] == kind) for kind in kinds]
    return [e | {"templates": {name: e["templates"][name] for name in wanted[e["kind"]]}} for e in entries]


@pytest.fixture
def clone(tmp_path):
    """(clone, recipe) with the checksums of the files in it."""
    recipe = {"commit": "abc", "repository": "https://none.invalid", "groups": groups("passage", "unit")}
    for group, text in zip(recipe["groups"], (PASSAGES, UNITS), strict=True):
        path = tmp_path / "clone" / group["file"]
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
        group["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return tmp_path / "clone", tmp_path / "recipe.yaml"


def convert_all(clone, recipe, output):
    upstream.main(["--recipe", str(recipe), "--files", str(clone), "--output", str(output / "templates")])
    return {path.stem: path for path in (output / "templates").rglob("*.yaml")}


def filled(template, **values):
    """The prompt of a template for these field values."""
    columns = {field: pa.array([values.get(field, "")]) for field in FIELDS}
    return join(template, columns)[0].as_py()


def test_the_texts_of_the_dictionary_become_templates_that_the_workflow_reads(clone, tmp_path):
    found = convert_all(*clone, tmp_path)
    templates = {template.id: template for template in load(found.values())}
    assert sorted(templates) == [
        "en/passage/upstream_blogpost",
        "en/passage/upstream_wikihow",
        "en/unit/upstream_openstax_young_children/plain",
        "en/unit/upstream_openstax_young_children/with_reference",
    ]
    prompt = filled(templates["en/passage/upstream_wikihow"], extract="Bees {hum}.", topic="Bees")
    assert prompt == 'A page says: "Bees {hum}.".\n\nExplain a task, as part of "Bees". Write long.'
    assert filled(templates["en/passage/upstream_blogpost"], extract="Bees") == "Tell of it: Bees"


def test_pieces_and_phrases_are_joined_as_the_published_program_joins_them(clone, tmp_path):
    found = convert_all(*clone, tmp_path)
    plain, reference = load([found["upstream_openstax_young_children"]])
    values = {
        "book": "Nature",
        "chapter": "Insects",
        "section": "",
        "earlier": "Ants",
        "title": "Bees",
        "extract": "Bzz",
    }
    assert filled(plain, **values) == (
        "Teach small children 'Nature'.\nChapter 'Insects'. Done: units Ants. Now 'Bees'.\n\nBe kind."
    )
    assert "Now 'Bees'. It begins: Bzz.\n" in filled(reference, **values)


def test_nothing_in_the_files_is_executed(clone, tmp_path, monkeypatch):
    recipe = clone[1].resolve()
    monkeypatch.chdir(tmp_path)
    convert_all(clone[0], recipe, tmp_path)
    assert not Path("was-executed").exists()


def test_a_file_that_is_not_that_of_the_commit_is_refused(clone, tmp_path):
    path = clone[0] / "prompts/web_samples/build_web_prompts.py"
    path.write_text(PASSAGES + "# changed\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"build_web_prompts.py has the SHA-256 .* not the file of the pinned commit"):
        convert_all(*clone, tmp_path)
    assert not (tmp_path / "templates").exists()


def test_files_that_are_not_there_are_fetched_at_the_pinned_commit(clone, tmp_path):
    (tmp_path / "site").mkdir()
    clone[0].rename(tmp_path / "site" / "abc")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=tmp_path / "site")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        recipe = yaml.safe_load(clone[1].read_text()) | {"repository": address}
        clone[1].write_text(yaml.safe_dump(recipe))
        assert len(convert_all(tmp_path / "files", clone[1], tmp_path)) == 3
        server.shutdown()
    assert (tmp_path / "files/prompts/web_samples/build_web_prompts.py").read_text() == PASSAGES


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("STYLES =", "OTHERS =", "no dictionary STYLES"),
        ('"wikihow":', '"how":', "wikihow"),
        ("<INSERT_EXTRACT>", "<OTHER>", "has no <INSERT_EXTRACT>"),
        ("Write long.", "Write {long}.", "brace"),
        ("{topic}", "{topics}", "no f-string with topic"),
        ('{"wikihow"', 'dict() or {"wikihow"', "malformed"),
        ("import random", "import (", "invalid syntax|never closed"),
    ],
)
def test_a_file_of_another_form_is_a_clear_error(old, new, problem):
    with pytest.raises(InputError, match=f"(?s)build_web_prompts.py does not have the form .*(?:{problem})"):
        upstream.convert(groups("passage")[0], PASSAGES.replace(old, new))


def test_the_recipe_pins_every_file_and_covers_the_published_programs():
    assert all(len(group["sha256"]) == 64 and group["marks"] for group in RECIPE["groups"])
    cells = [
        (s, t["format"], t["audience"]) for g in RECIPE["groups"] for s in g["sources"] for t in g["templates"].values()
    ]
    assert len(set(cells)) == len(cells)
    assert len([cell for cell in cells if cell[0] == "ultrachat"]) == 5
    assert len([cell for cell in cells if cell[0] == "openhermes"]) == 3


def test_what_is_planned_is_what_comes_out(clone, tmp_path):
    found = load(convert_all(*clone, tmp_path).values())
    planned = upstream.planned(upstream.read_recipe(clone[1]))
    assert sorted((t.file, t.cell, t.kind, tuple(t.sources)) for t in planned) == sorted(
        (t.file, t.cell, t.kind, tuple(t.sources)) for t in found
    )
