"""The summary: by rule, source and format, and its sum over parts."""

import json

import pytest

from scripts.clean import summary
from scripts.clean.summary import together
from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.files import read_json
from tests.unit.prose import TEXT
from tests.unit.sealed import actions, decide, sealed_part

RULES = actions("flag", opening="cut", too_few_characters="remove")
BAD_CODE = "\n\n```python\nif\n```\n\n```json\n{}\n```\n\n```rust\nfn\n```"


@pytest.fixture
def parts(tmp_path):
    """Summaries of two parts."""
    texts = {"web": [TEXT, "Sure! " + TEXT, "Bread.", TEXT[:-9]], "khanacademy": [TEXT + BAD_CODE, None]}
    found = []
    for source, own in texts.items():
        generations, _ = sealed_part(tmp_path, own, source=source)
        found.append(decide(tmp_path, generations, RULES).with_suffix(".summary.json"))
    return found


def test_every_rule_has_its_action_and_its_counts(parts):
    found = together([read_json(path) for path in parts])
    assert (found["texts"], found["kept"]) == (6, 4)
    assert found["rules"]["too_few_characters"] == {"action": "remove", "removed": 1, "flagged": 0, "cut": 0}
    assert found["rules"]["empty"] == {"action": "remove", "removed": 1, "flagged": 0, "cut": 0}
    assert found["rules"]["opening"] == {"action": "cut", "removed": 0, "flagged": 0, "cut": 1}
    assert found["rules"]["unfinished"] == {"action": "flag", "removed": 0, "flagged": 1, "cut": 0}
    assert set(found["rules"]) == {"error", "broken", "empty", *RULES}


def test_removed_texts_are_those_of_the_counts(parts):
    for path in parts:
        counts = Counts.read(path.with_name("part-000.counts.json"))
        own = read_json(path)
        assert (own["texts"], own["kept"]) == (counts.rows_in, counts.rows_out)
        assert {rule: n["removed"] for rule, n in own["rules"].items() if n["removed"]} == counts.rejected


def test_sources_and_formats_add_up_to_all(parts):
    found = together([read_json(path) for path in parts])
    assert set(found["sources"]) == {"web", "khanacademy"}
    assert set(found["formats"]) == {"blogpost", "wikihow"}
    for groups in (found["sources"], found["formats"]):
        assert sum(each["texts"] for each in groups.values()) == found["texts"]
        assert sum(each["kept"] for each in groups.values()) == found["kept"]
        for outcome in ("removed", "flagged", "cut"):
            for rule, counts in found["rules"].items():
                assert sum(each[outcome].get(rule, 0) for each in groups.values()) == counts[outcome]
    assert found["sources"]["web"]["removed"] == {"too_few_characters": 1}


def test_code_blocks_are_counted_by_language(parts):
    found = together([read_json(path) for path in parts])
    assert found["code"] == {
        "json": {"parsed": 1, "failed": 0, "not_judged": 0},
        "python": {"parsed": 0, "failed": 1, "not_judged": 0},
        "rust": {"parsed": 0, "failed": 0, "not_judged": 1},
    }


def test_rare_languages_are_put_together():
    code = {f"language-{n:03}": {"parsed": 0, "failed": 0, "not_judged": 100 - n} for n in range(40)}
    found = together([{"code": code}])["code"]
    assert len(found) == 31
    assert found["other"]["not_judged"] == sum(100 - n for n in range(30, 40))
    assert sum(each["not_judged"] for each in found.values()) == sum(each["not_judged"] for each in code.values())


def test_parts_of_different_rules_are_refused(parts):
    first, second = (read_json(path) for path in parts)
    second["rules"]["code"]["action"] = "remove"
    with pytest.raises(InputError, match="some parts were cleaned with a rule as `flag`, others as `remove`"):
        together([first, second])


def test_the_program_writes_the_sum(parts, tmp_path):
    output = tmp_path / "summary.json"
    summary.main(["--parts", *map(str, parts), "--output", str(output)])
    assert json.loads(output.read_text()) == together([read_json(path) for path in parts])
