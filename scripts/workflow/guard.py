"""The guard of costly work: no GPU job runs again although the content of what it reads is unchanged.

What Snakemake does by itself: a job runs again when an input is newer than its outputs, unless the input has the
SHA-256 that Snakemake wrote down when the job finished. It does so for files up to 1 MB (`--max-checksum-file-size`)
only, because it reads every input of every job for it. Here is the rest:

* Checksums of files of any size are compared (`max-checksum-file-size` in profiles/default), which reads a file only
  when it is newer and its checksum was written down; Snakemake still writes down only those of small files.
* `remember`, at the end of a run and at the start of the next: the SHA-256 of the large inputs of costly jobs, and of
  large files that no job makes, is written where Snakemake keeps its own, so that Snakemake leaves such a job alone
  when a file was touched, checked out again, or remade with equal content. Each file is read once a run.
* `refused`, before the first job starts: costly jobs that have all their outputs and would run again only because of
  files that are newer without a sign of other content: touched or copied files, edited code of an earlier step (its
  results may well stay the same), results without Snakemake's metadata. They wait for a person's word. A changed
  parameter, another set of inputs, a missing output, changed content and a forced run are work that was asked for.
* `tell_dry_runs`: `snakemake -n` warns of what would be refused, and so `snakemake plan` knows it.

What a job of an earlier step really made anew, in this run or in one that was interrupted, has the modification time
that Snakemake wrote down for it; a file that was touched or copied has another. Programs of costly rules are `ancient`
inputs: editing them reruns nothing, `--forcerun RULE` does.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scripts.common.files import sha256_of
from scripts.workflow.config import nearest

UNASKED = "costly work would be done again although nothing tells that what it reads has changed"
"""How a refusal begins."""

SMALL = 1_000_000
"""Bytes of the largest file that Snakemake reads for a checksum whenever a job ends, its own default."""

CODE = ("scripts/", "workflow/")
STAMP = ".snakemake_timestamp"
SAME = 0.001
"""Seconds by which the modification time of a file may differ from the recorded one."""


class Refused(NamedTuple):
    """A costly job that shall not run again, with the cause."""

    job: Any
    cause: str


def remember(dag: Any, costly: Callable[[Any], bool]) -> int:
    """Writes down the checksums of large inputs; returns the number of jobs with new ones.

    Args:
        dag: Snakemake's.
        costly: whether a job is.
    """
    known: dict[str, str] = {}
    changed = 0
    for job in dag.jobs:
        files = _large(dag, job, costly(job))
        if files and _older(job):
            changed += _write(dag.workflow.persistence, job, files, known)
    return changed


def refused(dag: Any, costly: Callable[[Any], bool], allowed: Sequence[str]) -> list[Refused]:
    """The costly jobs about to run again without a reason that was asked for, in the order of the work."""
    makers = {str(file): job for job in dag.jobs for file in job.output}
    causes: dict[Any, str] = {}
    result = []
    for job in dag.needrun_jobs():
        if costly(job) and not {job.rule.name, "all"} & set(allowed):
            cause = _cause(dag, job, makers, causes)
            if cause:
                result.append(Refused(job, cause))
    if not result:
        return []
    names = list(dict.fromkeys(job.rule.name for level in dag.toposorted() for job in level))
    return sorted(result, key=lambda entry: (names.index(entry.job.rule.name), str(entry.job.output[0])))


def unknown(allowed: Sequence[str], rules: Iterable[Any]) -> str:
    """What is wrong with the names of `allow_costly`; empty when each is a rule that may be costly, or `all`.

    Args:
        allowed: the names.
        rules: all rules of the workflow, Snakemake's.
    """
    known = [*sorted(rule.name for rule in rules if "gpu" in rule.resources), "all"]
    wrong = [name for name in allowed if name not in known]
    return "; ".join(f"`allow_costly`: unknown rule `{name}`{nearest(name, known, 'rules')}" for name in wrong)


def tell_dry_runs(workflow: Any, costly: Callable[[Any], bool], allowed: Sequence[str]) -> None:
    """Makes dry runs of the workflow warn of what its start would refuse; a dry run does not call `onstart`."""
    from snakemake.logging import logger

    logger.addHandler(_DryRuns(workflow, costly, allowed))


class _DryRuns(logging.Handler):
    """Warns below the table of jobs, which Snakemake prints before the jobs and again after them.

    The warning carries what `by_rule` gives, as `refused`.
    """

    def __init__(self, workflow: Any, costly: Callable[[Any], bool], allowed: Sequence[str]):
        super().__init__()
        self.workflow, self.costly, self.allowed = workflow, costly, allowed
        self.told: tuple[str, dict[str, Any]] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        from snakemake.logging import logger
        from snakemake_interface_logger_plugins.common import LogEvent

        table = getattr(record, "event", None) == LogEvent.RUN_INFO
        if not table or not self.workflow.dryrun or self.workflow.execution_settings.no_hooks:
            return
        if self.told is None:  # at the second table all jobs count as finished
            found = refused(self.workflow.dag, self.costly, self.allowed)
            text = message(found, last_seconds(found), "Such a run is refused") if found else ""
            self.told = text, by_rule(found)
        text, rules = self.told
        if rules:
            logger.warning(f"warning: {text}", extra={"refused": rules})


def by_rule(found: Iterable[Refused]) -> dict[str, dict[str, Any]]:
    """Rule → how many of its `jobs` are refused, and the `cause` of the first of them."""
    return {rule: {"jobs": len(entries), "cause": entries[0].cause} for rule, entries in _grouped(found).items()}


def allowing(rules: Iterable[str]) -> str:
    """The words of the command line that allow it."""
    return f"--config 'allow_costly=[{', '.join(rules)}]'"


def message(found: Sequence[Refused], seconds: Mapping[str, float], verdict: str = "Nothing was run") -> str:
    """What a person reads instead of a run.

    Args:
        found: the refused jobs.
        seconds: what jobs took the last time, by the path of their benchmark.
        verdict: what follows from it.
    """
    rules = _grouped(found)
    lines = [f"{UNASKED}. {verdict}."]
    for rule, entries in rules.items():
        lines.append(f"  {rule}: {_count(entries)}{_cost(entries, seconds)}. {entries[0].cause}.")
    first = found[0].job
    makers = sorted({job.rule.name for job in first.dag.dependencies[first] if first.dag.needrun(job)})
    lines.append("What you can do:")
    if makers:
        lines.append(
            f"  --until {' '.join(makers)}    makes only what {first.rule.name} reads; then its content decides"
        )
    lines += [
        f"  --touch {first.output[0]} …    when results are as they should be (also after copying them)",
        f"  {allowing(rules)}    when the work shall be done again",
    ]
    return "\n".join(lines)


def last_seconds(found: Iterable[Refused]) -> dict[str, float]:
    """What the jobs took the last time, by the path of their benchmark; those without one are left out."""
    result = {}
    for entry in found:
        path = Path(str(entry.job.benchmark or ""))
        if path.is_file():
            head, row = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[:2])
            result[str(path)] = float(dict(zip(head, row, strict=False))["s"])
    return result


def _cause(dag: Any, job: Any, makers: Mapping[str, Any], causes: dict[Any, str]) -> str:
    """Why the job would run again without need; empty when there is need."""
    if job in causes:
        return causes[job]
    causes[job] = ""  # a job is never among its own causes
    reason = dag.reason(job)
    missing = [file for file in reason.missing_output if not file.flags.get("temp")]
    asked = (reason.forced, reason.noio, reason.nooutput, missing, reason.incomplete_output, reason.params_changed)
    if any(asked) or reason.input_changed or reason.software_stack_changed or reason.code_changed:
        return ""
    remade = reason.updated_input_run
    persistence = dag.workflow.persistence
    if (
        remade
        and persistence.has_metadata(job)
        and (persistence.params_changed(job) or any(persistence.input_changed(job)))
    ):
        return ""
    newer = (
        reason.updated_input - remade or {file for file in job.input if remade and _differs(dag, job, file)} - remade
    )
    found = [_doubt(dag, job, file, makers) for file in sorted(newer)]
    earlier = {makers[str(file)] for file in remade if str(file) in makers}
    found += [_cause(dag, other, makers, causes) for other in sorted(earlier, key=lambda other: str(other.output[0]))]
    causes[job] = found[0] if all(found) and found else ""
    return causes[job]


def _differs(dag: Any, job: Any, file: Any) -> bool:
    """Whether an input would make the job run by itself.

    Snakemake does not ask this, nor for parameters, of a job that reads what another job remakes.
    """
    path = Path(str(file))
    if file.is_ancient or not path.is_file():
        return False
    outputs = [Path(str(output)) for output in job.output]
    newer = all(output.exists() for output in outputs) and _mtime(path) > min(map(_mtime, outputs))
    written = dag.workflow.persistence.input_checksums(job, str(file)) - {None}
    if written and (newer or path.stat().st_size <= SMALL):
        return written != {checksum(path)}
    return newer


def _doubt(dag: Any, job: Any, file: Any, makers: Mapping[str, Any]) -> str:
    """Why the newer file may well have the content that the job has read; empty when it has another."""
    persistence, name = dag.workflow.persistence, str(file)
    if not persistence.has_metadata(job):
        return f"{name} is newer than {job.output[0]}, of which .snakemake knows nothing: the results were copied"
    if name.startswith(CODE):
        return f"{name} has been edited; whether {job.output[0]} would differ is seen when it is made"
    if written := persistence.input_checksums(job, name) - {None}:
        same = Path(name).stat().st_size > dag.max_checksum_file_size and written == {checksum(Path(name))}
        return f"{name} is newer than {job.output[0]}, but has the content that it had" if same else ""
    if name not in makers:
        return ""
    made = persistence.metadata(file)
    if made and made.endtime is not None and abs(made.endtime - _mtime(Path(name))) < SAME:
        return ""
    return f"{name} is newer than {job.output[0]}, but was touched or copied and not made again"


def _large(dag: Any, job: Any, is_costly: bool) -> list[str]:
    """Inputs that Snakemake writes no checksum down of, though it is wanted."""
    made = {str(file) for files in dag.dependencies[job].values() for file in files}
    names = [str(file) for file in job.input if not file.is_ancient and (is_costly or str(file) not in made)]
    return [name for name in names if Path(name).is_file() and Path(name).stat().st_size > SMALL]


def _older(job: Any) -> bool:
    """Whether the inputs are there and have not changed since the outputs were made from them."""
    inputs = [Path(str(file)) for file in job.input if not file.is_ancient]
    outputs = [Path(str(file)) for file in job.output]
    if not outputs or not all(path.exists() for path in [*inputs, *outputs]):
        return False
    return max(map(_mtime, inputs), default=0.0) <= min(map(_mtime, outputs))


def _write(persistence: Any, job: Any, files: Sequence[str], known: dict[str, str]) -> bool:
    """Adds checksums to Snakemake's records of the job's outputs; jobs without records stay without."""
    records = {persistence._get_key(file): persistence.metadata(file) for file in job.output}
    if not all(records.values()):
        return False
    missing = [name for name in files if any(name not in (record.input_checksums or {}) for record in records.values())]
    if not missing:
        return False
    for name in missing:
        known[name] = known.get(name) or checksum(Path(name))
    for key, record in records.items():
        record.input_checksums = dict(record.input_checksums or {}) | {name: known[name] for name in missing}
        persistence._write_record(key, record)
    return True


def checksum(path: Path) -> str:
    """SHA-256 in Snakemake's form."""
    return f"sha256:{sha256_of(path)}"


def _mtime(path: Path) -> float:
    """As Snakemake sees it: a folder that a job made has its time in a file."""
    stamp = path / STAMP
    return (stamp if stamp.exists() else path).stat().st_mtime


def _grouped(found: Iterable[Refused]) -> dict[str, list[Refused]]:
    rules: dict[str, list[Refused]] = {}
    for entry in found:
        rules.setdefault(entry.job.rule.name, []).append(entry)
    return rules


def _count(entries: Sequence[Refused]) -> str:
    return f"{len(entries):,} job{'s' * (len(entries) > 1)}"


def _cost(entries: Sequence[Refused], seconds: Mapping[str, float]) -> str:
    """What they took the last time, where that is known."""
    known = [entry for entry in entries if str(entry.job.benchmark) in seconds]
    if not known:
        return ""
    hours = sum(seconds[str(e.job.benchmark)] * (e.job.resources.get("gpu", 0) or 0) for e in known) / 3600
    unit, value = ("GPU-hours", hours) if hours else ("hours", sum(seconds[str(e.job.benchmark)] for e in known) / 3600)
    return f", which took {value:,.3g} {unit} the last time"
