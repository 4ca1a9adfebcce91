"""The prompts of one source that the mix asks for, as two bounds on the rank of each cell.

First the prompts that occur more than once are found: two pages with the same first thousand characters, or two rows
with one title, are different seeds but the same prompt. A prompt id is the key of everything that follows, so each
belongs to the part where it occurs first, or to an earlier source with the same templates, if that one has it.
Of the other candidates of a cell those with the lowest ranks are taken, as many as the mix asks for; `fraction` takes
the lowest of these. So a smaller number or fraction is always a subset of a larger one.

Ids and ranks alone are held, about 40 bytes a candidate: 2 GB for 30 M web candidates at full scale.
"""

import argparse
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts.common.files import write_json
from scripts.common.logging import get_logger, run
from scripts.common.schemas import CANDIDATES, PROMPTS, REJECTED
from scripts.common.tables import read_table, write_table

NONE = -1
"""A bound under which no rank lies."""


def read_ids(paths: Sequence[Path]) -> list[np.ndarray]:
    """The prompt ids of each table, as two 64-bit numbers: shapes (rows, 2)."""
    return [_numbers(read_table(path, PROMPTS, ["prompt_id"])["prompt_id"].to_pylist()) for path in paths]


def _numbers(ids: Collection[str]) -> np.ndarray:
    return np.frombuffer(bytes.fromhex("".join(ids)), ">u8").astype(np.uint64).reshape(-1, 2)


def find_repeated(ids: np.ndarray) -> dict[int, int]:
    """Index of each id that occurred before → index of its first occurrence; `ids` has the shape (n, 2)."""
    order = np.argsort(ids[:, 0], kind="stable")
    same = ids[order[1:], 0] == ids[order[:-1], 0]  # the first half of an id is enough to find the few to look at
    suspects = np.unique(np.concatenate([order[1:][same], order[:-1][same]]))
    first: dict[tuple[int, int], int] = {}
    repeated = {}
    for index, key in zip(suspects.tolist(), map(tuple, ids[suspects].tolist()), strict=True):
        if first.setdefault(key, index) != index:
            repeated[index] = first[key]
    return repeated


def bounds(ranks: np.ndarray, asked: int, fraction: float) -> dict[str, int]:
    """How many of a cell's candidates are taken, and the highest rank among them: by the mix, and by fraction too."""
    in_mix = min(asked, len(ranks))
    taken = round(in_mix * fraction)
    ordered = np.sort(ranks)
    bound = {count: int(ordered[count - 1]) if count else NONE for count in (in_mix, taken)}
    return {
        "asked": asked,
        "candidates": len(ranks),
        "taken": taken,
        "mix_bound": bound[in_mix],
        "fraction_bound": bound[taken],
    }


def select(
    cells: np.ndarray, names: Sequence[str], ranks: np.ndarray, asked: Mapping[str, int], fraction: float
) -> dict[str, dict[str, int]]:
    """`bounds` of every cell that is asked for or has a candidate.

    Args:
        cells: index into `names`, for each candidate that occurs for the first time.
        names: cells of the candidates.
        ranks: rank of each candidate.
        asked: cell → prompts asked for.
        fraction: share that is kept.
    """
    return {
        name: bounds(ranks[cells == names.index(name)] if name in names else ranks[:0], asked.get(name, 0), fraction)
        for name in sorted({*names, *asked})
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Selects the prompts of one source."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--candidates", type=Path, required=True, nargs="+", help="prompts_build's tables of all parts")
    parser.add_argument("--earlier", type=Path, nargs="*", default=[], help="final prompts of sources that come first")
    parser.add_argument("--source", required=True)
    parser.add_argument("--cells", type=json.loads, required=True, help="JSON: cell → prompts asked for")
    parser.add_argument("--fraction", type=float, default=1.0)
    parser.add_argument("--repeated", type=Path, required=True, help="table of repeated prompts to write")
    parser.add_argument("--selection", type=Path, required=True, help="JSON file of the bounds to write")
    args = parser.parse_args(argv)

    candidates = sorted(args.candidates, key=lambda path: (len(path.name), path.name))
    tables = [args.earlier, candidates]
    ids = [read_ids(paths) for paths in tables]
    before = sum(map(len, ids[0]))
    every = np.concatenate([np.empty((0, 2), np.uint64), *ids[0], *ids[1]])
    repeated = {index: first for index, first in find_repeated(every).items() if index >= before}
    write_table(args.repeated, _rows(every, repeated, [*args.earlier, *candidates], [*ids[0], *ids[1]]), REJECTED)

    unique = np.ones(len(every) - before, bool)
    unique[np.fromiter(repeated, int, len(repeated)) - before] = False
    names, cells, ranks = _read_ranks(candidates)
    selection = select(cells[unique], names, ranks[unique], args.cells, args.fraction)
    write_json(args.selection, selection)
    get_logger(__name__).info(
        "%s: %d candidates, %d of them repeated, %d prompts taken",
        args.source,
        len(unique),
        len(repeated),
        sum(cell["taken"] for cell in selection.values()),
    )


def _read_ranks(paths: Sequence[Path]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The names of the cells; for each candidate the index of its cell, and its rank."""
    names: list[str] = []
    cells, ranks = [np.empty(0, np.int16)], [np.empty(0, np.int64)]
    for path in paths:
        table = read_table(path, CANDIDATES, ["cell", "rank"]).combine_chunks()
        coded = table["cell"].combine_chunks().dictionary_encode()
        names += [name for name in coded.dictionary.to_pylist() if name not in names]
        places = np.array([names.index(name) for name in coded.dictionary.to_pylist()], np.int16)
        cells.append(places[coded.indices.to_numpy()])
        ranks.append(table["rank"].to_numpy())
    return names, np.concatenate(cells), np.concatenate(ranks)


def _rows(
    ids: np.ndarray, repeated: Mapping[int, int], paths: Sequence[Path], tables: Sequence[np.ndarray]
) -> list[dict[str, Any]]:
    """One row for each repeated prompt, with the part where it occurs first."""
    starts = np.cumsum([0, *map(len, tables)])
    firsts = np.array(sorted(set(repeated.values())), int)
    places = [paths[index] for index in (np.searchsorted(starts, firsts, side="right") - 1).tolist()]
    rows = [
        {
            "id": f"{high:016x}{low:016x}",
            "reason": "duplicate_prompt",
            "detail": f"{path.parent.name}/{path.stem}",
        }
        for (high, low), path in zip(ids[firsts].tolist(), places, strict=True)
    ]
    return sorted(rows, key=lambda row: row["id"])


if __name__ == "__main__":
    run(main)
