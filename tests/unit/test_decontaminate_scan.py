import json
import operator
import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.schemas import BENCHMARK_ROWS, CONTAMINATION, DECISIONS, GENERATIONS, NEAR_DUPLICATES
from scripts.common.tables import read_table, write_table
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
    for text in ("", " ", "\ud800 lone", "\0", "a" * 100_000):
        assert list(scanner.pairs("id", text)) == []
    for between in ("\0", "\ud800", " \ud83d \0"):
        assert removed(scanner, rows[0]["text"].replace(" ", between)) == [(rows[0]["benchmark"], rows[0]["row"])]


def part_of(folder, texts, ids=None, part="000"):
    """A sealed part of which clean keeps everything."""
    generations, decisions = sealed_part(folder, texts, ids, part=part)
    table = read_table(decisions, DECISIONS)
    kept = table.set_column(1, "decision", pa.array(["kept"] * table.num_rows))
    write_table(decisions, kept, DECISIONS)
    return generations, decisions


def scan_part(folder, built, part, duplicates=(), output="found.parquet", **more):
    """Scans a part; returns the pairs and the counts."""
    removed_ids, uncheckable = folder / "removed.parquet", more.pop("uncheckable", built / "uncheckable.parquet")
    write_table(removed_ids, [{"removed_id": name} for name in duplicates], NEAR_DUPLICATES)
    flags = arguments(
        generations=part[0],
        decisions=part[1],
        duplicates=removed_ids,
        rows=built / "rows.parquet",
        uncheckable=uncheckable,
        source="web",
        part="000",
        output=folder / output,
        counts=folder / f"{output}.counts.json",
        **more,
    )
    scan.main(flags)
    return read_table(folder / output, CONTAMINATION).to_pylist(), Counts.read(folder / f"{output}.counts.json")


def test_an_empty_part_gives_an_empty_table(tmp_path, built):
    pairs, counts = scan_part(tmp_path, built, part_of(tmp_path, []))
    assert (pairs, counts.rows_in, counts.rows_out) == ([], 0, 0)


def test_a_document_of_five_megabytes_is_scanned(tmp_path, built, rows):
    huge = FILLER * 28_000 + rows[0]["text"] + " " + FILLER * 28_000
    assert len(huge) > 5_000_000
    pairs, counts = scan_part(tmp_path, built, part_of(tmp_path, [FILLER, huge, FILLER], ["a", "huge", "b"]))
    assert [(pair["prompt_id"], pair["row"], pair["ratio"]) for pair in pairs] == [("huge", rows[0]["row"], 1.0)]
    assert (counts.rows_in, counts.rows_out) == (3, 2)


def test_how_documents_are_cut_into_parts_changes_no_pair(tmp_path, built, rows):
    texts = [row["text"] + FILLER for row in rows[::7]] + [FILLER, "Ünïcödé \u0001 " + rows[1]["text"].upper()]
    ids = [f"{number:03d}" for number in range(len(texts))]
    whole, _ = scan_part(tmp_path, built, part_of(tmp_path, texts, ids))
    apart = []
    for number, cut in enumerate((slice(0, 1), slice(1, 9), slice(9, None))):
        part = part_of(tmp_path, texts[cut], ids[cut], part=f"{number:03d}")
        apart += scan_part(tmp_path, built, part)[0]
    assert apart == whole
    assert len({pair["prompt_id"] for pair in whole if pair["decision"] == "removed"}) == len(texts) - 1
    turned = part_of(tmp_path, texts[::-1], ids[::-1])
    key = operator.itemgetter("prompt_id", "benchmark", "row")
    assert sorted(scan_part(tmp_path, built, turned)[0], key=key) == sorted(whole, key=key)


