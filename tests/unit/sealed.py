"""Sealed parts, and flags, for the tests of the stages after generation."""

from scripts.clean import filter as clean_filter
from scripts.common.ids import content_id
from scripts.common.tables import GENERATIONS, write_table


def arguments(**flags):
    """Command line flags: `minimum_tokens=3` becomes --minimum-tokens 3, a list several words."""
    words = []
    for name, value in flags.items():
        words += ["--" + name.replace("_", "-"), *map(str, value if isinstance(value, list) else [value])]
    return words


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


def decide(folder, generations):
    """Lets clean decide of a sealed part; returns the path of the decisions."""
    source, part = generations.parent.name, generations.stem.removeprefix("part-")
    decisions = folder / "clean" / source / generations.name
    counts = decisions.with_suffix(".counts.json")
    clean_filter.main(arguments(generations=generations, source=source, part=part, output=decisions, counts=counts))
    return decisions
