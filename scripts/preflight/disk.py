"""Disk space and inodes for what is coming, by stage.

Sizes come from counts that the configuration gives, times bytes a row; each constant says where it comes from. Rows are
the upper bounds of the configuration, so the estimate is rather high. A quota that is lower than the free space of the
file system is not seen.
"""

import dataclasses
import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.common.units import readable_size
from scripts.preflight.findings import Finding, fails, nearest_folder, ok, warning

SEED = 1_600
"""Bytes a downloaded row, and as much a seed: 30 GB for 19 M rows (the estimate of rules/seeds.smk)."""
EMBEDDING = 800
"""384 numbers of 2 bytes and an id (rules/embed.smk: 0.2 GB for 250,000)."""
PROMPT = 330
"""10 GB for 31 M prompts (rules/prompts.smk); kept twice, as chosen and as sealed."""
TEXT = 1_700
"""A text of 790 tokens on average (a public analysis of cosmopedia-100k), 3.7 kB, compressed; in ledger and sealed."""
DECISIONS = 200
"""Clean's decision, contamination and counts of a text, compressed: assumed."""
BUCKET = 72
"""A signature in one bucket: 8 hashes of 8 bytes and the document's number."""
BUCKETS = 14
"""Of one round of MinHash."""
DATASET = 1_950
"""60 GB for 31 M rows (rules/dataset.smk)."""
TOKENS = 790 * 2
"""Two bytes a token of the training files."""
CHECKPOINT = {"nanotron": 14, "transformers": 12}
"""Bytes a parameter: Adam's two states and the weights in float32, of nanotron the weights in bf16 too."""
SPARE = 1.2
"""Less than this many times the estimate is a warning."""
TRIFLE = 0.01
"""Less than this share of the estimate is not worth a word."""
FILES_A_PART, FILES_A_SLICE = 80, 8
"""Tables, counts, logs, benchmarks and Snakemake's notes of them (.snakemake/metadata); besides segments of ledgers."""
LOOK_SECONDS = 5.0


@dataclasses.dataclass(frozen=True)
class Need:
    """What a stage will write.

    Args:
        stage: its name.
        place: results or downloads.
        size: bytes.
        basis: how the number comes about.
    """

    stage: str
    place: str
    size: float
    basis: str


def needs(facts: Mapping[str, Any]) -> list[Need]:
    """The bytes of every stage that the target needs."""
    config, rules = facts["config"], {request["rule"] for request in facts["rules"]}
    rows = sum(source["rows"] for source in facts["sources"])
    fetched = sum(source["rows"] for source in facts["sources"] if source["where"] in ("hub", "url"))
    clustered = sum(source["rows"] for source in facts["sources"] if source["source"] in config["clustered"])
    texts = sum(source["prompts"] for source in facts["sources"]) * config["fraction"]
    buckets = BUCKETS * config["rounds"]
    every = [
        ("seeds_download", "downloads", "downloads", fetched, SEED, "rows"),
        ("seeds_load", "seeds", "results", rows, SEED, "rows"),
        ("embed_documents", "embeddings", "results", clustered, EMBEDDING, "documents"),
        ("prompts_seal", "prompts", "results", texts, 2 * PROMPT, "prompts"),
        ("generate_slice", "ledger", "results", texts, TEXT, "texts"),
        ("generate_seal", "generations", "results", texts, TEXT, "texts"),
        ("clean_filter", "clean, decontaminate", "results", texts, DECISIONS, "texts"),
        ("deduplicate_signatures", "deduplicate", "results", texts, BUCKET * buckets, f"texts in {buckets} buckets"),
        ("dataset_split", "dataset", "results", texts, DATASET, "texts"),
        ("tokenize_split", "tokens", "results", texts, TOKENS, "texts"),
    ]
    found = [
        Need(stage, place, count * size, f"{count:,.0f} {what} × {size:,} B")
        for rule, stage, place, count, size, what in every
        if rule in rules and count
    ]
    if "train_model" in rules and config.get("checkpoints"):
        model = config["checkpoints"]
        parameters = f"{model['parameters'] / 1e6:,.0f} M parameters"
        size = CHECKPOINT[config["train"]["trainer"]]
        basis = f"at most, {model['count']} checkpoints at once of {parameters} × {size} B; less stays"
        found.append(Need("train", "results", model["count"] * model["parameters"] * size, basis))
    return found


