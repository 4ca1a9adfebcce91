"""Prompts of seeds: the right templates, every choice by hash, hostile seeds harmless."""

import random
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.common.ids import content_id
from scripts.prompts.build import seed_data
from scripts.prompts.fields import field_columns
from scripts.prompts.render import Recipe, prompts_of
from scripts.prompts.templates import FIELDS, load
from scripts.prompts.text import excerpt
from tests.unit.prompt_seeds import UNIT, WEB, batch, made, seed, web_prompts

HOSTILE = ["{topic_clause} {0} {{x}} %s \\1 $x", "\x00\x1b {extract}", '"""\'', "a\u0301" * 3000, "\u200d" * 2000 + "a"]


def unit(**outline):
    return seed(1, "openstax", "unit", text="A force is a push or a pull.", title="Forces", outline=outline)


def fields(row, characters):
    return {name: column[0].as_py() for name, column in field_columns(batch([row]), characters, FIELDS).items()}


def test_a_seed_gets_every_template_that_fits():
    assert {p["template_id"] for p in web_prompts([seed(1)])} == {t.id for t in load(WEB)}


def test_prompts_come_in_the_order_of_their_seeds():
    seeds = [seed(1), seed(2, text=" "), seed(3), published(4), seed(5, language="fr"), seed(6)]
    places = [p["seed_id"] for p in web_prompts(seeds)]
    assert places == [row["seed_id"] for row, n in zip(seeds, [4, 0, 4, 1, 0, 4], strict=True) for _ in range(n)]


def test_half_of_the_web_prompts_name_their_topic_and_all_carry_it():
    prompts = web_prompts(seed(n) for n in range(200))
    named = [p for p in prompts if p["topic_in_prompt"]]
    assert 0.42 < len(named) / len(prompts) < 0.58
    assert all(('"Rivers"' in p["prompt"]) == p["topic_in_prompt"] for p in prompts)
    assert {p["topic"] for p in prompts} == {"Rivers"}


def test_whether_a_topic_is_named_does_not_follow_from_the_rank():
    prompts = web_prompts(seed(n) for n in range(300))
    low = sorted(prompts, key=lambda p: p["rank"])[: len(prompts) // 2]
    assert 0.42 < sum(p["topic_in_prompt"] for p in low) / len(low) < 0.58


@pytest.mark.parametrize(("probability", "named"), [(0, False), (1, True)])
def test_the_topic_share_can_be_none_or_all(probability, named):
    prompts = web_prompts([seed(n) for n in range(20)], topic_probability=probability)
    assert {p["topic_in_prompt"] for p in prompts} == {named}


def test_a_seed_without_a_topic_names_none():
    assert {p["topic_in_prompt"] for p in web_prompts([seed(1)], topic=None, topic_probability=1)} == {False}


def test_the_prompt_id_is_the_hash_of_template_wording_and_prompt():
    for prompt in web_prompts([seed(1), seed(2, text="naïve – “quoted” 数")]):
        template = next(t for t in load(WEB) if t.id == prompt["template_id"])
        assert prompt["prompt_id"] == content_id(template.id, template.digest, prompt["prompt"])


def test_a_reworded_template_moves_no_other_prompt_and_keeps_its_seeds(tmp_path):
    changed = tmp_path / "en/passage/wikihow.yaml"
    changed.parent.mkdir(parents=True)
    changed.write_text(Path(WEB[0]).read_text().replace("text: |-\n  ", "text: |-\n  Well: "))
    before, after = (made([seed(n) for n in range(9)], [first, *WEB[1:]], "Rivers") for first in (WEB[0], changed))
    key = ("template_id", "seed_id", "rank", "topic_in_prompt")
    assert [[p[name] for name in key] for p in before] == [[p[name] for name in key] for p in after]
    moved = {a["template_id"] for a, b in zip(before, after, strict=True) if a["prompt_id"] != b["prompt_id"]}
    assert moved == {"en/passage/wikihow"}


def test_the_extract_has_the_asked_length_and_a_template_may_ask_for_less():
    extract = fields(seed(1), 1000)["extract"]
    assert 998 < len(extract) <= 1000
    assert f'"{extract[:50].rstrip()}"' in web_prompts([seed(1)], characters=50)[0]["prompt"]
    long = seed(2, "openstax", "unit", text="x" * 5000, title="Forces", outline={"book": "Physics"})
    prompts = made([long], UNIT)
    assert {p["prompt"].count("x" * 600 + '"') for p in prompts} == {0, 1}
    assert not any("x" * 601 in p["prompt"] for p in prompts)


def test_a_unit_names_its_place_and_its_earlier_units():
    prompts = made([unit(book="Physics", chapter="Motion", section="Forces", earlier=["Speed", "Mass"])], UNIT)
    assert len(prompts) == 8
    for prompt in prompts:
        for part in ('"Forces"', '"Physics"', '"Motion"', "Speed; Mass"):
            assert part in prompt["prompt"]


def test_a_level_that_repeats_the_title_is_not_named():
    values = fields(unit(book="Physics", chapter="Motion", section="Forces"), 100)
    assert (values["title"], values["chapter"], values["section"]) == ("Forces", "Motion", "")


def test_a_unit_without_text_gets_the_templates_that_need_none():
    bare = unit(book="Physics", chapter=None, section=None, earlier=None) | {"text": None}
    assert {p["template_id"].rpartition("/")[2] for p in made([bare], UNIT)} == {"plain"}


def test_of_many_earlier_units_the_latest_are_named():
    earlier = [f"Unit number {n:03d}" for n in range(200)]
    named = fields(unit(book="Physics", earlier=earlier), 200)["earlier"]
    assert named.endswith("Unit number 199")
    assert len(named) <= 200


def test_a_title_seed_may_keep_its_title_in_either_column():
    assert fields(seed(1, "wikihow", "title", text="How to\n rest"), 100)["title"] == "How to rest"
    assert fields(seed(1, "wikihow", "title", text=None, title="How to rest"), 100)["title"] == "How to rest"


@given(st.lists(st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1)))
def test_hostile_seeds_are_harmless(texts):
    seeds = [seed(n, text=text) for n, text in enumerate(texts)]
    kept = {row["seed_id"]: excerpt(row["text"], 1000) for row in seeds}
    prompts = web_prompts(seeds)
    assert len(prompts) == 4 * sum(map(bool, kept.values()))
    for prompt in prompts:
        prompt["prompt"].encode("utf-8")
        assert f'"{kept[prompt["seed_id"]]}"' in prompt["prompt"]


