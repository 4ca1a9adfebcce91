import json

import pytest

from scripts.benchmarks.rows import BENCHMARKS
from scripts.common.errors import InputError
from scripts.common.schemas import BENCHMARK_ROWS
from scripts.common.tables import read_table
from scripts.decontaminate import index
from tests.unit.sealed import arguments

SAMPLE = "resources/sample/benchmarks"


def built(folder, benchmarks, location=SAMPLE, ngram=10):
    """Builds an index; returns the rows that can be checked and those that cannot."""
    paths = {"output": folder / "rows.parquet", "uncheckable": folder / "uncheckable.parquet"}
    index.main(arguments(benchmarks=list(benchmarks), location=location, ngram=ngram, **paths))
    return [read_table(path, BENCHMARK_ROWS).to_pylist() for path in paths.values()]


def test_every_row_is_indexed_or_listed_as_too_short(tmp_path):
    rows, uncheckable = built(tmp_path, BENCHMARKS)
    assert len(rows) + len(uncheckable) == 12 * len(BENCHMARKS)
    assert all(row["n_tokens"] >= 10 for row in rows)
    assert uncheckable
    assert all(row["n_tokens"] < 10 for row in uncheckable)
    assert all(row["tokens"].split(" ") == row["tokens"].split() for row in rows)


def test_more_rows_can_be_checked_with_shorter_ngrams(tmp_path):
    rows, uncheckable = built(tmp_path, BENCHMARKS, ngram=3)
    assert (len(rows), uncheckable) == (12 * len(BENCHMARKS), [])


def test_the_index_does_not_depend_on_how_benchmarks_are_named(tmp_path):
    for folder, names in (("a", ["boolq", "mmlu"]), ("b", ["mmlu", "boolq", "mmlu"])):
        built(tmp_path / folder, names)
    assert (tmp_path / "a/rows.parquet").read_bytes() == (tmp_path / "b/rows.parquet").read_bytes()


def test_a_row_without_words_is_listed_with_the_short_ones(tmp_path):
    empty, long = {"goal": " … ", "sol1": "", "sol2": "!", "label": 0}, {"goal": "a " * 12, "sol1": "b", "sol2": "c"}
    lines = [json.dumps(row) for row in (empty, long | {"label": 1})]
    (tmp_path / "piqa.jsonl").write_text("\n".join(lines))
    rows, uncheckable = built(tmp_path, ["piqa"], tmp_path)
    assert [(row["row"], row["n_tokens"]) for row in rows] == [("1", 13)]
    assert [(row["row"], row["n_tokens"], row["tokens"]) for row in uncheckable] == [("0", 0, "")]


def test_no_benchmark_gives_an_empty_index(tmp_path):
    assert built(tmp_path, []) == [[], []]


def test_a_benchmark_that_is_empty_absent_or_unknown_is_an_error(tmp_path):
    (tmp_path / "piqa.jsonl").write_text("\n")
    with pytest.raises(InputError, match="PIQA has no row"):
        built(tmp_path, ["piqa"], tmp_path)
    with pytest.raises(InputError, match=r"siqa.jsonl does not exist"):
        built(tmp_path, ["siqa"], tmp_path)
    with pytest.raises(InputError, match="no benchmark 'gsm8k'"):
        built(tmp_path, ["gsm8k"], tmp_path)
