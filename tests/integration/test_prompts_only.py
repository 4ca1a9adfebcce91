"""`snakemake prompts` by itself: the other sources, all languages, the published prompts, any number of cores."""

import json
import shutil

import pytest

from scripts.common import schemas, tables
from tests.snakemake import ROOT, snakemake

SOURCES = ("wikipedia", "sep", "openwebmath", "fineweb", "cosmopedia_web_samples_v1")
PAPER = ("web", "stanford", "openstax", "khanacademy", "wikihow", "auto_math_text", "ultrachat", "openhermes")
SEEDS = dict.fromkeys(SOURCES, 20) | dict.fromkeys(PAPER, 0)
PROMPTS = {"languages": ["en", "fr", "ko"], "cross_language": True, "mix": dict.fromkeys(SOURCES, 60)}


def run_prompts(run, cores):
    settings = [f"seeds={json.dumps({'sources': SEEDS})}", f"prompts={json.dumps(PROMPTS)}"]
    snakemake("prompts", "--cores", str(cores), "--config", f"run={run}", *settings)
    return ROOT / "results" / run / "prompts"


@pytest.fixture(scope="module")
def prompts():
    """The folder of prompts, made on two cores."""
    shutil.rmtree(ROOT / "results" / "prompts-2", ignore_errors=True)
    return run_prompts("prompts-2", 2)


def rows(prompts, source):
    return list(tables.iterate_rows(prompts / source / "part-000.parquet", schemas.PROMPTS))


def test_every_source_gives_prompts_in_every_language(prompts):
    for source in SOURCES[:-1]:
        found = rows(prompts, source)
        assert {row["language"] for row in found} == {"en", "fr", "ko"}, source
        assert len({row["prompt_id"] for row in found}) == len(found)


def test_published_prompts_are_taken_as_they_stand(prompts):
    raw = (ROOT / "resources/sample/cosmopedia_web_samples_v1.jsonl").read_text(encoding="utf-8").splitlines()
    asked = {
        row["prompt"]: (row["seed_data"], row["format"], row["audience"])
        for row in map(json.loads, raw)
        if row["prompt"]
    }
    found = rows(prompts, SOURCES[-1])
    assert {row["prompt"]: (row["seed_data"], row["format"], row["audience"]) for row in found} == asked
    assert {row["template_id"] for row in found} == {"published"}


def test_the_manifest_reports_what_was_asked_and_what_was_got(prompts):
    mix = json.loads((prompts / "manifest.json").read_text())["mix"]
    assert sum(cell["asked"] for cell in mix) == 60 * len(SOURCES)
    assert all(cell["got"] + cell["shortfall"] == cell["asked"] for cell in mix)
    published = next(cell for cell in mix if cell["source"] == SOURCES[-1])
    assert published["shortfall"] == 60 - len(rows(prompts, SOURCES[-1]))


def test_one_core_makes_the_same_bytes(prompts):
    shutil.rmtree(ROOT / "results" / "prompts-1", ignore_errors=True)
    again = run_prompts("prompts-1", 1)
    files = sorted(path.relative_to(prompts) for path in prompts.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    for file in files:
        assert (prompts / file).read_bytes() == (again / file).read_bytes(), file
