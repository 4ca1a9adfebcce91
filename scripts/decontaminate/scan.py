"""Compares the documents of one part with the benchmark rows; the rule is told in scripts/decontaminate/matching.py.

Scanned are the documents that clean and deduplication kept. A compiled scan (scripts/decontaminate/candidates.py) finds
those that may share an n-gram with a row, and only they are compared in Python. The output has one line for every pair
of document and row that shares an n-gram, with its evidence, in the order of the documents and of the rows; a document
is contaminated when any of its pairs is `removed`.

Rows shorter than one n-gram have no part in this rule. With `--short-rows remove` a document that holds all words of
one, running, is contaminated too.
"""

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from scripts.clean.documents import kept_batches
from scripts.common.counts import Counts
from scripts.common.logging import get_logger, run
from scripts.common.schemas import BENCHMARK_ROWS, CONTAMINATION, NEAR_DUPLICATES
from scripts.common.tables import read_table, write_batches
from scripts.decontaminate.candidates import Candidates
from scripts.decontaminate.matching import holds, ngrams, tokenize, verdict

REPORT, REMOVE = "report", "remove"

log = get_logger(__name__)

Row = Mapping[str, Any]


class Scanner:
    """Finds the benchmark rows in documents.

    Args:
        rows: benchmark rows (BENCHMARK_ROWS).
        short_rows: rows shorter than an n-gram; a document that holds one whole is removed.
        ngram: tokens that a candidate must share with a row.
        minimum_block: only longer matching blocks count (characters).
        ratio: a document that matches a larger share of a row is removed.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        short_rows: Sequence[Row] = (),
        ngram: int = 10,
        minimum_block: int = 5,
        ratio: float = 0.5,
    ) -> None:
        self._rows, self._checkable = [*rows, *short_rows], len(rows)
        self._ngram, self._minimum_block, self._ratio = ngram, minimum_block, ratio
        lengths = [ngram] * len(rows) + [len(row["tokens"].split()) for row in short_rows]
        self._candidates = Candidates([row["tokens"] for row in self._rows], lengths)

    def candidates(self, documents: pa.RecordBatch) -> list[int]:
        """The places of the documents of a batch (prompt_id, text) that have to be compared."""
        return self._candidates.documents(documents.column("text"))

    def batch(self, documents: pa.RecordBatch) -> list[dict[str, Any]]:
        """What the documents of a batch (prompt_id, text) share with the benchmarks (CONTAMINATION rows)."""
        found = documents.take(pa.array(self.candidates(documents), pa.int64()))
        return [pair for row in found.to_pylist() for pair in self.pairs(row["prompt_id"], row["text"])]

    def pairs(self, prompt_id: str, text: str) -> Iterator[dict[str, Any]]:
        """Yields what one document shares with the benchmarks (CONTAMINATION rows)."""
        tokens = tokenize(text)
        document = " ".join(tokens)
        numbers = self._candidates.rows(document)
        shared = set(ngrams(tokens, self._ngram)) if numbers else set()
        for number in numbers:
            row = self._rows[number]
            if number >= self._checkable:
                if holds(document, row["tokens"]):
                    yield _pair(prompt_id, row, "short_row", 1.0, row["tokens"], True)
            elif not shared.isdisjoint(ngrams(row["tokens"].split(" "), self._ngram)):
                match = verdict(document, row["tokens"], self._minimum_block)
                yield _pair(prompt_id, row, "ngram", match.ratio, match.span, match.ratio > self._ratio)


def _pair(prompt_id: str, row: Row, rule: str, ratio: float, span: str, removed: bool) -> dict[str, Any]:
    return {
        "prompt_id": prompt_id,
        "benchmark": row["benchmark"],
        "row": row["row"],
        "rule": rule,
        "ratio": ratio,
        "span": span,
        "decision": "removed" if removed else "kept",
    }


class Scan:
    """One pass over documents that keeps account of them."""

    def __init__(self, scanner: Scanner) -> None:
        self.scanner = scanner
        self.documents = self.contaminated = 0

    def batches(self, documents: Iterable[pa.RecordBatch]) -> Iterator[list[dict[str, Any]]]:
        """Yields the pairs of these documents, batch by batch."""
        for batch in documents:
            pairs = self.scanner.batch(batch)
            self.documents += len(batch)
            self.contaminated += len({pair["prompt_id"] for pair in pairs if pair["decision"] == "removed"})
            log.info("%d documents scanned, %d contaminated", self.documents, self.contaminated)
            yield pairs

    def counts(self, source: str, part: str) -> Counts:
        """The account so far."""
        rejected = {"contaminated": self.contaminated} if self.contaminated else {}
        kept = self.documents - self.contaminated
        return Counts("decontaminate_scan", self.documents, kept, rejected, source, part)


def main(argv: Sequence[str] | None = None) -> None:
    """Scans one part."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--generations", required=True, help="sealed texts of the part")
    parser.add_argument("--decisions", required=True, help="what clean decided of them")
    parser.add_argument("--duplicates", required=True, help="near-duplicates of the whole run")
    parser.add_argument("--rows", required=True, help="benchmark rows")
    parser.add_argument("--uncheckable", required=True, help="benchmark rows shorter than one n-gram")
    parser.add_argument("--source", required=True)
    parser.add_argument("--part", required=True, help="number as in the file name, e.g. 000")
    parser.add_argument("--ngram", type=int, default=10)
    parser.add_argument("--minimum-block", type=int, default=5)
    parser.add_argument("--ratio", type=float, default=0.5)
    parser.add_argument("--short-rows", choices=(REPORT, REMOVE), default=REPORT, help="what becomes of texts with one")
    parser.add_argument("--minimum-short", type=int, default=5, help="tokens of a short row that is looked for")
    parser.add_argument("--output", required=True)
    parser.add_argument("--counts", required=True)
    args = parser.parse_args(argv)

    columns = ["benchmark", "row", "tokens", "n_tokens"]
    rows = read_table(args.rows, BENCHMARK_ROWS, columns).to_pylist()
    short_rows = read_table(args.uncheckable, BENCHMARK_ROWS, columns).to_pylist()
    short_rows = [row for row in short_rows if row["n_tokens"] >= max(args.minimum_short, 1)]
    duplicates = read_table(args.duplicates, NEAR_DUPLICATES, ["removed_id"])["removed_id"].to_pylist()
    scan = Scan(
        Scanner(rows, short_rows if args.short_rows == REMOVE else (), args.ngram, args.minimum_block, args.ratio)
    )
    documents = kept_batches(args.generations, args.decisions, without=duplicates)
    write_batches(args.output, scan.batches(documents), CONTAMINATION)
    scan.counts(args.source, args.part).write(args.counts)


if __name__ == "__main__":
    run(main)
