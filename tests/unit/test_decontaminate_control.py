import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies

from scripts.common.files import read_json
from scripts.common.schemas import BENCHMARK_ROWS, NEAR_DUPLICATES, PLANTED
from scripts.common.tables import read_table, write_table
from scripts.decontaminate import control, index, matching, plainly
from scripts.decontaminate.planting import KINDS, plant, spread
from scripts.decontaminate.scan import Scan, Scanner
from tests.unit.real import real_benchmarks, real_data, real_lines
from tests.unit.sealed import arguments, sealed_part

BENCHMARKS = ["mmlu", "hellaswag", "piqa", "siqa", "winogrande", "openbookqa", "arc_easy", "arc_challenge", "boolq"]
RULE = {"ngram": 10, "minimum_block": 5, "ratio": 0.5}
UNTOUCHED = ("verbatim", "recased", "accented", "repunctuated")
BLIND = ("nine_words", "gaps")


def sample_texts():
    """Texts of the shipped sample, none of them about a benchmark row."""
    lines = itertools.chain.from_iterable(
        Path(f"resources/sample/{name}.jsonl").read_text(encoding="utf-8").splitlines() for name in ("fineweb", "sep")
    )
    return [json.loads(line)["text"] for line in lines]


def build(folder, location="resources/sample/benchmarks", benchmarks=BENCHMARKS):
    """Builds an index; returns its rows."""
    index.main(
        arguments(
            benchmarks=benchmarks,
            location=location,
            output=folder / "rows.parquet",
            uncheckable=folder / "uncheckable.parquet",
        )
    )
    return read_table(folder / "rows.parquet", BENCHMARK_ROWS).to_pylist()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("index")
    build(folder)
    return folder


@pytest.fixture(scope="module")
def rows(built):
    return read_table(built / "rows.parquet", BENCHMARK_ROWS).to_pylist()


@pytest.fixture(scope="module")
def hosts():
    return [(f"document {place}", text) for place, text in enumerate(sample_texts())]


def measure(folder, built, parts, duplicates=(), planted=5):
    """Runs the program over parts of (id, text); returns its table and its figures."""
    paths = [
        sealed_part(folder, [text for _, text in part], [name for name, _ in part], part=f"{number:03d}")
        for number, part in enumerate(parts)
    ]
    removed = [{"removed_id": name, "kept_id": "x", "jaccard": 1.0} for name in duplicates]
    write_table(folder / "removed.parquet", removed, NEAR_DUPLICATES)
    control.main(
        arguments(
            generations=[generations for generations, _ in paths],
            decisions=[decisions for _, decisions in paths],
            duplicates=folder / "removed.parquet",
            rows=built / "rows.parquet",
            planted=planted,
            output=folder / "control.parquet",
            summary=folder / "control.json",
        )
    )
    return read_table(folder / "control.parquet", PLANTED).to_pylist(), read_json(folder / "control.json")


def check(lines, summary, each):
    """What must hold for every run: all ways, right verdicts, nothing clean removed."""
    assert [line["kind"] for line in lines] == [kind for kind in KINDS for _ in range(each)]
    assert [line for line in lines if line["expected"] != line["decision"]] == []
    assert {line["expected"] for line in lines if line["kind"] in UNTOUCHED} == {"removed"}
    assert {line["expected"] for line in lines if line["kind"] in BLIND} == {"kept"}
    assert {line["ratio"] for line in lines if line["kind"] in BLIND} == {None}
    numbers = {kind["kind"]: kind for kind in summary["kinds"]}
    assert all(kind["planted"] == kind["agreed"] == each for kind in numbers.values())
    assert all(kind["removed"] == kind["expected_removed"] for kind in numbers.values())
    assert summary["recall"]["value"] == summary["precision"]["value"] == 1
    assert summary["clean"]["removed"] == 0


