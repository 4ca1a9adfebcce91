"""Seals a part: one row for each prompt, in the order of the prompts, taken from the part's ledger (see choose.py).

A prompt that the engine refused is rejected with reason `refused`, one that has nothing but errors with reason
`failed`, both with the message; a prompt id that the part holds twice is sealed once and its further rows are rejected
as `duplicate_prompt`. A prompt without any row is missing. Then the sealing stops, and the markers of the slices that
should have generated it are removed, so that the same command runs these slices again, which generate what is missing.
With `--partial` the part is sealed as it is, and such prompts are rejected as `not_generated`.

The ledger is read once, every page of it verified, and its rows are sorted into files of 10,000 neighbouring prompts
each, beside the output, which are then read one after the other: memory holds the ids of the part and the texts of one
such file, in whatever order the ledger has them.

A sealed part does not tell which job made a row (`job` is null; the ledger keeps it): with an engine whose texts depend
on nothing but the request, the part has the same bytes however the work was divided or interrupted.
"""

import argparse
import bisect
import contextlib
import dataclasses
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from scripts import engines
from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.logging import get_logger, run
from scripts.common.schemas import GENERATIONS, PROMPTS, REJECTED
from scripts.common.tables import in_batches, iterate_rows, write_batches, write_columns
from scripts.generate import ledger, recipe
from scripts.generate.choose import Chosen, choose
from scripts.generate.slice import slice_range

PROMPTS_PER_FILE = 10_000
FILES = 200
BATCH = 1000

log = get_logger(__name__)


@dataclasses.dataclass
class Outcome:
    """What became of the prompts of a part: `rejected` are (id, reason, detail), those `missing` are told by place."""

    texts: int = 0
    rejected: list[tuple[str, str, str]] = dataclasses.field(default_factory=list)
    missing: list[int] = dataclasses.field(default_factory=list)


def sort_rows(tables: Iterable[pa.Table], recipe_id: str, places: Mapping[str, int], size: int, folder: Path) -> None:
    """Writes the rows of a recipe and a part into files of `size` neighbouring prompts, named by number."""
    options = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)
    files: dict[int, pa.RecordBatchWriter] = {}
    with contextlib.ExitStack() as stack:
        for table in tables:
            table = table.filter(pc.equal(table["recipe"], recipe_id))
            found = (places.get(prompt_id) for prompt_id in table["prompt_id"].to_pylist())
            numbers = [None if place is None else place // size for place in found]
            for number in sorted(set(numbers) - {None}):
                if number not in files:
                    sink = pa.ipc.new_stream(folder / str(number), GENERATIONS, options=options)
                    files[number] = stack.enter_context(sink)
                files[number].write_table(table.filter(pc.equal(pa.array(numbers, pa.int64()), number)))


def read_sorted(path: Path) -> list[pa.Table]:
    """One of these files; there is none where no row was found."""
    if not path.exists():
        return []
    with pa.ipc.open_stream(path) as stream:
        return [stream.read_all()]


def divide(
    prompt_ids: Sequence[str], first: int, places: Mapping[str, int], chosen: Chosen, outcome: Outcome
) -> list[str]:
    """The finished prompts among neighbours of which the first has the place `first`; the others go to the outcome."""
    finished = []
    for place, prompt_id in enumerate(prompt_ids, start=first):
        if places[prompt_id] != place:
            outcome.rejected.append((prompt_id, "duplicate_prompt", "the part holds this prompt more than once"))
        elif prompt_id in chosen.places:
            finished.append(prompt_id)
        elif prompt_id in chosen.failures:
            refused, attempt, _, message = chosen.failures[prompt_id]
            reason = "refused" if refused else "failed"
            outcome.rejected.append((prompt_id, reason, f"attempt {attempt}: {message}"))
        else:
            outcome.missing.append(place)
            outcome.rejected.append((prompt_id, "not_generated", "the ledger has no row of it"))
    outcome.texts += len(finished)
    return finished


def seal(
    prompt_ids: Sequence[str], folder: Path, recipe_id: str, scratch: Path, outcome: Outcome
) -> Iterator[pa.RecordBatch]:
    """Yields the record batches of a sealed part, and tells at the end what became of its prompts."""
    places: dict[str, int] = {}
    for place, prompt_id in enumerate(prompt_ids):
        places.setdefault(prompt_id, place)
    size = max(PROMPTS_PER_FILE, -(-len(prompt_ids) // FILES))
    sort_rows(ledger.segments(folder), recipe_id, places, size, scratch)
    for first in range(0, len(prompt_ids), size):
        chosen = choose(read_sorted(scratch / str(first // size)), recipe_id)
        finished = divide(prompt_ids[first : first + size], first, places, chosen, outcome)
        yield from chosen.rows(finished).to_batches(max_chunksize=BATCH)


def remove_markers(markers: Sequence[Path], missing: Sequence[int], rows: int) -> list[Path]:
    """Removes the markers of the slices that should have generated these places, which ascend; returns them."""
    claims = []
    for number, marker in enumerate(markers):
        first, end = (bisect.bisect_left(missing, place) for place in slice_range(rows, number, len(markers)))
        if first < end:
            marker.unlink(missing_ok=True)
            claims.append(marker)
    return claims


@contextlib.contextmanager
def scratch_folder(output: Path) -> Iterator[Path]:
    """An empty folder beside the output, removed at the end; what a killed program left of it is removed first."""
    folder = output.with_name(f".{output.name}.sorting")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Seals one part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=Path, required=True)
    parser.add_argument("--ledger", type=Path, required=True, help="the part's folder")
    parser.add_argument("--markers", type=Path, nargs="*", default=[], help="of all slices of the part, in order")
    parser.add_argument("--partial", action=argparse.BooleanOptionalAction, default=False)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--rejected", type=Path, required=True)
    parser.add_argument("--counts", type=Path, required=True)
    parser.add_argument("--source", required=True)
    parser.add_argument("--part", required=True)
    recipe.add_arguments(parser)
    engines.add_arguments(parser)
    args = parser.parse_args(argv)

    name = f"{args.source} part {args.part}"
    plan = recipe.recipe_from(args)
    prompt_ids = [row["prompt_id"] for row in iterate_rows(args.prompts, PROMPTS, ["prompt_id"])]
    outcome = Outcome()

    def batches(scratch: Path) -> Iterator[pa.RecordBatch]:
        yield from seal(prompt_ids, args.ledger, plan.id, scratch, outcome)
        if outcome.missing and not args.partial:
            removed = remove_markers(args.markers, outcome.missing, len(prompt_ids))
            raise InputError(
                f"{len(outcome.missing)} of {len(prompt_ids)} prompts of {name} are missing from the ledger "
                f"{args.ledger} (the first is {prompt_ids[outcome.missing[0]]}). The markers of {len(removed)} slices "
                "were removed: give the same command again, and only the missing texts will be generated"
            )

    with scratch_folder(args.output) as scratch:
        write_columns(args.output, batches(scratch), GENERATIONS)
    rejected = (dict(zip(REJECTED.names, row, strict=True)) for row in outcome.rejected)
    write_batches(args.rejected, in_batches(rejected), REJECTED)
    reasons = Counter(reason for _, reason, _ in outcome.rejected)
    Counts("generate_seal", len(prompt_ids), outcome.texts, reasons, args.source, args.part).write(args.counts)
    log.info("%s: %d texts sealed, %d rejected", name, outcome.texts, len(outcome.rejected))


if __name__ == "__main__":
    run(main)
