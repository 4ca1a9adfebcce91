"""Seeds for the tests of prompts, and what the templates make of them."""

from pathlib import Path

import pyarrow as pa

from scripts.common.ids import content_id
from scripts.common.schemas import SEEDS
from scripts.prompts.render import Recipe, prompts_of
from scripts.prompts.templates import load

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
