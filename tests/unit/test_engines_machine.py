"""GPUs and memory that a machine gives a job, and models that do not fit them."""

import os

import pytest

from scripts import engines
from scripts.common.errors import InputError
from scripts.engines import checks, machine, weights
from tests.unit.checked_models import SAMPLING, refused, settings

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
