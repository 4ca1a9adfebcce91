"""What Snakemake would do: the jobs of a dry run, with the reasons it gives, from its own log events.

Snakemake reads the command line (profiles, --config, targets) itself, so the jobs are those that the same command
would run. A dry run takes no lock and gives none back. Its events (`JOB_INFO`) are the interface that logger plugins
use; a filter on its logger takes them before anything is printed, and lets warnings and errors pass. The warning of
costly work that would be refused (scripts/workflow/guard.py) is taken as well.
"""

import contextlib
import dataclasses
import io
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

UNLIMITED = 10**6

REASONS = {
    "Forced": "forced",
    "Missing output": "no output yet",
    "Incomplete output": "incomplete output",
    "Params": "changed parameters",
    "Set of input": "other set of inputs",
    "Code": "changed code",
    "Software": "changed environment",
    "Updated input": "updated input",
    "Input files updated": "input remade in this plan",
    "Rules with": "always runs",
}
"""How Snakemake's reasons begin → in two or three words; of several reasons of a job the first here counts."""


@dataclasses.dataclass(frozen=True)
class Job:
    """A job that would run.

    Args:
        rule: its rule.
        wildcards: their values.
        reason: why, one of `REASONS`.
        detail: why, in Snakemake's words.
        threads: cores of a node.
        gpus: GPUs of all its nodes.
        inputs: files that it waits for.
        outputs: files that it makes.
        benchmark: where its time will be written; empty for a rule without.
        nodes: machines.
    """

    rule: str
    wildcards: Mapping[str, str]
    reason: str
    detail: str
    threads: int
    gpus: int
    inputs: Sequence[str]
    outputs: Sequence[str]
    benchmark: str
    nodes: int = 1

    @property
    def cores(self) -> int:
        """Cores of all nodes."""
        return self.threads * self.nodes


@dataclasses.dataclass(frozen=True)
class Offer:
    """What may run at once; None where there is no limit."""

    jobs: int | None = None
    cores: int | None = None
    gpus: int | None = None


@dataclasses.dataclass(frozen=True)
class DryRun:
    """The jobs in the order of their execution, the targets, the machine offered, and the user's configuration.

    `refused` tells by rule how many of its jobs the start would refuse, and why.
    """

    jobs: Sequence[Job]
    targets: Sequence[str]
    offer: Offer
    settings: Mapping[str, Any]
    refused: Mapping[str, Mapping[str, Any]]


def dry_run(arguments: Sequence[str]) -> DryRun:
    """The jobs that Snakemake would run with these arguments; the target `plan` and the settings `plan=` aside.

    Raises:
        SystemExit: Snakemake refused; it has said why.
    """
    from snakemake import cli
    from snakemake.logging import logger
    from snakemake.settings.enums import Quietness
    from snakemake.settings.types import ConfigSettings
    from snakemake_interface_logger_plugins.common import LogEvent

    jobs: list[Job] = []
    refused: dict[str, Any] = {}

    def take(record: logging.LogRecord) -> bool:
        event = getattr(record, "event", None)
        if event == LogEvent.JOB_INFO:
            jobs.append(_job(record))
        if hasattr(record, "refused"):
            refused.update(record.refused)
            return False
        return record.levelno >= logging.WARNING or event == LogEvent.RUN_INFO  # the guard waits for it

    parser, args = _parse(arguments)
    settings = ConfigSettings(config=cli.parse_config(args.config), configfiles=args.configfile).overwrite_config
    local = args.executor in (None, "local")
    given = args.resources.get("gpu") if args.resources else None
    cores = (
        (args.cores or args.jobs or os.cpu_count()) if local else UNLIMITED
    )  # a dry run's one core would hide threads
    args.dryrun, args.cores, args.quiet = True, cores, {Quietness.PROGRESS}
    args.targets = [target for target in args.targets if target != "plan"]
    args.config = [entry for entry in args.config or () if not entry.startswith("plan=")]
    targets = sorted(args.targets) or ["all"]
    words, sys.argv = sys.argv, sys.argv[:1]  # the Snakefile looks there for `plan`
    logger.addFilter(take)
    try:
        if not cli.args_to_api(args, parser):
            sys.exit(1)
    finally:
        logger.removeFilter(take)
        sys.argv = words
    offer = Offer(
        jobs=None if local else args.jobs,
        cores=cores if local else None,
        gpus=None if given is None else int(given.value),
    )
    return DryRun(jobs, targets, offer, settings, refused)


def _parse(arguments: Sequence[str]) -> tuple[Any, Any]:
    """Snakemake's command line; what it says of profiles is left out, `snakemake plan` has said it before."""
    from snakemake import cli

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return cli.parse_args(list(arguments))
    except BaseException:
        sys.stderr.write(said.getvalue())
        raise


def group(reason: str) -> str:
    """The reason in two or three words.

    >>> group("Missing output files: a.json; Input files updated by another job: b.parquet")
    'no output yet'
    """
    sentences = reason.split("; ")
    for start, words in REASONS.items():
        if any(sentence.startswith(start) for sentence in sentences):
            return words
    return "another reason"


def _job(record: Any) -> Job:
    resources = dict(record.resources.items())
    return Job(
        rule=record.rule_name,
        wildcards=dict(record.wildcards or {}),
        reason=group(record.reason),
        detail=record.reason,
        threads=record.threads,
        gpus=int(resources.get("gpu", 0)),
        inputs=list(record.input),
        outputs=list(record.output),
        benchmark=record.benchmark or "",
        nodes=int(resources.get("nodes", 1)),
    )
