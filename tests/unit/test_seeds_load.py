import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.schemas import REJECTED, SEEDS
from scripts.common.tables import read_table
from scripts.seeds import load
from scripts.seeds.load import Part, batches
from scripts.seeds.sources import Entry

GOOD = "Glaciers move because ice under pressure deforms and slides over the rock beneath."
SAMPLE = ["web", "stanford", "openstax", "khanacademy", "openhermes", "wikipedia", "openwebmath", "sep", "fineweb"]
SAMPLE += ["cosmopedia_web_samples_v1"]
FRENCH = "La marée monte deux fois par jour parce que la lune attire l'eau de la mer, et le soleil l'aide au printemps."


def entry(**changes):
    values = {"source": "web", "where": "sample", "location": "pages.jsonl", "revision": "", "config": "", "split": ""}
    values |= {"reader": "passage", "kind": "passage", "columns": {"text": "content"}, "filters": (), "note": ""}
    return Entry(**values | {"licence": "Apache-2.0"} | changes)


def load_texts(*contents):
    part = Part(entry())
    rows = [(f"pages.jsonl:{number}", json.dumps({"content": text})) for number, text in enumerate(contents, start=1)]
    return part, list(part.seeds(rows))


def load_part(folder, source, start=0, stop=1000):
    argv = ["--sources", "resources/sources.tsv", "--source", source, "--where", "sample", "--downloads", "downloads"]
    argv += [
        "--languages",
        "en",
        "--max-characters",
        1_000_000,
        "--start",
        start,
        "--stop",
        stop,
        "--part",
        "000",
        "--output",
        folder / "part.parquet",
    ]
    argv += ["--rejected", folder / "rejected.parquet", "--counts", folder / "counts.json"]
    load.main([str(word) for word in argv])
    seeds = read_table(folder / "part.parquet", SEEDS).to_pylist()
    return seeds, read_table(folder / "rejected.parquet", REJECTED).to_pylist(), Counts.read(folder / "counts.json")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n\t ", "empty"),
        ("-" * 40, "empty"),
        ("Read more", "too_short"),
        ("Opening\x00 hours of the reading room", "control_characters"),
        ("Le cafÃ© du marchÃ© ouvre dÃ¨s six heures du matin.", "mojibake"),
        ("It�s a broken page, isn�t it, and nobody�s fault.", "mojibake"),
        ("qwertyuiop" * 60, "giant_word"),
        ("щ" * 300, "giant_word"),
        ("A lone surrogate \ud800 in a text of some length.", "not_unicode"),
        (GOOD, "duplicate_seed"),
        ("word " * 2_000_000, "too_long"),
        (FRENCH, "other_language"),
    ],
    ids=lambda value: value[:20] or "nothing",
)
def test_a_text_that_cannot_be_a_seed_is_kept_aside_with_its_reason(text, reason):
    part, seeds = load_texts(GOOD, text)
    assert len(seeds) == 1
    assert part.reasons() == {reason: 1}
    assert len(part.rejected[0]["detail"]) <= 200
    pa.Table.from_pylist(part.rejected, schema=REJECTED)


@pytest.mark.parametrize(
    "text",
    [
        "São Paulo, Âncora e Ãrea: a page in Portuguese keeps its capitals.",
        "冰川在重力作用下缓慢移动，" * 40,
        "One stray sign of another encoding (â€™) in a page does not make it worthless.",
        GOOD + " https://example.org/" + "a" * 70,
        "word " * 190_000,
    ],
    ids=["portuguese", "chinese", "one sign", "long address", "a million characters"],
)
def test_unusual_but_sound_texts_pass(text):
    part = Part(entry(), languages=["en", "pt", "zh"])
    seeds = list(part.seeds([("pages.jsonl:1", json.dumps({"content": text}))]))
    assert (len(seeds), part.rejected) == (1, [])
    assert seeds[0]["text"] == text.strip()


@pytest.mark.parametrize("line", ["{broken", "[1, 2]", "null", ["a", "list"], "[" * 100_000])
def test_a_broken_line_is_counted_and_the_rest_is_read(line):
    part = Part(entry())
    seeds = list(part.seeds([("a:1", line), ("a:2", json.dumps({"content": GOOD}))]))
    assert (len(seeds), part.reasons()) == (1, {"broken_json": 1})


def test_an_id_depends_on_the_content_and_not_on_its_place():
    texts = [f"{GOOD} Fact number {number}." for number in range(5)]
    _, forward = load_texts(*texts)
    _, backward = load_texts(*reversed(texts))
    assert {seed["seed_id"] for seed in forward} == {seed["seed_id"] for seed in backward}
    assert len({seed["seed_id"] for seed in forward}) == 5


@given(st.lists(st.one_of(st.none(), st.text(), st.integers(), st.sampled_from([GOOD, "x" * 300])), max_size=20))
def test_every_row_is_a_seed_or_rejected(contents):
    part, seeds = load_texts(*contents, GOOD)
    assert part.rows_in + part.added == len(seeds) + len(part.rejected)
    pa.Table.from_pylist(seeds, schema=SEEDS)
    pa.Table.from_pylist(part.rejected, schema=REJECTED)


def test_a_column_that_no_row_has_is_an_error_that_names_those_there_are():
    part = Part(entry(columns={"text": "text"}))
    with pytest.raises(InputError, match="column text; the row has content"):
        list(part.seeds([("a:1", json.dumps({"content": GOOD}))]))


