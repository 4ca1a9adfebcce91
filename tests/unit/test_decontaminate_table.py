import json
from pathlib import Path

import pytest

from scripts.common.counts import Counts
from scripts.common.schemas import BENCHMARK_ROWS, CONTAMINATION
from scripts.common.tables import write_table
from scripts.decontaminate import table
from scripts.report import contamination
from scripts.report.claims import Claims
from tests.unit.sealed import arguments

CLAIMS = Path("resources/claims.tsv")


def pair(document, benchmark, row, rule="ngram", decision="removed"):
    return {"prompt_id": document, "benchmark": benchmark, "row": row, "rule": rule, "decision": decision}


def tabulate(folder, parts):
    """The table of some parts: (source, pairs, documents scanned, documents removed)."""
    paths, counts = [], []
    for number, (source, pairs, documents, removed) in enumerate(parts):
        paths.append(folder / source / f"part-{number:03d}.parquet")
        write_table(paths[-1], pairs, CONTAMINATION)
        counts.append(paths[-1].with_suffix(".counts.json"))
        rejected = {"contaminated": removed} if removed else {}
        Counts("decontaminate_scan", documents, documents - removed, rejected, source).write(counts[-1])
    indexed = [{"benchmark": name, "row": str(row)} for name in ("boolq", "arc_easy", "siqa") for row in range(3)]
    write_table(folder / "rows.parquet", indexed, BENCHMARK_ROWS)
    write_table(folder / "uncheckable.parquet", [{"benchmark": "piqa", "row": "9"}], BENCHMARK_ROWS)
    table.main(
        arguments(
            parts=paths,
            counts=counts,
            rows=folder / "rows.parquet",
            uncheckable=folder / "uncheckable.parquet",
            claims=CLAIMS,
            output=folder / "table.json",
        )
    )
    return json.loads((folder / "table.json").read_text(encoding="utf-8"))


@pytest.fixture
def parts():
    return [
        ("web", [pair("a", "boolq", "1"), pair("b", "boolq", "1"), pair("b", "siqa", "2")], 10, 2),
        ("openstax", [pair("c", "boolq", "2"), pair("d", "boolq", "3", decision="kept")], 5, 1),
        ("ultrachat", [pair("e", "piqa", "9", "short_row"), pair("f", "piqa", "9", "short_row")], 4, 2),
        ("openhermes", [pair("g", "piqa", "9", "short_row"), pair("g", "arc_easy", "0")], 4, 1),
        ("sep", [], 3, 0),
    ]


def test_a_cell_counts_documents_and_the_different_rows_they_repeat(tmp_path, parts):
    web = tabulate(tmp_path, parts)["groups"][0]
    assert (web["group"], web["sources"]) == ("web, stanford, openstax", ["openstax", "web"])
    assert (web["documents"], web["removed"]) == (15, 3)
    cells = {name: (cell["documents"], cell["rows"]) for name, cell in web["cells"].items()}
    assert cells == {"boolq": (3, 2), "siqa": (1, 1), "arc_easy": (0, 0), "piqa": (0, 0)}


def test_what_a_short_row_removed_is_counted_apart(tmp_path, parts):
    stories = tabulate(tmp_path, parts)["groups"][2]
    assert stories["cells"]["piqa"] == {"documents": 0, "rows": 0, "short_documents": 3, "short_rows": 1}
    assert stories["cells"]["arc_easy"] == {"documents": 1, "rows": 1, "short_documents": 0, "short_rows": 0}
    assert (stories["removed"], stories["removed_by_short_rows_alone"]) == (3, 2)


def test_the_order_of_parts_does_not_matter(tmp_path, parts):
    assert tabulate(tmp_path / "a", parts) == tabulate(tmp_path / "b", parts[::-1])


def test_rows_checked_and_too_short_are_counted_in_the_order_of_the_benchmarks(tmp_path, parts):
    lines = tabulate(tmp_path, parts)["benchmarks"]
    assert [(line["name"], line["checked"], line["uncheckable"]) for line in lines] == [
        ("PIQA", 0, 1),
        ("SIQA", 3, 0),
        ("ARC-E", 3, 0),
        ("BoolQ", 3, 0),
    ]


def test_published_figures_are_those_of_the_table_of_claims():
    claims = Claims.read(CLAIMS)
    web, maths, stories = (table.published(claims, group) for group in table.GROUPS)
    assert web["cells"] == {
        "arc_easy": "30 (13)",
        "arc_challenge": "19 (3)",
        "boolq": "386 (41)",
        "hellaswag": "6 (5)",
        "mmlu": "1 (1)",
        "openbookqa": "0 (0)",
        "piqa": "5 (3)",
        "winogrande": "0 (0)",
    }
    assert web["source"] == "Cosmopedia dataset card"
    assert maths["cells"]["arc_challenge"] == maths["cells"]["arc_easy"] == "17 (6), both parts of ARC"
    assert (maths["cells"]["mmlu"], maths["cells"]["piqa"], maths["cells"]["boolq"]) == ("<4", "0 (0)", "34 (7)")
    assert stories["cells"]["arc_easy"] == "53 (32), both parts of ARC"
    assert (stories["cells"]["hellaswag"], stories["source"]) == ("3 (3)", "Cosmopedia blog post")
    assert not any("siqa" in group["cells"] for group in (web, maths, stories))
    assert table.published(claims, table.OTHERS) is None


def test_every_published_figure_has_one_of_ours_beside_it(tmp_path, parts):
    found = tabulate(tmp_path, parts)
    cells = {name: {"documents": 0, "rows": 0} for name in ("arc_easy", "arc_challenge", "boolq", "hellaswag", "mmlu")}
    cells |= {name: {"documents": 0, "rows": 0} for name in ("openbookqa", "piqa", "winogrande", "siqa")}
    for group in found["groups"]:
        group["cells"] = cells
    numbers = contamination.summarize(found, 0)
    paths = [claim.ours.split(".")[1:] for claim in Claims.read(CLAIMS).claims if claim.stage == "decontaminate"]
    measured = [path for path in paths if path[0] in ("groups", "rows")]
    assert len(measured) > 30
    assert [path for path in measured if path[2] not in numbers[path[0]][path[1]]] == []


def test_every_source_has_a_group():
    assert table.group_of("ultrachat") == table.group_of("openhermes") == "stories"
    assert table.group_of("wikihow") == table.group_of("sep") == "others"
