"""What would fail in a run, before its first job: `snakemake preflight`, with the profile and settings of the run.

Prints a line for each check (ok, warning, fails) with what was found and what to do, and ends with 1 when something
would fail. Nothing is changed on disk but a temporary folder in which compute nodes answer, and which is removed.

    snakemake --profile slurm preflight
    PREFLIGHT_TARGET=dataset snakemake --profile slurm preflight      # only what the dataset needs
    PREFLIGHT_OPTIONS="--json" snakemake preflight 2> /dev/null       # --probe-seconds 600, --import
"""

import argparse
import dataclasses
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.common.logging import run
from scripts.preflight import cluster, data, disk, endpoint, local, probe, software, training
from scripts.preflight.asks import partition_file
from scripts.preflight.findings import (
    FAILS,
    OK,
    WARNING,
    Check,
    Finding,
    fails,
    nearest_folder,
    ok,
    run_checks,
    warning,
)
from scripts.preflight.hub import Hub

MARKS = {OK: "ok      ", WARNING: "warning ", FAILS: "FAILS   "}
INDENT = " " * len(MARKS[OK])


def checks(facts: Mapping[str, Any], probe_seconds: float, deep: bool) -> list[Check]:
    """The checks that apply to a run, each with its time."""
    rules, config = facts["rules"], facts["config"]
    names = {request["rule"] for request in rules}
    patience = software.IMPORT_SECONDS + 10 if deep else 40
    found = [
        Check("versions", lambda: software.check_versions(facts["executor"])),
        Check("interpreters", lambda: software.check_interpreters(facts, deep), patience),
        Check("conda", lambda: software.check_conda(facts)),
        Check("disk", lambda: disk.check_disk(facts)),
        Check("models and data", lambda: data.check_data(facts), 60),
        Check("training", lambda: training.check_training(facts)),
        Check("sandbox", lambda: training.check_sandbox(config["run_code"] and "clean_filter" in names)),
        Check("rules", lambda: check_rules(facts)),
    ]
    if config["llm"]["engine"] == "openai" and any("llm" in request["tools"] for request in rules):
        found.append(Check("endpoint", lambda: endpoint.check_endpoint(config["llm"], facts["executor"])))
    if facts["executor"] == "slurm":
        found.append(Check("Slurm", lambda: check_slurm(facts, probe_seconds), probe_seconds + 60))
    elif facts["executor"] == "local":
        found.append(Check("machine", lambda: local.check_machine(rules), 70))
    else:
        only = f"the executor {facts['executor']} is not known here, so its queues are not checked"
        found.append(Check("executor", lambda: [warning("executor", only, "Look at its own documentation")]))
    return found


def check_rules(facts: Mapping[str, Any]) -> list[Finding]:
    """Whether the inputs of every rule can be told."""
    advice = "Correct it: Snakemake would stop there too"
    found = [fails("rules", problem, advice) for problem in facts["problems"]]
    return found or [ok("rules", f"{len(facts['rules'])} rules lead to `{facts['target']}`")]


def check_slurm(facts: Mapping[str, Any], probe_seconds: float) -> list[Finding]:
    """Slurm answers; then everything else about it."""
    settings = facts["settings"]
    told = cluster.ask_cluster()
    if isinstance(told, Finding):
        return [told]
    findings = [*cluster.check_answer(told), *cluster.check_status_command(settings, told)]
    try:
        placed = cluster.place(facts, told)
    except Exception as error:
        file = partition_file(settings)
        found = f"the file of slurm-partition-config cannot be used: {error}"
        return [*findings, fails("partitions", found, f"Correct {file}; the Slurm plugin stops there too")]
    findings += cluster.check_partitions(settings, told, placed)
    findings += cluster.check_accounts(settings, placed)
    used = {job.partition: probe_flags(settings, job) for job in placed if job.partition in told.partitions}
    seen = [*dict.fromkeys(path for path in facts["interpreters"].values() if "/" in path), str(Hub.of().cache)]
    seen += [str(Path(facts["downloads"]).absolute())]
    paths = [path for path in seen if Path(path).exists()]
    return findings + probe.check_shared_files(nearest_folder(Path(facts["results"])), used, paths, probe_seconds)


def probe_flags(settings: Mapping[str, Any], job: cluster.Placed) -> list[str]:
    """Account, quality of service and reservation of the tiny job."""
    flags = {
        "--account": "" if settings.get("no_account") else job.ask.account,
        "--qos": settings.get("qos") or job.request.get("qos"),
        "--reservation": settings.get("reservation"),
    }
    return [f"{flag}={value}" for flag, value in flags.items() if value]


def in_words(findings: Sequence[Finding], target: str) -> str:
    """The findings as lines, what fails at the end, where it is seen; and the sum."""
    order = {OK: 0, WARNING: 1, FAILS: 2}
    lines = []
    for finding in sorted(findings, key=lambda finding: order[finding.level]):
        lines.append(f"{MARKS[finding.level]}{finding.check}: {finding.found}")
        if finding.advice:
            lines.append(f"{INDENT}→ {finding.advice}")
    count = Counter(finding.level for finding in findings)
    plural = "" if count[WARNING] == 1 else "s"
    sums = f"{count[OK]} ok, {count[WARNING]} warning{plural}, {count[FAILS]} would fail"
    verdict = f"`{target}` would fail." if count[FAILS] else f"Nothing here keeps `{target}` from running."
    return "\n".join([*lines, "", f"{sums}. {verdict}"])


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the checks and prints what they found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--facts", type=json.loads, required=True, help="JSON, from scripts/preflight/rules.py")
    parser.add_argument("--probe-seconds", type=float, default=60, help="how long to wait for jobs on compute nodes")
    parser.add_argument("--import", dest="deep", action="store_true", help="import the libraries, which takes minutes")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    findings = run_checks(checks(args.facts, args.probe_seconds, args.deep))
    if args.json:
        rules = [request["rule"] for request in args.facts["rules"]]
        found = [dataclasses.asdict(finding) for finding in findings]
        whole = {"target": args.facts["target"], "rules": rules, "findings": found}
        print(json.dumps(whole, indent=2, ensure_ascii=False))
    else:
        print(in_words(findings, args.facts["target"]))
    sys.exit(any(finding.level == FAILS for finding in findings))


if __name__ == "__main__":
    run(main)
