"""The checks of a run on this machine alone: its GPUs and memory do for every rule."""

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.engines.machine import gpu_memory, memory_limit
from scripts.preflight.findings import Finding, fails, ok, warning


def check_gpus(rules: Sequence[Mapping[str, Any]], gpus: Sequence[int] | None) -> list[Finding]:
    """Whether the machine has the GPUs that the rules ask for.

    Args:
        rules: the requests.
        gpus: bytes of each GPU that is seen; None: it cannot be told.
    """
    asking = {request["rule"]: int(request["gpu"]) for request in rules if request.get("gpu")}
    if not asking:
        return [ok("GPUs", "no rule asks for one")]
    most = max(asking.values())
    names = ", ".join(sorted(asking))
    if gpus is None:
        advice = "Look at nvidia-smi; of other makers' GPUs nothing is known here"
        return [warning("GPUs", f"{names} ask for up to {most}, and what is there cannot be told", advice)]
    sizes = ", ".join(f"{size / 2**30:.0f} GiB" for size in gpus) or "none"
    if len(gpus) < most:
        short = ", ".join(sorted(rule for rule, count in asking.items() if count > len(gpus)))
        advice = "Set llm.gpus, embed.gpus, train.gpus, evaluate.gpus to 0 or to what is there, or take an endpoint"
        found = f"{short} ask for up to {most}; nvidia-smi and CUDA_VISIBLE_DEVICES show {sizes}"
        return [fails("GPUs", found, advice)]
    return [ok("GPUs", f"{sizes}; {names} ask for up to {most}")]


def check_memory(rules: Sequence[Mapping[str, Any]], limit: tuple[int, str]) -> list[Finding]:
    """Whether the largest rule fits into the memory."""
    size, what = limit
    largest = max(rules, key=lambda request: int(request.get("mem_mb", 0)), default=None)
    if largest is None or not largest.get("mem_mb"):
        return [ok("memory", f"{size / 1e9:.0f} GB ({what})")]
    found = f"{largest['rule']} asks for {largest['mem_mb']:,} MB, there are {size / 1e6:,.0f} ({what})"
    if int(largest["mem_mb"]) * 1e6 > size:
        return [warning("memory", found, "It may do with less: what is asked for is an upper bound")]
    return [ok("memory", found)]


def check_machine(rules: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """GPUs and memory."""
    return [*check_gpus(rules, gpu_memory()), *check_memory(rules, memory_limit())]
