import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from scripts.common.counts import Counts
from scripts.common.files import write_json
from scripts.common.ids import content_id
from scripts.common.schemas import CLUSTER_SAMPLE, DATASET, DECISIONS, GENERATIONS, PROMPTS, TOPICS
from scripts.common.tables import write_table
from scripts.report import (
    contamination,
    duplicates,
    evaluation,
    generations,
    overview,
    prompts,
    provenance,
    style,
    timing,
    topics,
    training,
)
from tests.unit.reported import NASTY, write_contamination, write_duplicates

ROOT = Path(__file__).parents[2]
WORDS = ["water", "moves", "through", "soil", "and", "roots", "drink", "it", "while", "leaves", "give", "it", "back"]
SHAPE = {
    "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 2, "vocab_size": 32, "tie_word_embeddings": True,
}  # fmt: skip
PAGES = {
    "topics": topics, "prompts": prompts, "generations": generations, "duplicates": duplicates,
    "contamination": contamination, "training": training, "evaluation": evaluation, "provenance": provenance,
    "timing": timing, "overview": overview,
}  # fmt: skip


def write_run(folder, texts):
    """What the stages leave of a run with so many texts; 0 for a run in which nothing was left at any stage."""
    ids = sorted(content_id("test", str(number)) for number in range(texts))
    points = [
        {"seed_id": each, "cluster_id": k % 3 - 1, "x": k % 3 + k / 50, "y": k % 5, "probability": 1.0}
        for k, each in enumerate(ids)
    ]
    write_table(folder / "sample.parquet", points, CLUSTER_SAMPLE)
    tried = {"min_cluster_size": 5, "min_samples": 1, "selection": "leaf", "clusters": 3, "coverage": 0.9}
    tried |= {
        "largest_share": 0.2,
        "modularity": 0.5,
        "separation": 0.4,
        "dbcv": 0.3,
        "persistence": None,
        "worth": 0.14,
    }
    fit = {"candidates": [tried, tried | {"worth": 0.1}] if texts else [], "chosen": tried, "largest_share": 0.3}
    (folder / "fit.json").write_text(json.dumps(fit | {"dbscan": {"eps": 0.08, "min_samples": 50}}), encoding="utf-8")
    assigned = {"documents": 9, "in_clusters": 7, "rescued": 1, "noise": 2, "policy": "nearest", "max_distance": 0.5}
    (folder / "assigned.json").write_text(json.dumps(assigned), encoding="utf-8")
    rows = [
        {"cluster_id": 0, "topic": NASTY, "n_documents": 4, "keywords": ["soil"], "examples": [NASTY] * 2,
         "educational_score": 7, "score_min": 6, "score_max": 9, "score_agreement": 0.6, "agreement": 0.8,
         "n_answers": 5, "label_source": "llm", "decision": "kept", "decided_by": "override", "reason": ""},
        {"cluster_id": 1, "topic": "roots, leaves", "n_documents": 3, "keywords": ["roots"], "examples": [],
         "label_source": "keywords", "decision": "removed", "reason": "too_small"},
    ]  # fmt: skip
    write_table(folder / "topics.parquet", rows if texts else [], TOPICS)
    written = [
        {"prompt_id": each, "prompt": f"Write about {NASTY} {k}", "seed_id": each, "seed_data": "web", "format": "blog",
         "audience": "general", "text": f"{NASTY} " + " ".join(WORDS[k % 3 :]), "text_token_length": 150 + 7 * k,
         "finish_reason": "stop" if k % 2 else "length", "model": "m", "revision": "r", "engine": "transformers"}
        for k, each in enumerate(ids)
    ]  # fmt: skip
    for table, schema in (("prompts", PROMPTS), ("generations", GENERATIONS)):
        write_table(folder / table / "web/part-000.parquet", [pick(row, schema) for row in written], schema)
    write_table(folder / "dataset/web/train-0.parquet", [pick(row, DATASET) for row in written[2:]], DATASET)
    cells = [{"source": "web", "format": "blog", "audience": "general", "prompts": texts}] if texts else []
    templates = {"en/web/blog": {"version": 1, "hash": "0123456789abcdef", "prompts": texts}}
    share = {"web": 0.5 if texts else None}
    write_json(
        folder / "manifest.json",
        {"prompts": texts, "by_source_format_audience": cells, "topic_share": share, "web_share": share["web"],
         "templates": templates},
    )  # fmt: skip
    decided = [{"prompt_id": each, "decision": "kept", "reason": "", "flags": []} for each in ids]
    write_table(folder / "clean/web/part-000.parquet", decided, DECISIONS)
    write_duplicates(folder, ids)
    write_contamination(folder, ids)
    group = {"texts": texts, "kept": texts, "removed": {}, "flagged": {"code": 3} if texts else {}, "cut": {}}
    rules = {"code": {"action": "flag", "removed": 0, "flagged": len(group["flagged"]), "cut": 0}}
    code = {NASTY: {"parsed": 1, "failed": 3, "not_judged": 0}} if texts else {}
    write_json(
        folder / "cleaned.json", {**group, "rules": rules, "formats": {"blog": group}, "code": code, "programs": {}}
    )
    log = [{"step": k, "loss": 5 / k, "lr": 0.1, "tokens": 10 * k} for k in range(1, 6 if texts else 1)]
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in log), encoding="utf-8")
    write_json(folder / "config.yaml", {"model": {"model_config": SHAPE}})
    score = {"n": 5, "withheld": 0, "chance": 0.5, "score": {"acc_norm": 0.6}, "stderr": {"acc_norm_stderr": 0.2}}
    write_json(folder / "scores.json", {"boolq": score} if texts else {})
    lost = min(texts, 1)
    for step, rows_in, reason in (
        ("seeds_load", 2 * texts, "too_short"), ("prompts_seal", texts, ""), ("generate_seal", texts, ""),
        ("clean_filter", texts, ""), ("deduplicate_verify", texts, "near_duplicate"),
        ("decontaminate_scan", texts - lost, "contaminated"),
    ):  # fmt: skip
        n = texts if step == "seeds_load" else lost
        source = "" if step == "deduplicate_verify" else "web"
        rejected = {reason: n} if reason and texts else {}
        Counts(step, rows_in, rows_in - sum(rejected.values()), rejected, source).write(folder / f"counts/{step}.json")
    reasons = {"near_duplicate": lost, "contaminated": lost, "licence": lost} if texts else {}
    Counts("dataset_split", texts, texts - 3 * lost, reasons, "web").write(folder / "counts/dataset.json")
    (folder / "benchmarks/seeds_load").mkdir(parents=True)
    if texts:
        (folder / "benchmarks/seeds_load/000.tsv").write_text("s\tmax_rss\tcpu_time\n1.5\t90\t1.2\n", encoding="utf-8")


