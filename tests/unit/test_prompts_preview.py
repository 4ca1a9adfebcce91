"""The page of prompts to read: the same random prompts in every run, nothing taken for markup, seed text marked."""

import re
from pathlib import Path

import pytest

from scripts.common.ids import content_id
from scripts.common.schemas import PROMPTS
from scripts.common.tables import write_table
from scripts.prompts.preview import main, sample, spans
from scripts.prompts.templates import Template, load

TEMPLATE = Template(
    "en/title/note", 1, "en", "title", "wikihow", "general", 'On "{title}".{book_clause} Write {extract}.',
    clauses={"book_clause": " It is in {book}."},
)  # fmt: skip


def prompt(number, template="en/title/wikihow", text='Write "<b>rest</b>" & more.'):
    return {
        "prompt_id": content_id(template, str(number)),
        "prompt": text,
        "seed_id": content_id("seed", str(number)),
        "format": "wikihow",
        "audience": "general",
        "topic_in_prompt": False,
        "template_id": template,
        "language": "en",
    }


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ('On "tea". It is in Plants. Write leaves.', ["tea", "Plants", "leaves"]),
        ('On "tea". Write leaves. And more.', ["tea", "leaves. And more"]),
        ('On "a\n{title} "b". Write ".', ['a\n{title} "b', '"']),
        ("Of another wording.", []),
    ],
)
def test_what_a_template_left_to_be_filled_is_found_again(text, filled):
    found = spans(TEMPLATE, text)
    assert "".join(piece for piece, _ in found) == text
    assert [piece for piece, from_seed in found if from_seed] == filled


def test_a_published_prompt_is_all_from_its_seed():
    assert spans(None, "Write {it}.") == [("Write {it}.", True)]


def test_some_prompts_of_each_template_and_source_whatever_the_parts(tmp_path):
    rows = [prompt(n) for n in range(40)] + [prompt(n, "en/passage/wikihow") for n in range(2)]
    write_table(tmp_path / "a/web/part-000.parquet", rows, PROMPTS)
    write_table(tmp_path / "b/web/part-000.parquet", rows[::-1][:20], PROMPTS)
    write_table(tmp_path / "b/web/part-001.parquet", rows[::-1][20:], PROMPTS)
    whole = sample([tmp_path / "a/web/part-000.parquet"], 3)
    assert [row["template_id"] for row in whole] == ["en/passage/wikihow"] * 2 + ["en/title/wikihow"] * 3
    assert whole == sample([tmp_path / f"b/web/part-00{n}.parquet" for n in (1, 0)], 3)


def test_the_page_is_self_contained_and_takes_nothing_for_markup(tmp_path):
    text = load([Path("config/templates/en/title/wikihow.yaml")])[0].text
    write_table(tmp_path / "wikihow/part-000.parquet", [prompt(1, text=text.replace("{title}", "<b>rest"))], PROMPTS)
    arguments = ["--prompts", tmp_path / "wikihow/part-000.parquet", "--templates"]
    arguments += ["config/templates/en/title/wikihow.yaml", "--run", "r", "--scale", "tiny"]
    main([str(word) for word in [*arguments, "--output", tmp_path / "page.html"]])
    html = (tmp_path / "page.html").read_text()
    assert "<mark>&lt;b&gt;rest</mark>" in html
    assert set(re.findall(r'(?:src|href)="([^"]+)"', html)) <= {"preview.html", "#1"}
    assert "url(" not in html


def test_a_run_without_prompts_gives_a_page_that_says_so(tmp_path):
    write_table(tmp_path / "web/part-000.parquet", [], PROMPTS)
    arguments = ["--prompts", tmp_path / "web/part-000.parquet", "--run", "r", "--scale", "tiny"]
    main([str(word) for word in [*arguments, "--output", tmp_path / "page.html"]])
    assert "No prompt was built" in (tmp_path / "page.html").read_text()
