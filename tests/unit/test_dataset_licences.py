"""Which licences are permissive, and that every source's licence and origin arrive in the dataset."""

from pathlib import Path

import pytest

from scripts.common.errors import InputError
from scripts.common.ids import content_id
from scripts.common.schemas import CONTAMINATION, DATASET, NEAR_DUPLICATES, PROMPTS, SEEDS
from scripts.common.tables import read_table, write_table
from scripts.dataset import split
from scripts.dataset.licences import Licences
from scripts.seeds import load
from scripts.seeds.sources import read_rows
from tests.unit.sealed import arguments, sealed_part

LIST = Path("resources/licences.tsv")
REGISTRY = Path("resources/sources.tsv")
SAMPLE = [row["source"] for _, row in read_rows(REGISTRY) if row["where"] == "sample"]


@pytest.mark.parametrize(
    "licence",
    [
        *("Apache-2.0", "MIT", "BSD-3-Clause", "CC0-1.0", "CC-BY-4.0", "CC-BY-3.0-IGO", "ODC-By-1.0", "Public domain"),
        *("cc by 4.0", "apache-2.0", "https://creativecommons.org/licenses/by/4.0/", "MIT OR GPL-3.0-only"),
        *("GPL-2.0-only OR MIT AND CC0-1.0", "(MIT OR Apache-2.0) AND CC-BY-4.0", "Creative Commons Attribution 4.0"),
    ],
)
def test_a_licence_that_allows_any_use_is_permissive(licence):
    assert Licences(LIST).judge(licence).permissive


@pytest.mark.parametrize(
    "licence",
    [
        *("CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-ND-4.0", "CC-BY-NC-SA-3.0", "cc by-sa 3.0", "GFDL-1.3-or-later"),
        *("LicenseRef-OpenHermes-2.5", "AGPL-3.0-only", "ODbL-1.0", "", None, "unknown", "All rights reserved"),
        *("CC-BY-4.0 AND CC-BY-SA-4.0", "ODC-By-1.0 AND LicenseRef-Terms", "(MIT OR GPL-3.0-only) AND CC-BY-4.0"),
        *("https://creativecommons.org/licenses/by-nc/4.0/", "Creative Commons Attribution-NonCommercial 4.0"),
        *("Creative Commons Attribution-ShareAlike 3.0", "MIT-like, see the page", "Proprietary (MIT)"),
    ],
)
def test_any_other_licence_is_not(licence):
    verdict = Licences(LIST).judge(licence)
    assert not verdict.permissive
    assert verdict.reason


def test_the_list_speaks_of_every_licence_in_the_registry():
    known = Licences(LIST)
    licences = {row["licence"] for _, row in read_rows(REGISTRY)}
    unknown = {licence for licence in licences if "list of licences" in known.judge(licence).reason}
    assert not unknown


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no list of licences"),
        ("MIT\tyes\twhy\n", "no list of licences"),
        ("licence\tpermissive\treason\nMIT\tmaybe\twhy\n", "line 2: give a licence"),
        ("licence\tpermissive\treason\nMIT\tyes\twhy\nISC\tyes\n", "line 3: give a licence"),
    ],
)
def test_a_broken_list_is_named(tmp_path, text, message):
    (tmp_path / "licences.tsv").write_text(text)
    with pytest.raises(InputError, match=message):
        Licences(tmp_path / "licences.tsv")


@pytest.mark.parametrize("source", SAMPLE)
def test_licence_and_origin_of_every_source_arrive_in_the_dataset(tmp_path, source):
    names = {kind: tmp_path / kind / source / "part-000.parquet" for kind in ("prompts", "seeds", "contamination")}
    registry = arguments(sources=REGISTRY, source=source, where="sample", downloads="d", start=0, stop=999, part="000")
    registry += arguments(languages="en", max_characters=1_000_000)
    rest = {"rejected": tmp_path / "rejected.parquet", "counts": tmp_path / "counts.json"}
    load.main([*registry, *arguments(output=names["seeds"], **rest)])
    seeds = {seed["seed_id"]: seed for seed in read_table(names["seeds"], SEEDS).to_pylist()}
    published = {"prompt": "Write.", "seed_data": source, "format": "blogpost", "audience": "general"}
    prompts = [{"prompt_id": content_id(seed), "seed_id": seed, **published} for seed in seeds]
    write_table(names["prompts"], prompts, PROMPTS)
    write_table(names["contamination"], [], CONTAMINATION)
    write_table(tmp_path / "removed.parquet", [], NEAR_DUPLICATES)
    ids = [row["prompt_id"] for row in prompts]
    files = names | dict(zip(("generations", "decisions"), sealed_part(tmp_path, ids, ids, source), strict=True))
    output = {"split": "s", "output": tmp_path / "dataset", "counts": tmp_path / "split.json"}
    flags = arguments(**files, **output, duplicates=tmp_path / "removed.parquet", licences=LIST)
    split.main(["--no-permissive", *flags])
    rows = read_table(tmp_path / "dataset" / "train-00000-of-00001.parquet", DATASET).to_pylist()
    assert [row["seed_id"] for row in rows] == list(seeds)
    for row in rows:
        seed = seeds[row["seed_id"]]
        assert (row["license"], row["origin"]) == (seed["license"], seed["origin"])
        assert row["license"] and row["origin"]
