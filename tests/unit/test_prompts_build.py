"""Prompts of a part: the right seeds, the right templates, every choice by hash, nothing lost."""

import json
import random
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.ids import content_id
from scripts.common.tables import ASSIGNMENTS, PROMPTS, REJECTED, SEEDS, TOPICS, read_table, write_table
from scripts.prompts import build, manifest, seal, select
from scripts.prompts.build import Builder, Clusters, Selection, seed_data
from scripts.prompts.fields import field_columns
from scripts.prompts.render import Recipe, prompts_of
from scripts.prompts.templates import FIELDS, load
from scripts.prompts.text import excerpt

STYLES = ("wikihow", "textbook_narrative", "textbook_academic_tone", "blogpost")
WEB = [f"config/templates/en/passage/{style}.yaml" for style in STYLES]
UNIT = sorted(map(str, Path("config/templates/en/unit").glob("textbook_[!h]*.yaml")))
STORY = ["config/templates/en/dialogue/story_reddit.yaml"]


def seed(number, source="web", kind="passage", **values):
    text = values.pop("text", f"Page {number} is about rivers. " * 60)
    return {
        "seed_id": content_id(source, str(number)),
        "source": source,
        "kind": kind,
        "text": text,
        "title": None,
        "outline": None,
        "language": "en",
        "license": "CC0",
        "origin": f"page {number}",
    } | values


def unit(**outline):
    return seed(1, "openstax", "unit", text="A force is a push or a pull.", title="Forces", outline=outline)


def batch(seeds):
    return pa.RecordBatch.from_pylist(list(seeds), SEEDS)


def made(seeds, templates, topic=None, **settings):
    seeds = batch(seeds)
    recipe = Recipe(load(templates), "web_samples", **settings)
    return prompts_of(seeds, pa.array([topic] * len(seeds), pa.string()), recipe).to_pylist()


def rows_of(batches):
    return [row for each in batches for row in each.to_pylist()]


def web_prompts(seeds, topic="Rivers", **settings):
    return made(seeds, WEB, topic, **settings)


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


HOSTILE = ["{topic_clause} {0} {{x}} %s \\1 $x", "\x00\x1b {extract}", '"""\'', "a\u0301" * 3000, "\u200d" * 2000 + "a"]


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


def clusters(seeds, numbers):
    rows = [{"seed_id": row["seed_id"], "cluster_id": n} for row, n in zip(seeds, numbers, strict=True)]
    return Clusters(pa.Table.from_pylist(rows, ASSIGNMENTS).select(["seed_id", "cluster_id"]).to_batches(2))


def run_builder(seeds, selection, size=3):
    builder = Builder(selection, Recipe(load(WEB), "web_samples"))
    batches = [batch(seeds[start : start + size]) for start in range(0, len(seeds), size)]
    return rows_of(builder.prompts(batches)), builder


def topics(**decisions):
    return {
        int(key[1:]): {"topic": f"Topic {key}", "decision": decision, "reason": "score 1 < 3"}
        for key, decision in decisions.items()
    }


def test_every_seed_is_used_or_has_a_reason():
    seeds = [seed(n) for n in range(4)]
    ids = [row["seed_id"] for row in seeds]
    known = topics(c0="kept", c1="removed")
    selection = Selection("web/part-001", {ids[0]: "web/part-000"}, clusters(seeds, [0, -1, 0, 1]), known)
    prompts, builder = run_builder(seeds, selection)
    assert {p["seed_id"] for p in prompts} == {ids[2]}
    assert [(row["id"], row["reason"]) for row in builder.rejected] == [
        (ids[0], "duplicate_seed"),
        (ids[1], "noise"),
        (ids[3], "topic_removed"),
    ]
    assert builder.rejected[2]["detail"] == "cluster 1, Topic c1: score 1 < 3"
    counts = builder.counts("web", "001")
    assert (counts.rows_in, counts.added, counts.rows_out) == (4, 3, 4)


def test_noise_may_be_kept_without_a_topic():
    seeds = [seed(1), seed(2)]
    known = topics(c0="kept")
    prompts, builder = run_builder(seeds, Selection("web/part-000", {}, clusters(seeds, [-1, 0]), known, True))
    assert {p["topic"] for p in prompts if p["seed_id"] == seeds[0]["seed_id"]} == {None}
    assert len(prompts) == 8
    assert builder.rejected == []


def test_the_kept_copy_of_a_duplicate_seed_is_used():
    row = seed(1)
    prompts, _ = run_builder([row], Selection("web/part-000", {row["seed_id"]: "web/part-000"}))
    assert len(prompts) == 4


def test_a_seed_that_no_template_fits_is_kept_aside():
    rows = [seed(1, language="ko"), seed(2, text=" \n"), seed(3, "wikihow", "title"), seed(4, text=None)]
    prompts, builder = run_builder(rows, Selection("web/part-000", {}))
    assert prompts == []
    assert builder.counts("web", "000").rejected == {"no_template": 4}


