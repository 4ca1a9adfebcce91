"""Compares the documents of one part with the benchmark rows; the rule is told in scripts/decontaminate/matching.py.

Scanned are the documents that clean and deduplication kept. The output has one line for every pair of document and row
that shares an n-gram, with its evidence, in the order of the documents and of the rows; a document is contaminated when
any of its pairs is `removed`.
"""

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from scripts.clean.documents import kept_documents
from scripts.common.counts import Counts
from scripts.common.logging import get_logger, run
from scripts.common.tables import BENCHMARK_ROWS, CONTAMINATION, NEAR_DUPLICATES, in_batches, read_table, write_batches
from scripts.decontaminate.matching import candidates, index, tokenize, verdict

DOCUMENTS_PER_BATCH = 1000

log = get_logger(__name__)


class Scanner:
    """Finds the benchmark rows in documents.

    Args:
        rows: benchmark rows (BENCHMARK_ROWS).
        ngram: tokens that a candidate must share with a row.
        minimum_block: only longer matching blocks count (characters).
        ratio: a document that matches a larger share of a row is removed.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]], ngram: int = 10, minimum_block: int = 5, ratio: float = 0.5):
        self.rows, self.ngram, self.minimum_block, self.ratio = rows, ngram, minimum_block, ratio
        self.index = index((row["tokens"] for row in rows), ngram)

    def pairs(self, prompt_id: str, text: str) -> Iterator[dict[str, Any]]:
        """Yields what one document shares with the benchmarks (CONTAMINATION rows)."""
        tokens = tokenize(text)
        found = candidates(tokens, self.index, self.ngram)
        document = " ".join(tokens) if found else ""
        for number in found:
            row = self.rows[number]
            match = verdict(document, row["tokens"], self.minimum_block)
            yield {
                "prompt_id": prompt_id,
                "benchmark": row["benchmark"],
                "row": row["row"],
                "ratio": match.ratio,
                "span": match.span,
                "decision": "removed" if match.ratio > self.ratio else "kept",
            }


class Scan:
    """One pass over documents that keeps account of them."""

    def __init__(self, scanner: Scanner) -> None:
        self.scanner = scanner
        self.documents = self.contaminated = 0

    def batches(self, documents: Iterable[Mapping[str, Any]]) -> Iterator[list[dict[str, Any]]]:
        """Yields the pairs of these documents, batch by batch."""
        for batch in in_batches(documents, DOCUMENTS_PER_BATCH):
            found = []
            for document in batch:
                pairs = list(self.scanner.pairs(document["prompt_id"], document["text"]))
                self.documents += 1
                self.contaminated += any(pair["decision"] == "removed" for pair in pairs)
                found += pairs
            log.info("%d documents scanned, %d contaminated", self.documents, self.contaminated)
            yield found

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
    parser.add_argument("--source", required=True)
    parser.add_argument("--part", required=True, help="number as in the file name, e.g. 000")
    parser.add_argument("--ngram", type=int, default=10)
    parser.add_argument("--minimum-block", type=int, default=5)
    parser.add_argument("--ratio", type=float, default=0.5)
    parser.add_argument("--output", required=True)
    parser.add_argument("--counts", required=True)
    args = parser.parse_args(argv)

    rows = read_table(args.rows, BENCHMARK_ROWS).to_pylist()
    duplicates = set(read_table(args.duplicates, NEAR_DUPLICATES, ["removed_id"])["removed_id"].to_pylist())
    scan = Scan(Scanner(rows, args.ngram, args.minimum_block, args.ratio))
    documents = kept_documents(args.generations, args.decisions, without=duplicates)
    write_batches(args.output, scan.batches(documents), CONTAMINATION)
    scan.counts(args.source, args.part).write(args.counts)


if __name__ == "__main__":
    run(main)
