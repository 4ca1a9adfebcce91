import csv
import doctest
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from scripts.common.errors import InputError
from scripts.report import claims, distribution, page, style, timing
from scripts.report.claims import Claim, Claims

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "resources/claims.tsv"


def claim(**columns):
    empty = dict.fromkeys(("id", "stage", "what", "unit", "low", "high", "source", "note"), "")
    return Claim(**empty | {"published": "10", "check": "exact", "scale": "any", "ours": "a.b"} | columns)


def test_every_row_of_the_table_follows_its_schema():
    schema = yaml.safe_load((ROOT / "workflow/schemas/claims.schema.yaml").read_text(encoding="utf-8"))
    with TABLE.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    findings = [f"{row['id']}: {e.message}" for row in rows for e in Draft202012Validator(schema).iter_errors(row)]
    assert not findings
    assert len({row["id"] for row in rows}) == len(rows)


def test_every_setting_that_a_claim_names_is_in_the_configuration():
    config = {"config": yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))}
    named = [each.ours for each in Claims.read(TABLE).claims if each.ours.startswith("config.")]
    assert named
    assert [path for path in named if claims.look_up(config, path) is None] == []


def test_the_configuration_of_the_full_scale_equals_what_was_published():
    config = {"config": yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))}
    exact = [each for each in Claims.read(TABLE).claims if each.ours.startswith("config.") and each.check == "exact"]
    verdicts = {each.id: each.judge(claims.look_up(config, each.ours), "full") for each in exact}
    assert {id for id, verdict in verdicts.items() if verdict != "equal"} == set()


def test_sources_that_contradict_each_other_are_all_shown():
    text = Claims.read(TABLE).text("topics.kept")
    assert [text.find(value) >= 0 for value in ("107", "108", "110", "112", "130")] == [True] * 5


@pytest.mark.parametrize(
    ("columns", "ours", "scale", "verdict"),
    [
        ({}, 10, "tiny", "equal"),
        ({}, 10.0, "tiny", "equal"),
        ({}, 11, "tiny", "differs"),
        ({"published": "<|endoftext|>"}, ["<|endoftext|>"], "tiny", "equal"),
        ({"published": "false"}, False, "tiny", "equal"),
        ({"published": "1e-05"}, 1e-5, "tiny", "equal"),
        ({"check": "band", "low": "9", "high": "10"}, 9.5, "tiny", "within"),
        ({"check": "band", "low": "9", "high": "10"}, 10, "tiny", "within"),
        ({"check": "band", "low": "9", "high": "10"}, 8.9, "tiny", "differs"),
        ({"check": "informational"}, 3, "tiny", "informational"),
        ({"scale": "full"}, 10, "tiny", "scale"),
        ({"scale": "full"}, 10, "full", "equal"),
        ({}, None, "full", "absent"),
        ({"scale": "full"}, None, "tiny", "absent"),
    ],
)
def test_the_verdict_tells_what_the_comparison_gives(columns, ours, scale, verdict):
    assert claim(**columns).judge(ours, scale) == verdict


def test_a_figure_without_a_place_has_no_published_value():
    assert Claims([claim(ours="")]).text("") == ""


def test_a_band_without_numbers_is_refused_with_its_row(tmp_path):
    header, row = TABLE.read_text(encoding="utf-8").splitlines()[:2]
    broken = row.split("\t")
    broken[header.split("\t").index("low")] = ""
    path = tmp_path / "claims.tsv"
    path.write_text(f"{header}\n" + "\t".join(broken) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="row 2"):
        Claims.read(path)


@pytest.mark.parametrize("module", [claims, distribution, page, style, timing])
def test_the_examples_in_the_docstrings_hold(module):
    results = doctest.testmod(module)
    assert results.attempted > 0
    assert results.failed == 0
