"""Measures the scan on planted truth: benchmark rows in copies of clean documents of this run, and those unplanted.

Clean is what clean and deduplication kept and what, by the plain rule (scripts/decontaminate/plainly.py), shares no
n-gram with any benchmark row; the scan itself has no say in it. The documents are those with the smallest hashes of
their ids, so they are the same for any number of parts. Rows are planted in eight ways (scripts/decontaminate/
planting.py), the scan goes over the planted copies and over the clean documents, and its decision about each planted
row stands beside the one that the plain rule asks for. A removal of an unplanted document is a false one.

Recall is the share of the removals asked for that were made, precision the share of the removals made that were asked
for, each with its 95 % interval after Wilson (1927). Nothing planted enters the dataset.

Every kept document is read once: 140,000 documents of 2 kB a second (one core of a busy machine), about 4 minutes for
31 M. Held are the benchmark rows and 1.5 documents for each row planted, whatever the number of documents: 0.55 GB with
36,300 rows of 2 M words and 200 plantings.
"""

import argparse
import heapq
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from scripts.clean.documents import kept_documents
from scripts.common.files import write_json
from scripts.common.ids import unit_interval
from scripts.common.logging import get_logger, run
from scripts.common.schemas import BENCHMARK_ROWS, NEAR_DUPLICATES, PLANTED
from scripts.common.tables import read_table, write_table
from scripts.decontaminate import plainly
from scripts.decontaminate.planting import KINDS, Planted, plant
from scripts.decontaminate.scan import Scan, Scanner

LONGEST = 20_000
"""Characters; a longer document is no host, because difflib would need seconds for each."""

SPARE = 1.5
"""Documents drawn for each one needed, in case some share an n-gram with a row."""

DOCUMENTS_PER_BATCH = 1000

Z = 1.959964
"""Quantile of the normal distribution for an interval of 95 %."""

log = get_logger(__name__)


def draw(documents: Iterable[Mapping[str, Any]], number: int) -> list[tuple[str, str]]:
    """Id and text of the documents with the smallest hashes of their ids; holds no more than so many."""
    fit = (document for document in documents if len(document["text"]) <= LONGEST)
    keyed = ((unit_interval(each["prompt_id"], "host"), each["prompt_id"], each["text"]) for each in fit)
    return [(name, text) for _, name, text in heapq.nsmallest(number, keyed)]


def clean(documents: Sequence[tuple[str, str]], rows: Iterable[Mapping[str, Any]], ngram: int) -> Iterator[int]:
    """The places of the documents that share no n-gram with any row."""
    holders: dict[tuple[str, ...], list[int]] = {}
    for place, (_, text) in enumerate(documents):
        for each in plainly.ngrams(plainly.words(text), ngram):
            holders.setdefault(each, []).append(place)
    shared = {
        place
        for row in rows
        for each in plainly.ngrams(plainly.words(row["text"]), ngram)
        for place in holders.get(each, ())
    }
    return (place for place in range(len(documents)) if place not in shared)


def removals(scan: Scan, documents: Sequence[tuple[str, str]]) -> dict[str, dict[tuple[str, str], tuple[float, str]]]:
    """What the scan says: id → (benchmark, row) → ratio and decision."""
    names, texts = zip(*documents, strict=True) if documents else ((), ())
    table = pa.table({"prompt_id": pa.array(names, pa.string()), "text": pa.array(texts, pa.string())})
    found: dict[str, dict[tuple[str, str], tuple[float, str]]] = {}
    for pairs in scan.batches(table.to_batches(max_chunksize=DOCUMENTS_PER_BATCH)):
        for pair in pairs:
            verdicts = found.setdefault(pair["prompt_id"], {})
            verdicts[pair["benchmark"], pair["row"]] = pair["ratio"], pair["decision"]
    return found


