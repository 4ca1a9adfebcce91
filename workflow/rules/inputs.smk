"""Input and parameter functions of the rules, in the order of the stages."""

import dataclasses
import json

from scripts.seeds.sources import local_files

REGISTRY = "resources/sources.tsv"


def definition(wildcards):
    """The registry's row as a parameter, so that a change of one source reruns that source alone."""
    fields = dataclasses.asdict(SOURCES[wildcards.source].entry)
    return json.dumps({key: value for key, value in fields.items() if key != "note"})


def raw_files(wildcards):
    """Files of JSON Lines, or the manifest of the download; one that has grown leaves finished parts alone."""
    entry = SOURCES[wildcards.source].entry
    if entry.is_local:
        return local_files(entry)
    return ancient(f"{config['seeds']['downloads']}/{entry.source}/manifest.json")


def row_range(wildcards):
    """The rows of a part as flags; more documents add parts and change no other."""
    size, part = config["seeds"]["documents_per_part"], int(wildcards.part)
    return f"--start {part * size} --stop {min((part + 1) * size, SOURCES[wildcards.source].rows)}"


def max_documents(wildcards):
    """Rows of the source that this run reads at most."""
    return SOURCES[wildcards.source].rows


def topic_overrides(wildcards):
    """A person's corrections of the topics; the file is optional."""
    return [path for path in ["config/topics.tsv"] if Path(path).exists()]


def override_flag(wildcards, input):
    """The flag for them."""
    return flag("overrides", input.overrides[0]) if input.overrides else ""


def templates(wildcards):
    """The template files of one source, or of all sources of the run."""
    sources = [wildcards.source] if "source" in wildcards.keys() else SOURCES
    return sorted(str(path) for source in sources for path in Path("config/templates").glob(f"*/{source}/*.yaml"))


FIT_CODE = expand("scripts/cluster/{module}.py", module=["choose", "fit", "project", "vectors"])
FIT_FLAGS = f"{flags('cluster', 'method', 'umap', 'hdbscan', 'dbscan', 'largest_share')} {flag('seed', config['seed'])}"


def cluster_tables(wildcards):
    """The tables that tell the topic of a seed, for the clustered sources only."""
    if wildcards.source not in CLUSTERED:
        return {}
    return {
        "assignments": "<results>/clusters/assignments/{source}/part-{part}.parquet",
        "topics": "<results>/topics/topics.parquet",
    }


def cluster_flags(wildcards, input):
    """The flags for these tables."""
    return " ".join(flag(name, input[name]) for name in ("assignments", "topics") if name in input.keys())


def templates_per_seed(wildcards):
    """How many templates a seed of this source gets; 0 for all that fit."""
    return config["prompts"]["templates_per_seed"].get(wildcards.source, 0)


def dataset_split(wildcards):
    """The split of the dataset that the source belongs to."""
    return SOURCES[wildcards.source].split


def built_parts(wildcards):
    """What prompts_build made of all parts of the source."""
    return all_parts("<results>/prompts/built/{source}/part-{part}.parquet", [wildcards.source])


def part_slices(wildcards):
    """The markers of all slices of a part."""
    marker = "<results>/generations/slices/{source}/part-{part}/slice-{{slice}}.json"
    return expand(marker.format(**wildcards), slice=slices(wildcards.source))


def benchmark_location(wildcards):
    """Where benchmark rows are read from: the folder of the shipped sample, or the Hub."""
    return "resources/sample/benchmarks" if config["seeds"]["where"] == "sample" else "hub"


def benchmark_files(wildcards):
    """The shipped benchmark rows that are compared with; none when they come from the Hub."""
    names = config["decontaminate"]["benchmarks"] if config["seeds"]["where"] == "sample" else []
    return [f"{benchmark_location(wildcards)}/{name}.jsonl" for name in names]


def split_parts(pattern):
    """An input function: the pattern filled in for all parts of the sources of a split."""
    return lambda wildcards: all_parts(pattern, SPLITS[wildcards.split])


SHARED_CODE = expand(
    "scripts/report/{file}",
    file=["page.py", "style.py", "claims.py", "distribution.py", "scan.py", "flow.py"]
    + expand("templates/{file}", file=["base.html", "macros.html", "style.css", "table.js"]),
)
RUN_FLAGS = f"{flag('run', config['run'])} {flag('scale', config['scale'])} --claims resources/claims.tsv"


def report_page(name, category, title, shows):
    """A page of the report."""
    return report(
        f"<results>/report/{name}.html",
        caption=f"../report/{name}.rst",
        category=category,
        labels={"page": title, "shows": shows},
    )


def report_figure(name, page, title):
    """A figure of a page, also shown by itself."""
    return report(
        f"<results>/report/figures/{name}.svg",
        caption=f"../report/{page}.rst",
        category="6 Figures",
        labels={"figure": title},
    )


def report_code(name):
    """What a page is made with besides its program."""
    return [f"scripts/report/templates/{name}.html", *SHARED_CODE]
