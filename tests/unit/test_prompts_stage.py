"""The programs of the stage together: the mix, duplicates across parts and sources, the manifest, equal bytes."""

import json

import pyarrow as pa
import yaml

from scripts.common.counts import Counts
from scripts.common.schemas import ASSIGNMENTS, PROMPTS, REJECTED, SEEDS, TOPICS
from scripts.common.tables import read_table, write_table
from scripts.prompts import build, manifest, seal, select
from scripts.prompts.render import Recipe, prompts_of
from scripts.prompts.templates import load
from tests.unit.prompt_seeds import STORY, WEB, batch, made, rows_of, seed


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
