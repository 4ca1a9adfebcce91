"""What a run would do before it does it: jobs by rule and why, GPU-hours, CPU-hours, wall time, disk and energy.

    snakemake plan                                             # the whole run; profiles and --config as for the run
    snakemake plan dataset --profile slurm --config fraction=0.1 'plan={gpus: 64}'
    python -m scripts.workflow.plan --json --gpu-hours 200 dataset --profile slurm

Nothing runs and no lock is taken, so it may be called beside a run at work. The jobs and their reasons are Snakemake's
(scripts/plan/jobs.py); which of them the start would refuse is the guard's word (guard.py). The costs come from
resources/costs.tsv (costs.py) until jobs of this run, or of the one that `plan.pilot` names, have finished and tell
better (evidence.py); every figure has its interval and its basis. The wall time is that of a greedy schedule
(schedule.py) on `plan.gpus` GPUs, or on what the profile lets run at once. CPU-hours are cores asked for × time, energy
is that of the GPUs. With `plan.gpu_hours`: which `fraction` of the texts they are enough for.
The plan is kept in results/<run>/plan.json, which the timing page of the report sets against what happened.
"""

import argparse
import dataclasses
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.common.errors import InputError
from scripts.common.files import read_json, write_text
from scripts.common.logging import run
from scripts.plan import evidence
from scripts.plan.costs import SPEED, Cost, Figure, estimate, find, read_costs
from scripts.plan.jobs import DryRun, Job, dry_run
from scripts.plan.ranges import Range, total
from scripts.plan.schedule import schedule
from scripts.plan.view import as_text
from scripts.plan.work import Work
from scripts.workflow import layout
from scripts.workflow.config import resolve

TEXTS = "generate_slice"
AFTER_TEXTS = {"train_": "training", "evaluate_": "evaluation"}
"""How rules begin that a budget for texts does not pay for, and what they are called."""


def make(planned: DryRun, config: Mapping[str, Any], sources: Mapping[str, layout.Source]) -> dict[str, Any]:
    """The plan as one document: totals, rules, and the jobs with their expected seconds."""
    results, options = Path("results") / config["run"], config["plan"]
    own = evidence.statuses(results) if results.is_dir() else []
    figures = _speeds(own, results, config) + read_costs()
    left = evidence.slices_left(own, {name: source.slices for name, source in sources.items()})
    work = Work(config, sources, find(figures, TEXTS, "length", config).range, results, left)
    factors = evidence.factors(results, planned.jobs, figures, config, work)
    costs = [evidence.corrected(estimate(job, figures, config, work), factors.get(job.rule)) for job in planned.jobs]
    offer = dataclasses.replace(planned.offer, gpus=options["gpus"] or planned.offer.gpus)
    schedules = [schedule(planned.jobs, [cost.seconds[end] for cost in costs], offer) for end in range(3)]
    power = find(figures, "*", "watts", config)
    watts = Range(*[options["watts"]] * 3) if options["watts"] else power.range
    gpu_hours = _hours(planned.jobs, costs, lambda job: job.gpus)
    rules = _rules(planned.jobs, costs)
    plan = {
        "run": config["run"],
        "targets": list(planned.targets),
        "fraction": config["fraction"],
        "texts": work.texts(),
        "offer": dataclasses.asdict(offer),
        "widest": max((job.gpus for job in planned.jobs), default=0),
        "gpus_at_once": schedules[0].gpus,
        "totals": {
            "jobs": len(planned.jobs),
            "gpu_hours": gpu_hours,
            "cpu_hours": _hours(planned.jobs, costs, lambda job: job.cores),
            "wall_hours": Range(*(each.seconds for each in schedules)).times(1 / 3600),
            "bytes": total(cost.bytes for cost in costs),
            "kwh": gpu_hours.by(watts).times(1 / 1000),
        },
        "power": {"watts": watts, "source": "plan.watts" if options["watts"] else f"{power.basis}: {power.source}"},
        "reasons": dict(Counter(job.reason for job in planned.jobs).most_common()),
        "refused": planned.refused,
        "rules": rules,
        "jobs": {
            Path(job.benchmark).relative_to(results).as_posix(): {
                "rule": job.rule,
                "gpus": job.gpus,
                "threads": job.threads,
                "seconds": [round(number, 3) for number in cost.seconds],
            }
            for job, cost in zip(planned.jobs, costs, strict=True)
            if job.benchmark
        },
    }
    if options["gpu_hours"]:
        plan["budget"] = budget(planned.jobs, rules, figures, config, work)
    return plan


def budget(
    jobs: Sequence[Job],
    rules: Sequence[Mapping[str, Any]],
    figures: Sequence[Figure],
    config: Mapping[str, Any],
    work: Work,
) -> dict[str, Any]:
    """The fraction, and its texts, that `plan.gpu_hours` are enough for once the jobs before the texts are paid."""
    hours = config["plan"]["gpu_hours"]
    before = [rule for rule in rules if not rule["rule"].startswith((TEXTS, *AFTER_TEXTS))]
    after = [rule for rule in rules if rule["rule"].startswith(tuple(AFTER_TEXTS)) and rule["gpu_hours"][0]]
    fixed, later = (total(Range(*rule["gpu_hours"]) for rule in group) for group in (before, after))
    left = sum(work.texts_left(job.wildcards) for job in jobs if job.rule == TEXTS)
    every = work.texts() / config["fraction"]
    fraction = affordable(hours, gpu_seconds_a_text(figures, config), every, work.texts() - left, fixed)
    return {
        "gpu_hours": hours,
        "fixed_gpu_hours": fixed,
        "fraction": fraction,
        "texts": fraction.times(every),
        "all_texts": every,
        "after": [name for begin, name in AFTER_TEXTS.items() if any(rule["rule"].startswith(begin) for rule in after)],
        "after_gpu_hours": later,
    }