def files(facts: Mapping[str, Any]) -> int:
    """Files of the run, at most: those of every part and slice, and the segments of the ledgers."""
    config = facts["config"]
    parts = sum(source["parts"] for source in facts["sources"])
    slices = sum(source["parts"] * source["slices"] for source in facts["sources"])
    texts = sum(source["prompts"] for source in facts["sources"]) * config["fraction"]
    segments = math.ceil(texts / config["rows_per_segment"]) + slices
    return parts * (FILES_A_PART + BUCKETS * config["rounds"]) + slices * FILES_A_SLICE + segments + 500


def check_disk(facts: Mapping[str, Any]) -> list[Finding]:
    """Whether each file system has room for what will be written to it."""
    folders = {"results": Path(facts["results"]), "downloads": Path(facts["downloads"])}
    systems: dict[int, list[str]] = {}
    for name, folder in folders.items():
        systems.setdefault(nearest_folder(folder).stat().st_dev, []).append(name)
    every, count, findings = needs(facts), files(facts), check_folder(folders["results"])
    for places in systems.values():
        folder = folders[places[0]]
        asked = [need for need in every if need.place in places]
        there = sum(taken(folders[place]) for place in places)
        state = os.statvfs(nearest_folder(folder))
        free, inodes = state.f_bavail * state.f_frsize, state.f_favail if state.f_files else None
        name = f"disk of {' and '.join(str(folders[place]) for place in places)}"
        findings.append(judge_space(name, asked, free, there))
        if "results" in places and inodes is not None:
            findings.append(judge_files(name, count, inodes))
    return findings


def check_folder(folder: Path) -> list[Finding]:
    """Why the folder cannot be made or written to; nothing when it can."""
    name = f"folder {folder}"
    for place in (folder, *folder.parents):
        if place.is_symlink() and not place.exists():
            found = f"{place} is a link to {place.readlink()}, which is not there"
            return [fails(name, found, f"Make that folder, or remove {place}")]
    nearest = nearest_folder(folder)
    if not os.access(nearest, os.W_OK | os.X_OK):
        return [fails(name, f"{nearest} cannot be written to", "Let this user in, or take another folder")]
    return []


def judge_space(name: str, asked: Sequence[Need], free: float, there: float = 0) -> Finding:
    """Whether the free bytes do for what is not there yet; the largest stages are named with their assumptions."""
    total = sum(need.size for need in asked)
    needed = max(0.0, total - there)
    largest = sorted(asked, key=lambda need: -need.size)[:4]
    parts = "; ".join(f"{need.stage} {readable_size(need.size)} ({need.basis})" for need in largest)
    less = f", {readable_size(there)} of it there already" if there > TRIFLE * total else ""
    found = (
        f"{readable_size(free)} free, about {readable_size(total)} needed{less}: {parts}"
        if asked
        else "nothing is needed"
    )
    if free < needed:
        return fails(name, found, "Make room, put results/ or seeds.downloads on a larger disk, or lower `fraction`")
    if free < needed * SPARE:
        return warning(name, found, "It may just do: watch it")
    return ok(name, found)


def judge_files(name: str, count: int, inodes: int) -> Finding:
    """Whether the file system may hold so many more files."""
    found = f"{inodes:,} more files are possible, about {count:,} are made at most"
    if inodes < count:
        advice = "Ask for more inodes, raise generate.rows_per_segment, or generate.prompts_per_slice"
        return fails(f"{name}, files", found, advice)
    return ok(f"{name}, files", found)


def taken(folder: Path, seconds: float = LOOK_SECONDS) -> int:
    """Bytes that lie in a folder already; of a very large one, what was counted in some seconds."""
    total, deadline, waiting = 0, time.monotonic() + seconds, [folder]
    while waiting and time.monotonic() < deadline:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total
