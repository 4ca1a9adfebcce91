"""A tiny job in each partition of the run: does a compute node see the same files, and the Pythons of the stages?

The job reads a file that was written here and writes one beside it, in a folder of its own in the results folder (or
the nearest folder above that exists), which is removed at the end. It is watched for a limited time: a queue that is
full gives "could not be checked", and the job is cancelled.
"""

import atexit
import shlex
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from scripts.preflight.findings import Check, Finding, call, fails, ok, run_checks, warning

SCRIPT = """#!/bin/sh
# `ls` makes a network file system look again at the folder
ls {folder} > /dev/null
if [ "$(cat {folder}/question 2> /dev/null)" = {token} ]; then echo reads; else echo blind; fi > {folder}/{name}.part
for path in {paths}; do [ -e "$path" ] || echo "missing $path"; done >> {folder}/{name}.part
hostname >> {folder}/{name}.part
mv {folder}/{name}.part {folder}/{name}
"""
ENDED = 10.0
"""Seconds that the answer of a finished job may take to appear: network file systems remember a folder for a while."""
PAUSE = 0.5


def check_shared_files(
    folder: Path, partitions: Mapping[str, Sequence[str]], paths: Sequence[str], seconds: float
) -> list[Finding]:
    """Sends one job to each partition and reads what it wrote.

    Args:
        folder: an existing folder on the file system of the results.
        partitions: name → further flags for sbatch (account, qos).
        paths: what every node should see besides: interpreters, downloads, caches.
        seconds: how long to wait for the jobs.
    """
    check = "shared files"
    try:
        own = Path(tempfile.mkdtemp(prefix=".preflight-", dir=folder))
    except OSError as error:
        found = f"nothing can be written to {folder}: {error.strerror}"
        return [fails(check, found, "Make room, or correct its rights")]
    jobs: set[str] = set()
    atexit.register(_undo, own, jobs)  # for a person who gives up waiting: then this thread never comes to its end
    (own / "question").write_text(own.name)
    probes = [
        Check(check, partial(_probe, own, jobs, name, flags, paths, seconds), seconds + 2 * ENDED)
        for name, flags in partitions.items()
    ]
    findings = run_checks(probes)
    _undo(own, jobs)
    return findings


def _probe(
    own: Path, jobs: set[str], partition: str, flags: Sequence[str], paths: Sequence[str], seconds: float
) -> list[Finding]:
    check = f"shared files, partition {partition}"
    words = {"folder": shlex.quote(str(own)), "token": own.name, "name": shlex.quote(f"answer-{partition}")}
    script = SCRIPT.format(**words, paths=" ".join(map(shlex.quote, paths)))
    command = [
        "sbatch",
        "--parsable",
        "--job-name=preflight",
        f"--partition={partition}",
        *flags,
        "--time=2",
        "--ntasks=1",
        "--mem=100",
        f"--chdir={own}",
        f"--output={own}/output-{partition}",
    ]
    sent = call(command, 20, input=script)
    if not sent.good:
        return [warning(check, f"no tiny job could be sent: {sent.problem}", "Try it by hand with srun")]
    job = sent.out.strip().split(";")[0]
    jobs.add(job)
    answer, state = _wait(own / f"answer-{partition}", job, seconds)
    call(["scancel", job], 20)
    jobs.discard(job)
    if answer:
        return [read_answer(check, own.parent, answer)]
    return [judge_silence(check, job, state, own.parent, seconds, _printed(own / f"output-{partition}"))]


def judge_silence(check: str, job: str, state: str, folder: Path, seconds: float, printed: str = "") -> Finding:
    """What it means that a job which is in this state has not answered."""
    if state.startswith(("COMPLETED", "gone")):
        found = f"job {job} ended, and its file in {folder} is not seen here"
        return fails(check, found, "Put this folder, or `results`, on a file system that all nodes share")
    if state.startswith(("PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "unknown")):
        found = f"could not be checked within {seconds:.0f} s: job {job} was {state}, and is cancelled"
        advice = "Try again when the queue is shorter, or with PREFLIGHT_OPTIONS='--probe-seconds 600'"
        return warning(check, found, advice)
    found = f"job {job} ended as {state}, and wrote nothing to {folder}{printed}"
    return fails(check, found, "A compute node must see this folder under the same path, and this user may write there")


def _undo(own: Path, jobs: set[str]) -> None:
    """Cancels what still waits, and removes the folder."""
    if jobs:
        call(["scancel", *jobs], 20)
    shutil.rmtree(own, ignore_errors=True)


def read_answer(check: str, folder: Path, answer: str) -> Finding:
    """What the job's file says."""
    first, *rest = answer.splitlines()
    host = rest[-1] if rest else "?"
    missing = [line.removeprefix("missing ") for line in rest if line.startswith("missing ")]
    if first != "reads":
        return fails(check, f"node {host} writes to {folder} but does not see files written here", "Ask the site")
    if missing:
        found = f"node {host} does not see {', '.join(missing)}"
        advice = "Put it on a file system that all nodes share (interpreters, seeds.downloads, HF_HOME)"
        return fails(check, found, advice)
    return ok(check, f"node {host} reads and writes {folder}")


def _wait(path: Path, job: str, seconds: float) -> tuple[str, str]:
    """The answer, or nothing and the job's last state with Slurm's reason."""
    state, deadline, ended = "unknown", time.monotonic() + seconds, None
    while time.monotonic() < (ended or deadline):
        if path.name in {entry.name for entry in path.parent.iterdir()}:
            return path.read_text(), state
        time.sleep(PAUSE)
        seen = call(["squeue", "-h", "-t", "all", "-j", job, "-o", "%T (%r)"], 20)
        if seen.good:
            state = seen.out.strip() or "gone"
        elif "invalid job id" in seen.error.lower():
            state = "gone"
        if ended is None and not state.startswith(("PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "unknown")):
            ended = time.monotonic() + ENDED
    return "", state


def _printed(path: Path) -> str:
    try:
        return f" ({' '.join(path.read_text().split())[:300]})" if path.exists() else ""
    except OSError:
        return ""
