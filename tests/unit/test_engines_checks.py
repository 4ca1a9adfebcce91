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
from scripts.engines import EngineSettings, Sampling, checks, machine, weights

ROOT = Path(__file__).resolve().parents[2]
COMMIT = "0123456789" * 4
SAMPLING = Sampling(0.0, 1.0, 0, 1.0, 4)


@pytest.fixture
def model(random_lm, tmp_path):
    """A copy of a whole model, to be damaged."""
    return Path(shutil.copytree(random_lm, tmp_path / "model"))


def settings(model, **changes):
    defaults = {"dtype": "float32", "max_model_len": 256, "max_in_flight": 2, "options": {"device": "cpu"}}
    return EngineSettings("transformers", str(model), **defaults | changes)


def refused(model, **changes):
    """The message with which the engine refuses a model."""
    with pytest.raises(InputError) as refusal:
        engines.create(settings(model, **changes), SAMPLING)
    return str(refusal.value)


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


# Machines.

SMI = "0, GPU-1111aaaa, 81559\n1, GPU-2222bbbb, 81559\n2, GPU-3333cccc, 40960\n"
MIB = 2**20


@pytest.mark.parametrize(
    ("chosen", "sizes"),
    [
        (None, [81559, 81559, 40960]),
        ("", []),
        ("2,0", [40960, 81559]),
        ("GPU-3333", [40960]),
        ("0,7,1", [81559]),
        ("-1", []),
    ],
)
def test_visible_gpus_are_those_that_cuda_shows(chosen, sizes):
    assert machine.visible(SMI, chosen) == [size * MIB for size in sizes]


def test_slices_of_a_gpu_have_a_memory_that_is_not_known():
    assert machine.visible(SMI, "MIG-0a1b") is None


@pytest.fixture
def smi(tmp_path, monkeypatch):
    """Lets `nvidia-smi` be a program that says so."""

    def says(text, code=0):
        program = tmp_path / "bin" / "nvidia-smi"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}END\nexit {code}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    return says


def test_a_gpu_that_is_asked_for_and_is_not_there_is_missed(model, smi):
    smi("", code=9)
    assert "ask for 1 GPUs, and the job sees none" in refused(model, gpus=1, options={})
    assert "ask for 1 GPUs, and the job sees none" in refused(model, options={"device": "cuda"})


def test_fewer_gpus_than_asked_for_are_refused(model, smi):
    smi(SMI)
    with pytest.raises(InputError, match="ask for 4 GPUs, and the job sees 3"):
        checks.check(settings(model, gpus=4, tensor_parallel=4), n_gpus=4)
    checks.check(settings(model, gpus=3), n_gpus=2)


def test_a_job_that_asks_for_fewer_gpus_than_the_model_is_spread_over_is_refused(model, smi):
    smi(SMI)
    with pytest.raises(InputError, match=r"tensor_parallel is 2, but llm\.gpus asks for 1"):
        checks.check(settings(model, gpus=1, tensor_parallel=2), n_gpus=2)


def test_a_job_that_may_run_on_the_cpu_needs_no_gpu(model, smi):
    smi("", code=9)
    engines.create(settings(model, gpus=1), SAMPLING).close()


def test_weights_larger_than_the_memory_of_the_gpus_are_refused(model, smi):
    bytes_of_weights = weights.memory(weights.weight_files(model), "float32")
    larger(model, 3 * MIB // bytes_of_weights + 1)
    smi("0, GPU-1, 2\n1, GPU-2, 2\n")
    with pytest.raises(InputError, match=r"weights need .* the memory of the GPU is 0\.0 GB"):
        checks.check(settings(model, gpus=1), n_gpus=1)
    checks.check(settings(model, gpus=2), n_gpus=2)
    checks.check(settings(model, gpus=1, dtype="float16"), n_gpus=1)
    checks.check(settings(model, gpus=1, options={"quantization": "fp8"}), n_gpus=1)


def larger(model, times):
    """Gives a model so many times its weights."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(model / "model.safetensors")
    more = {f"{key}.{copy}": tensor.clone() for key, tensor in tensors.items() for copy in range(times)}
    save_file(more, model / "model.safetensors", {"format": "pt"})


def kernel(folder, group="0::/job/step", total=8_000_000, **limits):
    """The files of a kernel that tell of memory; limits are by path of the control group, with _ for /."""
    for name, text in {
        "proc/meminfo": f"MemTotal: {total} kB\nMemFree: 1 kB\n",
        "proc/self/cgroup": f"{group}\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for path, limit in limits.items():
        file = folder / "sys/fs/cgroup" / path.replace("_", "/").strip("/")
        name = "memory.limit_in_bytes" if path.startswith("memory") else "memory.max"
        file.mkdir(parents=True, exist_ok=True)
        (file / name).write_text(f"{limit}\n")
    return folder


def test_without_limits_a_job_may_use_the_whole_machine(tmp_path):
    limit, what = machine.memory_limit(kernel(tmp_path, job_step="max", job="max"), {})
    assert (limit, what) == (8_000_000 * 1024, "the machine's memory")


def test_the_smallest_limit_of_the_control_groups_counts(tmp_path):
    limit, what = machine.memory_limit(kernel(tmp_path, job_step="max", job=5_000_000, _=7_000_000), {})
    assert limit == 5_000_000
    assert "job/memory.max" in what


def test_the_limit_of_an_older_kernel_counts_as_well(tmp_path):
    root = kernel(tmp_path, "4:memory:/job", memory_job=3_000_000, memory=2**63 - 4096)
    assert machine.memory_limit(root, {})[0] == 3_000_000


def test_in_a_container_the_group_of_the_process_is_the_root(tmp_path):
    assert machine.memory_limit(kernel(tmp_path, "0::/../../outside", _=6_000_000), {})[0] == 6_000_000


@pytest.mark.parametrize(
    "environment", [{"SLURM_MEM_PER_NODE": "1000"}, {"SLURM_MEM_PER_CPU": "250", "SLURM_CPUS_ON_NODE": "4"}]
)
def test_the_memory_that_a_slurm_job_asked_for_counts(tmp_path, environment):
    limit, what = machine.memory_limit(kernel(tmp_path), environment)
    assert limit == 1000 * MIB
    assert "Slurm" in what
    assert machine.memory_limit(tmp_path, {"SLURM_MEM_PER_NODE": "0"})[0] == 8_000_000 * 1024


def test_weights_larger_than_the_memory_of_the_job_are_refused(model, monkeypatch):
    larger(model, 2 * MIB // weights.memory(weights.weight_files(model), "float32") + 1)
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "1")
    assert "the memory that the Slurm job asked for is 0.0 GB" in refused(model)


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
