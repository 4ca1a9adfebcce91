"""What the machine gives a job: the memory of its GPUs, and how much ordinary memory it may use.

Asked without torch, which takes seconds to import and could not be used in an engine's forked workers once it had been
to the GPU: `nvidia-smi` for GPUs, the kernel's files for memory.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from scripts.common.errors import InputError

QUERY = ["nvidia-smi", "--query-gpu=index,uuid,memory.total", "--format=csv,noheader,nounits"]


def gpu_memory(environment: Mapping[str, str] = os.environ, devices: Path = Path("/dev")) -> list[int] | None:
    """Bytes of every NVIDIA GPU that the job sees (CUDA_VISIBLE_DEVICES), in that order.

    None: it cannot be told, as with GPUs of other makers, with slices of a GPU (MIG), or without `nvidia-smi`.
    """
    try:
        answer = subprocess.run(QUERY, capture_output=True, text=True, timeout=60, check=False, env=dict(environment))
    except FileNotFoundError:
        unknown = any((devices / name).exists() for name in ("nvidiactl", "kfd", "accel"))
        return None if unknown else []
    except subprocess.TimeoutExpired:
        return None
    if answer.returncode:
        return []
    try:
        return visible(answer.stdout, environment.get("CUDA_VISIBLE_DEVICES"))
    except ValueError:
        return None


def visible(answer: str, chosen: str | None) -> list[int] | None:
    """Bytes of the GPUs in an answer to `QUERY` that CUDA shows to a program (None: all are chosen).

    CUDA shows the chosen ones up to the first that does not exist; they are named by index or by a beginning of the
    UUID.
    """
    gpus = [[field.strip() for field in line.split(",")] for line in answer.splitlines() if line.strip()]
    if chosen is None:
        return [int(size) * 2**20 for _, _, size in gpus]
    found = []
    for name in chosen.split(",") if chosen.strip() else []:
        if name.strip().startswith("MIG"):
            return None
        sizes = [size for index, uuid, size in gpus if name.strip() == index or uuid.startswith(name.strip())]
        if not sizes:
            break
        found.append(int(sizes[0]) * 2**20)
    return found


def memory_limit(root: Path = Path("/"), environment: Mapping[str, str] = os.environ) -> tuple[int, str]:
    """Bytes that this process may use at most, and what says so: the machine, a control group, or Slurm."""
    return min(_limits(root, environment), default=(sys.maxsize, "unknown"))


def _limits(root: Path, environment: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    for line in _lines(root / "proc/meminfo"):
        if line.startswith("MemTotal:"):
            yield int(line.split()[1]) * 1024, "the machine's memory"
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            yield from _group_limits(root / "sys/fs/cgroup", group, "memory.max")
        elif "memory" in controllers.split(","):
            yield from _group_limits(root / "sys/fs/cgroup/memory", group, "memory.limit_in_bytes")
    per_cpu, cpus = environment.get("SLURM_MEM_PER_CPU"), environment.get("SLURM_CPUS_ON_NODE", "1")
    for megabytes in (environment.get("SLURM_MEM_PER_NODE"), per_cpu and str(int(per_cpu) * int(cpus))):
        if megabytes and int(megabytes):
            yield int(megabytes) * 2**20, "the memory that the Slurm job asked for"


def _lines(path: Path) -> list[str]:
    """The lines of a file of the kernel; no kernel but Linux has it."""
    return path.read_text().splitlines() if path.is_file() else []


def _group_limits(mount: Path, group: str, name: str) -> Iterator[tuple[int, str]]:
    """The limits of a control group and of those that hold it; in a container its own group may be the root."""
    folder = mount / group.strip("/")
    for place in (folder, *folder.parents):
        file = place / name
        if file.is_file() and (limit := file.read_text().strip()) != "max":
            yield int(limit), f"the limit of the control group ({file})"
        if place == mount:
            return


def check_fits(needed: int, available: int, what: str, remedy: str) -> None:
    """Refuses weights that cannot be in memory.

    Raises:
        InputError: `needed` bytes are more than `available`.
    """
    if needed > available:
        raise InputError(f"the weights need {needed / 1e9:.1f} GB, but {what} is {available / 1e9:.1f} GB. {remedy}")