def judge(planted: Sequence[Planted], scan: Scan, rule: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every planted row with the decision asked for and the one made (PLANTED)."""
    names = [f"planted {place}" for place in range(len(planted))]
    found = removals(scan, [(name, each.text) for name, each in zip(names, planted, strict=True)])
    lines = []
    for name, each in zip(names, planted, strict=True):
        key = each.row["benchmark"], each.row["row"]
        ratio, decision = found.get(name, {}).get(key, (None, "kept"))
        expected = plainly.decision(each.text, each.row["text"], **rule)
        line = {"kind": each.kind, "benchmark": key[0], "row": key[1], "host": each.host}
        lines.append(line | {"expected": expected, "decision": decision, "ratio": ratio})
        if decision != expected:
            log.error("%s: the rule asks for %s, the scan decided %s", line, expected, decision)
    return lines


def summarize(lines: Sequence[Mapping[str, Any]], hosts: int, wrong: int) -> dict[str, Any]:
    """The figures of control.json; `wrong` are the clean documents that were removed."""
    asked = [line for line in lines if line["expected"] == "removed"]
    made = [line for line in lines if line["decision"] == "removed"]
    right = sum(line["expected"] == "removed" for line in made)
    kinds = []
    for kind, (_, description) in KINDS.items():
        own = [line for line in lines if line["kind"] == kind]
        numbers = {
            "planted": len(own),
            "expected_removed": sum(line["expected"] == "removed" for line in own),
            "removed": sum(line["decision"] == "removed" for line in own),
            "agreed": sum(line["expected"] == line["decision"] for line in own),
        }
        kinds.append({"kind": kind, "description": description} | numbers)
    return {
        "planted": len(lines),
        "hosts": hosts,
        "kinds": kinds,
        "recall": wilson(right, len(asked)) | {"found": right, "of": len(asked)},
        "precision": wilson(right, len(made) + wrong) | {"right": right, "of": len(made) + wrong},
        "clean": {"documents": hosts, "removed": wrong},
    }


def wilson(successes: int, trials: int) -> dict[str, float | None]:
    """A share with its 95 % interval; null without trials."""
    if not trials:
        return dict.fromkeys(("value", "low", "high"))
    share, square = successes / trials, Z * Z / trials
    middle, spread = share + square / 2, Z * math.sqrt((share * (1 - share) + square / 4) / trials)
    low, high = ((middle + sign * spread) / (1 + square) for sign in (-1, 1))
    return {"value": share, "low": max(0.0, round(low, 6)), "high": min(1.0, round(high, 6))}


def all_documents(
    generations: Sequence[Path], decisions: Sequence[Path], duplicates: Collection[str]
) -> Iterator[dict[str, Any]]:
    """What clean and deduplication kept of all parts."""
    for texts, decided in zip(generations, decisions, strict=True):
        yield from kept_documents(texts, decided, without=duplicates)


def main(argv: Sequence[str] | None = None) -> None:
    """Plants, scans, compares."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--generations", required=True, nargs="+", type=Path, help="sealed texts of all parts")
    parser.add_argument("--decisions", required=True, nargs="+", type=Path, help="what clean decided of them")
    parser.add_argument("--duplicates", required=True, help="near-duplicates of the whole run")
    parser.add_argument("--rows", required=True, help="benchmark rows")
    parser.add_argument("--planted", type=int, required=True, help="rows planted in each way")
    parser.add_argument("--ngram", type=int, default=10)
    parser.add_argument("--minimum-block", type=int, default=5)
    parser.add_argument("--ratio", type=float, default=0.5)
    parser.add_argument("--output", required=True, help="table of the planted rows")
    parser.add_argument("--summary", required=True, help="control.json")
    args = parser.parse_args(argv)

    rows = read_table(args.rows, BENCHMARK_ROWS).to_pylist()
    duplicates = set(read_table(args.duplicates, NEAR_DUPLICATES, ["removed_id"])["removed_id"].to_pylist())
    rule = {"ngram": args.ngram, "minimum_block": args.minimum_block, "ratio": args.ratio}
    wanted = args.planted * len(KINDS)
    drawn = draw(all_documents(args.generations, args.decisions, duplicates), math.ceil(wanted * SPARE))
    hosts = [drawn[place] for place in clean(drawn, rows, args.ngram)][:wanted]

    scan = Scan(Scanner(rows, (), **rule))
    lines = judge(plant(rows, hosts, args.planted, args.ngram), scan, rule)
    found = removals(scan, hosts)
    wrong = [name for name, pairs in found.items() if any(decision == "removed" for _, decision in pairs.values())]
    for name in wrong:
        log.error("the clean document %s was removed", name)
    write_table(args.output, lines, PLANTED)
    summary = summarize(lines, len(hosts), len(wrong))
    write_json(args.summary, summary)
    log.info("%d planted, recall %s, precision %s", len(lines), summary["recall"], summary["precision"])


if __name__ == "__main__":
    run(main)
