"""Seeds of one part: a range of rows of a source, read by its reader and checked.

A seed's id is the content hash of its kind, text, title and place in the outline, so it does not depend on the order
of the source, the part or the file; `earlier` is left out, because a unit stays the same when its neighbours change.
Rows and units that cannot be used are kept aside with a reason:

* from reading: not_utf8, broken_json, missing_column, null, wrong_type, no_human_message, no_units, no_subject,
  personal_data;
* from the filters of the source: filtered_<column>;
* from the checks: empty, too_short, too_long, control_characters, mojibake, giant_word, not_unicode;
* other_language: neither the row's own column nor, without one, its text is in a language of `seeds.languages`;
* duplicate_seed: the same seed again in this part (seeds_duplicates finds those of different parts).
"""

import argparse
import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.ids import content_id
from scripts.common.logging import get_logger, run
from scripts.common.schemas import OUTLINES, REJECTED, SEEDS
from scripts.common.tables import iterate_rows, write_batches, write_table
from scripts.seeds.checks import MAXIMUM_CHARACTERS, find_problem
from scripts.seeds.files import Raw
from scripts.seeds.languages import FREE_TEXT, identify, language_code
from scripts.seeds.readers import READERS, BadRow, Draft, Rejected
from scripts.seeds.rows import parse, raw_rows
from scripts.seeds.sources import Entry, read_entry

BATCH_ROWS = 1000
BATCH_CHARACTERS = 32_000_000
DETAIL_CHARACTERS = 200


class Part:
    """Turns raw rows into seeds and keeps account of every one; `rejected` and `counts` are complete at the end.

    Args:
        entry: the source.
        languages: codes of the languages that seeds may be in.
        max_characters: of the longest seed.
        outlines: id of a course → its units, for a source of catalogues.
    """

    def __init__(
        self,
        entry: Entry,
        languages: Sequence[str] = ("en",),
        max_characters: int = MAXIMUM_CHARACTERS,
        outlines: Mapping[str, Sequence[Mapping]] | None = None,
    ) -> None:
        self.entry = entry
        self.languages = languages
        self.max_characters = max_characters
        self._read = READERS[entry.reader].read
        if outlines is not None:
            self._read = functools.partial(self._read, outlines=outlines)
        self.rejected: list[dict[str, str]] = []
        self.rows_in = self.rows_out = self.added = 0
        self._seen: set[str] = set()

    def seeds(self, rows: Iterable[tuple[str, Raw]]) -> Iterator[dict[str, Any]]:
        """Yields the seeds of (place, raw row) pairs.

        Raises:
            InputError: no row at all has a column that the registry names.
        """
        for place, text in rows:
            self.rows_in += 1
            try:
                row = parse(text)
                drafts = self._drafts(row)
            except BadRow as bad:
                self._reject(place, Rejected(*bad.args))
                continue
            self.added += len(drafts) - 1
            for number, draft in enumerate(drafts, start=1):
                unit = f"{place}#{number}" if len(drafts) > 1 else place
                seed = self._seed(draft, row, place)
                if isinstance(seed, Rejected):
                    self._reject(unit, seed)
                else:
                    self._seen.add(seed["seed_id"])
                    self.rows_out += 1
                    yield seed
        self._check_columns()

    def reasons(self) -> dict[str, int]:
        """Reason → rows kept aside."""
        return dict(Counter(row["reason"] for row in self.rejected))

    def _drafts(self, row: dict) -> list[Draft | Rejected]:
        for rule in self.entry.filters:
            if not rule.keeps(row):
                raise BadRow(f"filtered_{rule.column}", str(row.get(rule.column)))
        drafts = list(self._read(row, self.entry.columns))
        if not drafts:
            raise BadRow("no_units")
        return drafts

    def _seed(self, draft: Draft | Rejected, row: dict, place: str) -> dict[str, Any] | Rejected:
        problem = draft if isinstance(draft, Rejected) else find_problem(draft, self.entry.kind, self.max_characters)
        if problem:
            return problem
        language = self._language(draft, row)
        if language not in self.languages:
            return Rejected("other_language", f"{language}: {draft.text or draft.title}")
        outline, columns = draft.outline, self.entry.columns
        places = (outline.book, outline.chapter, outline.section) if outline else ("", "", "")
        seed_id = content_id(self.entry.kind, draft.text, draft.title, *places)
        if seed_id in self._seen:
            return Rejected("duplicate_seed", seed_id)
        return {
            "seed_id": seed_id,
            "source": self.entry.source,
            "kind": self.entry.kind,
            "text": draft.text,
            "title": draft.title,
            "outline": vars(outline) if outline else None,
            "language": language,
            "license": _clean(str(row.get(columns.get("license")) or self.entry.licence)),
            "origin": _clean(str(row.get(columns.get("url")) or place)),
            "asked": vars(draft.asked) if draft.asked else None,
        }

    def _language(self, draft: Draft, row: dict) -> str:
        """What the row says, else what a long enough free text shows, else the first language of the run."""
        if named := str(row.get(self.entry.columns.get("language")) or "").strip():
            return _clean(language_code(named))
        shown = identify(draft.text, self.languages) if self.entry.kind in FREE_TEXT else None
        return shown or self.languages[0]

    def _reject(self, place: str, problem: Rejected) -> None:
        detail = _clean(problem.detail[:DETAIL_CHARACTERS])
        self.rejected.append({"id": _clean(place), "reason": problem.reason, "detail": detail})

    def _check_columns(self) -> None:
        if self.rows_in and self.reasons().get("missing_column") == self.rows_in:
            raise InputError(
                f"source `{self.entry.source}`: not one of {self.rows_in} rows from {self.entry.location} has the "
                f"column {self.rejected[0]['detail']}. Correct `columns` of this source in the registry of sources."
            )


