"""What the rule files share: the resolved configuration, the layout of the run, interpreters and flags."""

import json
import shlex
import sys
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(workflow.basedir).parent))

from scripts.common.errors import InputError
from scripts.workflow import layout
from scripts.workflow.config import resolve


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
    SOURCES = layout.read_sources(Path("resources/sources.tsv"), config)
except (InputError, OSError) as error:
    stop(error)

SPLITS = layout.splits(SOURCES)
CLUSTERED = [source for source in config["cluster"]["sources"] if source in SOURCES]


class Interpreters:
    """Tool → the Python that runs its programs: the site's own venv, else conda's, else the one running Snakemake."""

    def __getitem__(self, tool):
        deployed = {method.name.lower() for method in workflow.deployment_settings.deployment_method}
        own = "python" if "conda" in deployed else sys.executable
        return shlex.quote(config["interpreters"].get(tool) or own)


PYTHON = Interpreters()
LLM_PYTHON = PYTHON[config["llm"]["engine"]]
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
    name = "--" + key.replace("_", "-")
    if isinstance(value, bool):
        return name if value else name.replace("--", "--no-", 1)
    words = value if isinstance(value, list) else [json.dumps(value) if isinstance(value, dict) else value]
    return " ".join([name, *(shlex.quote(str(word)) for word in words)])


def gpus(section):
    """All GPUs of one job; a job on several nodes asks for `gpus` on each."""
    return config[section]["gpus"] * config[section].get("nodes", 1)


LLM_FLAGS = flags(
    "llm",
    "engine",
    "model",
    "revision",
    "dtype",
    "max_model_len",
    "max_in_flight",
    "tensor_parallel",
    "threads",
    "endpoint",
    "options",
)
