import json
import os
import subprocess
import sys

import pytest

from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.tables import (
    BENCHMARK_ROWS,
    CONTAMINATION,
    NEAR_DUPLICATES,
    read_table,
    write_table,
)
from scripts.decontaminate import index, scan, table
from tests.unit.sealed import arguments, sealed_part

BENCHMARKS = ["mmlu", "hellaswag", "piqa", "siqa", "winogrande", "openbookqa", "arc_easy", "arc_challenge", "boolq"]
FILLER = "It rained over the hills for most of the day and nobody went out before the evening came. "


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The index of the shipped benchmark rows."""
    folder = tmp_path_factory.mktemp("index")
    index.main(
        arguments(
            benchmarks=BENCHMARKS,
            location="resources/sample/benchmarks",
            output=folder / "rows.parquet",
            uncheckable=folder / "uncheckable.parquet",
        )
    )
    return folder


@pytest.fixture(scope="module")
def rows(built):
    return read_table(built / "rows.parquet", BENCHMARK_ROWS).to_pylist()


@pytest.fixture(scope="module")
def scanner(rows):
    return scan.Scanner(rows)


def accented(text):
    return text.replace("e", "é").replace("a", "à").replace("n", "ñ")


def removed(scanner, text):
    """The (benchmark, row) for which a document is removed."""
    return [(p["benchmark"], p["row"]) for p in scanner.pairs("id", text) if p["decision"] == "removed"]


def test_rows_are_indexed_or_listed_as_too_short(built, rows):
    uncheckable = read_table(built / "uncheckable.parquet", BENCHMARK_ROWS).to_pylist()
    assert len(rows) + len(uncheckable) == 12 * len(BENCHMARKS)
    assert all(row["n_tokens"] >= 10 for row in rows)
    assert all(row["n_tokens"] < 10 for row in uncheckable)


@pytest.mark.parametrize(
    "disguise", [str, str.upper, accented, lambda text: text.replace(" ", ",\n"), lambda text: "— " + text + " —"]
)
def test_a_planted_row_is_found_however_it_is_dressed(scanner, rows, disguise):
    for row in rows:
        assert (row["benchmark"], row["row"]) in removed(scanner, FILLER + disguise(row["text"]) + " " + FILLER)


def test_a_planted_row_matches_in_full(scanner, rows):
    pairs = [
        pair for pair in scanner.pairs("id", FILLER + rows[0]["text"] + " " + FILLER) if pair["row"] == rows[0]["row"]
    ]
    assert (pairs[0]["ratio"], pairs[0]["span"].strip(), pairs[0]["prompt_id"]) == (1.0, rows[0]["tokens"], "id")


def test_less_than_half_of_a_row_stays_with_its_evidence(scanner, rows):
    long = [row for row in rows if row["n_tokens"] > 40]
    assert len(long) >= 12
    for row in long:
        part = " ".join(row["tokens"].split()[: row["n_tokens"] // 3])
        pair = next(pair for pair in scanner.pairs("id", part) if pair["row"] == row["row"])
        assert pair["decision"] == "kept"
        assert 0.2 < pair["ratio"] <= 0.5
        most = " ".join(row["tokens"].split()[: row["n_tokens"] * 2 // 3])
        assert (row["benchmark"], row["row"]) in removed(scanner, most)


def test_both_of_two_planted_rows_are_found(scanner, rows):
    first, second = rows[5], rows[40]
    found = removed(scanner, f"{FILLER} {first['text']} {FILLER} {second['text']}")
    assert found == [(first["benchmark"], first["row"]), (second["benchmark"], second["row"])]


def test_rows_that_share_an_ngram_are_all_compared():
    shared = "the quick brown fox jumps over the lazy dog again"
    rows = [
        {
            "benchmark": "piqa",
            "row": "0",
            "tokens": f"{shared} and then a great many other words follow that nobody repeats",
        },
        {"benchmark": "piqa", "row": "1", "tokens": f"{shared} and again"},
    ]
    for order in (rows, rows[::-1]):
        pairs = {pair["row"]: pair["decision"] for pair in scan.Scanner(order).pairs("id", shared)}
        assert pairs == {"0": "kept", "1": "removed"}


def test_nine_shared_words_make_no_candidate(scanner, rows):
    for row in rows:
        assert not [
            pair for pair in scanner.pairs("id", " ".join(row["tokens"].split()[:9])) if pair["row"] == row["row"]
        ]


def test_odd_documents_are_scanned(scanner, rows):
    for text in ("", " ", "\ud800 lone", "a" * 100_000):
        assert list(scanner.pairs("id", text)) == []
    huge = FILLER * 20_000 + rows[0]["text"]
    assert removed(scanner, huge) == [(rows[0]["benchmark"], rows[0]["row"])]


def run_scan(folder, built, planted, ids, duplicates, hash_seed):
    """Scans a part in a process of its own and returns the path of what it found."""
    generations, decisions = sealed_part(folder, planted, ids)
    removed_ids, output = folder / "removed.parquet", folder / "decontaminate" / "web" / "part-000.parquet"
    rows = [{"removed_id": name, "kept_id": "x", "jaccard": 1.0, "cluster": 0} for name in duplicates]
    write_table(removed_ids, rows, NEAR_DUPLICATES)
    flags = arguments(
        generations=generations,
        decisions=decisions,
        duplicates=removed_ids,
        rows=built / "rows.parquet",
        source="web",
        part="000",
        output=output,
        counts=output.with_suffix(".counts.json"),
    )
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    subprocess.run([sys.executable, "-m", "scripts.decontaminate.scan", *flags], check=True, env=environment)
    return output


def test_results_do_not_depend_on_the_hash_seed_and_counts_add_up(tmp_path, built, rows):
    texts = [FILLER, rows[3]["text"], rows[70]["text"] + FILLER, None, rows[3]["text"] + FILLER, rows[9]["text"]]
    ids = ["clean", "piece", "other", "empty", "again", "duplicate"]
    outputs = [run_scan(tmp_path / seed, built, texts, ids, ["duplicate"], seed) for seed in ("1", "2")]
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    found = read_table(outputs[0], CONTAMINATION).to_pylist()
    assert [pair["prompt_id"] for pair in found if pair["decision"] == "removed"] == ["piece", "other", "again"]
    counts = Counts.read(outputs[0].with_suffix(".counts.json"))
    assert (counts.rows_in, counts.rows_out, counts.rejected) == (4, 1, {"contaminated": 3})

    table.main(
        arguments(
            parts=[outputs[0]],
            counts=[outputs[0].with_suffix(".counts.json")],
            rows=built / "rows.parquet",
            uncheckable=built / "uncheckable.parquet",
            claims="resources/claims.tsv",
            output=tmp_path / "table.json",
        )
    )
    result = json.loads((tmp_path / "table.json").read_text())
    web = result["groups"][0]
    assert (web["group"], web["documents"], web["removed"]) == ("web, stanford, openstax", 4, 3)
    assert web["cells"][rows[3]["benchmark"]] | {"documents": 2, "rows": 1} == web["cells"][rows[3]["benchmark"]]
    assert web["published"]["cells"]["boolq"] == "386 (41)"
    assert [line["group"] for line in result["groups"]][-1] == "others"
    for line in result["benchmarks"]:
        assert line["checked"] + line["uncheckable"] == 12


def test_an_empty_benchmark_is_refused(tmp_path):
    (tmp_path / "piqa.jsonl").write_text("\n")
    with pytest.raises(InputError, match="PIQA has no row"):
        list(index.benchmark_rows("piqa", str(tmp_path)))


def test_every_source_has_a_group():
    assert table.group_of("ultrachat") == table.group_of("openhermes") == "stories"
    assert table.group_of("wikihow") == "others"
