"""The facts: all that the checks need to know of a run, as one JSON document.

They reach the program in the environment variable PREFLIGHT and not in its command line, because Snakemake prints the
command of a job that failed. Nothing is gathered unless the job is to run.
"""

import functools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.preflight.rules import asked, go_alone, settings
from scripts.preflight.training import checkpoints


def handed_over(
    workflow: Any,
    config: Mapping[str, Any],
    sources: Mapping[str, Any],
    models: Sequence[str],
    benchmarks: Sequence[str],
    tools: Mapping[str, str],
) -> Callable[[Any], str]:
    """A parameter function that gathers the facts when the job is made: only then is Snakemake's executor known.

    Args:
        workflow: Snakemake's.
        config: the resolved configuration.
        sources: the sources of the run (`layout.Source`).
        models: Hub models, each as name@revision.
        benchmarks: names of benchmarks.
        tools: name in $PYTHON_<NAME> → tool.
    """

    @functools.cache
    def gather() -> str:
        target = os.environ.get("PREFLIGHT_TARGET") or "all"
        rules, problems = asked(workflow, target)
        facts = {
            "target": target,
            "rules": rules,
            "problems": problems,
            **settings(workflow),
            "results": f"results/{config['run']}",
            "downloads": config["seeds"]["downloads"],
            "offline": os.environ.get("DOWNLOADS_OFFLINE", "0"),
            "models": models,
            "benchmarks": benchmark_facts(benchmarks),
            "sources": source_facts(sources),
            "tools": tools,
            "interpreters": {name: os.environ[f"PYTHON_{name.upper()}"] for name in tools},
            "config": config_facts(config, sources),
        }
        os.environ["PREFLIGHT"] = json.dumps(facts, default=str, separators=(",", ":"))
        go_alone(workflow)
        return target

    return lambda wildcards: gather()


def config_facts(config: Mapping[str, Any], sources: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the configuration that a check needs."""
    train = config["train"]
    experiment = Path("config/experiments") / f"{train['experiment']}.yaml"
    return {
        "llm": {key: config["llm"][key] for key in ("engine", "model", "endpoint")},
        "fraction": config["fraction"],
        "clustered": config["cluster"]["sources"],
        "rounds": config["deduplicate"]["rounds"],
        "rows_per_segment": config["generate"]["rows_per_segment"],
        "run_code": config["clean"]["run_code"],
        "train": {key: train[key] for key in ("experiment", "trainer", "extra_data", "missing_data")},
        "splits": sorted({source.split for source in sources.values()}),
        "experiment": str(experiment),
        "checkpoints": checkpoints(experiment),
    }


def source_facts(sources: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the checks need to know of each source."""
    from scripts.seeds.files import find_files

    return [
        {
            "source": source.name,
            "where": source.entry.where,
            "location": source.entry.location,
            "dataset": source.entry.dataset,
            "terms": source.entry.terms,
            "there": bool(find_files(source.entry.location)) if source.entry.is_local else False,
            "rows": source.rows,
            "parts": source.parts,
            "slices": source.slices,
            "prompts": sum(source.cells.values()),
            "leave_out": source.entry.how_to_leave_out,
        }
        for source in sources.values()
    ]


def benchmark_facts(names: Sequence[str]) -> dict[str, str]:
    """Benchmark → its dataset on the Hub."""
    from scripts.benchmarks.rows import BENCHMARKS

    return {name: BENCHMARKS[name].hub for name in names}
