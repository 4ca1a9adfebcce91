"""What Slurm says of its partitions, and whether a request fits one.

Only commands and fields are used that old and new versions have alike (22.05 was tried): `sinfo -o` with a separator of
our own and `scontrol -o show partition`, both with hidden partitions (-a). Limits are compared here and not left to
`sbatch --test-only` alone, because Slurm, unless EnforcePartLimits is set, accepts a job that asks for more time than
its partition admits, and never starts it.
"""

import dataclasses
import math
import re
from collections.abc import Mapping

SINFO = ["sinfo", "-a", "-h", "-e", "-o", "%R|%a|%l|%c|%m|%G|%t|%D|%P"]
"""Partition, up or down, time limit, CPUs and MB of a node, gres, state, nodes alike; the default has a star."""
OUT_OF_SERVICE = ("down", "drain", "drng", "fail", "maint", "unk", "inval", "futr")


@dataclasses.dataclass(frozen=True)
class Nodes:
    """Nodes of a partition that are alike."""

    cpus: int
    memory_mb: int
    gpus: Mapping[str, int]
    state: str
    count: int

    @property
    def serves(self) -> bool:
        """Whether they take jobs now or, asleep (~), once woken; a star means that they do not answer."""
        return not (self.state.endswith("*") or self.state.startswith(OUT_OF_SERVICE))


@dataclasses.dataclass(frozen=True)
class Partition:
    """A partition; `limits` are the fields of `scontrol show partition`."""

    name: str
    default: bool
    up: bool
    minutes: float
    nodes: tuple[Nodes, ...]
    limits: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Ask:
    """What one job asks for; everything is per node but `minutes` and `nodes`."""

    minutes: float = 0
    memory_mb: int = 0
    cpus: int = 1
    gpus: int = 0
    model: str = ""
    nodes: int = 1
    account: str = ""

    def __str__(self) -> str:
        """In words."""
        words = [f"{self.minutes:g} min", f"{self.memory_mb:,} MB", f"{self.cpus} CPUs"]
        words += [f"{self.gpus} GPUs{f' ({self.model})' if self.model else ''}"] if self.gpus else []
        return ", ".join(words) + (f" on each of {self.nodes} nodes" if self.nodes > 1 else "")


def parse_partitions(sinfo: str, scontrol: str = "") -> dict[str, Partition]:
    """Name → partition, from the outputs of `SINFO` and of `scontrol -o show partition`."""
    limits = parse_limits(scontrol)
    found: dict[str, Partition] = {}
    for line in sinfo.splitlines():
        fields = line.strip().split("|")
        if len(fields) < 9:
            continue
        name, available, minutes, cpus, memory, gres, state, count, starred = fields[:9]
        nodes = Nodes(_number(cpus), _number(memory), parse_gpus(gres), state, _number(count))
        known = found.get(name)
        found[name] = Partition(
            name=name,
            default=starred.endswith("*") or bool(known and known.default),
            up=available == "up",
            minutes=parse_minutes(minutes),
            nodes=(*(known.nodes if known else ()), *([nodes] if nodes.count else [])),
            limits=limits.get(name, {}),
        )
    return found


def parse_limits(scontrol: str) -> dict[str, dict[str, str]]:
    """Partition → its fields, from the one-line form of `scontrol show partition`."""
    lines = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in scontrol.splitlines()]
    return {fields["PartitionName"]: fields for fields in lines if "PartitionName" in fields}


def parse_gpus(gres: str) -> dict[str, int]:
    """GPU model → GPUs of a node, from a gres list such as `gpu:h200:4(S:0-1),gpu:a100:2,shard:8`; "" is no model."""
    found: dict[str, int] = {}
    for item in re.sub(r"\([^)]*\)", "", gres).split(","):
        match = re.fullmatch(r"gpu(?::([^:]*[^:\d][^:]*))?(?::(\d+))?", item.strip())
        if match:
            model = (match[1] or "").lower()
            found[model] = found.get(model, 0) + int(match[2] or 1)
    return found


