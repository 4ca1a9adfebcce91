"""What a run will ask for, read from Snakemake's own objects: the rules with their resources, and how it was called.

The rules that would run are found from the target backwards over shapes of files: part-017 and part-018 of a source
have one shape, so a run of ten thousand jobs is a few hundred shapes and no job graph is built. The resources of a rule
are those that its jobs would ask for, with the profile's defaults and --set-resources in them.

This is the only module that uses Snakemake's insides (its version is checked by `snakemake preflight` itself).
"""

import difflib
import logging
import re
from collections.abc import Mapping
from typing import Any

from snakemake_interface_logger_plugins.common import LogEvent

SETTINGS = ("status_command", "partition_config", "no_account", "qos", "reservation")
UNKNOWN = "<TBD>"
START = "init_seconds_before_status_checks"
FAILED = ("RuleException", "WorkflowError:\nAt least one job", "Exiting because a job execution failed")
"""How Snakemake's errors begin when a job has ended with 1."""
RESOURCES = (
    "mem_mb",
    "mem_mb_per_cpu",
    "runtime",
    "gpu",
    "gpu_model",
    "gres",
    "nodes",
    "cpus_per_task",
    "cpus_per_gpu",
    "constraint",
    "qos",
    "slurm_partition",
    "slurm_account",
    "slurm_extra",
    "mpi",
    "tasks",
)


def settings(workflow: Any) -> dict[str, Any]:
    """How Snakemake was called: executor, its settings, deployment, cores."""
    plugin, own = workflow.executor_plugin, workflow.executor_settings
    return {
        "executor": plugin.name if plugin else "local",
        "settings": {name: getattr(own, name, None) for name in (*SETTINGS, START)},
        "deployment": sorted(method.name.lower() for method in workflow.deployment_settings.deployment_method),
        "cores": workflow.global_resources.get("_cores"),
    }


def go_alone(workflow: Any) -> None:
    """What Snakemake may leave out when this check is all that it was called for.

    No job goes to the cluster, so it need not wait for the first look at jobs before it ends; no job needs conda,
    without which it could not even say so; and the plugin need not read the file of partitions, whose mistakes the
    check tells beside everything else. Nor need it log its steps and that the check failed: the verdict stands last.
    """
    if set(workflow.dag_settings.targets) == {"preflight"}:
        if not workflow.dryrun:
            logging.getLogger("snakemake.logging").addFilter(_is_news)
        workflow.deployment_settings.deployment_method = frozenset()
        if getattr(workflow.executor_settings, START, None):
            setattr(workflow.executor_settings, START, 1)
        if getattr(workflow.executor_settings, "partition_config", None):
            workflow.executor_settings.partition_config = None


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a message tells more than that the check ended with 1."""
    failed = getattr(record, "event", None) == LogEvent.JOB_ERROR or record.getMessage().lstrip().startswith(FAILED)
    return record.levelno >= logging.WARNING and not failed


def asked(workflow: Any, target: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The rules that the target needs, each with its largest request; and what keeps them from being told."""
    rules = {rule.name: rule for rule in workflow.rules}
    if target not in rules:
        nearest = difflib.get_close_matches(target, rules, n=1)
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        return [], [f"there is no rule {target}, which PREFLIGHT_TARGET names{hint}"]
    found: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    shapes: set[str] = set()
    waiting: list[tuple[Any, Mapping[str, str]]] = [(rules[target], {})]
    while waiting:
        rule, named = waiting.pop()
        files = _inputs(rule, named, problems)
        if not rule.norun:
            request = _request(workflow, rule, named, files)
            found[rule.name] = _larger(found[rule.name], request) if rule.name in found else request
        for file in map(str, files):
            shape = re.sub(r"\d+", "#", file)
            if shape not in shapes:
                shapes.add(shape)
                maker = next((other for other in workflow.rules if other.is_producer(file)), None)
                if maker:
                    waiting.append((maker, maker.get_wildcards(file)))
    return sorted(found.values(), key=lambda request: request["rule"]), problems


def _inputs(rule: Any, named: Mapping[str, str], problems: list[str]) -> Any:
    from snakemake.iocontainers import InputFiles, Wildcards

    try:
        return rule.expand_input(Wildcards(fromdict=named))[0]
    except Exception as error:
        problems.append(f"{rule.name}: {error}")
        return InputFiles()


def _request(workflow: Any, rule: Any, named: Mapping[str, str], files: Any) -> dict[str, Any]:
    """What a job of the rule asks for; what depends on the size of inputs that are not there yet is left out."""
    from snakemake.iocontainers import Wildcards

    given = dict(rule.expand_resources(Wildcards(fromdict=named), files, 1).items())
    unknown = {name for name, value in given.items() if str(value) == UNKNOWN}
    return {
        "rule": rule.name,
        "local": workflow.is_local(rule),
        "threads": given["_cores"],
        "tools": sorted({tool.lower() for tool in re.findall(r"\$PYTHON_([A-Z]+)", str(rule.shellcmd or ""))}),
        **{name: given[name] for name in RESOURCES if name not in unknown and given.get(name) not in (None, "", 0)},
    }


def _larger(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Both requests in one: of each number the larger."""
    both = {**one, **other}
    numbers = {key: max(one[key], other[key]) for key in one.keys() & other.keys() if isinstance(one[key], int)}
    return {**both, **numbers}
