"""One split of the dataset: the texts of its sources that every step kept, with their prompts and seeds.

Each part becomes one file, train-0000k-of-0000N.parquet, rows in prompt order. A part may be empty: its file then has
no row group, because `datasets` stops at one without rows. Every prompt ends either in a file or under one reason:
`not_generated` (quarantined by generation), the reason that clean gave (too_short and so on), `near_duplicate`,
`contaminated`, and with --permissive `licence`, for a row whose seed has a licence that is not permissive (licences.py
tells which are). The sum is checked, and so is that all files of a part belong together.
"""

import argparse
import dataclasses
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from scripts.clean.documents import kept_documents
from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.logging import get_logger, run
from scripts.common.schemas import CONTAMINATION, DATASET, DECISIONS, NEAR_DUPLICATES, PROMPTS, SEEDS
from scripts.common.tables import in_batches, iterate_rows, read_table, write_batches
from scripts.dataset.licences import Licences

log = get_logger(__name__)

ROWS_PER_GROUP = 10_000

PROMPT_COLUMNS = ("prompt_id", "prompt", "seed_id", "seed_data", "format", "audience", "topic", "language")
TEXT_COLUMNS = ("prompt_id", "text", "text_token_length")
PUBLISHED = DATASET.names[:6]
SEED_COLUMNS = ("seed_id", "license", "origin")


@dataclasses.dataclass(frozen=True)
class Part:
    """The files of one part of one source, all named <source>/part-<number>.parquet.

    Raises:
        InputError: they are not of the same part.
    """

    prompts: Path
    seeds: Path
    generations: Path
    decisions: Path
    contamination: Path

    def __post_init__(self) -> None:
        places = {f"{path.parent.name}/{path.name}" for path in dataclasses.astuple(self)}
        if len(places) > 1:
            raise InputError(f"the files of one part are of {', '.join(sorted(places))}. Give all parts in one order.")

    def rows(
        self, duplicates: Collection[str], accepts: Callable[[str], bool], tally: Counter[str]
    ) -> Iterator[dict[str, Any]]:
        """Yields the part's rows of the dataset (DATASET) and counts the other prompts by reason.

        Args:
            duplicates: ids of near-duplicates to leave out, of the whole run.
            accepts: licence → whether rows with it may stay.
            tally: reason → prompts; a prompt that is yielded counts under "".

        Raises:
            InputError: a prompt has no seed, a published column no value, or the texts are not of these prompts, each
                once and in their order.
        """
        seeds = {row["seed_id"]: row for row in iterate_rows(self.seeds, SEEDS, SEED_COLUMNS)}
        reasons = self._reasons()
        contaminated = {
            row["prompt_id"] for row in iterate_rows(self.contamination, CONTAMINATION) if row["decision"] == "removed"
        }
        texts = kept_documents(self.generations, self.decisions, TEXT_COLUMNS)
        for prompt in iterate_rows(self.prompts, PROMPTS, PROMPT_COLUMNS):
            prompt_id = prompt["prompt_id"]
            reason = reasons.pop(prompt_id, "not_generated")
            if not reason:
                text = next(texts)
                if text["prompt_id"] != prompt_id:
                    raise self._mismatch(prompt_id)
                row = self._with_seed(prompt | text, seeds)
                reason = _reason(prompt_id, duplicates, contaminated) or ("" if accepts(row["license"]) else "licence")
            tally[reason] += 1
            if not reason:
                self._check_values(row)
                yield row
        if reasons:
            raise self._mismatch(min(reasons))

    def _reasons(self) -> dict[str, str]:
        """Prompt id → why clean removed its text, "" for one that it kept."""
        reasons: dict[str, str] = {}
        for row in iterate_rows(self.decisions, DECISIONS, ["prompt_id", "reason"]):
            if row["prompt_id"] in reasons:
                raise InputError(
                    f"{self.generations} holds two texts of prompt {row['prompt_id']}. Delete it and run again: it is "
                    "sealed anew from the ledger, with one."
                )
            reasons[row["prompt_id"]] = row["reason"]
        return reasons

    def _check_values(self, row: dict[str, Any]) -> None:
        missing = [name for name in PUBLISHED if row[name] is None]
        if missing:
            raise InputError(
                f"prompt {row['prompt_id']} of {self.prompts} has no {', '.join(missing)}, which every row of the "
                "dataset must have. Delete the files of this part from the prompts on, and run again."
            )

    def _with_seed(self, row: dict[str, Any], seeds: dict[str, dict[str, Any]]) -> dict[str, Any]:
        if row["seed_id"] not in seeds:
            raise InputError(
                f"{self.prompts}: prompt {row['prompt_id']} was made from seed {row['seed_id']}, which {self.seeds} "
                "does not have. Delete the prompts of this part and run again."
            )
        return row | seeds[row["seed_id"]]

    def _mismatch(self, prompt_id: str) -> InputError:
        return InputError(
            f"{self.generations} does not hold the texts of {self.prompts} in their order (at prompt {prompt_id}). "
            "Delete the first file and run again."
        )


def _reason(prompt_id: str, duplicates: Collection[str], contaminated: Collection[str]) -> str:
    if prompt_id in duplicates:
        return "near_duplicate"
    return "contaminated" if prompt_id in contaminated else ""


def write_split(
    parts: Sequence[Part], duplicates: Collection[str], accepts: Callable[[str], bool], folder: Path
) -> Counter[str]:
    """Writes the files of a split and returns reason → prompts, those in the dataset under ""."""
    tally: Counter[str] = Counter()
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("train-*.parquet"):
        old.unlink()
    for number, part in enumerate(parts):
        path = folder / f"train-{number:05d}-of-{len(parts):05d}.parquet"
        rows = write_batches(path, in_batches(part.rows(duplicates, accepts, tally), ROWS_PER_GROUP), DATASET)
        log.info("%s: %d rows of %s", path.name, rows, part.prompts.parent.name)
    return tally


def main(argv: Sequence[str] | None = None) -> None:
    """Writes one split."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    kinds = [field.name for field in dataclasses.fields(Part)]
    for kind in kinds:
        parser.add_argument(f"--{kind}", required=True, nargs="+", type=Path, help="one file a part, in the same order")
    parser.add_argument("--duplicates", required=True, help="near-duplicates of the whole run")
    parser.add_argument("--permissive", required=True, action=argparse.BooleanOptionalAction)
    parser.add_argument("--licences", required=True, type=Path, help="resources/licences.tsv")
    parser.add_argument("--split", required=True)
    parser.add_argument("--output", required=True, type=Path, help="folder")
    parser.add_argument("--counts", required=True)
    args = parser.parse_args(argv)
    if len({len(getattr(args, kind)) for kind in kinds}) > 1:
        parser.error(f"give as many {' as '.join(f'--{kind}' for kind in kinds)}")

    parts = [Part(*files) for files in zip(*(getattr(args, kind) for kind in kinds), strict=True)]
    duplicates = set(read_table(args.duplicates, NEAR_DUPLICATES, ["removed_id"])["removed_id"].to_pylist())
    licences = Licences(args.licences)
    accepts = (lambda licence: licences.judge(licence).permissive) if args.permissive else (lambda licence: True)
    tally = write_split(parts, duplicates, accepts, args.output)
    kept = tally.pop("", 0)
    Counts("dataset_split", kept + tally.total(), kept, dict(tally), args.split).write(args.counts)
    log.info("%s: %d rows; left out: %s", args.split, kept, dict(sorted(tally.items())))


if __name__ == "__main__":
    run(main)
