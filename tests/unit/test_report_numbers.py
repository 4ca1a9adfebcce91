import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.schemas import GENERATIONS
from scripts.common.tables import write_table
from scripts.report import (
    contamination,
    duplicates,
    evaluation,
    overview,
    prompts,
    provenance,
    scan,
    timing,
    training,
)
from scripts.report.claims import Claims
from scripts.report.distribution import Distribution


@given(st.lists(st.lists(st.integers(0, 3000), max_size=20), min_size=1, max_size=5))
def test_a_distribution_gives_the_statistics_of_all_batches_together(batches):
    distribution = Distribution()
    for batch in batches:
        distribution.add(pa.array(batch, pa.int64()))
    values = [value for batch in batches for value in batch]
    assert (distribution.total, distribution.sum) == (len(values), sum(values))
    if values:
        assert distribution.mean == pytest.approx(np.mean(values))
        for q in (0.05, 0.5, 0.95, 0.99):
            assert distribution.quantile(q) == np.quantile(values, q, method="inverted_cdf")
    else:
        assert distribution.summary() == {"mean": None, "p5": None, "p50": None, "p95": None, "p99": None}


def test_nulls_are_left_out_of_a_distribution():
    distribution = Distribution()
    distribution.add(pa.array([None, 4, None], pa.int64()))
    assert (distribution.total, distribution.mean) == (1, 4)


def test_samples_are_the_smallest_ids_of_all_files_and_found_again_by_id(tmp_path):
    paths = [tmp_path / f"part-{k}.parquet" for k in range(2)]
    for path, ids in zip(paths, ("dbf", "aec"), strict=True):
        write_table(path, [{"prompt_id": x, "text": f"text {x}"} for x in ids], GENERATIONS)
    assert scan.smallest_ids(paths, 3, GENERATIONS) == ["a", "b", "c"]
    rows = scan.rows_by_id(paths, ["f", "a", "missing"], ["text"])
    assert {key: row["text"] for key, row in rows.items()} == {"f": "text f", "a": "text a"}


def test_counts_are_summed_by_source():
    counts = [
        Counts("seeds_load", 10, 8, {"too_short": 2}, "web", "000"),
        Counts("seeds_load", 5, 5, {}, "wikihow", "000"),
        Counts("prompts_seal", 8, 5, {"noise": 4}, "web", "000", added=1),
        Counts("prompts_build", 8, 5, {"noise": 4}, "web", "000", added=1),
    ]
    sources = overview.by_source(counts)
    assert (sources["web"]["read"], sources["web"]["prompts"], sources["web"]["noise"]) == (10, 5, 0.5)
    assert sources["wikihow"]["noise"] is None


def test_words_that_differ_are_marked_on_both_sides():
    removed, kept = duplicates.differing_words("a red fox ran", "a grey fox ran")
    assert removed == [("a", False), ("red", True), ("fox ran", False)]
    assert kept == [("a", False), ("grey", True), ("fox ran", False)]


def test_both_parts_of_arc_are_added_up_as_published():
    cells = {"arc_easy": {"documents": 2, "rows": 1}, "arc_challenge": {"documents": 3, "rows": 1}}
    assert contamination.removed(cells, "documents") == {"arc_easy": 2, "arc_challenge": 3, "arc": 5}


def test_a_score_beats_guessing_only_with_its_whole_interval():
    scores = {
        "clear": {"n": 9, "chance": 0.25, "score": {"acc_norm": 0.5}, "stderr": {"acc_norm_stderr": 0.1}},
        "vague": {"n": 9, "chance": 0.25, "score": {"acc_norm": 0.4}, "stderr": {"acc_norm_stderr": 0.1}},
        "task|25": {"score": {"acc": 0.4}, "stderr": {}},
    }
    rows = {row["benchmark"]: row for row in evaluation.rows(scores, Claims([]))}
    assert [rows[name]["above"] for name in ("clear", "vague", "task|25")] == [True, False, None]
    assert rows["task|25"]["metric"] == "acc"


def test_the_published_model_has_the_published_number_of_parameters():
    shape = {
        "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 24, "num_attention_heads": 16,
        "num_key_value_heads": 16, "vocab_size": 32000, "tie_word_embeddings": False,
    }  # fmt: skip
    assert training.parameters(shape) == 1_741_785_088


def test_a_broken_training_log_is_named_with_its_line(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1, "loss": 2.0, "lr": 0.1, "tokens": 9}\n{"step": 2\n', encoding="utf-8")
    with pytest.raises(InputError, match="line 2"):
        training.read_log(path)


def test_benchmark_files_are_summed_by_rule_and_unmeasured_values_count_as_nothing(tmp_path):
    for name, seconds, cpu in (("web/part-000", "2.5", "4.0"), ("web/part-001", "1.5", "NA")):
        path = tmp_path / "seeds_load" / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\tmax_rss\tcpu_time\n{seconds}\t-\t{cpu}\n", encoding="utf-8")
    (tmp_path / "empty_rule").mkdir()
    (found,) = timing.read_benchmarks(tmp_path)
    assert (found.rule, found.jobs, found.seconds, found.longest, found.cpu_seconds) == ("seeds_load", 2, 4, 2.5, 4)


def test_settings_that_differ_from_the_paper_are_marked_and_the_sites_own_left_out():
    config = {"run": "x", "interpreters": {"vllm": "/opt/venv"}, "seed": 1, "a": {"b": {"c": 2}, "d": []}}
    paper = {"run": "", "interpreters": {}, "seed": 1, "a": {"b": {"c": 3}, "d": []}}
    sections = provenance.compare(config, paper)
    assert {section: [row["key"] for row in rows] for section, rows in sections.items()} == {
        "general": ["seed"],
        "a": ["b.c", "d"],
    }
    assert [row["differs"] for row in sections["a"]] == [True, False]


def test_a_lock_file_gives_pins_without_comments_options_and_hashes(tmp_path):
    path = tmp_path / "x.lock.txt"
    path.write_text(
        "# pins\n--index-url x\ndatatrove[io]==0.10.1 ; python_version > '3'\nA_b==2 \\\n  --hash=sha256:0\n"
    )
    assert provenance.read_lock(path) == {"datatrove": "0.10.1", "a-b": "2"}


def test_prompts_are_grouped_as_in_the_two_pies_of_the_paper():
    cells = [
        {"source": source, "format": "f", "audience": "a", "prompts": n}
        for source, n in [("web", 6), ("stanford", 2), ("openstax", 1), ("ultrachat", 1), ("web", 0)]
    ]
    groups, curated = prompts.shares(cells)
    assert groups == {"web": 0.6, "curated": 0.3, "stories": 0.1}
    assert curated == pytest.approx({"stanford": 2 / 3, "openstax": 1 / 3})
    assert prompts.shares([]) == ({}, {})
    assert prompts.group_of("cosmopedia_auto_math_text") == "mathematics"