def test_missing_clusters_and_topics_are_named():
    with pytest.raises(InputError, match="not of these seeds in their order"):
        run_builder([seed(1)], Selection("web/part-000", {}, clusters([], []), {}))
    with pytest.raises(InputError, match="cluster 7 is not in the topics table"):
        run_builder([seed(1)], Selection("web/part-000", {}, clusters([seed(1)], [7]), {}))


def prepare(folder):
    """Two parts of web seeds; 11 and 12 differ only after the extract, and 3 occurs in both parts."""
    same = "The same beginning. " * 60
    parts = [[seed(n) for n in range(6)] + [seed(11, text=same + "a")], [seed(3), seed(8), seed(12, text=same + "b")]]
    for number, rows in enumerate(parts):
        write_table(folder / f"seeds/part-00{number}.parquet", rows, SEEDS)
        assigned = [{"seed_id": row["seed_id"], "cluster_id": 0, "distance": 0.0} for row in rows]
        write_table(folder / f"assignments/part-00{number}.parquet", assigned, ASSIGNMENTS)
    repeated = {"id": seed(3)["seed_id"], "reason": "duplicate_seed", "detail": "web/part-000"}
    write_table(folder / "duplicates.parquet", [repeated], REJECTED)
    write_table(folder / "topics.parquet", [{"cluster_id": 0, "topic": "Rivers", "decision": "kept"}], TOPICS)


def arguments(**options):
    return [str(word) for name, value in options.items() for word in ("--" + name.replace("_", "-"), *_words(value))]


def _words(value):
    return value if isinstance(value, list) else [value]


def run_stage(folder, out, per_cell=100, parts=("000", "001"), **settings):
    """Runs the four programs of the stage; returns the final rows of each part."""
    built, final = out / "built/web", out / "web"
    for part in parts:
        options = arguments(
            seeds=folder / f"seeds/part-{part}.parquet",
            source="web",
            part=part,
            split="web_samples",
            duplicates=folder / "duplicates.parquet",
            assignments=folder / f"assignments/part-{part}.parquet",
            topics=folder / "topics.parquet",
            templates=WEB,
            output=built / f"part-{part}.parquet",
            rejected=built / f"{part}.rejected.parquet",
            counts=built / f"{part}.json",
        )
        build.main(options)
    cells = {template.cell: per_cell for template in load(WEB)}
    options = arguments(
        candidates=[built / f"part-{part}.parquet" for part in parts],
        source="web",
        cells=json.dumps(cells),
        repeated=out / "repeated.parquet",
        selection=out / "selection/web.json",
        **settings,
    )
    select.main(options)
    for part in parts:
        options = arguments(
            candidates=built / f"part-{part}.parquet",
            built_rejected=built / f"{part}.rejected.parquet",
            built_counts=built / f"{part}.json",
            repeated=out / "repeated.parquet",
            selection=out / "selection/web.json",
            output=final / f"part-{part}.parquet",
            rejected=out / f"{part}.rejected.parquet",
            counts=out / f"{part}.json",
        )
        seal.main(options)
    options = arguments(
        prompts=sorted(final / f"part-{part}.parquet" for part in parts),
        selections=out / "selection/web.json",
        counts=sorted(out / f"{part}.json" for part in parts),
        templates=WEB,
        clustered=["web"],
        seed=7,
        output=out / "manifest.json",
    )
    manifest.main(options)
    return [read_table(final / f"part-{part}.parquet", PROMPTS).to_pylist() for part in sorted(parts)]


def test_the_stage_gives_unique_prompts_and_accounts_for_every_seed(tmp_path):
    prepare(tmp_path)
    tables = run_stage(tmp_path, tmp_path / "out")
    ids = [row["prompt_id"] for table in tables for row in table]
    assert len(ids) == len(set(ids))
    assert len(tables[0]) == 28  # 7 seeds × 4 templates: the first occurrence stays
    counts = Counts.read(tmp_path / "out/001.json")
    repeated = counts.rejected["duplicate_prompt"]
    assert counts.rejected == {"duplicate_seed": 1, "duplicate_prompt": repeated}
    assert repeated > 0
    assert len(tables[1]) == 8 - repeated
    rejected = read_table(tmp_path / "out/001.rejected.parquet", REJECTED).to_pylist()
    assert len(rejected) == 1 + repeated
    assert rejected[-1]["detail"].endswith("first in web/part-000")


def test_the_mix_takes_so_many_of_every_cell_and_the_rest_is_counted(tmp_path):
    prepare(tmp_path)
    few = run_stage(tmp_path, tmp_path / "few", per_cell=3)
    more = run_stage(tmp_path, tmp_path / "more", per_cell=5)
    assert sum(map(len, few)) == 12
    ids = [{row["prompt_id"] for table in tables for row in table} for tables in (few, more)]
    assert ids[0] < ids[1]
    outside = sum(Counts.read(tmp_path / f"few/00{n}.json").rejected["outside_mix"] for n in (0, 1))
    repeated = Counts.read(tmp_path / "few/001.json").rejected["duplicate_prompt"]
    assert 12 + outside + repeated == 28 + 8


