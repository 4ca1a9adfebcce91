"""The dataset card: a README.md that the Hugging Face Hub and `datasets.load_dataset` read.

Its front matter names one configuration a split, so that the folder loads as the published dataset does. Its tables
come from the run's own files: rows and tokens from the splits, what each step left out from the steps' counts,
contamination from the decontamination table, licences from the list of sources. It has no date and no path, so that the
same run gives the same card.
"""

import argparse
import csv
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.common.counts import Counts, total
from scripts.common.errors import InputError
from scripts.common.files import read_json, write_text
from scripts.common.logging import get_logger, run
from scripts.common.schemas import DATASET
from scripts.common.tables import data_bytes, iterate_batches
from scripts.dataset.licences import Licences

TEMPLATE = Path(__file__).with_name("card.md.jinja")

SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
    (1_000_000_000, "100M<n<1B"),
)
"""The Hub's names for the size of a dataset and the rows under which each holds."""

LISTED = 20
"""Licences, pairs of sources and clusters that the card lists, those with the most documents; others are summed up."""

SOURCE_COLUMNS = ("source", "dataset_split", "location", "licence", "terms")


def size_category(rows: int) -> str:
    """The Hub's name for a dataset of so many rows."""
    return next((name for limit, name in SIZES if rows < limit), "n>1B")


def describe_split(folder: Path) -> dict[str, Any]:
    """Name, files, rows, tokens, licences (each with its rows), size on disk and unpacked size of one split."""
    files = sorted(folder.glob("train-*.parquet"))
    rows = tokens = 0
    licences: Counter[str] = Counter()
    for path in files:
        for batch in iterate_batches(path, DATASET, ["text_token_length", "license"], batch_size=100_000):
            rows += batch.num_rows
            tokens += sum(batch.column("text_token_length").drop_null().to_pylist())
            licences.update(licence or "" for licence in batch.column("license").to_pylist())
    return {
        "name": folder.name,
        "files": len(files),
        "rows": rows,
        "tokens": tokens,
        "licences": licences,
        "size": sum(path.stat().st_size for path in files),
        "bytes": sum(map(data_bytes, files)),
    }


def describe_licences(rows: Mapping[str, int], known: Licences) -> dict[str, Any]:
    """The licences by number of rows, the most frequent one by one, with the list's verdict on each."""
    ranked = sorted(rows.items(), key=lambda item: (-item[1], item[0]))
    listed = [{"name": name, "rows": number, "verdict": known.judge(name)} for name, number in ranked[:LISTED]]
    permissive = sum(number for name, number in ranked if known.judge(name).permissive)
    others = {"licences": len(ranked[LISTED:]), "rows": sum(number for _, number in ranked[LISTED:])}
    return {"listed": listed, "others": others, "permissive": permissive}


