"""What deduplication and decontamination leave of a run, for the tests of the report."""

from scripts.common.files import write_json
from scripts.common.schemas import BENCHMARK_ROWS, CONTAMINATION, NEAR_DUPLICATES
from scripts.common.tables import write_table
from scripts.decontaminate.matching import tokenize

NASTY = '<script>alert(1)</script> & "quotes"'


def write_duplicates(folder, ids, alarms=()):
    """What deduplication leaves: one pair, if there are documents."""
    pairs = [
        {"removed_id": ids[1], "kept_id": ids[0], "jaccard": 0.91, "cluster": ids[0], "removed_source": "web",
         "kept_source": "web", "removed_format": "blog", "kept_format": NASTY, "same_seed": True}
    ] if ids else []  # fmt: skip
    write_table(folder / "removed.parquet", pairs, NEAR_DUPLICATES)
    cell = {"blog": {NASTY: 1}} if ids else {}
    write_json(
        folder / "summary.json",
        {"documents": len(ids), "rounds": 2, "clusters": len(pairs), "members": 2 * len(pairs),
         "largest_cluster": 2 * len(pairs), "removed": len(pairs), "spared": 0, "minimum_jaccard": 0.7,
         "maximum_cluster": 1000, "minhash": {"clusters": 0, "members": 0, "removed": 0},
         "sources": {"web": len(ids)} if ids else {}, "formats": {"blog": len(ids)} if ids else {},
         "by_source": {"web": {"web": 1}} if ids else {}, "by_format": cell, "by_format_same_seed": cell,
         "alarms": list(alarms)},
    )  # fmt: skip


def write_contamination(folder, ids):
    """What decontamination leaves: a pair with a row, one with a short row, and no planted rows without documents."""
    row = {"benchmark": "boolq", "row": NASTY, "text": f"{NASTY} water moves through the soil", "n_tokens": 12}
    short = {"benchmark": "boolq", "row": "3", "text": "soil and roots drink it", "n_tokens": 5}
    for name, each in (("rows", row), ("uncheckable", short)):
        rows = [each | {"tokens": " ".join(tokenize(each["text"]))}] if ids else []
        write_table(folder / f"{name}.parquet", rows, BENCHMARK_ROWS)
    match = {"benchmark": "boolq", "span": NASTY, "decision": "removed"}
    found = [
        match | {"prompt_id": ids[0], "row": NASTY, "rule": "ngram", "ratio": 0.8},
        match | {"prompt_id": ids[1], "row": "3", "rule": "short_row", "ratio": 1.0},
    ] if ids else []  # fmt: skip
    write_table(folder / "decontaminate/web/part-000.parquet", found, CONTAMINATION)
    benchmark = {"benchmark": "boolq", "name": "BoolQ", "checked": 4, "uncheckable": 1}
    cell = {"boolq": {"documents": len(found), "rows": len(found)}}
    group = {"group": "web, stanford", "documents": len(ids), "removed": len(found), "cells": cell, "published": None}
    write_json(folder / "table.json", {"benchmarks": [benchmark] if ids else [], "groups": [group] if ids else []})
    planted, share = (
        len(ids),
        {"value": 0.9, "low": 0.7, "high": 0.97} if ids else dict.fromkeys(("value", "low", "high")),
    )
    kind = {"kind": "recased", "description": NASTY, "planted": 20, "expected_removed": 20, "removed": 18, "agreed": 18}
    write_json(
        folder / "control.json",
        {"planted": planted, "hosts": planted, "kinds": [kind] if ids else [],
         "recall": share | {"found": 18 if ids else 0, "of": planted},
         "precision": share | {"right": 18 if ids else 0, "of": planted},
         "clean": {"documents": planted, "removed": 0}},
    )  # fmt: skip