def gpu_seconds_a_text(figures: Sequence[Figure], config: Mapping[str, Any]) -> Range:
    """GPU-seconds of a text, with its share of the start of its job.

    Raises:
        InputError: this run generates without GPUs.
    """
    time, start, length = (find(figures, TEXTS, what, config) for what in ("time", "start", "length"))
    gpus = config["llm"]["gpus"]
    if not gpus:
        raise InputError(
            "`plan.gpu_hours`: this run generates without GPUs (llm.gpus is 0), so no fraction follows from it."
        )
    counted = SPEED.fullmatch(time.unit)[2]
    work = time.range.inverse().by(length.range).times(1 if counted == "GPU" else gpus)
    return total([work, start.range.times(gpus / config["generate"]["prompts_per_slice"])])


def affordable(hours: float, a_text: Range, texts: float, done: float, fixed: Range) -> Range:
    """The fraction of all texts that so many GPU-hours are enough for.

    Args:
        hours: the budget.
        a_text: GPU-seconds of a text.
        texts: texts of a run with fraction 1.
        done: texts that are there already; every fraction begins with the same ones.
        fixed: GPU-hours of other jobs, whatever the fraction.

    >>> affordable(10, Range(3.6, 1.8, 7.2), 10000, 0, Range(2, 2, 2))
    Range(value=0.8, low=0.4, high=1.0)
    """

    def share(cost: float, other: float) -> float:
        return min(1.0, (done + max(0.0, hours - other) * 3600 / cost) / texts)

    pairs = ((a_text.value, fixed.value), (a_text.high, fixed.high), (a_text.low, fixed.low))
    return Range(*(share(cost, other) for cost, other in pairs))


def _speeds(own: Sequence[Mapping[str, Any]], results: Path, config: Mapping[str, Any]) -> list[Figure]:
    """What the texts took that are there: those of this run, or of the pilot."""
    found = evidence.generation(own, config["llm"], "this run", results)
    pilot = Path(config["plan"]["pilot"])
    if found or not config["plan"]["pilot"]:
        return found
    if not (pilot / "generations/ledger").is_dir():
        raise InputError(
            f"`plan.pilot`: {pilot} has no generations/ledger; the folder of a run is wanted, like results/tiny."
        )
    return evidence.generation(evidence.statuses(pilot), config["llm"], "pilot", pilot)


def _hours(jobs: Sequence[Job], costs: Sequence[Cost], of: Any) -> Range:
    return total(cost.seconds.times(of(job) / 3600) for job, cost in zip(jobs, costs, strict=True))


def _rules(jobs: Sequence[Job], costs: Sequence[Cost]) -> list[dict[str, Any]]:
    """One entry a rule, in the order of the dry run."""
    by_rule: dict[str, list[tuple[Job, Cost]]] = {}
    for job, cost in zip(jobs, costs, strict=True):
        by_rule.setdefault(job.rule, []).append((job, cost))
    result = []
    for rule, pairs in by_rule.items():
        own, spent = zip(*pairs, strict=True)
        first = {job.reason: job.detail for job in reversed(own)}
        result.append(
            {
                "rule": rule,
                "jobs": len(own),
                "reasons": dict(Counter(job.reason for job in own).most_common()),
                "examples": {reason: detail[:300] for reason, detail in sorted(first.items())},
                "hours": _hours(own, spent, lambda job: 1),
                "gpu_hours": _hours(own, spent, lambda job: job.gpus),
                "cpu_hours": _hours(own, spent, lambda job: job.cores),
                "bytes": total(cost.bytes for cost in spent),
                "basis": spent[0].basis,
                "source": spent[0].source,
            }
        )
    return result


def keep(plan: Mapping[str, Any], results: Path) -> None:
    """Writes plan.json; of an earlier plan the jobs that have finished since stay in it, for the comparison."""
    path = results / "plan.json"
    earlier = read_json(path)["jobs"] if path.exists() else {}
    finished = {name: job for name, job in earlier.items() if (results / name).exists()}
    write_text(path, json.dumps(dict(plan) | {"jobs": finished | plan["jobs"]}, indent=1, sort_keys=True) + "\n")


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the plan and keeps it. Everything but these flags goes to Snakemake."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="print the plan as JSON")
    parser.add_argument("--gpus", type=int, help="GPUs for the wall time, as plan.gpus")
    parser.add_argument("--gpu-hours", type=float, help="which fraction would they be enough for? As plan.gpu_hours")
    args, arguments = parser.parse_known_args(argv)
    import yaml

    planned = dry_run(arguments)
    config = resolve(
        base=yaml.safe_load(Path("config/config.yaml").read_text(encoding="utf-8")),
        user=planned.settings,
        scales=Path("config/scales"),
        schema=yaml.safe_load(Path("workflow/schemas/config.schema.yaml").read_text(encoding="utf-8")),
    )
    given = {"gpus": args.gpus, "gpu_hours": args.gpu_hours}
    config["plan"] |= {key: value for key, value in given.items() if value is not None}
    sources = layout.read_sources(Path("resources/sources.tsv"), config, Path("config/sources.lock.tsv"))
    plan = make(planned, config, sources)
    if plan["jobs"]:
        keep(plan, Path("results") / config["run"])
    print(json.dumps(plan, indent=1, sort_keys=True) if args.json else as_text(plan))


if __name__ == "__main__":
    run(main)