def pick(row, schema):
    return {name: row[name] for name in schema.names if name in row}


def build(folder, output, scale="tiny"):
    """Makes every page of the run in `folder`; returns page → HTML."""
    config = json.dumps({"seed": 1, "fraction": 1.0, "run": "test", "llm": {"engine": "transformers"}, "stop": [NASTY]})
    texts = ["--generations", folder / "generations/web/part-000.parquet",
             "--decisions", folder / "clean/web/part-000.parquet"]  # fmt: skip
    flags = {
        "topics": ["--sample", folder / "sample.parquet", "--topics", folder / "topics.parquet",
                   "--fit", folder / "fit.json", "--counts", folder / "assigned.json", "--sizes", output / "sizes.svg"],
        "prompts": ["--manifest", folder / "manifest.json", "--prompts", folder / "prompts/web/part-000.parquet",
                    "--pies", output / "pies.svg", "--matrix", output / "matrix.svg",
                    "--lengths", output / "lengths.svg"],
        "generations": ["--generations", folder / "generations/web/part-000.parquet",
                        "--cleaned", folder / "cleaned.json", "--dataset", folder / "dataset/web"],
        "duplicates": ["--removed", folder / "removed.parquet", "--summary", folder / "summary.json", *texts],
        "contamination": ["--table", folder / "table.json", "--parts", folder / "decontaminate/web/part-000.parquet",
                          "--control", folder / "control.json", "--rows", folder / "rows.parquet",
                          "--uncheckable", folder / "uncheckable.parquet", *texts, "--ratio", "0.5", "--ngram", "10",
                          "--minimum-block", "5", "--short-rows", "remove", "--minimum-short", "5"],
        "training": ["--log", folder / "log.jsonl", "--config", folder / "config.yaml", "--experiment", "tiny"],
        "evaluation": ["--scores", folder / "scores.json", "--experiment", "tiny"],
        "provenance": ["--config", config, "--paper", ROOT / "config/config.yaml",
                       "--generations", output / "numbers/generations.json"],
        "timing": ["--benchmarks", folder / "benchmarks", "--generations", output / "numbers/generations.json"],
        "overview": ["--counts", *sorted((folder / "counts").glob("*.json")), "--splits", '{"web": ["web"]}',
                     "--headlines", output / "headlines.rst",
                     "--pages", *(output / f"numbers/{name}.json" for name in list(PAGES)[:-2])],
    }  # fmt: skip
    for name, module in PAGES.items():
        shared = ["--run", "test", "--scale", scale, "--claims", ROOT / "resources/claims.tsv"]
        made = ["--page", output / f"{name}.html", "--numbers", output / f"numbers/{name}.json"]
        figure = [] if name in ("prompts", "provenance") else ["--figure", output / f"{name}.svg"]
        module.main([str(flag) for flag in (*shared, *made, *figure, *flags[name])])
    return {name: (output / f"{name}.html").read_text(encoding="utf-8") for name in PAGES}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    write_run(folder, 20)
    output = tmp_path_factory.mktemp("report")
    return folder, output, build(folder, output)


