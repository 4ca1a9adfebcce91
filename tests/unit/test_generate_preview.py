"""A preview before the full run: its texts are of the full run, its measures and its page are of its texts."""

import json
import re

import pytest

from scripts.common.errors import InputError
from scripts.common.ids import content_id
from scripts.common.schemas import PREVIEW, PROMPTS
from scripts.common.tables import read_table, write_table
from scripts.generate import ledger, preview, preview_measures, preview_page
from scripts.generate import slice as slice_
from scripts.generate.tally import read_jobs
from tests.unit.test_generate_measures import essay

FLAGS = """
    --rows-per-segment 16 --max-attempts 2 --max-failure-rate 0.5 --engine transformers --dtype float32
    --max-model-len 256 --max-in-flight 8 --threads 1 --temperature 0.8 --top-p 0.95 --top-k 50
    --repetition-penalty 1.2 --max-new-tokens 60 --seed 1
"""
TEMPLATES = ("en/title/wikihow", "en/dialogue/story_reddit", "fr/title/wikihow")


def prompt(number, template=TEMPLATES[0], text=None):
    text = text or f"Write about {number} for {template}."
    return {
        "prompt_id": content_id(text),
        "prompt": text,
        "seed_id": content_id("seed", str(number)),
        "format": "wikihow",
        "audience": "general",
        "topic_in_prompt": False,
        "template_id": template,
        "language": template[:2],
    }


def part(path, count=12, templates=TEMPLATES[:2]):
    write_table(path, [prompt(number, template) for number in range(count) for template in templates], PROMPTS)
    return path


class Run:
    """A part of prompts, its ledger, and the programs of generation on it, with a real engine."""

    def __init__(self, folder, model):
        self.folder, self.ledger = folder, folder / "generations/ledger/web/part-000"
        self.prompts = part(folder / "prompts/web/part-000.parquet")
        self.flags = [
            *f"--prompts {self.prompts} --ledger {self.ledger} --source web --part 000 --model {model}".split(),
            *FLAGS.split(),
            *("--options", '{"device": "cpu"}'),
        ]

    def preview(self, number=3, *flags):
        output = self.folder / "preview/web/part-000.parquet"
        preview.main([*self.flags, "--preview", str(number), "--output", str(output), *flags])
        return read_table(output, PREVIEW).to_pylist()

    def whole(self, *flags):
        marker = f"--output {self.folder}/slice.json --slice 0 --n-slices 1".split()
        slice_.main([*self.flags, *marker, *flags])

    def texts(self):
        """(prompt id, text) of all rows of the ledger."""
        tables = ledger.segments(self.ledger)
        return [(row["prompt_id"], row["text"]) for table in tables for row in table.to_pylist()]


@pytest.fixture
def run(tmp_path, random_lm):
    return Run(tmp_path, random_lm)


BROKEN_ENGINE = ("--dtype", "no such type")
"""Flags with which no engine can be loaded: a program that ends well with them has loaded none."""


def test_the_prompts_with_the_lowest_ids_of_each_template_are_taken_in_turn(tmp_path):
    rows = preview.sample(part(tmp_path / "prompts.parquet"), 3)
    assert [row["template_id"] for row in rows] == sorted(TEMPLATES[:2]) * 3
    for template in TEMPLATES[:2]:
        ids = sorted(prompt(number, template)["prompt_id"] for number in range(12))
        assert [row["prompt_id"] for row in rows if row["template_id"] == template] == ids[:3]
    assert preview.sample(part(tmp_path / "prompts.parquet"), 3) == rows
    assert len(preview.sample(part(tmp_path / "prompts.parquet"), 99)) == 24


def test_a_larger_preview_holds_the_smaller_one(tmp_path):
    path = part(tmp_path / "prompts.parquet")
    smaller, larger = ({row["prompt_id"] for row in preview.sample(path, number)} for number in (3, 5))
    assert smaller < larger


def test_the_full_run_generates_no_text_of_the_preview_again(run):
    rows = run.preview(3)
    before = run.texts()
    assert sorted(before) == sorted((row["prompt_id"], row["text"]) for row in rows)
    run.whole()
    after = run.texts()
    assert len(after) == len({prompt_id for prompt_id, _ in after}) == 24
    assert set(before) < set(after)


def test_a_preview_that_grows_generates_only_what_is_new(run):
    run.preview(2)
    before = run.texts()
    assert len(run.preview(4)) == len(run.texts()) == 8
    assert set(before) < set(run.texts())


def test_a_preview_after_a_full_run_generates_nothing_and_loads_no_engine(run):
    run.whole()
    before = run.texts()
    rows = run.preview(3, *BROKEN_ENGINE)
    assert run.texts() == before
    assert {(row["prompt_id"], row["text"]) for row in rows} < set(before)


def test_a_prompt_that_failed_is_shown_without_a_text(run):
    table = read_table(run.prompts, PROMPTS).to_pylist()
    write_table(run.prompts, [*table, prompt(0, TEMPLATES[2], "far too long " * 100)], PROMPTS)
    rows = run.preview(3)
    (failed,) = (row for row in rows if row["template_id"] == TEMPLATES[2])
    assert (failed["text"], failed["text_token_length"]) == (None, None)
    assert failed["finish_reason"] in ("refused", "error")
    assert sum(row["text"] is not None for row in rows) == 6


def test_the_status_file_says_that_it_was_the_preview_and_how_its_texts_look(run):
    run.preview(3)
    (status,) = (json.loads(path.read_text()) for path in run.ledger.glob("*.status.json"))
    assert (status["slice"], status["state"], status["texts"]) == ("preview", "finished", 6)
    assert status["looks"] == {"window": 200, "templates": {}}
    (job,) = read_jobs(run.folder)
    assert (job["slice"], job["done"]) == ("preview", 6)


