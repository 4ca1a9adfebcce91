"""What all stages share: the resolved configuration, the layout of the run, interpreters and flags."""

import json
import os
import shlex
import sys
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(workflow.basedir).parent))

from scripts.common.errors import InputError
from scripts.engines import WAITING
from scripts.workflow import layout
from scripts.workflow.config import OWN_OVERRIDES, resolve


def stop(message):
    """Ends with one clear line before any job starts."""
    sys.exit(f"error: {message}")


try:
    config = resolve(
        base=yaml.safe_load(Path("config/config.yaml").read_text()),
        user=workflow.config_settings.overwrite_config,
        scales=Path("config/scales"),
        schema=yaml.safe_load(Path("workflow/schemas/config.schema.yaml").read_text()),
    )
    SOURCES = layout.read_sources(Path("resources/sources.tsv"), config, Path("config/sources.lock.tsv"))
except (InputError, OSError) as error:
    stop(error)

if workflow.is_main_process and (unlocked := layout.unlocked(SOURCES)):
    print(
        f"warning: no lock for {', '.join(unlocked)}: another download may give other data. "
        "`snakemake lock_sources` writes config/sources.lock.tsv.",
        file=sys.stderr,
    )

# Snakemake ends by taking away all locks of its folder, also that of a run at work beside it. What is asked for in
# between must therefore leave locks alone: `progress` always, since it is for that, the others when there is a lock.
BETWEEN = {"progress", "explain_document", "push_dataset", "preflight"} & set(sys.argv)
LOCKED = "progress" in BETWEEN or any(Path(".snakemake/locks").glob("*"))
if workflow.is_main_process and BETWEEN and LOCKED and "--nolock" not in sys.argv:
    stop(f"a run at work in this folder would lose its lock: call `snakemake {min(BETWEEN)} --nolock`")

SPLITS = layout.splits(SOURCES)
CLUSTERED = [source for source in config["cluster"]["sources"] if source in SOURCES]


def interpreter(tool):
    """The Python that runs a tool's programs: the site's own venv, else conda's, else the one running Snakemake."""
    deployed = {method.name.lower() for method in workflow.deployment_settings.deployment_method}
    own = "python" if "conda" in deployed else sys.executable
    return config["interpreters"].get(tool) or own


# Shell commands name interpreters by environment variables and not by parameters: where a site keeps its venvs is not
# part of a result's provenance, and moving one reruns nothing.
TOOLS = {name: name for name in ("base", "embed", "cluster", "datatrove", "train", "evaluate", "report")}
TOOLS["llm"] = config["llm"]["engine"]
os.environ.update({f"PYTHON_{name.upper()}": interpreter(tool) for name, tool in TOOLS.items()})

# Every job is offline; only downloads, which run where Snakemake runs, use the network, unless the user forbade it.
os.environ.setdefault("DOWNLOADS_OFFLINE", os.environ.get("HF_HUB_OFFLINE", "0"))
os.environ.update(HF_HUB_OFFLINE="1")

LLM_ENV = f"../../envs/{config['llm']['engine']}.yaml"


def parts(source):
    """The part numbers of a source as they stand in file names."""
    return [layout.number(part) for part in range(SOURCES[source].parts)]


def slices(source):
    """The slice numbers of each part of a source."""
    return [layout.number(piece) for piece in range(SOURCES[source].slices)]


def n_slices(wildcards):
    """How many generation jobs share a part of this source."""
    return SOURCES[wildcards.source].slices


def all_parts(pattern, sources=SOURCES):
    """The pattern with {source} and {part} filled in for every part of the sources."""
    return [pattern.format(source=source, part=part) for source in sources for part in parts(source)]


def flags(section, *keys):
    """Values of a config section (`cluster.umap`) as command line flags; without keys, all of them.

    Lists become several words, mappings JSON, booleans --x or --no-x.
    """
    values = config
    for step in section.split("."):
        values = values[step]
    return " ".join(flag(key, values[key]) for key in keys or values)


def flag(key, value):
    """One command line flag."""
    name = key.replace("_", "-")
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no-{name}"
    words = value if isinstance(value, list) else [json.dumps(value) if isinstance(value, dict) else value]
    return " ".join([f"--{name}", *(shlex.quote(str(word)) for word in words)])


def untracked(text):
    """A parameter that is handed over and reruns nothing when it changes: where work is done, how fast, how watched.

    Snakemake does not compare parameters that are made of a job's output, since they would change with it.
    """

    def of_job(wildcards, output):
        return text

    return of_job


def gpus(section):
    """All GPUs of one job; a job on several nodes asks for `gpus` on each."""
    return config[section]["gpus"] * config[section].get("nodes", 1)


def growing(amount):
    """A resource that grows with each attempt: a job that was killed for lack of it gets more the next time."""

    def of_attempt(wildcards, attempt):
        return amount * attempt

    return of_attempt


# What an answer of the language model depends on, and where and how fast it is given.
OPTIONS = config["llm"]["options"]
LLM_FLAGS = " ".join(
    [
        flags("llm", "engine", "model", "revision", "dtype", "max_model_len"),
        flag("options", {key: value for key, value in OPTIONS.items() if key not in WAITING}),
    ]
)
LLM_WHERE = untracked(
    " ".join(
        [
            flags("llm", "endpoint", "max_in_flight", "tensor_parallel", "gpus", "threads"),
            flag("options", {key: value for key, value in OPTIONS.items() if key in WAITING}),
        ]
    )
)