def test_every_planted_row_gets_the_verdict_that_the_rule_asks_for(tmp_path, built, hosts):
    lines, summary = measure(tmp_path, built, [hosts], planted=13)
    check(lines, summary, 13)
    assert summary["hosts"] == summary["clean"]["documents"] == len(hosts)
    assert {line["benchmark"] for line in lines if line["kind"] == "verbatim"} == set(BENCHMARKS)
    assert {line["ratio"] for line in lines if line["kind"] == "verbatim"} == {1.0}


@real_data
def test_real_rows_in_texts_of_real_language_models_get_it_too(tmp_path):
    build(tmp_path, real_benchmarks(tmp_path))
    written = itertools.chain(real_lines("synthetic_textbook"), real_lines("tinystories"))
    texts = [(f"text {place}", line["text"]) for place, line in enumerate(written)]
    lines, summary = measure(tmp_path, tmp_path, [texts], planted=18)
    check(lines, summary, 18)
    assert (summary["hosts"], len(texts)) == (128, 128)


def test_of_planted_texts_the_scan_finds_all_pairs_and_no_other(rows, hosts):
    planted = plant(rows, hosts, 9, 10)
    scanner = Scanner(rows, **RULE)
    for each in planted:
        pairs = {(pair["benchmark"], pair["row"]): pair for pair in scanner.pairs("id", each.text)}
        words = plainly.words(each.text)
        for row in rows:
            shared = plainly.ngrams(words, 10) & plainly.ngrams(plainly.words(row["text"]), 10)
            pair = pairs.pop((row["benchmark"], row["row"]), None)
            assert (pair is not None) == bool(shared)
            if pair:
                assert pair["ratio"] == plainly.matched_share(words, plainly.words(row["text"]), 5)
                assert pair["decision"] == plainly.decision(each.text, row["text"], **RULE)
        assert pairs == {}


@pytest.mark.parametrize("kind", UNTOUCHED)
def test_these_ways_change_no_word(rows, kind):
    way, _ = KINDS[kind]
    for row in [*rows, {"text": "Straße, don't_2 ½ naïve ﬁsh: İstanbul — ΟΔΟΣ?"}]:
        assert plainly.words(way(row["text"], 10)) == plainly.words(row["text"])


def test_the_other_ways_take_what_they_say(rows):
    for row in rows:
        words = plainly.words(row["text"])
        found = {kind: plainly.words(way(row["text"], 10)) for kind, (way, _) in KINDS.items()}
        assert len(" ".join(found["half"])) <= len(" ".join(words)) / 2
        assert found["half"] == words[: len(found["half"])]
        for kind, length in (("ten_words", 10), ("nine_words", 9)):
            assert len(found[kind]) == length
            assert tuple(found[kind]) in plainly.ngrams(words, length)
        assert found["gaps"] == [word for place, word in enumerate(words) if place % 6 != 5]
        assert plainly.ngrams(words, 10).isdisjoint(plainly.ngrams(found["gaps"], 10))


def test_rows_are_taken_in_turn_from_every_benchmark(rows):
    taken = spread(rows, 18)
    assert sorted(row["benchmark"] for row in taken) == sorted([*BENCHMARKS, *BENCHMARKS])
    assert spread(rows[::-1], 18) == taken
    assert len(spread(rows, 1000)) == len(rows)


