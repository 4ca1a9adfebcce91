"""The checks of a Slurm cluster: it answers, jobs can be asked about, partitions and accounts admit every rule."""

import dataclasses
import getpass
import re
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from scripts.preflight.asks import (
    choose_partition,
    partition_file,
    read_accounts,
    read_ask,
    read_choices,
    trial_command,
)
from scripts.preflight.findings import Finding, call, fails, ok, warning
from scripts.preflight.slurm import SINFO, Ask, Partition, out_of_service, parse_config, parse_partitions, refusals

TESTED = "22.05"
OLDEST = "20.11"
PROFILE = "profiles/slurm/config.yaml"
SHOWN = 4
KEYS = {
    "embed_documents": ("embed.gpus", "embed.gpu_model"),
    "train_model": ("train.gpus", "train.gpu_model", "train.nodes", "train.threads"),
    "evaluate_model": ("evaluate.gpus", "evaluate.gpu_model", "evaluate.threads"),
    "tokenize_split": ("tokenize.threads",),
    **dict.fromkeys(
        ("generate_slice", "generate_preview", "label_topics", "seeds_outline"),
        ("llm.gpus", "llm.gpu_model", "llm.threads"),
    ),
}
"""Rule → what of the configuration its jobs ask Slurm for."""
MOST = ("minutes", "memory_mb", "cpus", "gpus", "model", "nodes")


@dataclasses.dataclass(frozen=True)
class Placed:
    """A rule's request and the partition it would go to; `unfit` is the file of partitions when none of them does."""

    request: Mapping[str, Any]
    ask: Ask
    partition: str
    unfit: str = ""


@dataclasses.dataclass(frozen=True)
class Cluster:
    """What Slurm told."""

    partitions: Mapping[str, Partition]
    config: Mapping[str, str]
    version: str


def ask_cluster() -> Cluster | Finding:
    """What Slurm tells of itself, or why it tells nothing."""
    commands = (
        ["sinfo", "--version"],
        SINFO,
        ["scontrol", "-a", "-o", "show", "partition"],
        ["scontrol", "show", "config"],
    )
    with ThreadPoolExecutor() as pool:
        version, sinfo, partitions, config = pool.map(call, commands)
    for answer in (version, sinfo, partitions, config):
        if not answer.good:
            advice = (
                "Run this on a login node, where `sinfo` works; load Slurm's module or set SLURM_CONF; without Slurm "
                "take --profile local"
            )
            return fails("Slurm answers", answer.problem, advice)
    return Cluster(parse_partitions(sinfo.out, partitions.out), parse_config(config.out), version.out.split()[-1])


def check_answer(cluster: Cluster) -> list[Finding]:
    """Slurm is there, and of an age that was tried."""
    names = ", ".join(cluster.partitions) or "none"
    if not cluster.partitions:
        return [fails("Slurm answers", "it shows this user no partition", "Ask the site which account is needed")]
    found = ok("Slurm answers", f"version {cluster.version}, partitions {names}")
    if _number(cluster.version) < _number(OLDEST):
        old = f"version {cluster.version} is older than {OLDEST}; {TESTED} was tested"
        return [found, warning("Slurm version", old, "Try a small run first")]
    return [found]