def read_outlines(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Id of a course → the units of its outline; none where the model gave no outline."""
    return {row["course_id"]: row["units"] for row in iterate_rows(path, OUTLINES, ["course_id", "units"])}


def batches(seeds: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Groups seeds by number and by size, so that a few huge texts do not fill the memory."""
    batch: list[dict[str, Any]] = []
    characters = 0
    for seed in seeds:
        batch.append(seed)
        characters += len(seed["text"])
        if len(batch) == BATCH_ROWS or characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _clean(text: str) -> str:
    """Text that any table can hold."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the seeds, the rejected rows and the counts of one part."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sources", type=Path, required=True, help="resources/sources.tsv")
    parser.add_argument("--source", required=True, help="which of its sources")
    parser.add_argument("--where", required=True, choices=["sample", "original"])
    parser.add_argument("--downloads", type=Path, required=True, help="folder that seeds_download fills")
    parser.add_argument("--languages", nargs="+", required=True, help="languages of the seeds, e.g. en")
    parser.add_argument("--max-characters", type=int, required=True, help="a longer seed is kept aside")
    parser.add_argument("--start", type=int, required=True, help="first row of the part")
    parser.add_argument("--stop", type=int, required=True, help="row after its last one")
    parser.add_argument("--part", required=True, help="number of the part, e.g. 000")
    parser.add_argument("--outlines", type=Path, help="outlines of the part's courses, for a source of catalogues")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--rejected", type=Path, required=True)
    parser.add_argument("--counts", type=Path, required=True)
    args = parser.parse_args(argv)
    entry = read_entry(args.sources, args.source, args.where)
    outlines = read_outlines(args.outlines) if args.outlines else None
    part = Part(entry, args.languages, args.max_characters, outlines)
    rows = raw_rows(entry, args.downloads, args.start, args.stop)
    write_batches(args.output, batches(part.seeds(rows)), SEEDS)
    write_table(args.rejected, part.rejected, REJECTED)
    counts = Counts("seeds_load", part.rows_in, part.rows_out, part.reasons(), args.source, args.part, part.added)
    counts.write(args.counts)
    get_logger("seeds_load").info("%d rows, %d seeds, rejected %s", part.rows_in, part.rows_out, part.reasons())


if __name__ == "__main__":
    run(main)
