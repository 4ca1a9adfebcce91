"""The results of a small run that holds a row of every fate, made by hand: for the tests of explain_document."""

import json

import yaml

from scripts.common.ids import content_id
from scripts.common.schemas import (
    ASSIGNMENTS,
    BENCHMARK_ROWS,
    CANDIDATES,
    CLUSTER_MEMBERS,
    CLUSTER_SAMPLE,
    CONTAMINATION,
    DATASET,
    DECISIONS,
    GENERATIONS,
    NEAR_DUPLICATES,
    PROMPTS,
    REJECTED,
    SEEDS,
    TOPIC_ANSWERS,
    TOPICS,
)
from scripts.common.tables import write_table
from scripts.generate import segment
from scripts.generate.journal import to_line
from tests.unit.sealed import rows

FATES = ("kept", "partner", "failed", "refusal", "repeats", "leaked", "licence", "cut")
"""Prompts of part 000 of source web, by what becomes of them."""

PLAIN = ("noise", "dull", "unchosen")
"""Seeds without a prompt in the run."""


def seed(name):
    return content_id("seed", name)


def prompt(name):
    return content_id("prompt", name)


def _counts(path, step, rows_in, rows_out, **rejected):
    counts = {"step": step, "rows_in": rows_in, "rows_out": rows_out, "rejected": rejected}
    path.write_text(json.dumps(counts | {"added": rows_out + sum(rejected.values()) - rows_in}))


def write_seeds(run):
    """Seeds of two parts of web and one of wikihow; one seed occurs in both parts of web."""
    names = {"web/part-000": [*FATES, *PLAIN], "web/part-001": ["kept", "other"], "wikihow/part-000": ["title"]}
    for place, seeds in names.items():
        found = [
            {
                "seed_id": seed(name),
                "source": place.split("/")[0],
                "kind": "passage",
                "text": f"A page about {name}, and nothing else.",
                "license": "CC-BY-SA-4.0" if name == "licence" else "CC-BY-4.0",
                "origin": f"https://example.org/{name}",
                "language": "en",
            }
            for name in seeds
        ]
        write_table(run / "seeds" / f"{place}.parquet", found, SEEDS)
        write_table(run / "seeds" / f"{place}.rejected.parquet", [], REJECTED)
    rejected = [
        {"id": "pages.jsonl:3", "reason": "empty", "detail": "no letter or digit"},
        {"id": "pages.jsonl:9", "reason": "duplicate_seed", "detail": seed("kept")},
    ]
    write_table(run / "seeds/web/part-000.rejected.parquet", rejected, REJECTED)
    twice = [{"id": seed("kept"), "reason": "duplicate_seed", "detail": "web/part-000"}]
    write_table(run / "seeds/duplicates.parquet", twice, REJECTED)


def write_topics(run):
    """Clusters of web: 3 is about weather, 4 is dull, and one seed is on noise."""
    for part, names in (("000", [*FATES, *PLAIN]), ("001", ["kept", "other"])):
        assigned = [
            {
                "seed_id": seed(name),
                "cluster_id": {"noise": -1, "dull": 4}.get(name, 3),
                "distance": 0.25,
                "rescued": False,
            }
            for name in names
        ]
        write_table(run / f"clusters/assignments/web/part-{part}.parquet", assigned, ASSIGNMENTS)
    sample = [{"seed_id": seed("kept"), "cluster_id": 3, "x": 0.0, "y": 0.0, "probability": 1.0}]
    write_table(run / "clusters/sample.parquet", sample, CLUSTER_SAMPLE)
    topics = [
        {
            "cluster_id": cluster,
            "topic": name,
            "educational_score": score,
            "agreement": 1.0,
            "n_answers": 2,
            "n_documents": 9,
            "label_source": "llm",
            "decision": decision,
            "decided_by": by,
            "reason": f"educational score {score}",
        }
        for cluster, name, score, decision, by in (
            (3, "Weather", 8, "kept", "rule"),
            (4, "Gossip", 2, "removed", "override"),
        )
    ]
    write_table(run / "topics/topics.parquet", topics, TOPICS)
    answers = [
        {
            "cluster_id": 3,
            "sample": sample,
            "attempt": 1,
            "topic": topic,
            "educational_score": score,
            "problem": problem,
        }
        for sample, topic, score, problem in ((0, "Weather", 8, ""), (1, "Weather", 8, ""), (2, "", None, "no JSON"))
    ]
    write_table(run / "topics/answers.parquet", answers, TOPIC_ANSWERS)