def test_figures_are_the_same_however_the_documents_are_cut_into_parts(tmp_path, built, hosts):
    cuts = {"one": [hosts], "three": [hosts[20:], hosts[:7], hosts[7:20]]}
    for name, parts in cuts.items():
        measure(tmp_path / name, built, parts, planted=2)
    for file in ("control.parquet", "control.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "three" / file).read_bytes()


def test_only_clean_documents_are_hosts(tmp_path, built, rows, hosts):
    mixed = [*hosts[:3], ("empty", None), ("duplicate", hosts[3][1]), ("contaminated", f"So. {rows[0]['text']}")]
    mixed.append(("long", hosts[4][1] + " Rain." * control.LONGEST))
    lines, summary = measure(tmp_path, built, [mixed], ["duplicate"])
    assert {line["host"] for line in lines} == {name for name, _ in hosts[:3]}
    assert (summary["planted"], summary["hosts"]) == (40, 3)
    check(lines, summary, 5)


def test_without_rows_or_documents_or_a_wish_there_is_nothing_to_tell(tmp_path, built, hosts):
    (tmp_path / "none").mkdir()
    build(tmp_path / "none", benchmarks=[])
    nothing = {"value": None, "low": None, "high": None, "of": 0}
    cases = {
        "no row": (tmp_path / "none", [hosts[:4]], 5, 4),
        "no document": (built, [[("empty", None)]], 5, 0),
        "no wish": (built, [hosts[:4]], 0, 0),
    }
    for name, (folder, parts, planted, clean) in cases.items():
        lines, summary = measure(tmp_path / name, folder, parts, planted=planted)
        assert (lines, summary["planted"], summary["hosts"]) == ([], 0, clean)
        assert summary["recall"] == nothing | {"found": 0}
        assert summary["precision"] == nothing | {"right": 0}
        assert [kind["planted"] for kind in summary["kinds"]] == [0] * 8
        assert summary["clean"] == {"documents": clean, "removed": 0}


def test_a_scan_that_misses_or_removes_too_much_shows_in_the_figures(rows, hosts):
    planted = plant(rows, hosts, 9, 10)

    def figures(scanned, rule):
        lines = control.judge(planted, Scan(Scanner(scanned, **rule)), RULE)
        return control.summarize(lines, len(hosts), 0)

    half_blind = figures([row for row in rows if row["benchmark"] != "boolq"], RULE)
    assert half_blind["recall"]["value"] < half_blind["recall"]["high"] < 1
    assert half_blind["precision"]["value"] == 1
    greedy = figures(rows, RULE | {"ngram": 4, "ratio": 0.1})
    assert greedy["recall"]["value"] == 1
    assert greedy["precision"]["value"] < greedy["precision"]["high"] < 1


def test_a_clean_document_that_is_removed_counts_against_precision():
    line = {"kind": "verbatim", "expected": "removed", "decision": "removed"}
    precision = control.summarize([line] * 3, 10, 1)["precision"]
    assert (precision["right"], precision["of"], precision["value"]) == (3, 4, 0.75)


def test_intervals_are_those_of_wilson():
    assert control.wilson(8, 10) == {"value": 0.8, "low": 0.490162, "high": 0.943318}
    assert control.wilson(0, 10) == {"value": 0.0, "low": 0.0, "high": 0.277533}
    assert control.wilson(10, 10)["high"] == 1.0
    assert control.wilson(0, 0) == {"value": None, "low": None, "high": None}


WORDS = strategies.lists(strategies.sampled_from(["a", "É", "the", "ünder", "water-", "x_1", "…"]), max_size=30)


@settings(max_examples=300, deadline=None)
@given(WORDS, WORDS.filter(lambda words: any(word != "…" for word in words)))
def test_the_plain_rule_and_the_one_of_the_scan_agree(document, row):
    document, row = " ".join(document), " ".join(row)
    tokens = matching.tokenize(document)
    assert plainly.words(document) == tokens
    wanted = " ".join(plainly.words(row))
    share = plainly.matched_share(tokens, wanted.split(" "), 5)
    assert share == matching.verdict(" ".join(tokens), wanted, 5).ratio
    assert set(matching.ngrams(tokens, 3)) == {" ".join(ngram) for ngram in plainly.ngrams(tokens, 3)}


def test_the_plain_rule_says_what_the_paper_does():
    row = "one two three four five six seven eight nine ten eleven twelve"
    assert plainly.decision(f"Ōne-two; THREE {row[14:]}", row, **RULE) == "removed"
    assert plainly.decision("two three four five six seven eight nine ten eleven", row, **RULE) == "removed"
    assert plainly.decision("one two three four five six seven eight nine", row, **RULE) == "kept"
    assert plainly.decision(f"{row[:48]} and", f"{row} {'thirteen ' * 20}", **RULE) == "kept"
