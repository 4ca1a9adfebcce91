"""Counts and samples of tables with flat memory: the full scale has 31 million rows.

Texts to show are picked by the smallest ids: ids are content hashes, so this is a random sample that is the same in
every run.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from scripts.common.errors import InputError
from scripts.common.tables import iterate_batches


def count_by(batch: pa.RecordBatch, columns: Sequence[str]) -> dict[tuple, int]:
    """How often each combination of the columns' values occurs in the batch."""
    grouped = pa.Table.from_batches([batch]).group_by(list(columns)).aggregate([([], "count_all")])
    return {tuple(row[column] for column in columns): row["count_all"] for row in grouped.to_pylist()}


def smallest_ids(paths: Iterable[Path], number: int, schema: pa.Schema) -> list[str]:
    """The smallest `number` prompt ids of some tables, in order."""
    best: list[str] = []
    for path in paths:
        for batch in iterate_batches(path, schema, ["prompt_id"]):
            ids = batch["prompt_id"]
            lowest = pc.take(ids, pc.array_sort_indices(ids)[:number]).to_pylist()
            best = heapq.nsmallest(number, best + lowest)
    return best


def rows_by_id(paths: Iterable[Path], ids: Iterable[str], columns: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Prompt id → row with these columns, for the ids that occur; row groups without any are not read further."""
    wanted = pa.array(sorted(set(ids)), pa.string())
    rows: dict[str, Mapping[str, Any]] = {}
    for path in paths:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            for group in range(file.num_row_groups):
                found = pc.is_in(file.read_row_group(group, columns=["prompt_id"], use_threads=False).column(0), wanted)
                if pc.any(found).as_py():
                    table = file.read_row_group(group, columns=["prompt_id", *columns], use_threads=False)
                    rows.update((row["prompt_id"], row) for row in table.filter(found).to_pylist())
    return rows


def texts_by_id(generations: Iterable[Path], decisions: Iterable[Path], ids: Iterable[str]) -> dict[str, str]:
    """Prompt id → text as clean left it, as scripts/clean/documents.py gives it, but read for these ids alone.

    Args:
        generations: sealed parts.
        decisions: what clean decided of them.
        ids: documents that clean kept.

    Raises:
        InputError: a document is in none of the parts, or was not kept.
    """
    wanted = sorted(set(ids))
    texts = rows_by_id(generations, wanted, ["text"])
    decided = rows_by_id(decisions, wanted, ["decision", "text"])
    for each in wanted:
        if each not in texts or decided.get(each, {}).get("decision") != "kept":
            raise InputError(
                f"document {each} is named by a later stage, but clean did not keep it. "
                "Some tables are of another state of the run: delete deduplicate/ and decontaminate/ and run again."
            )
    changed = {each: decided[each]["text"] for each in wanted}
    return {each: texts[each]["text"] if changed[each] is None else changed[each] for each in wanted}