def describe_duplicates(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What deduplication found, with shares of all documents, and the pairs of sources with most of them."""
    documents = summary["documents"]
    found = {(removed, kept): number for removed, each in summary["by_source"].items() for kept, number in each.items()}
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    others = ranked[LISTED:]
    return {
        **summary,
        "spared": summary["spared"] - sum(alarm["size"] - 1 for alarm in summary["alarms"]),  # those were not compared
        "rate": _share(summary["removed"], documents),
        "minhash": {**summary["minhash"], "rate": _share(summary["minhash"]["removed"], documents)},
        "same_seed": sum(sum(each.values()) for each in summary["by_format_same_seed"].values()),
        "pairs": [{"removed": pair[0], "kept": pair[1], "documents": number} for pair, number in ranked[:LISTED]],
        "other_pairs": {"pairs": len(others), "documents": sum(number for _, number in others)},
    }


def short_removed(contamination: Mapping[str, Any]) -> int:
    """Documents removed for rows too short for the rule; one that repeats rows of two benchmarks counts twice."""
    cells = (cell for group in contamination["groups"] for cell in group["cells"].values())
    return sum(cell.get("short_documents", 0) for cell in cells)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def funnel(counts: Iterable[Counts]) -> list[Counts]:
    """The counts summed up by step, in the order in which the steps first occur."""
    steps: dict[str, list[Counts]] = {}
    for count in counts:
        steps.setdefault(count.step, []).append(count)
    return [total(group, step) for step, group in steps.items()]


def check_chain(steps: Sequence[Counts]) -> None:
    """Checks that each step read what the one before it passed on.

    The last one is the dataset itself, which reads what all steps passed on and may leave rows out for their licence.

    Raises:
        InputError: rows were lost or doubled between two steps.
    """
    for before, after in itertools.pairwise(steps):
        arrived = after.rows_out + after.rejected.get("licence", 0) if after is steps[-1] else after.rows_in
        if before.rows_out != arrived:
            raise InputError(
                f"{before.step} passed on {before.rows_out} rows but {after.step} has {arrived}. Their files are of "
                "different runs or incomplete: delete the results of the later step and run again."
            )


def read_sources(path: Path, where: str, names: Sequence[str]) -> list[dict[str, str]]:
    """The rows of the list of sources for the sources of this run.

    Raises:
        InputError: the list lacks a column or a source.
    """
    with path.open(encoding="utf-8", newline="") as handle:
        reader = csv.DictReader(handle, delimiter="\t")
        missing = [column for column in SOURCE_COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise InputError(f"{path} lacks the column {', '.join(missing)}. Add it to the header line.")
        rows = {row["source"]: row for row in reader if (row["where"] == "sample") == (where == "sample")}
    absent = [name for name in names if name not in rows]
    if absent:
        raise InputError(f"{path} has no row for source {', '.join(absent)} with where={where}. Add one.")
    return [rows[name] for name in names]


def render(values: Mapping[str, Any]) -> str:
    """The card's text."""
    import jinja2

    environment = jinja2.Environment(
        trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    environment.filters["thousands"] = "{:,}".format
    environment.filters |= {"cell": _cell, "percent": _percent, "share": _number, "interval": _interval}
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(values)


def _percent(share: float | None) -> str:
    """A share of one, with two digits that count."""
    return (
        "–" if share is None else f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.1f} %".replace(".0 ", " ")
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(found: Mapping[str, Any]) -> str:
    """A share with its interval."""
    if found["value"] is None:
        return "–"
    return f"{found['value']:.3f} [{found['low']:.3f}–{found['high']:.3f}]"


def _cell(text: Any) -> str:
    """Text that cannot break out of a table cell."""
    return " ".join(str(text).split()).replace("|", "\\|") or "–"


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the card."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--splits", required=True, nargs="+", type=Path, help="folders of the splits")
    parser.add_argument("--counts", required=True, nargs="+", help="counts of all steps and parts, in the steps' order")
    parser.add_argument("--duplicates", required=True, help="summary of deduplication")
    parser.add_argument("--contamination", required=True, help="table of decontamination")
    parser.add_argument("--control", help="what planted rows show of the scan, where some were planted")
    parser.add_argument("--deduplicate", required=True, type=json.loads, help="the configuration's section, as JSON")
    parser.add_argument("--decontaminate", required=True, type=json.loads, help="the same")
    parser.add_argument("--sources", required=True, type=Path, help="list of sources with their licences")
    parser.add_argument("--where", required=True, help="where the seeds came from: sample or original")
    parser.add_argument("--licences", required=True, type=Path, help="resources/licences.tsv")
    parser.add_argument("--permissive", required=True, action=argparse.BooleanOptionalAction)
    parser.add_argument("--used", required=True, nargs="+", help="sources of this run")
    parser.add_argument("--name", required=True)
    parser.add_argument("--scale", required=True, help="tiny: the card warns that the texts mean nothing")
    parser.add_argument("--generations", required=True, help="manifest of generation: model, sampling, what came of it")
    parser.add_argument("--minimum-tokens", required=True)
    parser.add_argument("--tokenizer", required=True, help="that counted the tokens of changed texts")
    parser.add_argument("--cleaned", required=True, help="what the quality filter found, summed up")
    parser.add_argument("--output", required=True)
    args = parser.parse_args(argv)

    splits = [describe_split(folder) for folder in args.splits]
    licences = sum((split["licences"] for split in splits), Counter())
    rows = sum(split["rows"] for split in splits)
    contamination = read_json(args.contamination)
    steps = funnel(map(Counts.read, args.counts))
    check_chain(steps)
    card = render(
        {
            **vars(args),
            "splits": splits,
            "columns": {field.name: str(field.type) for field in DATASET},
            "rows": rows,
            "tokens": sum(split["tokens"] for split in splits),
            "size_category": size_category(rows),
            "licences": describe_licences(licences, Licences(args.licences)),
            "steps": steps,
            "generation": read_json(args.generations),
            "cleaned": read_json(args.cleaned),
            "duplicates": describe_duplicates(read_json(args.duplicates)),
            "contamination": contamination,
            "short_removed": short_removed(contamination),
            "control": read_json(args.control) if args.control else None,
            "listed": LISTED,
            "sources": read_sources(args.sources, args.where, args.used),
        }
    )
    write_text(args.output, card)
    get_logger(__name__).info("%d rows in %d splits", rows, len(splits))


if __name__ == "__main__":
    run(main)