def test_a_source_that_is_not_there_is_an_error_with_its_path(tmp_path):
    registry = Path("resources/sources.tsv").read_text(encoding="utf-8").replace("resources/sample/web/", "nowhere/")
    (tmp_path / "sources.tsv").write_text(registry, encoding="utf-8")
    argv = ["--sources", str(tmp_path / "sources.tsv"), "--source", "web", "--where", "sample", "--downloads", "d"]
    argv += [
        "--languages",
        "en",
        "--max-characters",
        "1000",
        "--start",
        "0",
        "--stop",
        "5",
        "--part",
        "000",
        "--output",
        str(tmp_path / "o.parquet"),
    ]
    with pytest.raises(InputError, match="nowhere/ does not exist"):
        load.main([*argv, "--rejected", str(tmp_path / "r.parquet"), "--counts", str(tmp_path / "c.json")])


@pytest.mark.parametrize("source", SAMPLE)
def test_the_counts_of_the_shipped_sample_reconcile(tmp_path, source):
    seeds, rejected, counts = load_part(tmp_path, source)
    assert (counts.rows_out, sum(counts.rejected.values())) == (len(seeds), len(rejected))
    assert all(seed["license"] and seed["origin"] for seed in seeds)
    assert not any("@" in seed["text"] for seed in seeds if source == "stanford")


def test_a_published_prompt_keeps_its_wording_and_what_it_asked_for(tmp_path):
    seeds, rejected, _ = load_part(tmp_path, "cosmopedia_web_samples_v1")
    first = json.loads(Path("resources/sample/cosmopedia_web_samples_v1.jsonl").read_text().splitlines()[0])
    assert (seeds[0]["kind"], seeds[0]["text"]) == ("prompt", first["prompt"])
    assert seeds[0]["asked"] == {name: first[name] for name in ("seed_data", "format", "audience")}
    assert [row["reason"] for row in rejected] == ["empty"]


def test_seeds_of_other_kinds_ask_for_nothing(tmp_path):
    assert {seed["asked"] for seed in load_part(tmp_path, "wikipedia")[0]} == {None}


def test_what_is_broken_in_the_sample_of_the_encyclopedia_is_kept_aside(tmp_path):
    _, rejected, _ = load_part(tmp_path, "wikipedia")
    assert [row["reason"] for row in rejected] == ["empty"]


def test_the_language_column_wins_over_the_text():
    part = Part(entry(columns={"text": "content", "language": "lang"}))
    rows = [
        {"content": FRENCH, "lang": "en-GB"},
        {"content": GOOD, "lang": "French"},
        {"content": FRENCH, "lang": None},
    ]
    seeds = list(part.seeds((f"a:{number}", json.dumps(row)) for number, row in enumerate(rows)))
    assert [seed["language"] for seed in seeds] == ["en"]
    assert [row["detail"][:3] for row in part.rejected] == ["fr:", "fr:"]


def test_a_wanted_language_is_written_down():
    part = Part(entry(), languages=["en", "fr"])
    seeds = part.seeds(("a:1", json.dumps({"content": text})) for text in (FRENCH, GOOD, "Courte phrase sans rien."))
    assert [seed["language"] for seed in seeds] == ["fr", "en", "en"]


def test_every_row_carries_its_own_licence_and_address():
    part = Part(entry(columns={"text": "content", "license": "terms", "url": "url"}))
    rows = [{"content": GOOD, "terms": "CC0-1.0", "url": "https://example.org/a"}, {"content": GOOD + " Slowly."}]
    seeds = list(part.seeds((f"a:{number}", json.dumps(row)) for number, row in enumerate(rows, start=1)))
    assert [seed["license"] for seed in seeds] == ["CC0-1.0", "Apache-2.0"]
    assert [seed["origin"] for seed in seeds] == ["https://example.org/a", "a:2"]


def test_parts_share_out_the_rows_and_may_be_empty(tmp_path):
    whole, _, _ = load_part(tmp_path, "wikihow")
    pieces = [load_part(tmp_path, "wikihow", start, start + 25)[0] for start in (0, 25, 50, 75)]
    assert [len(piece) for piece in pieces] == [25, 25, 10, 0]
    assert [seed for piece in pieces for seed in piece] == whole


def test_openhermes_drops_the_sources_categories_and_languages_of_the_paper(tmp_path):
    seeds, rejected, _ = load_part(tmp_path, "openhermes")
    dropped = {(row["reason"], row["detail"].lower()) for row in rejected}
    assert {reason for reason, _ in dropped} == {"filtered_source", "filtered_category", "filtered_language"}
    assert ("filtered_source", "camelai") in dropped
    assert {seed["language"] for seed in seeds} == {"en"}


def test_the_same_rows_give_the_same_bytes(tmp_path):
    files = []
    for name in ("one", "two"):
        load_part(tmp_path / name, "openstax")
        files.append([path.read_bytes() for path in sorted((tmp_path / name).iterdir())])
    assert files[0] == files[1]


def test_huge_texts_are_written_in_small_batches():
    sizes = [len(batch) for batch in batches({"text": "x" * 5_000_000} for _ in range(20))]
    assert max(sizes) <= 7
    assert sum(sizes) == 20


def test_seeds_of_a_part_are_parquet_with_the_declared_schema(tmp_path):
    load_part(tmp_path, "khanacademy")
    assert pq.read_schema(tmp_path / "part.parquet").equals(SEEDS)
