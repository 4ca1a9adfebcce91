"""The texts page: how long they are, why they ended, what the quality filter found, the splits, twelve texts to read.

Published figures come from the claims: mean and percentiles of the length (a public analysis of cosmopedia-100k), rows
and estimated tokens of each split (the dataset card). They count tokens of the Mistral tokenizer, ours are tokens of
the model that wrote the text.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.common.files import read_json, write_text
from scripts.common.logging import run
from scripts.common.schemas import DATASET, GENERATIONS
from scripts.common.tables import iterate_batches
from scripts.report import page, scan, style
from scripts.report.claims import Claims
from scripts.report.distribution import Distribution

WIDTH = 1064
SAMPLES = 12
PUBLISHED_LENGTHS = {"p5": "p5", "p50": "median", "mean": "mean", "p95": "p95", "p99": "p99"}
"""Published statistic → its name in the histogram."""


def collect_generations(paths: Iterable[Path]) -> tuple[Distribution, dict, dict]:
    """Token lengths of all texts, (source, finish_reason) → texts, (model, revision, engine) → texts."""
    lengths = Distribution()
    finish: dict[tuple, int] = {}
    writers: dict[tuple, int] = {}
    for path in paths:
        columns = ["text_token_length", "finish_reason", "model", "revision", "engine"]
        for batch in iterate_batches(path, GENERATIONS, columns):
            lengths.add(batch["text_token_length"])
            for (reason,), n in scan.count_by(batch, ["finish_reason"]).items():
                finish[path.parent.name, reason] = finish.get((path.parent.name, reason), 0) + n
            for key, n in scan.count_by(batch, ["model", "revision", "engine"]).items():
                writers[key] = writers.get(key, 0) + n
    return lengths, finish, writers


def collect_dataset(folders: Iterable[Path]) -> dict[str, Distribution]:
    """Split → token lengths of its texts; a split is a folder of Parquet files."""
    splits: dict[str, Distribution] = {}
    for folder in folders:
        splits[folder.name] = Distribution()
        for path in sorted(folder.glob("*.parquet")):
            for batch in iterate_batches(path, DATASET, ["text_token_length"]):
                splits[folder.name].add(batch["text_token_length"])
    return splits


def together(distributions: Iterable[Distribution]) -> Distribution:
    """All numbers of some distributions."""
    result = Distribution()
    for distribution in distributions:
        result.merge(distribution)
    return result


def summarize(lengths: Distribution, finish: Mapping, writers: Mapping, splits: Mapping) -> dict[str, Any]:
    """The page's numbers."""
    final = together(splits.values())
    reasons: dict[str, int] = {}
    for (_, reason), n in sorted(finish.items()):
        reasons[reason] = reasons.get(reason, 0) + n
    return {
        "texts": lengths.total,
        "tokens": lengths.sum,
        "length": lengths.summary(),
        "finish": reasons,
        "writers": [
            {"model": model, "revision": revision, "engine": engine, "texts": n}
            for (model, revision, engine), n in sorted(writers.items())
        ],
        "dataset": {
            "rows": final.total,
            "tokens": final.sum,
            "length": final.summary(),
            "splits": {
                split: {
                    "rows": each.total,
                    "tokens": each.sum,
                    "share": each.total / final.total if final.total else None,
                    "mean": each.mean,
                }
                for split, each in splits.items()
            },
        },
    }


