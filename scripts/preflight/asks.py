"""What the executor plugin would ask Slurm for: the request of each rule, and the partition it would go to.

The plugin's own functions choose among the partitions of --slurm-partition-config, so what is checked is what is sent.
"""

import dataclasses
import difflib
import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from scripts.common.errors import InputError
from scripts.preflight.slurm import Ask, Partition, parse_gpus, parse_minutes


def read_ask(request: Mapping[str, Any]) -> Ask:
    """The request of a rule, as facts tell it, in what Slurm counts; GPUs of several nodes are spread evenly."""
    nodes = int(request.get("nodes", 1))
    gpus, model = int(request.get("gpu", 0)), str(request.get("gpu_model", ""))
    if not gpus and "gpu" in str(request.get("gres", "")):
        model, gpus = next(iter(parse_gpus(str(request["gres"])).items()), ("", 0))
    cpus = int(request.get("cpus_per_task", 0)) or int(request["threads"])
    if gpus and request.get("cpus_per_gpu"):
        cpus = int(request["cpus_per_gpu"]) * -(-gpus // nodes)
    runtime = request.get("runtime", 0)
    per_cpu = int(request.get("mem_mb_per_cpu", 0))
    return Ask(
        minutes=parse_minutes(runtime) if isinstance(runtime, str) else float(runtime),
        memory_mb=per_cpu * cpus or int(request.get("mem_mb", 0)),
        cpus=cpus,
        gpus=-(-gpus // nodes),
        model=model,
        nodes=nodes,
        account=next(iter(read_accounts(request)), ""),
    )


def read_accounts(request: Mapping[str, Any]) -> list[str]:
    """The accounts of a rule; the plugin tries one after the other."""
    return [name for name in re.split(r"[,\s]+", str(request.get("slurm_account", ""))) if name]


def partition_file(settings: Mapping[str, Any]) -> str:
    """The file of partitions that the plugin was given; empty when there is none."""
    return str(settings.get("partition_config") or os.environ.get("SNAKEMAKE_SLURM_PARTITIONS") or "")


def read_choices(path: str) -> list[Any]:
    """The plugin's partitions in this file; none without one.

    Raises:
        InputError: a limit is unknown or no number.
        Exception: of the plugin, when the file is not as it should be in another way.
    """
    if not path:
        return []
    from snakemake_executor_plugin_slurm.partitions import PartitionLimits, read_partition_file

    limits = {field.name: field.default for field in dataclasses.fields(PartitionLimits)}
    problems = [problem for name, given in _partitions(path).items() for problem in _wrong_limits(name, given, limits)]
    if problems:
        raise InputError("; ".join(problems))
    return read_partition_file(Path(path))


def _partitions(path: str) -> Mapping[str, Any]:
    """The partitions as they are written; none where the file is so wrong that the plugin says it better."""
    import yaml

    try:
        written = yaml.safe_load(Path(path).read_text(encoding="utf-8"))["partitions"]
    except (OSError, yaml.YAMLError, TypeError, KeyError):
        return {}
    return written if isinstance(written, Mapping) else {}


def _wrong_limits(partition: Any, given: Any, limits: Mapping[str, Any]) -> list[str]:
    """What the plugin would stumble over in the limits of a partition, in words."""
    if not isinstance(given, Mapping):
        return [f"partition {partition} has no limits: write {{}} for none"]
    problems = []
    for key, value in given.items():
        if key in ("slurm_cluster", "cluster", "clusters"):
            continue
        if key not in limits:
            nearest = difflib.get_close_matches(str(key), limits, n=1, cutoff=0.5)
            hint = f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(limits)}"
            problems.append(f"partition {partition} has the unknown limit {key}: {hint}")
        elif key.startswith("max_") and key != "max_runtime" and not isinstance(value, int | float):
            problems.append(f"{key} of partition {partition} is {value!r}, and a plain number is wanted")
    return problems


def choose_partition(
    request: Mapping[str, Any], choices: list[Any], partitions: Mapping[str, Partition]
) -> tuple[str, bool]:
    """The partition that a rule's jobs would be sent to, and whether it is but Slurm's default.

    It is empty when Slurm has no default either.
    """
    if request.get("slurm_partition"):
        return str(request["slurm_partition"]), False
    if choices:
        from snakemake_executor_plugin_slurm.partitions import get_best_partition

        silent = logging.Logger("silent", level=logging.CRITICAL)
        job = SimpleNamespace(name=request["rule"], threads=request["threads"], resources=_Resources(request))
        best = get_best_partition(choices, job, silent)
        if best:
            return str(best), False
    return next((name for name, partition in partitions.items() if partition.default), ""), True


def trial_command(request: Mapping[str, Any], ask: Ask, partition: str, settings: Mapping[str, Any]) -> list[str]:
    """`sbatch --test-only` with what the plugin would ask for; nothing is submitted."""
    gpus = ask.gpus * ask.nodes
    flags = {
        "--partition": partition,
        "--account": "" if settings.get("no_account") else ask.account,
        "--time": f"{ask.minutes:.0f}" if ask.minutes else "",
        "--mem": str(ask.memory_mb or ""),
        "--cpus-per-task": str(ask.cpus),
        "--gpus": f"{ask.model}:{gpus}".lstrip(":") if gpus else "",
        "--nodes": str(ask.nodes),
        "--constraint": str(request.get("constraint", "")),
        "--qos": str(settings.get("qos") or request.get("qos", "")),
        "--reservation": str(settings.get("reservation") or ""),
    }
    return ["sbatch", "--test-only", *(f"{flag}={value}" for flag, value in flags.items() if value), "--wrap=true"]


class _Resources(dict):
    """A request as the plugin reads resources: `get`, or a name."""

    def __getattr__(self, name: str) -> Any:
        return self.get(name)