def check_status_command(settings: Mapping[str, Any], cluster: Cluster) -> list[Finding]:
    """Whether the plugin will learn that a job has ended.

    It asks squeue or sacct (slurm-status-command). With squeue it turns to sacct by itself where Slurm forgets finished
    jobs (MinJobAge) within three times the seconds before its first look. A sacct without accounting answers nothing,
    and Snakemake waits for ever.
    """
    check, wanted = "status of jobs", settings.get("status_command") or "sacct"
    storage = cluster.config.get("AccountingStorageType", "")
    age = _number(cluster.config.get("MinJobAge", "300"))
    needed = 3 * int(settings.get("init_seconds_before_status_checks") or 40)
    sacct = shutil.which("sacct") is not None
    used = "sacct" if wanted == "squeue" and age < needed and sacct else wanted
    used = used if used == "squeue" or sacct else "squeue"
    if used == "squeue":
        answer = call(["squeue", "-h", "-o", "%i"])
        if not answer.good:
            return [fails(check, f"squeue: {answer.problem}", "Ask the site why squeue does not answer")]
        if age < needed:
            forgets = f"Slurm forgets finished jobs after {age:g} s (MinJobAge), which squeue then does not show"
            smaller = f"Set slurm-init-seconds-before-status-checks: {max(1, int(age // 3))} in {PROFILE}"
            return [warning(check, forgets, smaller)]
        return [ok(check, f"squeue answers, and finished jobs are shown for {age:g} s")]
    answer = call(["sacct", "-X", "-n", "-P", "-o", "JobIdRaw,State"])
    if answer.good:
        return [ok(check, f"sacct answers ({storage})")]
    why = " (squeue was asked for, but MinJobAge is too short for it)" if wanted == "squeue" else ""
    advice = f"Set slurm-status-command: squeue in {PROFILE}"
    if age < needed:
        advice += f", and slurm-init-seconds-before-status-checks: {max(1, int(age // 3))}"
    return [fails(check, f"sacct does not answer{why}: {answer.problem}; Snakemake would wait for ever", advice)]


def place(facts: Mapping[str, Any], cluster: Cluster) -> list[Placed]:
    """Where the jobs of every rule would go."""
    file, placed = partition_file(facts["settings"]), []
    choices = read_choices(file)
    for request in facts["rules"]:
        if not request["local"]:
            names, default = choose_partition(request, choices, cluster.partitions)
            ask = read_ask(request)
            placed.append(Placed(request, ask, _first(names, ask, cluster), file if default and choices else ""))
    return placed


def _first(names: str, ask: Ask, cluster: Cluster) -> str:
    """Of a list of partitions, from which Slurm takes any, the first that would do."""
    known = {name: cluster.partitions.get(name) for name in names.split(",")}
    good = [name for name, partition in known.items() if partition and not refusals(ask, partition)]
    return next(iter(good or known))


def check_partitions(settings: Mapping[str, Any], cluster: Cluster, placed: Sequence[Placed]) -> list[Finding]:
    """Whether every rule's partition exists and admits what the rule asks for."""
    findings, good = [], []
    reasons: dict[tuple[str, str], list[Placed]] = {}
    waiting: dict[tuple[str, str], list[Placed]] = {}
    for job in placed:
        partition = cluster.partitions.get(job.partition)
        if partition is None:
            known = ", ".join(cluster.partitions)
            missing = f"there is none of this name, only {known}" if job.partition else "none is given, and no default"
            reasons.setdefault((job.partition, missing), []).append(job)
        elif found := refusals(job.ask, partition):
            unfit = f"none of {job.unfit} fits, so it would go to Slurm's default; " if job.unfit else ""
            reasons.setdefault((job.partition, unfit + "; ".join(found)), []).append(job)
        elif states := out_of_service(job.ask, partition):
            waiting.setdefault((job.partition, states), []).append(job)
        else:
            good.append(job)
    for (name, states), jobs in waiting.items():
        words = f"all nodes that would do for {_rules(jobs)} are {states}"
        findings.append(warning(f"partition {name}", words, "These jobs would wait: ask the site for how long"))
    for (name, reason), jobs in reasons.items():
        findings.append(fails(f"partition {name or '(none)'}", f"{_rules(jobs)}: {reason}", _advice(reason, jobs)))
    findings += _second_opinion(settings, good)
    for name in dict.fromkeys(job.partition for job in good):
        jobs = [job for job in good if job.partition == name]
        most = Ask(*(max(getattr(job.ask, field) for job in jobs) for field in MOST))
        findings.append(ok(f"partition {name}", f"admits {_rules(jobs)}: up to {most}"))
    return findings


