"""What finished jobs tell about those to come: the speed of generation, and how far the other rules' costs are off.

Generation: tokens a second and GPU, and tokens a text, from the status files that the jobs leave beside the ledgers;
they count the generating alone, without the start of the engine. Any other rule: the measured seconds of its finished
jobs (Snakemake's benchmark files) over those that resources/costs.tsv would give the same jobs. This factor holds for
jobs of up to ten times the work of the largest finished one; beyond that a start-up may pass for work, and the table
holds. Intervals come from the spread of the jobs (`ranges.measured`).
"""

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.plan.costs import Cost, Figure, estimate
from scripts.plan.jobs import Job
from scripts.plan.ranges import Range, measured
from scripts.plan.reality import benchmark_seconds
from scripts.plan.work import Work

REACH = 10
WRITERS = ("generate_slice", "generate_preview", "seeds_outline")


@dataclasses.dataclass(frozen=True)
class Factor:
    """Measured over expected seconds of a rule.

    Args:
        range: the factor with its interval.
        jobs: finished jobs it is from.
        units: the work of the largest of them.
    """

    range: Range
    jobs: int
    units: float


def statuses(results: Path) -> list[dict[str, Any]]:
    """The status of every generation job of a run."""
    from scripts.generate.tally import read_jobs

    return list(read_jobs(results))


def slices_left(jobs: Iterable[Mapping[str, Any]], n_slices: Mapping[str, int]) -> dict[tuple[str, str, str], float]:
    """(source, part, slice) → share of its texts that no job has made yet; slices that no job began are not there.

    Where a part was cut into another number of slices before, its jobs say nothing, and its slices count as not done.
    """
    left: dict[tuple[str, str, str], float] = {}
    for job in jobs:
        if isinstance(job["slice"], int) and job["total"] and job["n_slices"] == n_slices.get(job["source"]):
            key = (job["source"], job["part"], f"{job['slice']:03d}")
            left[key] = min(left.get(key, 1.0), 1 - job["done"] / job["total"])
    return left


def generation(jobs: Sequence[Mapping[str, Any]], llm: Mapping[str, Any], basis: str, folder: Path) -> list[Figure]:
    """Speed and length of texts as the jobs of this engine and model had them; none without such jobs."""
    own = [
        job
        for job in jobs
        if (job["engine"], job["model"]) == (llm["engine"], llm["model"]) and job["tokens"] and job["seconds"] > 0
    ]
    if not own:
        return []
    texts, tokens = sum(job["texts"] for job in own), sum(job["tokens"] for job in own)
    speeds = [job["tokens"] / job["seconds"] / max(1, job["gpus"]) for job in own]
    speed = tokens / sum(job["seconds"] * max(1, job["gpus"]) for job in own)
    length = measured(tokens / texts, [job["tokens"] / job["texts"] for job in own])
    source = f"{len(own)} jobs of {folder} with {tokens:,} tokens, by their status files"
    unit = f"tokens/{'GPU' if llm['gpus'] else 'job'}-second"
    figures = [Figure(rule, "time", measured(speed, speeds), unit, "", basis, source) for rule in WRITERS]
    return [Figure("*", "length", length, "tokens/text", "", basis, source), *figures]


def factors(
    results: Path, planned: Iterable[Job], figures: Sequence[Figure], config: Mapping[str, Any], work: Work
) -> dict[str, Factor]:
    """Rule → its factor, for the planned rules that have finished jobs; not for those whose speed is known itself."""
    known = {figure.rule for figure in figures if figure.basis in ("this run", "pilot")}
    samples = {job.rule: job for job in planned if job.benchmark and job.rule not in known}
    result = {}
    for rule, sample in samples.items():
        pairs, folder = [], results / "benchmarks" / rule
        for path in sorted(folder.rglob("*.tsv")):
            job = dataclasses.replace(sample, wildcards=wildcards(path.relative_to(folder), work.splits))
            pairs.append((benchmark_seconds(path), estimate(job, figures, config, work)))
        pairs = [(seconds, cost) for seconds, cost in pairs if seconds is not None and cost.seconds.value]
        if pairs:
            ratio = sum(seconds for seconds, _ in pairs) / sum(cost.seconds.value for _, cost in pairs)
            spread = measured(ratio, [seconds / cost.seconds.value for seconds, cost in pairs])
            result[rule] = Factor(spread, len(pairs), max(cost.units for _, cost in pairs))
    return result


def corrected(cost: Cost, factor: Factor | None) -> Cost:
    """The cost as finished jobs of the rule suggest it, where they are large enough to tell."""
    if factor is None or cost.units > REACH * factor.units:
        return cost
    source = f"{factor.jobs} finished job{'s' * (factor.jobs > 1)} of this run"
    seconds = factor.range.times(cost.seconds.value)
    return dataclasses.replace(cost, seconds=seconds, basis="this run", source=source)


def wildcards(path: Path, splits: Collection[str] = ()) -> dict[str, str]:
    """What a benchmark file's place tells of its job; nothing where the job is about the whole run.

    >>> wildcards(Path("web/part-003/slice-012.tsv"))
    {'source': 'web', 'part': '003', 'slice': '012'}
    >>> wildcards(Path("stories.tsv"), ["stories"]), wildcards(Path("fit.tsv"), ["stories"])
    ({'split': 'stories'}, {})
    """
    names = [*path.parts[:-1], path.stem]
    if len(names) == 1:
        return {"split": names[0]} if names[0] in splits else {}
    found = {"source": names[0]}
    return found | dict(name.split("-", 1) for name in names[1:] if "-" in name)