def parse_minutes(text: str) -> float:
    """Slurm's times in minutes: [days-]hours:minutes:seconds, minutes:seconds, minutes; infinite."""
    text = text.strip()
    match = re.fullmatch(r"(?:(\d+)-)?([\d:]+)", text)
    if not match:
        return math.inf
    steps = [int(step) for step in match[2].split(":")]
    if match[1]:
        hours, minutes, seconds = (*steps, 0, 0)[:3]
        return int(match[1]) * 1440 + hours * 60 + minutes + seconds / 60
    if len(steps) == 3:
        return steps[0] * 60 + steps[1] + steps[2] / 60
    return steps[0] + (steps[1] / 60 if len(steps) == 2 else 0)


def parse_config(scontrol: str) -> dict[str, str]:
    """The settings that `scontrol show config` prints."""
    return {key: value.strip() for key, value in re.findall(r"(?m)^(\w+)\s+=\s*(.*)$", scontrol)}


def refusals(ask: Ask, partition: Partition) -> list[str]:
    """Why a partition will never run such a job, in words; empty when it will."""
    found = [] if partition.up else ["it is down"]
    if ask.minutes > partition.minutes:
        found.append(f"it admits {partition.minutes:g} minutes, and {ask.minutes:g} are asked for")
    most = _limit(partition, "MaxNodes")
    if ask.nodes > most:
        found.append(f"it admits {most:g} nodes a job, and {ask.nodes} are asked for")
    memory = _limit(partition, "MaxMemPerNode")
    if ask.memory_mb > memory:
        found.append(f"it admits {memory:,.0f} MB a node, and {ask.memory_mb:,} are asked for")
    cpus = _limit(partition, "MaxCPUsPerNode")
    if ask.cpus > cpus:
        found.append(f"it admits {cpus:g} CPUs a node, and {ask.cpus} are asked for")
    allowed = partition.limits.get("AllowAccounts", "ALL")
    if ask.account and allowed not in ("ALL", "") and ask.account not in allowed.split(","):
        found.append(f"it is for the accounts {allowed}, and {ask.account} is not among them")
    if ask.account and ask.account in partition.limits.get("DenyAccounts", "").split(","):
        found.append(f"it is not for the account {ask.account}")
    return found or _no_node(ask, partition)


def out_of_service(ask: Ask, partition: Partition) -> str:
    """The states of the nodes that would do, when none of them takes jobs now; else empty."""
    fitting = [nodes for nodes in partition.nodes if not lacks(ask, nodes)]
    return "" if any(nodes.serves for nodes in fitting) else ", ".join(sorted({nodes.state for nodes in fitting}))


def lacks(ask: Ask, nodes: Nodes) -> str:
    """What a node has too little of; empty when it would do."""
    gpus = nodes.gpus.get(ask.model.lower(), 0) if ask.model else sum(nodes.gpus.values())
    if ask.gpus > gpus:
        models = ", ".join(f"{count} {model or 'GPUs'}" for model, count in nodes.gpus.items()) or "no GPU"
        return f"{models} a node, and {ask.gpus} {ask.model or 'GPUs'} are asked for"
    if ask.memory_mb > nodes.memory_mb:
        return f"{nodes.memory_mb:,} MB a node, and {ask.memory_mb:,} are asked for"
    if ask.cpus > nodes.cpus:
        return f"{nodes.cpus} CPUs a node, and {ask.cpus} are asked for"
    return ""


def _no_node(ask: Ask, partition: Partition) -> list[str]:
    missing = {lacks(ask, nodes): nodes for nodes in partition.nodes}
    if not missing:
        return ["it has no nodes"]
    fitting = sum(nodes.count for nodes in partition.nodes if not lacks(ask, nodes))
    if fitting >= ask.nodes:
        return []
    if fitting:
        return [f"{fitting} of its nodes would do, and {ask.nodes} are asked for"]
    return [f"it has {reason}" for reason in missing]


def _limit(partition: Partition, name: str) -> float:
    value = partition.limits.get(name, "UNLIMITED")
    return float(value) if value.isdigit() and int(value) else math.inf


def _number(text: str) -> int:
    """The number at the beginning: sinfo writes 8+ for 8 and more."""
    match = re.match(r"\d+", text)
    return int(match[0]) if match else 0
