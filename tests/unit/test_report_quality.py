"""The pages about near-duplicates and contamination, with what is rare in a run."""

import re
from pathlib import Path

import pytest

from scripts.common.errors import InputError
from scripts.common.files import read_json, write_json
from scripts.common.ids import content_id
from scripts.common.schemas import DECISIONS, GENERATIONS
from scripts.common.tables import read_table, write_table
from scripts.report import contamination, duplicates
from tests.unit.reported import NASTY, write_contamination, write_duplicates

ROOT = Path(__file__).parents[2]
SPLITS = [f"split_{k}" for k in range(8)]
FORMATS = [f"a_format_with_a_long_name_{k}" for k in range(12)]


@pytest.fixture
def run(tmp_path):
    """A run of twelve texts with one pair and two candidates; returns its folder and ids."""
    ids = sorted(content_id("quality", str(number)) for number in range(12))
    texts = [
        {"prompt_id": each, "text": f"{NASTY} text {k} of water in soil and roots drink it"}
        for k, each in enumerate(ids)
    ]
    write_table(tmp_path / "generations/web/part-000.parquet", texts, GENERATIONS)
    decided = [{"prompt_id": each, "decision": "kept", "reason": "", "flags": []} for each in ids]
    write_table(tmp_path / "clean/web/part-000.parquet", decided, DECISIONS)
    write_duplicates(tmp_path, ids)
    write_contamination(tmp_path, ids)
    return tmp_path, ids


def show(module, folder, **flags):
    """Makes one page; returns its HTML and its numbers."""
    name = module.__name__.rpartition(".")[2]
    shared = {
        "run": "test", "scale": "small", "claims": ROOT / "resources/claims.tsv", "page": folder / f"{name}.html",
        "numbers": folder / f"{name}.json", "figure": folder / f"{name}.svg",
        "generations": folder / "generations/web/part-000.parquet", "decisions": folder / "clean/web/part-000.parquet",
    }  # fmt: skip
    own = {
        "duplicates": {"removed": folder / "removed.parquet", "summary": folder / "summary.json"},
        "contamination": {
            "table": folder / "table.json", "parts": folder / "decontaminate/web/part-000.parquet",
            "control": folder / "control.json", "rows": folder / "rows.parquet",
            "uncheckable": folder / "uncheckable.parquet", "ratio": 0.5, "ngram": 10, "minimum-block": 5,
            "short-rows": "report", "minimum-short": 5,
        },
    }  # fmt: skip
    words = [[f"--{key}", str(value)] for key, value in (shared | own[name] | flags).items()]
    module.main([word for pair in words for word in pair])
    return (folder / f"{name}.html").read_text(encoding="utf-8"), read_json(folder / f"{name}.json")


def change(folder, name, **values):
    write_json(folder / name, read_json(folder / name) | values)


def alarm(ids, size):
    return {
        "cluster": ids[0], "size": size, "sources": {"web": size}, "formats": {NASTY: size}, "examples": ids[:3],
        "jaccard": {"pairs": 40, "minimum": 0.1, "median": 0.35, "maximum": 0.9},
    }  # fmt: skip


def test_a_cluster_over_the_limit_stands_first_with_its_texts_and_what_to_do(run):
    folder, ids = run
    change(folder, "summary.json", alarms=[alarm(ids, 1400)], maximum_cluster=1000, largest_cluster=1400, spared=1406)
    html, numbers = show(duplicates, folder)
    assert "1 cluster is over the limit of 1,000 documents: nothing of it was removed" in html
    assert "<code>deduplicate.maximum_cluster</code> to 1,400 or more" in html
    assert "<b>7</b><span>candidates spared" in html
    assert "Another 1,399 were not compared" in html
    assert "median 0.35, from 0.10 to 0.90: most of them would not be near-duplicates." in html
    assert html.index("over the limit") < html.index('class="tiles"')
    for k in range(3):
        assert f"text {k} of water in soil" in html
    assert "<script>alert" not in html
    assert numbers["alarms"][0]["size"] == 1400


def test_without_an_alarm_no_word_of_one(run):
    assert "over the limit" not in show(duplicates, run[0])[0]


def test_no_more_than_twenty_alarms_are_shown_and_the_rest_is_counted(run):
    folder, ids = run
    change(folder, "summary.json", alarms=[alarm(ids, 1001)] * 23)
    html, _ = show(duplicates, folder)
    assert "23 clusters are over the limit" in html
    assert "20 of 23 are shown" in html


def test_the_published_way_stands_beside_ours(run):
    folder, _ = run
    change(folder, "summary.json", minhash={"clusters": 2, "members": 5, "removed": 3})
    html, numbers = show(duplicates, folder)
    assert "MinHash alone would remove 2 texts more." in html
    assert (numbers["percent"], numbers["minhash"]["percent"]) == pytest.approx((100 / 12, 25), rel=1e-5)


