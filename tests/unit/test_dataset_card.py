"""The card tells what was done, in figures of the run, in a form that the Hub and `datasets` read."""

import itertools
import json

import pytest
import yaml
from huggingface_hub import DatasetCard

from scripts.common.schemas import DATASET
from tests.unit.test_dataset_split import ALARM, CONTROL, SUMMARY, write_card, write_part, write_split


@pytest.fixture
def splits(tmp_path):
    parts = [write_part(tmp_path, []), write_part(tmp_path, ["a", "b", "c"], part="001")]
    empty = write_split(tmp_path, [write_part(tmp_path, [], source="ultrachat")], name="stories")
    return [write_split(tmp_path, parts), empty]


def written(folder, **changes):
    """Writes a JSON document and returns its path."""
    ((name, value),) = changes.items()
    path = folder / f"{name}.changed.json"
    path.write_text(json.dumps(value))
    return path


def card(folder, splits, **changes):
    """The card with other settings, and with other documents where these are given."""
    documents = {
        name: written(folder, **{name: changes[name]}) for name in ("duplicates", "control") if name in changes
    }
    return write_card(folder, splits, **changes | documents)


def test_the_front_matter_is_read_by_the_hubs_client(tmp_path, splits):
    data = DatasetCard(card(tmp_path, splits)).data
    assert (data.license, data.pretty_name, data.size_categories) == ("other", 'A "quoted" name: yes', ["n<1K"])
    (info,) = data.to_dict()["dataset_info"]
    assert info["config_name"] == "web_samples"
    assert [feature["name"] for feature in info["features"]] == DATASET.names
    files = list(splits[0].glob("*.parquet"))
    assert info["download_size"] == sum(path.stat().st_size for path in files)
    assert info["splits"][0]["num_examples"] == 3


def test_a_dataset_without_rows_has_valid_front_matter(tmp_path, splits):
    empty = splits[1:]
    text = write_card(tmp_path, empty, passed_on=0)
    assert "configs" not in yaml.safe_load(text.split("---\n")[1])
    assert "dataset_info" not in DatasetCard(text).data.to_dict()


def test_the_model_is_told_as_the_texts_were_made(tmp_path, splits):
    text = card(tmp_path, splits)
    for line in (
        "model | resources/tiny-lm",
        "revision | files-0123456789abcdef",
        "engine | transformers",
        "top_k | 50",
    ):
        assert f"| {line} |\n" in text
    assert "| stop | `<\\|end\\|>` |\n| seed of the run | 1234 |\n" in text
    assert "3 texts were generated; 1 ended by `length`, 2 ended by `stop`" in text


def test_duplicates_stand_beside_the_published_way_and_figure(tmp_path, splits):
    text = card(tmp_path, splits)
    assert "MinHash over word 5-grams, 4 rounds of 14 buckets of 8 hashes" in text
    assert "4 of 400 documents (1 %) were removed as near-duplicates" in text
    assert "| this dataset: 4 rounds, verified | 5 | 12 | 4 | 1 % |" in text
    assert "| the published way: one round, all but one of each cluster removed | 4 | 10 | 6 | 1.5 % |" in text
    assert "| *published: Cosmopedia blog post* | | | | < 1 % |" in text
    assert "3 of the removed documents repeat a text that was written from the same seed." in text
    assert "| web | openstax | 2 |\n| openstax | openstax | 1 |\n| web | web | 1 |\n" in text
    assert "left as" not in text


def test_many_pairs_of_sources_are_summed_up(tmp_path, splits):
    many = {f"source {number:02}": {"web": 1} for number in range(25)}
    text = card(tmp_path, splits, duplicates=SUMMARY | {"by_source": many})
    assert "| source 19 | web | 1 |\n| 5 other pairs | | 5 |\n" in text
    assert "source 20" not in text


def test_a_cluster_that_was_not_compared_is_an_alarm_on_the_card(tmp_path, splits):
    text = card(tmp_path, splits, duplicates=SUMMARY | {"alarms": [ALARM], "spared": 2347})
    assert "3 documents are kept although a cluster connects them" in text
    assert "**1 cluster of more than 1,000 documents was left as it is**" in text
    assert f"| {'0a' * 16} | 2,345 | openstax 45, web 2,300 | 0.500, 0.750, 1.000 |" in text


def test_without_documents_or_duplicates_there_are_no_shares(tmp_path, splits):
    nothing = {"documents": 0, "clusters": 0, "members": 0, "removed": 0, "spared": 0, "by_source": {}, "rounds": 1}
    nothing |= {"minhash": {"clusters": 0, "members": 0, "removed": 0}, "by_format_same_seed": {}}
    text = card(tmp_path, splits, duplicates=SUMMARY | nothing)
    assert "0 of 0 documents (–) were removed" in text
    assert "| this dataset: 1 round, verified | 0 | 0 | 0 | – |" in text
    assert "same seed" not in text


def test_planted_rows_tell_how_well_the_scan_works(tmp_path, splits):
    assert "planted" not in card(tmp_path, splits)
    text = card(tmp_path, splits, control=CONTROL)
    assert "8 of 8 were\nfound (recall 1.000 [0.676–1.000]), 8 of 8 removals were right" in text
    assert "0 of 16 documents without a planted row were removed" in text
    assert "| nine \\| words | 8 | 0 | 0 | 8 |" in text
    nothing = {"value": None, "low": None, "high": None, "found": 0, "right": 0, "of": 0}
    assert "(recall –)" in card(tmp_path, splits, control=CONTROL | {"recall": nothing, "precision": nothing})


def test_the_rule_of_contamination_is_told_as_it_was_set(tmp_path, splits):
    text = card(tmp_path, splits)
    assert "a run of 10 words with a row and matches more than 50 % of it" in text
    assert "shorter than 10 words are not found.\n" in text
    text = card(tmp_path, splits, decontaminate={"ngram": 13, "ratio": 0.75, "short_rows": "remove"})
    assert "a run of 13 words with a row and matches more than 75 % of it" in text
    assert "Documents that hold a whole row too short for that rule were removed too: 0" in text
    assert "but for short ones repeated in full" in text


def test_the_card_has_its_chapters_and_every_table_its_columns(tmp_path, splits):
    text = card(tmp_path, splits, control=CONTROL, duplicates=SUMMARY | {"alarms": [ALARM]})
    chapters = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert chapters == [
        *("Splits", "Seeds", "Licences of the seeds", "Model", "What was left out", "Near-duplicates"),
        *("Contamination", "Known limits", "Citation"),
    ]
    lines = [line.replace("\\|", "") for line in text.splitlines()]
    for before, line in itertools.pairwise(lines):
        if before.startswith("|") and line.startswith("|"):
            assert before.count("|") == line.count("|"), line
    assert "@misc{benallal2024cosmopedia," in text
