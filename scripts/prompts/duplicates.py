"""Prompts that occur more than once in a source: each belongs to the part where it occurs first.

Two pages with the same first thousand characters, or two rows with one title, are different seeds but the same prompt.
A prompt id is the key of everything that follows, so it must be unique in the whole run; ids contain the template and a
template belongs to one source, hence parts of the same source are compared. Ids are held as 16 bytes and sorted once:
about 40 bytes a prompt, 1 GB for the 23 M web prompts of the paper.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from scripts.common.logging import get_logger, run
from scripts.common.tables import PROMPTS, REJECTED, read_table, write_table

ID_BYTES = 16


def find_repeated(paths: Sequence[str | Path]) -> dict[str, Path]:
    """Prompt id → the table of its first occurrence, for every id that occurs twice or more in these tables."""
    data = b"".join(bytes.fromhex("".join(_ids(path))) for path in paths)
    if not data:
        return {}
    ids = pa.FixedSizeBinaryArray.from_buffers(pa.binary(ID_BYTES), len(data) // ID_BYTES, [None, pa.py_buffer(data)])
    ordered = ids.take(pc.sort_indices(ids))
    repeats = ordered[1:].filter(pc.equal(ordered[1:], ordered[:-1]))
    repeated = {value.hex() for value in repeats.to_pylist()}
    first: dict[str, Path] = {}
    for path in paths if repeated else ():
        for identifier in _ids(path):
            if identifier in repeated:
                first.setdefault(identifier, Path(path))
    return first


def _ids(path: str | Path) -> list[str]:
    return read_table(path, PROMPTS, ["prompt_id"])["prompt_id"].to_pylist()


def main(argv: Sequence[str] | None = None) -> None:
    """Finds the repeated prompts of one source."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--prompts", required=True, nargs="+", help="prompt tables of all parts; an earlier one wins")
    parser.add_argument("--source", required=True)
    parser.add_argument("--output", required=True)
    args = parser.parse_args(argv)

    rows = [
        {"id": identifier, "reason": "duplicate_prompt", "detail": f"{args.source}/{path.stem}"}
        for identifier, path in sorted(find_repeated(args.prompts).items())
    ]
    write_table(args.output, rows, REJECTED)
    get_logger(__name__).info("%s: %d prompts occur more than once", args.source, len(rows))


if __name__ == "__main__":
    run(main)
