"""What is refused before an engine starts: settings, models and machines that cannot work, each in one message."""

import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts import engines
from scripts.common.errors import InputError
from scripts.engines import EngineSettings, checks, weights
from tests.unit.checked_models import SAMPLING, refused, settings

ROOT = Path(__file__).resolve().parents[2]
COMMIT = "0123456789" * 4


def in_cache(folder, model, name="org/name", branch="main"):
    """Puts a model into a cache of the Hub, in its layout: blobs, snapshots of links to them, names of commits."""
    place = folder / f"models--{name.replace('/', '--')}"
    for part in ("blobs", "refs", f"snapshots/{COMMIT}"):
        (place / part).mkdir(parents=True)
    (place / "refs" / branch).write_text(COMMIT)
    for file in model.iterdir():
        shutil.copy(file, place / "blobs" / file.name)
        (place / "snapshots" / COMMIT / file.name).symlink_to(f"../../blobs/{file.name}")
    return place


def sharded(model, shards=2):
    """Gives a model its weights in several files with an index."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(model / "model.safetensors")
    (model / "model.safetensors").unlink()
    names = [f"model-{number + 1:05}-of-{shards:05}.safetensors" for number in range(shards)]
    place = {key: names[number % shards] for number, key in enumerate(sorted(tensors))}
    for name in names:
        save_file({key: tensors[key] for key in tensors if place[key] == name}, model / name, {"format": "pt"})
    index = {"metadata": {}, "weight_map": place}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    return [model / name for name in names]


def test_a_whole_model_is_taken(model):
    checks.check(settings(model), n_gpus=0)


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    assert f"{tmp_path}/nothing: there is no such folder" in refused(tmp_path / "nothing")


def test_an_empty_folder_holds_no_model(tmp_path):
    assert "has no config.json" in refused(tmp_path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["config.json"], "has no config.json"),
        (["model.safetensors"], "has no weights"),
        (["tokenizer.json", "tokenizer_config.json"], "has no tokenizer"),
        (["chat_template.jinja"], "has no chat template"),
    ],
)
def test_what_a_model_lacks_is_named(model, files, message):
    for name in files:
        (model / name).unlink()
    assert message in refused(model)


def test_a_chat_template_may_stand_in_the_settings_of_the_tokenizer(model):
    template = (model / "chat_template.jinja").read_text()
    (model / "chat_template.jinja").unlink()
    file = model / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"chat_template": template}))
    checks.check(settings(model), n_gpus=0)


def test_a_chat_template_that_takes_no_single_turn_is_refused(model):
    (model / "chat_template.jinja").write_text("{{ raise_exception('three turns, please') }}")
    assert "three turns, please" in refused(model)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_a_damaged_file_of_settings_is_named(model, name):
    (model / "chat_template.jinja").unlink()
    (model / name).write_text('{"model_type": "lla')
    assert f"{model / name} is not valid JSON" in refused(model)


@pytest.mark.parametrize("kept", [0, 4, 8, 5000, -1])
def test_weights_that_are_cut_short_are_refused(model, kept):
    file = model / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    assert str(file) in refused(model)


def test_weights_with_something_after_their_end_are_refused(model):
    with (model / "model.safetensors").open("ab") as file:
        file.write(b"\0")
    assert "cut short or damaged" in refused(model)


def test_a_pointer_that_git_left_in_place_of_weights_is_refused(model):
    (model / "model.safetensors").write_text(f"version https://git-lfs.github.com/spec/v1\nsize {10**9}\n")
    assert "is no safetensors file" in refused(model)


@given(st.binary(max_size=200).filter(lambda data: b"{" not in data))
def test_no_bytes_are_taken_for_weights_that_are_none(tmp_path_factory, data):
    file = tmp_path_factory.getbasetemp() / "random.safetensors"
    file.write_bytes(data)
    with pytest.raises(InputError, match="random"):
        list(weights.tensors(file))


def test_a_header_that_makes_no_sense_is_refused(tmp_path):
    for header in (b"[1]     ", b'{"a": 1}', b'{"a": {"dtype": "F32", "shape": 3, "data_offsets": [0, 12]}}'):
        file = tmp_path / "x.safetensors"
        file.write_bytes(struct.pack("<Q", len(header)) + header)
        with pytest.raises(InputError, match="header is damaged"):
            list(weights.tensors(file))


def test_weights_in_several_files_are_taken(model):
    sharded(model)
    engines.create(settings(model), SAMPLING).close()


def test_files_that_an_index_names_and_that_are_missing_are_named(model):
    first, second = sharded(model)
    second.unlink()
    message = refused(model)
    assert "1 of 2 files of weights of" in message
    assert second.name in message
    assert first.name not in message


def test_one_of_several_files_that_is_cut_short_is_named(model):
    _, second = sharded(model)
    second.write_bytes(second.read_bytes()[:-4])
    assert f"{second} has" in refused(model)


def test_an_index_that_is_none_is_refused(model):
    (model / "model.safetensors.index.json").write_text("{}")
    assert "is no index of weights" in refused(model)


def test_the_memory_of_weights_follows_the_data_type(model, tmp_path):
    import torch
    from safetensors.torch import load_file, save_file

    values = sum(tensor.numel() for tensor in load_file(model / "model.safetensors").values())
    files = weights.weight_files(model)
    assert weights.memory(files, "float32") == weights.memory(files, "auto") == 4 * values
    assert weights.memory(files, "bfloat16") == 2 * values
    save_file({"packed": torch.zeros(10, dtype=torch.int32)}, tmp_path / "quantised.safetensors")
    assert weights.memory([tmp_path / "quantised.safetensors"], "float64") == 40


def test_a_data_type_that_does_not_exist_is_refused(model):
    assert "llm.dtype is 'float23', which is not one of auto, bfloat16" in refused(model, dtype="float23")


def test_a_context_longer_than_the_models_is_refused(model):
    assert "llm.max_model_len is 257, but" in refused(model, max_model_len=257)


@pytest.mark.parametrize(
    ("config", "longest"),
    [
        ({"max_position_embeddings": 4096}, 4096),
        ({"n_positions": 1024}, 1024),
        ({"max_position_embeddings": 2048, "rope_scaling": {"type": "linear", "factor": 4.0}}, 8192),
        (
            {
                "max_position_embeddings": 32768,
                "rope_parameters": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768},
            },
            131072,
        ),
        (
            {
                "max_position_embeddings": 131072,
                "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 8192},
            },
            131072,
        ),
        ({}, None),
    ],
)
def test_the_context_is_read_from_the_config(config, longest):
    assert checks.context(config) == longest


@pytest.mark.parametrize(("used", "limit"), [(True, True), (False, False)])
def test_a_sliding_window_limits_an_engine_that_knows_none(model, used, limit):
    file = model / "config.json"
    window = {"sliding_window": 128, "use_sliding_window": used}
    file.write_text(json.dumps(json.loads(file.read_text()) | window))
    checks.check(settings(model), n_gpus=0)
    if limit:
        assert "a sliding_window of 128 tokens" in refused(model)
    else:
        checks.check(settings(model), n_gpus=0, windows=False)


# Models of the Hub.


def in_process(cache, name, revision="main", offline="1"):
    """Where a model of the Hub is found, or the message, in a process whose cache this is."""
    code = (
        "import sys; from scripts.engines import checks\n"
        "try: print(checks.model_folder(*sys.argv[1:]))\n"
        "except ValueError as error: print(error)"
    )
    environment = {**os.environ, "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": offline, "HF_ENDPOINT": "http://[::1]:9"}
    command = [sys.executable, "-c", code, name, revision]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def test_a_model_of_the_hub_is_found_in_the_cache(model, tmp_path):
    place = in_cache(tmp_path / "hub", model)
    snapshot = str(place / "snapshots" / COMMIT)
    assert in_process(tmp_path / "hub", "org/name") == snapshot
    assert in_process(tmp_path / "hub", "org/name", COMMIT) == snapshot


def test_a_model_that_the_cache_lacks_is_named(tmp_path):
    assert "does not have this model" in in_process(tmp_path, "org/name")


def test_a_revision_that_the_cache_lacks_is_named_with_those_it_has(model, tmp_path):
    in_cache(tmp_path, model)
    assert f"does not have revision v2, only {COMMIT}, main" in in_process(tmp_path, "org/name", "v2")


def test_a_model_that_is_not_here_is_left_to_an_engine_with_the_network(tmp_path):
    assert in_process(tmp_path, "org/name", offline="0") == "None"


def test_a_download_that_was_not_finished_is_refused(model, tmp_path):
    place = in_cache(tmp_path, model)
    (place / "blobs" / "model.safetensors").unlink()
    folder = Path(in_process(tmp_path, "org/name"))
    with pytest.raises(InputError, match="has no weights"):
        weights.weight_files(folder)


# The list of engines.


def test_every_engine_has_its_module_its_place_in_the_schema_and_its_environment():
    import yaml

    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())["properties"]
    modules = {path.stem for path in (ROOT / "scripts/engines").glob("*.py") if "\ndef load(" in path.read_text()}
    assert modules == set(engines.ENGINES)
    assert schema["llm"]["properties"]["engine"]["enum"] == list(engines.ENGINES)
    assert set(engines.ENGINES) <= schema["interpreters"]["properties"].keys()
    assert all((ROOT / "envs" / f"{name}.yaml").is_file() for name in engines.ENGINES)


def test_an_endpoint_that_is_no_address_is_refused():
    with pytest.raises(InputError, match=r"llm\.endpoint is 'localhost:8000'"):
        engines.create(EngineSettings("openai", "m", endpoint="localhost:8000"), SAMPLING)