def choose_samples(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Twelve rows of the dataset: the same number from each split as far as they go round, then by smallest id."""
    files = {folder.name: sorted(folder.glob("*.parquet")) for folder in folders}
    ids = {split: scan.smallest_ids(paths, SAMPLES, DATASET) for split, paths in files.items()}
    chosen: list[tuple[str, str]] = []
    for rank in range(SAMPLES):
        chosen += [(split, own[rank]) for split, own in ids.items() if rank < len(own)]
    chosen = chosen[:SAMPLES]
    columns = ["prompt", "text", "text_token_length", "format", "audience", "topic"]
    rows: dict[str, Mapping] = {}
    for split, paths in files.items():
        rows |= scan.rows_by_id(paths, [identifier for own, identifier in chosen if own == split], columns)
    return [dict(rows[identifier], split=split) for split, identifier in chosen]


def published_lengths(claims: Claims) -> dict[str, float]:
    """Name → published tokens of a text, in the order of the histogram's lines."""
    values = {name: claims.value(f"generations.dataset.length.{key}") for key, name in PUBLISHED_LENGTHS.items()}
    return {name: value for name, value in values.items() if value is not None}


def published_splits(claims: Claims, splits: Iterable[str]) -> dict[str, dict[str, float]]:
    """Split → published rows and tokens, for the splits that have both."""
    result = {}
    for split in splits:
        place = f"generations.dataset.splits.{split}"
        values = {key: claims.value(f"{place}.{key}") for key in ("rows", "tokens")}
        if None not in values.values():
            result[split] = values
    return result


def draw_lengths(lengths: Distribution, final: Distribution, published: Mapping[str, float]) -> str:
    """Histogram of all texts (light) and of the dataset (blue), with the published figures as reference lines."""
    if not lengths.total:
        return style.message("No text was written.", WIDTH)
    import numpy as np

    limit = max(lengths.quantile(0.999), 1.06 * max(published.values(), default=0))
    edges = np.linspace(0, limit, 91 if lengths.quantile(0.999) > 600 else 121)
    with style.figure(WIDTH, 380) as figure:
        axis = figure.add_subplot()
        layers = ((lengths, style.OURS_LIGHT, "all texts"), (final, style.OURS, "in the dataset"))
        for distribution, colour, label in layers:
            if distribution.total:
                values = np.arange(len(distribution.counts))
                axis.hist(values, edges, weights=distribution.counts, color=colour, label=label)
        for name, value in published.items():
            style.reference_line(axis, value, f"{name} {value:,.0f}", left=name == "median")
        axis.set(xlabel="tokens in a text", ylabel="texts", xlim=(0, limit))
        axis.set_ylim(0, axis.get_ylim()[1] * 1.12)
        style.thousands(axis, "y")
        axis.grid(axis="y")
        axis.legend(loc="upper center", ncols=2, bbox_to_anchor=(0.5, -0.12))
        return style.to_svg(figure, "Histogram of text lengths in tokens with the published mean and percentiles")


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the page, the histogram and the numbers."""
    parser = page.parser(__doc__.split("\n")[0])
    parser.add_argument(
        "--generations", type=Path, nargs="+", required=True, help="generations/<source>/part-*.parquet"
    )
    parser.add_argument("--cleaned", type=Path, required=True, help="what the quality filter found, summed up")
    parser.add_argument("--dataset", type=Path, nargs="+", required=True, help="dataset/<split> folders")
    parser.add_argument("--figure", type=Path, required=True, help="SVG file of the histogram to write")
    args = parser.parse_args(argv)
    lengths, finish, writers = collect_generations(args.generations)
    splits = collect_dataset(args.dataset)
    numbers = summarize(lengths, finish, writers, splits)
    cleaned = read_json(args.cleaned)
    numbers["rules"] = cleaned["rules"]
    claims = Claims.read(args.claims)
    figure = draw_lengths(lengths, together(splits.values()), published_lengths(claims))
    write_text(args.figure, figure)
    page.write_numbers(args.numbers, numbers)
    reasons = sorted({reason for _, reason in finish})
    sources = list(dict.fromkeys(path.parent.name for path in args.generations))
    page.write_page(
        args,
        numbers=numbers,
        figure=figure,
        reasons=reasons,
        finish=[(source, [finish.get((source, reason), 0) for reason in reasons]) for source in sources],
        cleaned=cleaned,
        published_splits=published_splits(claims, splits),
        samples=choose_samples(args.dataset),
    )


if __name__ == "__main__":
    run(main)