def test_pages_need_no_network_and_no_other_file(small):
    for name, html in small[2].items():
        addresses = set(re.findall(r'(?:src|href|url)\s*[=(]\s*["\']?([^"\'\s>)]+)', html))
        assert {each for each in addresses if not each.startswith("#")} == {f"{page}.html" for page in PAGES}, name


def test_what_models_and_data_say_is_never_taken_for_markup(small):
    for name, html in small[2].items():
        assert "<script>alert" not in html, name
    assert "&lt;script&gt;alert" in small[2]["generations"]
    assert "&lt;script&gt;alert" in small[2]["topics"]


def test_rules_of_the_quality_filter_are_told_by_format(small):
    assert "code 3</span>" in small[2]["generations"]
    assert "1 parse, 3 do not" in small[2]["generations"]


def test_figures_are_well_formed_and_carry_no_date(small):
    figures = sorted(small[1].glob("*.svg"))
    assert len(figures) == 12
    for path in figures:
        text = path.read_text(encoding="utf-8")
        assert ElementTree.fromstring(text).tag.endswith("svg")
        assert "<dc:date>" not in text


def test_the_same_run_gives_the_same_bytes(small, tmp_path):
    folder, output, _ = small
    build(folder, tmp_path)
    files = sorted(path.relative_to(output) for path in output.rglob("*") if path.is_file())
    assert len(files) > 30
    assert [path for path in files if (output / path).read_bytes() != (tmp_path / path).read_bytes()] == []


def test_published_values_stand_beside_ours(small):
    pages = small[2]
    assert "published 107, 110, 108, 112 or 130" in pages["topics"]
    assert "published &lt;\xa01\xa0%" in pages["duplicates"]
    assert "mean 790" in pages["generations"]
    assert "not comparable at this scale" in pages["overview"]


def test_votes_and_corrections_are_told_with_the_topics(small):
    page = small[2]["topics"]
    assert "80\xa0% of the answers agree on the topic and 60\xa0% give a score within 1" in page
    assert "6–9" in page
    assert "1 topics were corrected" in page


def test_what_means_nothing_is_said_at_the_tiny_scale_only(small, tmp_path):
    assert "means nothing at the tiny scale" in small[2]["overview"]
    assert "means nothing at the tiny scale" not in build(small[0], tmp_path, scale="full")["overview"]


def test_a_run_in_which_nothing_is_left_gives_friendly_pages(tmp_path):
    write_run(tmp_path / "run", 0)
    pages = build(tmp_path / "run", tmp_path / "report")
    assert "No cluster was found" in pages["topics"]
    assert "No prompt was built" in pages["prompts"]
    assert "the dataset is empty" in pages["generations"]
    assert "No pair reached" in pages["duplicates"]
    assert "in a row with a benchmark" in pages["contamination"]
    assert "No benchmark was scored" in pages["evaluation"]
    assert "No benchmark file was found" in pages["timing"]


def topic(cluster, name):
    return {
        "cluster_id": cluster, "topic": name, "n_documents": 1, "keywords": ["soil", "water"], "label_source": "llm",
        "decision": "kept", "reason": "",
    }  # fmt: skip


def test_what_a_model_calls_a_topic_is_drawn_as_it_stands():
    sample = [{"seed_id": f"{k}", "cluster_id": k % 2, "x": k % 2, "y": k} for k in range(9)]
    svg = topics.draw_map(sample, [topic(0, "a $n}ed+h$ and $n$"), topic(1, "null \x00 and\nbell \x07")])
    assert ElementTree.fromstring(svg) is not None
    assert ">a $n}ed+h$ and $n$<" in svg
    assert ">null and bell<" in svg


def test_labels_of_the_map_do_not_touch_and_large_clusters_come_first():
    places = [(0, 0.0)] * 2 + [(1, 0.0)] * 9 + [(2, 0.0)] * 3 + [(3, 5.0)]
    sample = [{"seed_id": f"{k:03d}", "cluster_id": c, "x": x, "y": 0} for k, (c, x) in enumerate(places)]
    svg = topics.draw_map(sample, [topic(c, f"topic {c}") for c in range(4)])
    assert [f">topic {c}</text>" in svg for c in range(4)] == [False, True, True, True]


def test_a_tooltip_is_escaped():
    assert "<title>a &lt; b &amp; c</title>" in style.add_tooltips('<g id="cluster-1">', {"cluster-1": "a < b & c"})