def _second_opinion(settings: Mapping[str, Any], good: list[Placed]) -> list[Finding]:
    """Takes those away from `good` that Slurm itself would refuse, and says why."""
    tests: dict[tuple[str, ...], list[Placed]] = {}
    for job in good:
        tests.setdefault(tuple(trial_command(job.request, job.ask, job.partition, settings)), []).append(job)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(call, tests))
    findings = []
    for (command, jobs), answer in zip(tests.items(), answers, strict=True):
        if answer.good:
            continue
        name = f"partition {jobs[0].partition}"
        if answer.code is None:
            findings.append(warning(name, f"{_rules(jobs)}: {answer.problem}", "Try again when Slurm is less busy"))
            continue
        good[:] = [job for job in good if job not in jobs]
        advice = f"Try it by hand: {' '.join(command)}"
        findings.append(fails(name, f"Slurm would refuse {_rules(jobs)} ({jobs[0].ask}): {answer.problem}", advice))
    return findings


def check_accounts(settings: Mapping[str, Any], placed: Sequence[Placed]) -> list[Finding]:
    """Whether the accounts are this user's, which the plugin asks before each submission."""
    check = "account"
    if settings.get("no_account"):
        return [ok(check, "none is used (slurm-no-account)")]
    user = getpass.getuser()
    wanted = sorted({account for job in placed for account in read_accounts(job.request)})
    if not wanted:
        if shutil.which("sacct") is None:
            advice = f"Give one (slurm_account), or {_no_account()}"
            return [fails(check, "none is given, and without sacct none can be guessed", advice)]
        return [ok(check, f"none is given: the plugin takes the one of {user}'s last job, if there was one")]
    answers = (
        call(["sacctmgr", "-n", "-s", "list", "user", user, "format=account%256"]),
        call(["sshare", "-U", "--format", "Account%256", "--noheader"]),
    )
    lines = [answer.out.split() for answer in answers if answer.good]
    known = {name.lower() for names in lines for name in names}
    if not any(answer.good for answer in answers):
        problem = f"{', '.join(wanted)}: neither sacctmgr nor sshare answers ({answers[0].problem})"
        return [fails(check, problem, f"Where there is no accounting, {_no_account()} and take slurm_account away")]
    if not known:
        found = f"{', '.join(wanted)} could not be checked: neither sacctmgr nor sshare knows an account of {user}"
        return [warning(check, found, "The plugin takes it as it is: ask the site whether jobs need one")]
    unknown = [name for name in wanted if name.lower() not in known]
    if unknown:
        found = f"{', '.join(unknown)} is no account of {user}, only {', '.join(sorted(known))}"
        return [fails(check, found, f"Correct slurm_account in {PROFILE}")]
    return [ok(check, f"{', '.join(wanted)} is an account of {user}")]


def _advice(reason: str, jobs: Sequence[Placed]) -> str:
    rule = jobs[0].request["rule"]
    if "minutes" in reason:
        key = "generate.runtime" if rule in ("generate_slice", "seeds_outline") else ""
        key = "train.runtime" if rule == "train_model" else key
        lower = f"Lower {key} (config)" if key else f"Ask for less, set-resources: [{rule}:runtime=…]"
        return f"{lower}, or send it to another partition, set-resources: [{rule}:slurm_partition=…] in {PROFILE}"
    if "asked for" in reason:
        keys = dict.fromkeys(key for job in jobs for key in KEYS.get(job.request["rule"], ()))
        what = f"{', '.join(keys)} (config), " if keys and " MB " not in reason else ""
        file = f", or the limits in {jobs[0].unfit}" if jobs[0].unfit else ""
        return f"Correct {what}the rule's resources (set-resources) or its partition in {PROFILE}{file}"
    return f"Correct slurm_partition, or the file of slurm-partition-config, in {PROFILE}"


def _no_account() -> str:
    return f"set slurm-no-account: true in {PROFILE}"


def _rules(jobs: Sequence[Placed]) -> str:
    names = [job.request["rule"] for job in jobs]
    more = f" and {len(names) - SHOWN} more rules" if len(names) > SHOWN + 1 else ""
    return ", ".join(names if not more else names[:SHOWN]) + more


def _number(text: str) -> float:
    """The first number in a version or a time: 22.05.8 → 22.05, `300 sec` → 300."""
    match = re.search(r"\d+(?:\.\d+)?", text)
    return float(match[0]) if match else 0.0
