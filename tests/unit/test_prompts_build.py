"""Prompts of a part: the right seeds, the right templates, every choice by hash, nothing lost."""

from pathlib import Path

import pytest
import yaml

from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.ids import content_id, unit_interval
from scripts.common.tables import ASSIGNMENTS, PROMPTS, REJECTED, SEEDS, TOPICS, read_table, write_table
from scripts.prompts import build, duplicates, manifest, seal
from scripts.prompts.build import Builder, Recipe, Selection, field_values, prompts_of, seed_data
from scripts.prompts.templates import load

WEB = sorted(map(str, Path("config/templates/en/web").glob("*.yaml")))
OPENSTAX = sorted(map(str, Path("config/templates/en/openstax").glob("*.yaml")))


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


def web_prompts(seeds, topic="Rivers", **settings):
    recipe = Recipe(load(WEB), "web_samples", **settings)
    return [prompt for row in seeds for prompt in prompts_of(row, topic, recipe)]


def test_a_seed_gets_the_asked_number_of_templates_chosen_by_hash():
    assert len(web_prompts([seed(1)])) == 4
    chosen = [tuple(p["template_id"] for p in web_prompts([seed(n)], per_seed=2)) for n in range(60)]
    assert {len(set(pair)) for pair in chosen} == {2}
    assert {identifier for pair in chosen for identifier in pair} == {t.id for t in load(WEB)}
    assert chosen == [tuple(p["template_id"] for p in web_prompts([seed(n)], per_seed=2)) for n in range(60)]


def test_fewer_templates_per_seed_are_a_subset_of_more():
    one = {p["prompt_id"] for n in range(20) for p in web_prompts([seed(n)], per_seed=1)}
    two = {p["prompt_id"] for n in range(20) for p in web_prompts([seed(n)], per_seed=2)}
    assert one < two


def test_half_of_the_web_prompts_name_their_topic_and_all_carry_it():
    prompts = web_prompts(seed(n) for n in range(200))
    named = [p for p in prompts if p["topic_in_prompt"]]
    assert 0.42 < len(named) / len(prompts) < 0.58
    assert all(('"Rivers"' in p["prompt"]) == p["topic_in_prompt"] for p in prompts)
    assert {p["topic"] for p in prompts} == {"Rivers"}


@pytest.mark.parametrize(("probability", "named"), [(0, False), (1, True)])
def test_the_topic_share_can_be_none_or_all(probability, named):
    prompts = web_prompts([seed(n) for n in range(20)], topic_probability=probability)
    assert {p["topic_in_prompt"] for p in prompts} == {named}


def test_the_prompt_id_is_the_hash_of_template_wording_and_prompt():
    for prompt in web_prompts([seed(1)]):
        template = next(t for t in load(WEB) if t.id == prompt["template_id"])
        assert prompt["prompt_id"] == content_id(template.id, template.digest, prompt["prompt"])


def test_the_extract_has_the_asked_length_and_a_template_may_ask_for_less():
    values = field_values(seed(1), 1000)
    assert 998 < len(values["extract"]) <= 1000
    prompt = web_prompts([seed(1)], characters=50)[0]["prompt"]
    assert f'"{values["extract"][:50].rstrip()}"' in prompt
    long = seed(2, "openstax", "unit", text="x" * 5000, title="Forces", outline={"book": "Physics"})
    prompts = prompts_of(long, None, Recipe(load(OPENSTAX), "openstax"))
    assert {p["prompt"].count("x" * 600 + '"') for p in prompts} == {0, 1}
    assert not any("x" * 601 in p["prompt"] for p in prompts)


def test_a_unit_names_its_place_and_its_earlier_units():
    prompts = prompts_of(
        unit(book="Physics", chapter="Motion", section="Forces", earlier=["Speed", "Mass"]),
        None,
        Recipe(load(OPENSTAX), "x"),
    )
    assert len(prompts) == 8
    for prompt in prompts:
        for part in ('"Forces"', '"Physics"', 'chapter "Motion"', "Speed; Mass"):
            assert part in prompt["prompt"]
        assert "section" not in prompt["prompt"].split("\n")[0].replace("textbook section", "").replace(
            "chapter section", ""
        )