def test_a_fraction_takes_its_share_of_every_cell_of_the_mix(tmp_path):
    prepare(tmp_path)
    whole = run_stage(tmp_path, tmp_path / "whole", per_cell=6)
    half = run_stage(tmp_path, tmp_path / "half", per_cell=6, fraction=0.5)
    third = run_stage(tmp_path, tmp_path / "third", per_cell=6, fraction=1 / 3)
    ids = [{row["prompt_id"] for table in tables for row in table} for tables in (whole, half, third)]
    assert [len(each) for each in ids] == [24, 12, 8]
    assert ids[2] < ids[1] < ids[0]
    assert sum(Counts.read(tmp_path / f"half/00{n}.json").rejected["outside_fraction"] for n in (0, 1)) == 12


def test_the_manifest_tells_shares_shortfalls_and_template_hashes(tmp_path):
    prepare(tmp_path)
    run_stage(tmp_path, tmp_path / "out", per_cell=9)
    content = yaml.safe_load((tmp_path / "out/manifest.json").read_text())
    assert content["web_share"] == 1.0
    assert 0 < content["topic_share"]["web"] < 1
    assert sum(row["prompts"] for row in content["by_source_format_audience"]) == content["prompts"]
    assert content["asked"] == 36
    assert [row["got"] for row in content["mix"]] == [min(9, row["candidates"]) for row in content["mix"]]
    assert sum(row["shortfall"] for row in content["mix"]) == content["asked"] - content["prompts"]
    assert {key: value["hash"] for key, value in content["templates"].items()} == {t.id: t.digest for t in load(WEB)}
    assert (content["seed"], content["seeds"]) == (7, 10)


def test_two_runs_give_the_same_bytes_in_any_order_of_parts(tmp_path):
    prepare(tmp_path)
    run_stage(tmp_path, tmp_path / "a", per_cell=6)
    run_stage(tmp_path, tmp_path / "b", per_cell=6, parts=("001", "000"))
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert len(files) == 15
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)


def write_candidates(path, seeds, templates):
    recipe = Recipe(load(templates), "stories")
    rows = pa.Table.from_batches([prompts_of(batch(seeds), pa.nulls(len(seeds), pa.string()), recipe)])
    write_table(path, rows, rows.schema)
    return rows.to_pylist()


def test_a_prompt_of_an_earlier_source_is_not_asked_again(tmp_path):
    mine, other = tmp_path / "openhermes/part-000.parquet", tmp_path / "ultrachat/part-002.parquet"
    (shared,) = write_candidates(other, [seed(1, "ultrachat", "dialogue", text="Why?")], STORY)
    rows = write_candidates(
        mine, [seed(n, "openhermes", "dialogue", text=t) for n, t in enumerate(["Why?", "How?"])], STORY
    )
    options = arguments(
        candidates=mine,
        earlier=other,
        source="openhermes",
        cells=json.dumps({rows[0]["cell"]: 9}),
        repeated=tmp_path / "repeated.parquet",
        selection=tmp_path / "openhermes.json",
    )
    select.main(options)
    (row,) = read_table(tmp_path / "repeated.parquet", REJECTED).to_pylist()
    assert (row["id"], row["detail"]) == (shared["prompt_id"], "ultrachat/part-002")
    assert json.loads((tmp_path / "openhermes.json").read_text())[rows[0]["cell"]]["candidates"] == 1


def test_a_prompt_repeated_inside_one_part_stays_once():
    seeds = [seed(n, text=text) for n, text in enumerate(["same", "same", "other"])]
    rows = prompts_of(batch(seeds), pa.nulls(3, pa.string()), Recipe(load(WEB[:1]), "web_samples"))
    repeated = rows["prompt_id"][0].as_py()
    everything = {rows["cell"][0].as_py(): {"mix_bound": 2**63 - 1, "fraction_bound": 2**63 - 1}}
    sealer = seal.Sealer("web/part-000", {repeated: "web/part-000"}, everything)
    kept = rows_of(sealer.prompts([rows.slice(0, 1), rows.slice(1)]))
    assert [row["seed_id"] for row in kept] == [seeds[0]["seed_id"], seeds[2]["seed_id"]]
    assert [row["detail"] for row in sealer.repeated] == [f"seed {seeds[1]['seed_id']}, first in web/part-000"]


def test_no_prompts_at_all_are_no_error(tmp_path):
    assert made([], WEB) == []
    write_candidates(tmp_path / "web/part-000.parquet", [], WEB)
    options = arguments(
        candidates=tmp_path / "web/part-000.parquet",
        source="web",
        cells="{}",
        repeated=tmp_path / "repeated.parquet",
        selection=tmp_path / "web.json",
    )
    select.main(options)
    assert json.loads((tmp_path / "web.json").read_text()) == {}


def test_the_order_of_seeds_changes_no_prompt():
    seeds = [seed(n) for n in range(20)]
    shuffled = random.Random(1).sample(seeds, 20)
    keys = [
        {(p["prompt_id"], p["rank"], p["topic_in_prompt"]) for p in web_prompts(rows)} for rows in (seeds, shuffled)
    ]
    assert keys[0] == keys[1]