def _prompt_row(name, place):
    return {
        "prompt_id": prompt(name),
        "prompt": f"Write a post about {name}.",
        "seed_id": seed(name),
        "seed_data": "web_samples",
        "format": "blogpost",
        "audience": "general",
        "topic": "Weather",
        "topic_in_prompt": place == "web",
        "template_id": "en/passage/blogpost",
        "language": "en",
    }


def write_prompts(run):
    """Prompts of all parts, and those that were left out."""
    names = {"web/part-000": FATES, "web/part-001": ["other"], "wikihow/part-000": ["title"]}
    for place, found in names.items():
        write_table(run / "prompts" / f"{place}.parquet", [_prompt_row(name, place) for name in found], PROMPTS)
        write_table(run / "prompts" / f"{place}.rejected.parquet", [], REJECTED)
        _counts(run / "prompts" / f"{place}.counts.json", "prompts_seal", 2, len(found))
    left_out = [
        {"id": seed("noise"), "reason": "noise", "detail": ""},
        {"id": seed("dull"), "reason": "topic_removed", "detail": "cluster 4, Gossip: educational score 2"},
    ]
    write_table(run / "prompts/web/part-000.rejected.parquet", left_out, REJECTED)
    _counts(run / "prompts/web/part-000.counts.json", "prompts_seal", 11, 8, noise=1, topic_removed=1, outside_mix=40)
    again = [
        {"id": prompt("cut"), "reason": "duplicate_prompt", "detail": f"seed {seed('kin')}, first in web/part-000"}
    ]
    write_table(run / "prompts/web/part-001.rejected.parquet", again, REJECTED)
    cell = {"asked": 8, "candidates": 48, "taken": 8, "mix_bound": 10, "fraction_bound": 5}
    (run / "prompts/selection").mkdir()
    (run / "prompts/selection/web.json").write_text(json.dumps({"blogpost/general/en": cell}))
    templates = {"en/passage/blogpost": {"version": 2, "hash": "abc", "prompts": 10}}
    (run / "prompts/manifest.json").write_text(json.dumps({"templates": templates}))


def write_candidates(run):
    """What prompts_build leaves until the prompts are final: ranks beyond the bounds of the mix and of fraction."""
    found = [
        _prompt_row(name, "web") | {"seed_id": seed("unchosen"), "cell": "blogpost/general/en", "rank": rank}
        for name, rank in (("crowded", 11), ("beyond", 6), ("chosen", 5))
    ]
    write_table(run / "prompts/built/web/part-000.parquet", found, CANDIDATES)


def text(name):
    return f"Sure! Here it is. All about {name}." if name == "cut" else f"All about {name}."


def write_texts(run):
    """The ledger (one text only after an error, one still in a journal) and the sealed part."""
    names = [name for name in FATES if name != "failed"]
    sealed = rows([text(name) for name in names], [prompt(name) for name in names])
    ledger = run / "generations/ledger/web/part-000"
    ledger.mkdir(parents=True)
    import pyarrow as pa

    error = {"finish_reason": "error", "text": "out of memory", "text_token_length": 0, "job": "job-0"}
    attempts = [sealed[0] | error, sealed[0] | {"attempt": 2, "job": "job-1"}, *sealed[1:-1]]
    segment.write(ledger / "job-1-0000.parquet", pa.Table.from_pylist(attempts, schema=GENERATIONS))
    (ledger / "job-2-0000.journal").write_bytes(to_line(sealed[-1] | {"job": "job-2"}))
    write_table(run / "generations/web/part-000.parquet", [row | {"job": None} for row in sealed], GENERATIONS)
    failed = [{"id": prompt("failed"), "reason": "failed", "detail": "attempt 3: out of memory"}]
    write_table(run / "generations/web/part-000.rejected.parquet", failed, REJECTED)


