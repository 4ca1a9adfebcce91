"""The resolved configuration and the layout of a run."""

import re
from pathlib import Path

import pytest
import yaml

from scripts.common.errors import InputError
from scripts.workflow import layout
from scripts.workflow.config import check, merge, resolve

BASE = yaml.safe_load(Path("config/config.yaml").read_text())
SCHEMA = yaml.safe_load(Path("workflow/schemas/config.schema.yaml").read_text())


def resolved(**user):
    return resolve(BASE, user, Path("config/scales"), SCHEMA)


@pytest.mark.parametrize("scale", ["tiny", "small", "full"])
def test_every_scale_is_valid_and_names_its_run(scale):
    config = resolved(scale=scale)
    assert (config["scale"], config["run"]) == (scale, scale)


def test_tiny_is_the_default_and_needs_no_gpu_and_no_hub():
    config = resolved()
    assert config["scale"] == "tiny"
    assert config["seeds"]["where"] == "sample"
    assert [config[section]["gpus"] for section in ("embed", "llm", "train", "evaluate")] == [0, 0, 0, 0]


def test_the_user_wins_over_the_scale():
    config = resolved(scale="tiny", generate={"max_new_tokens": 7}, run="mine")
    assert config["generate"]["max_new_tokens"] == 7
    assert config["generate"]["temperature"] == 0.6
    assert config["run"] == "mine"


def test_nested_values_of_the_command_line_are_read_by_their_type():
    config = resolved(
        seeds={"sources": {"web": "0"}}, llm={"revision": "1234", "gpus": "2"}, interpreters={"vllm": "/"}
    )
    assert (config["seeds"]["sources"]["web"], config["llm"]["gpus"], config["llm"]["revision"]) == (0, 2, "1234")


def test_full_keeps_the_published_values():
    config = resolved(scale="full")
    published = {"temperature": 0.6, "top_p": 0.95, "top_k": 50, "repetition_penalty": 1.2}
    assert {key: config["generate"][key] for key in published} == published
    assert (config["cluster"]["sample_size"], config["label"]["documents"], config["label"]["characters"]) == (
        100000,
        10,
        420,
    )


def test_an_unknown_scale_lists_the_known_ones():
    with pytest.raises(InputError, match="unknown scale 'tinny': it must be one of full, small, tiny"):
        resolved(scale="tinny")


def test_an_unknown_key_names_the_nearest_one():
    with pytest.raises(InputError, match=r"unknown key `generate\.temprature`: did you mean `temperature`"):
        resolved(generate={"temprature": 1})


def test_a_wrong_type_names_the_key_and_all_findings_come_at_once():
    with pytest.raises(InputError, match=r"(?s)`embed.batch_size`: 'many'.*`fraction`: 2"):
        resolved(embed={"batch_size": "many"}, fraction=2)


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ({"train": {"experiment": "cosmo-9b"}}, "`train.experiment`: there is no config/experiments/cosmo-9b.yaml"),
        ({"interpreters": {"vllm": "/no/python"}}, "`interpreters.vllm`: there is no /no/python"),
        ({"llm": {"model": "resources/huge-lm"}}, "`llm.model`: there is no resources/huge-lm"),
        ({"tokenize": {"tokenizer": "/no/where"}}, "`tokenize.tokenizer`: there is no /no/where"),
    ],
)
def test_a_missing_file_is_named_with_its_key(user, message):
    with pytest.raises(InputError, match=re.escape(message)):
        resolved(**user)


def test_a_text_that_the_command_line_makes_a_number_says_how_to_give_it():
    with pytest.raises(
        InputError, match=r"`document`: 1234567 is not of type 'string'\. Give a text with a letter in it"
    ):
        resolved(document=1234567)


def test_a_hub_id_is_not_taken_for_a_folder():
    assert resolved(llm={"model": "mistralai/Mixtral-8x7B-Instruct-v0.1"})


def test_merging_changes_neither_side():
    left, right = {"a": {"b": 1, "c": [1]}}, {"a": {"b": 2}}
    merged = merge(left, right)
    merged["a"]["c"].append(2)
    assert (left, right) == ({"a": {"b": 1, "c": [1]}}, {"a": {"b": 2}})


def test_the_mix_of_a_source_is_replaced_and_not_merged():
    left, right = {"mix": {"web": {"a/*": 1}, "stanford": 2}}, {"mix": {"web": {"b/*": 3}}}
    assert merge(left, right) == {"mix": {"web": {"b/*": 3}, "stanford": 2}}


def test_a_missing_key_is_named():
    findings = check({"prompts": {}}, {"properties": {"prompts": {"required": ["mix"]}}})
    assert findings == ["the key `prompts.mix` is missing"]


def test_more_is_never_expected_than_seeds_and_templates_can_give():
    few = sources(scale="full", seeds={"sources": {"wikihow": 30000}})["wikihow"]
    assert few.slices == 3
    assert sources(scale="full", prompts={"mix": {"wikihow": 5000}})["wikihow"].slices == 1


def sources(**user):
    return layout.read_sources(Path("resources/sources.tsv"), resolved(**user), Path("config/sources.lock.tsv"))


def test_parts_and_slices_follow_from_the_configuration():
    web = sources(scale="full")["web"]
    assert web.parts == 60
    assert web.slices == 38  # 22,772,215 prompts asked for / 60 parts / 10,000 prompts


def test_fraction_shrinks_the_slices_but_not_the_parts():
    web = sources(scale="full", fraction=0.1)["web"]
    assert (web.parts, web.slices) == (60, 4)


def test_splits_group_their_sources():
    assert layout.splits(sources())["stories"] == ["ultrachat", "openhermes"]


def test_a_source_can_be_left_out_and_an_unknown_one_is_refused():
    assert "web" not in sources(seeds={"sources": {"web": 0}})
    with pytest.raises(InputError, match=r"unknown source `wikipedai`: .*sources\.tsv"):
        sources(seeds={"sources": {"wikipedai": 10}})