SHORT = [
    {"benchmark": "piqa", "row": "7", "text": "Why is the sky blue?", "tokens": "why is the sky blue", "n_tokens": 5},
    {"benchmark": "piqa", "row": "8", "text": "The sky?", "tokens": "the sky", "n_tokens": 2},
    {"benchmark": "piqa", "row": "9", "text": "?", "tokens": "", "n_tokens": 0},
]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({}, []),
        ({"short_rows": "report"}, []),
        ({"short_rows": "remove"}, [("child", "7")]),
        ({"short_rows": "remove", "minimum_short": 0}, [("child", "7"), ("child", "8"), ("part", "8")]),
    ],
)
def test_short_rows_remove_documents_that_hold_one_whole_if_asked_to(tmp_path, built, flags, expected):
    write_table(tmp_path / "short.parquet", SHORT, BENCHMARK_ROWS)
    texts = ["“Why is the SKY blüe?” the child asked.", "Why is the sky so blue?", "It rained. Skyblue is a colour."]
    part = part_of(tmp_path, texts, ["child", "part", "none"])
    pairs, counts = scan_part(tmp_path, built, part, uncheckable=tmp_path / "short.parquet", **flags)
    assert [(pair["prompt_id"], pair["row"]) for pair in pairs] == expected
    assert all((pair["rule"], pair["ratio"], pair["decision"]) == ("short_row", 1.0, "removed") for pair in pairs)
    assert [pair["span"] for pair in pairs if pair["row"] == "7"] == ["why is the sky blue"] * (
        ("child", "7") in expected
    )
    assert counts.rows_in - counts.rows_out == len({name for name, _ in expected})


def replace_texts(path, texts):
    """Gives a sealed part other texts, as bytes."""
    table = read_table(path, GENERATIONS)
    pq.write_table(table.set_column(1, "text", pa.array(texts, pa.binary()).view(pa.string())), path)


@pytest.mark.parametrize(
    ("text", "problem"), [(None, "missing"), (b"half \xed\xa0\x80 pair", "not UTF-8"), (b"\xff", "not UTF-8")]
)
def test_a_kept_text_that_is_none_is_named(tmp_path, built, text, problem):
    part = part_of(tmp_path, ["one", "two", "three"], ["a", "b", "c"])
    replace_texts(part[0], [b"one", text, b"three"])
    with pytest.raises(InputError, match=rf"part-000.parquet: the text of b is {problem}.*Delete the second file"):
        scan_part(tmp_path, built, part)
    assert scan_part(tmp_path, built, part, duplicates=["b"])[1].rows_in == 2


def test_two_texts_of_one_prompt_are_refused(tmp_path, built):
    part = part_of(tmp_path, ["one", "two", "three"], ["a", "b", "a"])
    with pytest.raises(InputError, match=r"generations/web/part-000.parquet .* have prompt a more than once.*delete"):
        scan_part(tmp_path, built, part)


@pytest.mark.parametrize("name", ["rows", "generations"])
def test_a_damaged_file_is_named(tmp_path, built, name):
    part = part_of(tmp_path, ["text " * 5000])
    files = {"rows": built / "rows.parquet", "generations": part[0]}
    data = files[name].read_bytes()
    (tmp_path / "rows.parquet").write_bytes((built / "rows.parquet").read_bytes())
    (tmp_path / "uncheckable.parquet").write_bytes((built / "uncheckable.parquet").read_bytes())
    damaged = {"rows": tmp_path / "rows.parquet", "generations": part[0]}[name]
    damaged.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=rf"{damaged.name} is not a readable Parquet file.*Delete it"):
        scan_part(tmp_path, tmp_path, part)


def run_scan(folder, built, planted, ids, duplicates, hash_seed):
    """Scans a part in a process of its own and returns the path of what it found."""
    generations, decisions = sealed_part(folder, planted, ids)
    removed_ids, output = folder / "removed.parquet", folder / "decontaminate" / "web" / "part-000.parquet"
    write_table(removed_ids, [{"removed_id": name} for name in duplicates], NEAR_DUPLICATES)
    flags = arguments(
        generations=generations,
        decisions=decisions,
        duplicates=removed_ids,
        rows=built / "rows.parquet",
        uncheckable=built / "uncheckable.parquet",
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