def write_decisions(run):
    """What the filters say: quality, near-duplicates, contamination."""
    removed = {"refusal": ("refusal", "I cannot")}
    decisions = [
        {
            "prompt_id": prompt(name),
            "decision": "removed" if name in removed else "kept",
            "reason": removed.get(name, ("", ""))[0],
            "detail": removed.get(name, ("", ""))[1],
            "flags": [{"rule": "opening", "detail": "Sure! Here it is."}] if name == "cut" else [],
            "text": "All about cut." if name == "cut" else None,
            "text_token_length": 4 if name == "cut" else None,
        }
        for name in FATES
        if name != "failed"
    ]
    write_table(run / "clean/web/part-000.parquet", decisions, DECISIONS)
    duplicate = {
        "removed_id": prompt("repeats"),
        "kept_id": prompt("partner"),
        "jaccard": 0.875,
        "cluster": prompt("partner"),
        **dict.fromkeys(("removed_source", "kept_source"), "web"),
        **dict.fromkeys(("removed_format", "kept_format"), "blogpost"),
        "same_seed": False,
    }
    write_table(run / "deduplicate/removed.parquet", [duplicate], NEAR_DUPLICATES)
    members = [
        {"cluster": 1, "size": size, "prompt_id": prompt(name)}
        for name, size in (("partner", 2), ("repeats", 2), ("cut", 5000))
    ]
    write_table(run / "deduplicate/members/web/part-000.parquet", members, CLUSTER_MEMBERS)
    alarm = {"cluster": prompt("cut"), "size": 5000, "examples": [prompt("cut"), prompt("kin")]}
    (run / "deduplicate/summary.json").write_text(json.dumps({"maximum_cluster": 1000, "alarms": [alarm]}))
    pairs = [
        {
            "prompt_id": prompt(name),
            "benchmark": "piqa",
            "row": "12",
            "rule": "ngram",
            "ratio": ratio,
            "span": "to dry a wet shoe put it near the stove and",
            "decision": decision,
        }
        for name, ratio, decision in (("kept", 0.25, "kept"), ("leaked", 0.75, "removed"))
    ]
    write_table(run / "decontaminate/web/part-000.parquet", pairs, CONTAMINATION)
    row = {"benchmark": "piqa", "row": "12", "text": "How do you dry a shoe?", "tokens": "how do you", "n_tokens": 3}
    write_table(run / "decontaminate/index/rows.parquet", [row], BENCHMARK_ROWS)


def write_dataset(run):
    """A split of two files, of which the second holds the part, its tokens, and two experiments, one with it."""
    kept = [{"prompt_id": prompt(name), "license": "CC-BY-4.0"} for name in ("kept", "partner", "cut")]
    write_table(run / "dataset/web_samples/train-00000-of-00002.parquet", [], DATASET)
    write_table(run / "dataset/web_samples/train-00001-of-00002.parquet", kept, DATASET)
    _counts(run / "dataset/web_samples.counts.json", "dataset_split", 7, 3, licence=1, contaminated=1, refusal=2)


def write_training(run):
    """Tokens of the split, an experiment that reads it and one that does not."""
    (run / "tokens/web_samples").mkdir(parents=True)
    (run / "tokens/web_samples/00001_00000_doc_shuffled.ds").write_bytes(b"\0\0")
    for name, folders, weights in (("one", ["web_samples", "stories"], [0.75, 0.25]), ("two", ["stories"], [1.0])):
        data = {"dataset_folder": [f"results/x/tokens/{folder}" for folder in folders], "dataset_weights": weights}
        config = {"data_stages": [{"data": {"dataset": data}}]}
        (run / f"train/{name}").mkdir(parents=True)
        (run / f"train/{name}/config.yaml").write_text(yaml.safe_dump(config))


STEPS = (write_seeds, write_topics, write_prompts, write_texts, write_decisions, write_dataset, write_training)


def write_run(run, steps=STEPS):
    """The results of the first steps of the run, or of all."""
    for step in steps:
        step(run)
    return run