def test_eight_splits_and_twelve_formats_give_whole_tables(run):
    folder, _ = run
    sources = {name: 100 + k for k, name in enumerate(SPLITS)}
    formats = {name: 70 + k for k, name in enumerate(FORMATS)}
    change(
        folder, "summary.json", documents=800, removed=36, sources=sources, formats=formats,
        by_source={name: {SPLITS[-1]: 4, name: 1} for name in SPLITS[:-1]},
        by_format={name: dict.fromkeys(FORMATS[:3], 1) for name in FORMATS},
        by_format_same_seed={FORMATS[0]: {FORMATS[1]: 6}},
    )  # fmt: skip
    html, _ = show(duplicates, folder)
    tables = re.findall(r'<table class="matrix">.*?</table>', html, flags=re.DOTALL)
    assert [len(re.findall(r'class="cell', table)) for table in tables] == [144, 144, 64]
    assert "6 texts of a format with a long name 0 removed for one of a format with a long name 1 that is kept" in html
    assert "8.57\xa0% of all 70 of a format with a long name 0" in html


def test_a_matrix_has_rates_of_the_removed_side_and_keeps_names_that_were_not_counted():
    table = duplicates.tabulate({"web": {"stories": 3, "web": 1}, "new": {"web": 2}}, {"stories": 10, "web": 40})
    assert table["names"] == ["stories", "web", "new"]
    web = table["rows"][1]
    assert [(cell["kept"], cell["n"], cell["rate"]) for cell in web["cells"]] == [
        ("stories", 3, 0.075),
        ("web", 1, 0.025),
        ("new", 0, 0.0),
    ]
    assert (web["removed"], web["rate"], table["pairs"]) == (4, 0.1, 6)
    assert (table["rows"][2]["documents"], table["rows"][2]["rate"]) == (0, None)


@pytest.mark.parametrize(
    ("other_format", "answer"),
    [(0, "Three texts"), (9, "Three texts"), (50, "Mostly three texts"), (200, "Often fewer"), (400, "One text")],
)
def test_whether_one_seed_gives_three_texts_is_answered_from_the_figures(other_format, answer):
    summary = {
        "documents": 1000, "removed": 500, "minhash": {"clusters": 0, "members": 0, "removed": 0},
        "by_format_same_seed": {"blog": {"blog": 7, "story": other_format}}, "alarms": [],
    }  # fmt: skip
    numbers = duplicates.summarize(summary)
    said, figures = duplicates.seed_answer(numbers)
    assert said.startswith(answer)
    assert f"of 1,000 texts, {other_format} (" in figures
    assert "7 more repeat one of their own seed in the same format" in figures
    assert f"{500 - 7 - other_format} one of another seed" in figures


def test_without_texts_the_question_is_left_open():
    summary = {"documents": 0, "removed": 0, "minhash": {"removed": 0}, "by_format_same_seed": {}, "alarms": []}
    assert duplicates.seed_answer(duplicates.summarize(summary))[1] == "no text was compared"


def test_evidence_shows_document_and_row_with_what_they_share(run):
    html, _ = show(contamination, run[0])
    sides = re.findall(r'<div class="text( row)?">(.*?)</div>', html, flags=re.DOTALL)
    assert len(sides) == 4
    assert all("<mark>" in text for _, text in sides)
    assert "<script>alert" not in html
    assert '<span class="tag warn">short row</span>' in html


def test_planted_rows_are_told_by_kind_with_recall_and_precision(run):
    html, numbers = show(contamination, run[0])
    assert "95&nbsp;% interval 70.0\xa0% to 97.0\xa0%" in html
    assert '<span class="tag off">18 of 20</span>' in html
    assert "none expected</span>" in html
    assert numbers["control"]["recall"]["value"] == 0.9


def test_a_false_removal_is_marked(run):
    change(run[0], "control.json", clean={"documents": 12, "removed": 2})
    assert "≠ expected none" in show(contamination, run[0])[0]


def test_short_rows_are_counted_and_told_to_be_looked_for_only_where_they_were(run):
    html, numbers = show(contamination, run[0])
    assert numbers["short_rows"] == {"boolq": {"rows": 1, "looked_for": 0}}
    assert "are only counted" in html
    html, numbers = show(contamination, run[0], **{"short-rows": "remove"})
    assert numbers["short_rows"] == {"boolq": {"rows": 1, "looked_for": 1}}
    assert "hold such a row whole are removed too, if it has 5 words or more" in html


def test_tables_of_another_state_of_the_run_are_named(run):
    folder, ids = run
    path = folder / "clean/web/part-000.parquet"
    rows = read_table(path, DECISIONS).to_pylist()
    write_table(path, [row | {"decision": "removed"} for row in rows], DECISIONS)
    with pytest.raises(InputError, match=ids[0]):
        show(duplicates, folder)