def test_a_unit_without_text_gets_the_templates_that_need_none():
    bare = unit(book="Physics", chapter=None, section=None, earlier=None) | {"text": None}
    assert {
        p["template_id"].endswith("_with_reference") for p in prompts_of(bare, None, Recipe(load(OPENSTAX), "x"))
    } == {False}


def test_of_many_earlier_units_the_latest_are_named():
    earlier = [f"Unit number {n:03d}" for n in range(200)]
    named = field_values(unit(book="Physics", earlier=earlier), 200)["earlier"]
    assert named.endswith("Unit number 199")
    assert len(named) <= 200


def test_a_title_seed_may_keep_its_title_in_either_column():
    assert field_values(seed(1, "wikihow", "title", text="How to\n rest"), 100)["title"] == "How to rest"
    assert field_values(seed(1, "wikihow", "title", text=None, title="How to rest"), 100)["title"] == "How to rest"


@pytest.mark.parametrize(
    "text", ["{topic_clause} {0} {{x}} %s \\1 $x", "\x00\x1b \ud800 {extract}", '"""\'', "a\u0301" * 3000]
)
def test_hostile_seeds_are_harmless(text):
    for prompt in web_prompts([seed(1, text=text)]):
        prompt["prompt"].encode("utf-8")
        assert field_values(seed(1, text=text), 1000)["extract"] in prompt["prompt"]


def test_stories_keep_the_name_of_their_source():
    assert seed_data("web", "web_samples") == "web_samples"
    assert seed_data("ultrachat", "stories") == "ultrachat"


def run_builder(seeds, selection, **settings):
    builder = Builder(selection, Recipe(load(WEB), "web_samples", **settings))
    return list(builder.prompts(seeds)), builder


def topics(**decisions):
    return {
        int(key[1:]): {"topic": f"Topic {key}", "decision": decision, "reason": "score 1 < 3"}
        for key, decision in decisions.items()
    }


def test_every_seed_is_used_or_has_a_reason():
    seeds = [seed(n) for n in range(4)]
    ids = [row["seed_id"] for row in seeds]
    selection = Selection(
        "web/part-001",
        {ids[0]: "web/part-000"},
        dict(zip(ids, [0, -1, 0, 1], strict=True)),
        topics(c0="kept", c1="removed"),
    )
    prompts, builder = run_builder(seeds, selection, per_seed=2)
    assert {p["seed_id"] for p in prompts} == {ids[2]}
    assert [(row["id"], row["reason"]) for row in builder.rejected] == [
        (ids[0], "duplicate_seed"),
        (ids[1], "noise"),
        (ids[3], "topic_removed"),
    ]
    assert builder.rejected[2]["detail"] == "cluster 1, Topic c1: score 1 < 3"
    counts = builder.counts("web", "001")
    assert (counts.rows_in, counts.added, counts.rows_out) == (4, 1, 2)


def test_the_kept_copy_of_a_duplicate_seed_is_used():
    row = seed(1)
    prompts, _ = run_builder([row], Selection("web/part-000", {row["seed_id"]: "web/part-000"}))
    assert len(prompts) == 4


def test_a_seed_that_no_template_fits_is_kept_aside():
    rows = [seed(1, language="ko"), seed(2, text=" \n"), seed(3, "wikihow", "title")]
    prompts, builder = run_builder(rows, Selection("web/part-000", {}))
    assert prompts == []
    assert builder.counts("web", "000").rejected == {"no_template": 3}


def test_a_smaller_fraction_is_a_subset_and_what_is_outside_is_counted():
    rows = [seed(n) for n in range(50)]
    half, builder = run_builder(rows, Selection("web/part-000", {}), fraction=0.5)
    tenth, _ = run_builder(rows, Selection("web/part-000", {}), fraction=0.1)
    assert {p["prompt_id"] for p in tenth} < {p["prompt_id"] for p in half}
    assert all(unit_interval(p["prompt_id"], "fraction") < 0.5 for p in half)
    assert builder.counts("web", "000").rejected == {"outside_fraction": 200 - len(half)}
    assert builder.rejected == []


