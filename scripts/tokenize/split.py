"""One split of the dataset as token files for training: datatrove's DocumentTokenizer, one run a Parquet file.

Every document ends with the tokenizer's end-of-sequence token. Documents are shuffled within their file with a seed
made of the run's seed and the file's number. For each file the folder holds `<number>_00000_doc_shuffled.ds` (token
ids as little-endian uint16, or uint32 for a vocabulary above 65,536), `.ds.index` (document ends, uint64) and
`.ds.metadata` (tokenizer and token count), which nanotron and `scripts.train` read alike. `tokens.json` tells documents
and tokens; a split without any document has that file only.

The metadata names the tokenizer as it was given (a folder or a Hub id), because nanotron compares this name with the
one in its own configuration.
"""

import argparse
import shutil
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from scripts.common.errors import InputError
from scripts.common.files import write_json
from scripts.common.logging import get_logger, run
from scripts.tokenize.tokenizer import LoadedTokenizer, load_tokenizer

log = get_logger("tokenize_split")


def read_texts(path: Path, column: str = "text") -> Iterator[str]:
    """Yields one column of a Parquet file with flat memory."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, pre_buffer=False) as file:
        if column not in file.schema_arrow.names:
            raise InputError(f"{path} has no column `{column}`; it has {', '.join(file.schema_arrow.names)}.")
        for batch in file.iter_batches(batch_size=1000, columns=[column], use_threads=False):
            yield from batch.column(0).to_pylist()


def tokenize_file(texts: Iterator[str], tokenizer: LoadedTokenizer, folder: Path, number: int, seed: int) -> None:
    """Writes the token files of one Parquet file; a file without rows gives none."""
    from datatrove.data import Document
    from datatrove.pipeline.tokens import DocumentTokenizer
    from tokenizers.processors import TemplateProcessing

    class GivenTokenizer(DocumentTokenizer):
        """Uses the tokenizer at hand under its name for the metadata: datatrove itself takes a file or a Hub id."""

        @cached_property
        def tokenizer(self) -> Any:
            end = ("<EOS>", tokenizer.special_id("eos_token"))
            tokenizer.backend.post_processor = TemplateProcessing(single="$A <EOS>", special_tokens=[end])
            return tokenizer.backend

    documents = (Document(text=text, id=str(row)) for row, text in enumerate(texts))
    first = next(documents, None)
    if first is not None:
        step = GivenTokenizer(str(folder), tokenizer.name, seed=[seed, number], batch_size=1000)
        step.run(chain([first], documents), rank=number)


def tokenize_split(dataset: Path, output: Path, tokenizer_name: str, seed: int) -> dict[str, Any]:
    """Tokenises every Parquet file of a split into a fresh folder.

    Returns:
        what tokens.json holds: tokenizer, documents, tokens, bytes_per_token.

    Raises:
        InputError: the folder holds no Parquet file.
    """
    files = sorted(dataset.glob("*.parquet"))
    if not files:
        raise InputError(f"{dataset} holds no Parquet file: build the dataset first (`snakemake dataset`).")
    tokenizer = load_tokenizer(tokenizer_name)
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    for number, path in enumerate(files):
        log.info("%s: %s (%d of %d)", dataset.name, path.name, number + 1, len(files))
        tokenize_file(read_texts(path), tokenizer, output, number, seed)
    width = 2 if tokenizer.size <= 65536 else 4
    summary = {
        "tokenizer": tokenizer_name,
        "documents": sum(path.stat().st_size for path in output.glob("*.ds.index")) // 8,
        "tokens": sum(path.stat().st_size for path in output.glob("*.ds")) // width,
        "bytes_per_token": width,
    }
    write_json(output / "tokens.json", summary)
    return summary


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags, tokenises the split."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dataset", type=Path, required=True, help="folder of the split's Parquet files")
    parser.add_argument("--output", type=Path, required=True, help="folder to write; replaced when it exists")
    parser.add_argument("--tokenizer", required=True, help="folder or Hub id")
    parser.add_argument("--seed", type=int, required=True)
    args = parser.parse_args(argv)
    summary = tokenize_split(args.dataset, args.output, args.tokenizer, args.seed)
    if not summary["documents"]:
        log.warning("%s holds no document: training will leave this split out", args.dataset)
    log.info("%(documents)d documents, %(tokens)d tokens", summary)


if __name__ == "__main__":
    run(main)
