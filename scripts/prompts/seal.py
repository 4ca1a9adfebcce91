"""The final prompts of one part: what prompts_build made, less what prompts_select leaves out.

A candidate is left out because its prompt occurs earlier (duplicate_prompt, listed among the rejected rows), because
its cell of the mix is full (outside_mix) or because it lies outside `fraction` (outside_fraction); the last two are
counted only, since they can be millions. The account of all three steps is closed here, so that one count file and one
table of rejected rows tell what became of every seed of the part.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from scripts.common.counts import Counts
from scripts.common.files import read_json
from scripts.common.logging import get_logger, run
from scripts.common.schemas import CANDIDATES, PROMPTS, REJECTED
from scripts.common.tables import iterate_batches, iterate_rows, read_table, write_columns, write_table

ROWS_AT_ONCE, ROWS_PER_GROUP = 4000, 8000


class Sealer:
    """Takes the prompts of a part that are selected and keeps account of the others.

    Args:
        place: the part as the table of repeated prompts writes it (web/part-000).
        first: prompt id → place of its first occurrence, for repeated prompts.
        selection: cell → its bounds, as prompts_select gives them.
    """

    def __init__(self, place: str, first: Mapping[str, str], selection: Mapping[str, Mapping[str, int]]) -> None:
        self.place, self.first, self.selection = place, first, selection
        self.repeated: list[dict[str, str]] = []
        self.reasons: Counter[str] = Counter()
        self._seen: set[str] = set()

    def prompts(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yields the selected prompts (PROMPTS) of each batch of candidates."""
        for batch in batches:
            first_here = np.array([self._is_first(*pair) for pair in _pairs(batch)], bool)
            cells, ranks = batch["cell"].to_pylist(), batch["rank"].to_numpy()
            in_mix = ranks <= np.array([self.selection[cell]["mix_bound"] for cell in cells], np.int64)
            taken = ranks <= np.array([self.selection[cell]["fraction_bound"] for cell in cells], np.int64)
            self._count("duplicate_prompt", ~first_here)
            self._count("outside_mix", first_here & ~in_mix)
            self._count("outside_fraction", first_here & in_mix & ~taken)
            yield batch.filter(pa.array(first_here & taken)).select(PROMPTS.names)

    def _is_first(self, prompt_id: str, seed_id: str) -> bool:
        if prompt_id not in self.first:
            return True
        if self.first[prompt_id] == self.place and prompt_id not in self._seen:
            self._seen.add(prompt_id)
            return True
        detail = f"seed {seed_id}, first in {self.first[prompt_id]}"
        self.repeated.append({"id": prompt_id, "reason": "duplicate_prompt", "detail": detail})
        return False

    def _count(self, reason: str, rows: np.ndarray) -> None:
        if found := int(rows.sum()):
            self.reasons[reason] += found


def _pairs(batch: pa.RecordBatch) -> Iterator[tuple[str, str]]:
    return zip(batch["prompt_id"].to_pylist(), batch["seed_id"].to_pylist(), strict=True)


def close_account(built: Counts, sealed: int, reasons: Mapping[str, int]) -> Counts:
    """The counts of build and seal together."""
    return Counts(
        "prompts_seal", built.rows_in, sealed, {**built.rejected, **reasons}, built.source, built.part, built.added
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Seals the prompts of one part."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--candidates", required=True, help="the part's prompts from prompts_build")
    parser.add_argument("--built-rejected", required=True, help="its rejected rows")
    parser.add_argument("--built-counts", required=True, help="its counts")
    parser.add_argument("--repeated", required=True, help="repeated prompts of the source")
    parser.add_argument("--selection", required=True, help="bounds of the source's cells")
    parser.add_argument("--output", required=True)
    parser.add_argument("--rejected", required=True)
    parser.add_argument("--counts", required=True)
    args = parser.parse_args(argv)

    built = Counts.read(args.built_counts)
    first = {row["id"]: row["detail"] for row in iterate_rows(args.repeated, REJECTED)}
    sealer = Sealer(f"{built.source}/part-{built.part}", first, read_json(args.selection))
    prompts = sealer.prompts(iterate_batches(args.candidates, CANDIDATES, batch_size=ROWS_AT_ONCE))
    rows = write_columns(args.output, prompts, PROMPTS, ["prompt", "prompt_id", "seed_id"], ROWS_PER_GROUP)
    counts = close_account(built, rows, sealer.reasons)
    write_table(args.rejected, read_table(args.built_rejected, REJECTED).to_pylist() + sealer.repeated, REJECTED)
    counts.write(args.counts)
    get_logger(__name__).info("%d prompts; rejected: %s", counts.rows_out, dict(counts.rejected))


if __name__ == "__main__":
    run(main)
