"""Input and parameter functions of the rules, in the order of the stages."""

import dataclasses
import itertools
import json

from scripts.benchmarks.rows import BENCHMARKS as ALL_BENCHMARKS
from scripts.benchmarks.rows import benchmark_of
from scripts.deduplicate.minhash import by_rank
from scripts.engines import ENGINES
from scripts.seeds.files import find_files

REGISTRY = "resources/sources.tsv"
LOCK = "config/sources.lock.tsv"
EVALUATED = config["evaluate"]["benchmarks"]
BENCHMARKS = sorted({*config["decontaminate"]["benchmarks"], *filter(None, map(benchmark_of, EVALUATED))})

if workflow.is_main_process and (unprotected := [task for task in EVALUATED if not benchmark_of(task)]):
    print(f"warning: decontamination knows no rows of {', '.join(unprotected)} (evaluate.benchmarks)", file=sys.stderr)

MODEL_KEYS = {"embed": "model", "llm": "model", "tokenize": "tokenizer"}
DOWNLOAD_CODE = expand("scripts/seeds/{name}.py", name=["fetch", "hub", "patience", "locks", "sources"])


def definition(wildcards):
    """The registry's row, with its lock, as a parameter, so that a change of one source reruns that source alone."""
    fields = dataclasses.asdict(SOURCES[wildcards.source].entry)
    return json.dumps({key: value for key, value in fields.items() if key not in ("note", "terms")})


def downloads_needed(wildcards):
    """Everything that this run fetches from the Hub or the web."""
    names = [name for name, source in SOURCES.items() if not source.entry.is_local]
    sources = expand("<downloads>/{source}/manifest.json", source=names)
    return [*sources, *protected_files(wildcards), *model_files("embed", "llm", "tokenize")]


def hub_models(*sections):
    """The models of these sections that come from the Hub, each as name@revision: no folders, packages, endpoints."""
    named = {
        section: (config[section][MODEL_KEYS[section]], config[section].get("revision", "main")) for section in sections
    }
    if not ENGINES[config["llm"]["engine"]]:
        named.pop("llm", None)
    return [
        f"{name}@{revision}"
        for name, revision in named.values()
        if not name.startswith("package:") and not Path(Path(name).parts[0]).is_dir()
    ]


def model_files(*sections):
    """What a job that uses the models of these sections waits for; none when they are on this machine anyway."""
    return [ancient("<results>/models.json")] if hub_models(*sections) else []


def raw_files(wildcards):
    """Files of rows, or the manifest of the download; one that has grown leaves finished parts alone."""
    entry = SOURCES[wildcards.source].entry
    if entry.is_local:
        return find_files(entry.location)
    return ancient(f"{config['seeds']['downloads']}/{entry.source}/manifest.json")


def row_range(wildcards):
    """The rows of a part as flags; more documents add parts and change no other."""
    size, part = config["seeds"]["documents_per_part"], int(wildcards.part)
    return f"--start {part * size} --stop {min((part + 1) * size, SOURCES[wildcards.source].rows)}"


def outline_table(wildcards):
    """The outlines of a part of course catalogues; other sources have none."""
    if SOURCES[wildcards.source].entry.reader != "catalogue":
        return {}
    return {"outlines": "<results>/seeds/outlines/{source}/part-{part}.parquet"}


def outline_flag(wildcards, input):
    """The flag for them."""
    return flag("outlines", input.outlines) if "outlines" in input.keys() else ""


def max_documents(wildcards):
    """Rows of the source that this run reads at most."""
    return SOURCES[wildcards.source].rows


def topic_overrides(wildcards):
    """The corrections of the topics; a person's own file is optional."""
    return [path for path in config["label"]["overrides"] if path != OWN_OVERRIDES or Path(path).exists()]


def override_flag(wildcards, input):
    """The flag for them."""
    return flag("overrides", list(input.overrides)) if input.overrides else ""


def correction_flag(wildcards, input):
    """The flag for a person's own file among them."""
    return flag("corrections", OWN_OVERRIDES) if OWN_OVERRIDES in input.overrides else ""


UPSTREAM_TEMPLATES = [(layout.upstream_folder(config) / file).as_posix() for file in layout.upstream_files()]