def test_a_batch_may_be_cut_anywhere():
    seeds = [seed(n, text=f"Page {n} \u2013 text") for n in range(7)]
    whole = sorted(p["prompt_id"] for p in web_prompts(seeds))
    assert whole == sorted(p["prompt_id"] for n in range(7) for p in web_prompts(seeds[n : n + 1]))
    sliced = prompts_of(batch(seeds).slice(3), pa.nulls(4, pa.string()), Recipe(load(WEB), "x"))
    assert {p["seed_id"] for p in sliced.to_pylist()} == {row["seed_id"] for row in seeds[3:]}


def test_a_template_fits_seeds_of_its_language_or_of_all():
    seeds = [seed(1), seed(2, language="fr"), seed(3, language=None), seed(4, language="")]
    fit = [{p["seed_id"] for p in web_prompts(seeds, language=main)} for main in ("en", "fr")]
    assert [[row["seed_id"] in ids for row in seeds] for ids in fit] == [
        [True, False, True, True],
        [True, False, False, False],
    ]
    assert len({p["seed_id"] for p in web_prompts(seeds, cross_language=True)}) == 4
    assert {p["language"] for p in web_prompts(seeds, cross_language=True)} == {"en"}


def published(number, **asked):
    asked = {"seed_data": "web_samples_v1", "format": "blogpost", "audience": "general"} | asked
    return seed(number, "cosmopedia_web_samples_v1", "prompt", text=f" Write {{extract}} {number}\n", asked=asked)


def test_a_published_prompt_is_taken_as_it_stands():
    (prompt,) = made([published(1, format="wikihow")], [])
    assert (prompt["prompt"], prompt["template_id"]) == (" Write {extract} 1\n", "published")
    assert (prompt["seed_data"], prompt["format"], prompt["audience"]) == ("web_samples_v1", "wikihow", "general")
    assert prompt["prompt_id"] == content_id("published", "", prompt["prompt"])
    assert (prompt["language"], prompt["cell"], prompt["topic"]) == ("en", "*", None)


def test_stories_keep_the_name_of_their_source():
    assert seed_data("web", "web_samples") == "web_samples"
    assert seed_data("ultrachat", "stories") == "ultrachat"


def test_the_order_of_seeds_changes_no_prompt():
    seeds = [seed(n) for n in range(20)]
    shuffled = random.Random(1).sample(seeds, 20)
    keys = [
        {(p["prompt_id"], p["rank"], p["topic_in_prompt"]) for p in web_prompts(rows)} for rows in (seeds, shuffled)
    ]
    assert keys[0] == keys[1]
