"""Sealed parts, and flags, for the tests of the stages after generation."""

import json

import pyarrow as pa

from scripts.clean import filter as clean_filter
from scripts.clean.repetition import LIMITS
from scripts.clean.rules import OPENING, RULES
from scripts.common.ids import content_id
from scripts.common.schemas import GENERATIONS, PROMPTS
from scripts.common.tables import read_table, write_table


def arguments(**flags):
    """Command line flags: `minimum_tokens=3` becomes --minimum-tokens 3, a list several words, a mapping JSON."""
    words = []
    for name, value in flags.items():
        flag = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            words.append(flag if value else flag.replace("--", "--no-", 1))
            continue
        values = value if isinstance(value, list) else [json.dumps(value) if isinstance(value, dict) else value]
        words += [flag, *map(str, values)]
    return words


def actions(default="ignore", **changed):
    """What each rule does: the same, but for those named."""
    return dict.fromkeys([OPENING, *RULES], default) | changed


def rows(texts, ids=None, **columns):
    """Sealed rows of some texts; ids come from the texts."""
    fixed = {
        "text_token_length": 200,
        "finish_reason": "stop",
        "attempt": 1,
        "sampling_seed": 7,
        "model": "resources/tiny-lm",
        "revision": "main",
        "recipe": "r",
        "engine": "transformers",
        "job": "local",
    }
    ids = ids or [content_id("test", text or "", str(place)) for place, text in enumerate(texts)]
    return [
        {"prompt_id": prompt_id, "text": text, **fixed, **columns} for prompt_id, text in zip(ids, texts, strict=True)
    ]


def sealed_part(folder, texts, ids=None, source="web", part="000", **columns):
    """Writes a sealed part and what clean decides of it; returns both paths."""
    generations = folder / "generations" / source / f"part-{part}.parquet"
    write_table(generations, rows(texts, ids, **columns), GENERATIONS)
    return generations, decide(folder, generations)


def asked_for(generations, language="en"):
    """Writes prompts for a sealed part, formats in turn, where no table of them is; returns their path."""
    path = generations.parents[2] / "prompts" / generations.parent.name / generations.name
    if not path.exists():
        # The ids alone are read: a test's texts may be damaged.
        ids = read_table(generations, pa.schema([("prompt_id", pa.string())]))["prompt_id"].to_pylist()
        formats = ("blogpost", "wikihow")
        found = [
            {"prompt_id": prompt_id, "language": language, "format": formats[place % 2]}
            for place, prompt_id in enumerate(ids)
        ]
        write_table(path, found, PROMPTS)
    return path


def decide(folder, generations, rules=None, run_code=False):
    """Lets clean decide of a sealed part, by default by its tokens only; returns the path of the decisions."""
    source, part = generations.parent.name, generations.stem.removeprefix("part-")
    decisions = folder / "clean" / source / generations.name
    flags = arguments(
        generations=generations,
        prompts=asked_for(generations),
        source=source,
        part=part,
        minimum_tokens=150,
        minimum_characters=500,
        rules=rules or actions(too_short="remove"),
        repetition=dict(LIMITS),
        run_code=run_code,
        tokenizer="resources/tiny-lm",
        output=decisions,
        counts=decisions.with_suffix(".counts.json"),
        summary=decisions.with_suffix(".summary.json"),
    )
    clean_filter.main(flags)
    return decisions