def test_a_stop_rule_that_cannot_be_watched_is_refused_before_an_engine_is_loaded(run):
    with pytest.raises(InputError, match="boredom cannot be watched"):
        run.whole("--stop-rules", '{"boredom": 0.5}', *BROKEN_ENGINE)


def test_a_part_without_prompts_has_an_empty_preview(run):
    write_table(run.prompts, [], PROMPTS)
    assert run.preview(3, *BROKEN_ENGINE) == []


def previewed(folder, source, texts, template=TEMPLATES[0], **columns):
    """Writes a preview of some texts."""
    fixed = {"text_token_length": 200, "finish_reason": "stop"} | columns
    rows = [prompt(number, template) | fixed | {"text": text} for number, text in enumerate(texts)]
    write_table(folder / source / "part-000.parquet", rows, PREVIEW)
    return folder / source / "part-000.parquet"


def test_the_most_troubled_template_comes_first(tmp_path):
    good = previewed(tmp_path, "a", map(essay, range(30)))
    bad = previewed(tmp_path, "b", [f"Once upon a time {essay(number)}" for number in range(30)], TEMPLATES[1])
    summary = preview_measures.summarise([good, bad])
    first, last = summary["templates"]
    assert (first["source"], first["template_id"], last["source"]) == ("b", TEMPLATES[1], "a")
    assert first["measures"]["top_opening_share"] == {"value": 1, "mark": "bad"}
    assert first["openings"] == [["once upon a time", 30]]
    assert first["stock_openings"] == [["Once upon a time", 30]]
    assert (last["bad"], last["look"]) == (0, 0)


def test_failed_prompts_are_counted_and_not_measured(tmp_path):
    rows = [*(prompt(n) | {"text": essay(n), "text_token_length": 9, "finish_reason": "stop"} for n in range(3))]
    rows.append(prompt(9) | {"text": None, "text_token_length": None, "finish_reason": "error"})
    write_table(tmp_path / "web/part-000.parquet", rows, PREVIEW)
    (found,) = preview_measures.summarise([tmp_path / "web/part-000.parquet"])["templates"]
    assert (found["prompts"], found["texts"], found["failed"]) == (4, 3, 1)
    assert found["tokens"] == [9, 9, 9]


def test_a_template_of_which_every_prompt_failed_has_no_values(tmp_path):
    path = previewed(tmp_path, "web", [None], text_token_length=None, finish_reason="refused")
    (found,) = preview_measures.summarise([path])["templates"]
    assert {each["value"] for each in found["measures"].values()} == {None}
    assert found["median"] == {"tokens": None, "characters": None}


def page(folder, *previews):
    """The measures and the page of some previews, made by the programs."""
    files = [str(path) for path in previews]
    preview_measures.main(["--previews", *files, "--output", str(folder / "preview.json")])
    inputs = ["--measures", str(folder / "preview.json"), "--previews", *files]
    preview_page.main([*inputs, "--run", "r", "--scale", "small", "--output", str(folder / "preview.html")])
    return (folder / "preview.html").read_text(), json.loads((folder / "preview.json").read_text())


def test_the_page_is_self_contained_and_takes_nothing_for_markup(tmp_path):
    path = previewed(tmp_path, "web", [f"<b>Once</b> & again\x00 {essay(number)}" for number in range(25)])
    html, _ = page(tmp_path, path)
    assert "&lt;b&gt;Once&lt;/b&gt; &amp; again" in html
    links = set(re.findall(r'(?:src|href)="([^"]+)"', html))
    assert {link for link in links if not link.startswith("#")} == {"preview.html"}
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]+"', "", html)


def test_the_page_shows_marks_openings_texts_and_near_duplicates(tmp_path):
    texts = [*map(essay, range(24)), essay(0)]
    html, summary = page(tmp_path, previewed(tmp_path, "web", texts))
    (found,) = summary["templates"]
    assert found["measures"]["near_duplicates"] == {"value": 0.08, "mark": "look"}
    assert "Near-duplicates 8.0\xa0%" in html
    assert "similarity 1.00" in html
    assert html.count(essay(0)) >= 2
    assert "Write about 2 for" in html


def test_texts_with_a_fault_are_shown_as_examples_of_it(tmp_path):
    refusal = f"I'm sorry, but I cannot write about {essay(99)}"
    html, summary = page(tmp_path, previewed(tmp_path, "web", [*map(essay, range(24)), refusal]))
    (found,) = summary["templates"]
    assert found["examples"] == {"refusals": [prompt(24)["prompt_id"]]}
    assert found["refusals"] == [["I'm sorry, but I cannot write", 1]]
    assert essay(99) in html


def test_equal_previews_give_equal_bytes(tmp_path):
    texts = [essay(number % 20) for number in range(30)]
    first, second = (page(tmp_path, previewed(tmp_path, "web", texts)) for _ in range(2))
    assert first == second


def test_a_run_without_prompts_gives_a_page_that_says_so(tmp_path):
    html, summary = page(tmp_path, previewed(tmp_path, "web", []))
    assert summary["templates"] == []
    assert "There is no prompt" in html


def test_a_template_without_a_text_is_on_the_page(tmp_path):
    html, _ = page(tmp_path, previewed(tmp_path, "web", [None], text_token_length=None, finish_reason="error"))
    assert "0 of 1 prompts have a text, 1 failed" in html