def templates(wildcards):
    """The template files that the mix uses of one source, or of all sources of the run."""
    sources = [wildcards.source] if "source" in wildcards.keys() else SOURCES
    return sorted({str(path) for source in sources for path in SOURCES[source].templates})


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


def noise_flag(wildcards):
    """What becomes of seeds on noise."""
    return flag("noise", config["cluster"]["noise"]["policy"])


def cells(wildcards):
    """The cells of the mix with the prompts asked for, as a flag."""
    return flag("cells", SOURCES[wildcards.source].cells)


def earlier_prompts(wildcards):
    """Final prompts of the sources that come first and share a template: the same prompt may be among them.

    A template that changes concerns all sources that use it anyway; what else changes in those sources (their topics,
    say) moves nothing here, hence `ancient`.
    """
    own = set(SOURCES[wildcards.source].templates)
    before = itertools.takewhile(lambda source: source != wildcards.source, SOURCES)
    sharing = [source for source in before if own & set(SOURCES[source].templates)]
    return ancient(all_parts("<results>/prompts/{source}/part-{part}.parquet", sharing))


def earlier_flag(wildcards, input):
    """The flag for them."""
    return flag("earlier", list(input.earlier)) if input.earlier else ""


def dataset_split(wildcards):
    """The split of the dataset that the source belongs to."""
    return SOURCES[wildcards.source].split


def built_parts(wildcards):
    """What prompts_build made of all parts of the source."""
    return all_parts("<results>/prompts/built/{source}/part-{part}.parquet", [wildcards.source])


MEASURE_CODE = ["scripts/generate/measures.py", "scripts/generate/texts.py", "scripts/common/phrases.py"]


def first_parts(pattern):
    """The pattern with {source} and {part} filled in for the first part of every source."""
    return [pattern.format(source=source, part=parts(source)[0]) for source in SOURCES]


def part_slices(wildcards):
    """The markers of all slices of a part; none where the ledger is sealed as it is."""
    if config["generate"]["partial"]:
        return []
    marker = "<results>/generations/slices/{source}/part-{part}/slice-{{slice}}.json"
    return expand(marker.format(**wildcards), slice=slices(wildcards.source))


def marker_flag(wildcards, input):
    """The flag for them."""
    return flag("markers", list(input.slices)) if input.slices else ""


def ledger_state(wildcards):
    """Changes when a ledger that is sealed as it is has grown, so that it is sealed again; else the markers tell."""
    if not config["generate"]["partial"]:
        return ""
    from scripts.generate.ledger import state

    return state(Path(LEDGER.format(**wildcards)))


SHINGLE_CODE = expand("scripts/deduplicate/{name}.py", name=["kernels", "shingles", "words"])
RANKS = {path.as_posix(): rank for rank, path in enumerate(by_rank(all_parts("{source}/part-{part}")))}


def rank_flag(wildcards):
    """The place of a part among the parts of all sources, by which datatrove's files name its documents."""
    return flag("rank", RANKS["{source}/part-{part}".format(**wildcards)])


def benchmark_location(wildcards):
    """The folder of benchmark rows: that of the shipped sample, or of the download."""
    folder = "resources/sample" if config["seeds"]["where"] == "sample" else config["seeds"]["downloads"]
    return f"{folder}/benchmarks"


def protected_files(wildcards):
    """The rows of the benchmarks that are protected: those of the configuration and those that are evaluated."""
    return [ancient(f"{benchmark_location(wildcards)}/{name}.jsonl") for name in BENCHMARKS]


def evaluated_files(wildcards):
    """The rows of the benchmarks that are evaluated; lighteval's own tasks have none here."""
    return [ancient(f"{benchmark_location(wildcards)}/{name}.jsonl") for name in EVALUATED if name in BENCHMARKS]


SCAN_CODE = expand("scripts/decontaminate/{module}.py", module=["candidates", "characters", "kernel", "matching"])


def split_parts(pattern):
    """An input function: the pattern filled in for all parts of the sources of a split."""
    return lambda wildcards: all_parts(pattern, SPLITS[wildcards.split])


SHARED_CODE = expand(
    "scripts/report/{file}",
    file=["page.py", "style.py", "claims.py", "distribution.py", "scan.py"]
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