def test_missing_clusters_and_topics_are_named():
    with pytest.raises(InputError, match="has no cluster"):
        run_builder([seed(1)], Selection("web/part-000", {}, {}, {}))
    with pytest.raises(InputError, match="cluster 7 is not in the topics table"):
        run_builder([seed(1)], Selection("web/part-000", {}, {seed(1)["seed_id"]: 7}, {}))


def prepare(folder):
    """Two parts of web seeds; 11 and 12 differ only after the extract, and 3 occurs in both parts."""
    same = "The same beginning. " * 60
    parts = [[seed(n) for n in range(6)] + [seed(11, text=same + "a")], [seed(3), seed(8), seed(12, text=same + "b")]]
    for number, rows in enumerate(parts):
        write_table(folder / f"seeds/part-00{number}.parquet", rows, SEEDS)
        clusters = [{"seed_id": row["seed_id"], "cluster_id": 0, "distance": 0.0} for row in rows]
        write_table(folder / f"assignments/part-00{number}.parquet", clusters, ASSIGNMENTS)
    repeated = {"id": seed(3)["seed_id"], "reason": "duplicate_seed", "detail": "web/part-000"}
    write_table(folder / "duplicates.parquet", [repeated], REJECTED)
    write_table(folder / "topics.parquet", [{"cluster_id": 0, "topic": "Rivers", "decision": "kept"}], TOPICS)


def arguments(**options):
    return [str(word) for name, value in options.items() for word in ("--" + name.replace("_", "-"), *_words(value))]


def _words(value):
    return value if isinstance(value, list) else [value]


def run_stage(folder, out):
    parts = ("000", "001")
    built = out / "built"
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
    tables = [built / f"part-{part}.parquet" for part in parts]
    duplicates.main(arguments(prompts=tables, source="web", output=out / "repeated.parquet"))
    for part in parts:
        options = arguments(
            prompts=built / f"part-{part}.parquet",
            built_rejected=built / f"{part}.rejected.parquet",
            built_counts=built / f"{part}.json",
            duplicates=out / "repeated.parquet",
            output=out / f"part-{part}.parquet",
            rejected=out / f"{part}.rejected.parquet",
            counts=out / f"{part}.json",
        )
        seal.main(options)
    options = arguments(
        prompts=[out / f"part-{part}.parquet" for part in parts],
        counts=[out / f"{part}.json" for part in parts],
        templates=WEB,
        clustered=["web"],
        seed=7,
        output=out / "manifest.json",
    )
    manifest.main(options)


def test_the_stage_gives_unique_prompts_and_accounts_for_every_seed(tmp_path):
    prepare(tmp_path)
    run_stage(tmp_path, tmp_path / "out")
    tables = [read_table(tmp_path / f"out/part-00{n}.parquet", PROMPTS).to_pylist() for n in (0, 1)]
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


def test_the_manifest_tells_shares_and_template_hashes(tmp_path):
    prepare(tmp_path)
    run_stage(tmp_path, tmp_path / "out")
    content = yaml.safe_load((tmp_path / "out/manifest.json").read_text())
    assert content["web_share"] == 1.0
    assert 0 < content["topic_share"]["web"] < 1
    assert sum(row["prompts"] for row in content["by_source_format_audience"]) == content["prompts"]
    assert {key: value["hash"] for key, value in content["templates"].items()} == {t.id: t.digest for t in load(WEB)}
    assert (content["seed"], content["seeds"]) == (7, 10)


def test_two_runs_give_the_same_bytes(tmp_path):
    prepare(tmp_path)
    for name in ("a", "b"):
        run_stage(tmp_path, tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert len(files) == 14
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)


def test_a_prompt_repeated_inside_one_part_stays_once():
    rejected = []
    rows = [{"prompt_id": "a", "seed_id": "1"}, {"prompt_id": "a", "seed_id": "2"}, {"prompt_id": "b", "seed_id": "3"}]
    kept = list(seal.first_occurrences(rows, "web/part-000", {"a": "web/part-000"}, rejected))
    assert [row["seed_id"] for row in kept] == ["1", "3"]
    assert [row["detail"] for row in rejected] == ["seed 2, first in web/part-000"]


def test_no_prompts_at_all_are_no_error(tmp_path):
    write_table(tmp_path / "part-000.parquet", [], PROMPTS)
    assert duplicates.find_repeated([tmp_path / "part-000.parquet"]) == {}
