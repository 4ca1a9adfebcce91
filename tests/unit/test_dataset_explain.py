"""Every row can be asked about: what it was made from, what was decided and why, and where it is now."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.common.errors import InputError
from scripts.dataset.explain import explain, main, render
from scripts.dataset.lookup import Run
from tests.unit.history import STEPS, prompt, seed, write_candidates, write_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("results") / "run")


@pytest.fixture(scope="module")
def run(folder):
    return Run(folder)


def steps(history):
    """Name → step of a history with one prompt, or none."""
    found = [*history.origin, *(step for each in history.prompts.values() for step in each)]
    return {step.name: step for step in found}


def test_a_kept_text_is_told_from_its_seed_to_the_training_mix(run):
    history = explain(run, prompt("kept"))
    found = steps(history)
    assert list(found) == [
        *("seed", "topic", "prompt", "generation", "quality", "duplicates", "contamination", "dataset", "training")
    ]
    assert history.verdict == "in the dataset: web_samples/train-00001-of-00002.parquet, row 0"
    assert found["seed"].facts["licence"] == "CC-BY-4.0"
    assert found["seed"].facts["origin"] == "https://example.org/kept"
    assert found["topic"].facts["votes"] == ["Weather, score 8 (× 2)", "not used: no JSON"]
    assert found["topic"].facts["in the clustered sample"] is True
    assert found["topic"].summary == "cluster 3, Weather: kept by rule"
    assert found["prompt"].facts["template version and hash"] == [2, "abc"]
    first, second = found["generation"].facts["attempts in the ledger"]
    assert first.startswith("attempt 1: error, 0 tokens, seed 7, recipe r,") and first.endswith(
        "job job-0, out of memory"
    )
    assert "attempt 2: stop, 200 tokens" in second and "job job-1" in second
    assert found["contamination"].facts["piqa 12"]["ratio"] == 0.25
    assert found["contamination"].facts["piqa 12"]["benchmark row"] == "How do you dry a shoe?"
    assert found["training"].facts["token file"] == ["tokens/web_samples/00001_00000_doc_shuffled.ds"]
    assert found["training"].facts["experiment one"] == "web_samples is 75.00% of its mix"
    assert found["training"].summary == "in the mix of one"


def test_each_fate_has_its_verdict(run):
    verdicts = {
        "failed": "left out at step generation: not_generated: failed (attempt 3: out of memory)",
        "refusal": "left out at step quality: refusal (I cannot)",
        "repeats": f"left out at step duplicates: near_duplicate of {prompt('partner')}, Jaccard 0.875",
        "leaked": "left out at step contamination: contaminated: piqa 12 (ratio 0.75)",
        "licence": "left out at step dataset: licence: that of its seed is not permissive (dataset.permissive)",
        "partner": "in the dataset: web_samples/train-00001-of-00002.parquet, row 1",
    }
    assert {name: explain(run, prompt(name)).verdict for name in verdicts} == verdicts


def test_a_kept_text_names_those_that_repeat_it(run):
    facts = steps(explain(run, prompt("partner")))["duplicates"].facts
    assert facts["removed because they repeat it"] == [f"{prompt('repeats')} of web, blogpost: Jaccard 0.875"]
    assert facts["candidates in its cluster"] == 2


def test_a_text_that_was_cut_tells_what_went_and_one_in_a_huge_cluster_says_so(run):
    found = steps(explain(run, prompt("cut")))
    assert found["quality"].facts["flags"] == ["opening: Sure! Here it is."]
    assert found["quality"].facts["characters cut from the beginning"] == len("Sure! Here it is. ")
    assert found["quality"].facts["begins now"] == "All about cut."
    assert "job job-2" in found["generation"].facts["attempts in the ledger"][0]
    assert found["duplicates"].summary.endswith("in a cluster that was not compared")
    assert found["duplicates"].facts["others of such a cluster"] == [prompt("cut"), prompt("kin")]
    assert found["prompt"].facts["the same prompt again"] == [
        f"web part 001: seed {seed('kin')}, first in web/part-000"
    ]


def test_a_seed_is_told_with_its_prompts_and_its_other_places(run):
    history = explain(run, seed("kept"))
    assert (history.kind, list(history.prompts)) == ("seed", [prompt("kept")])
    assert history.verdict == "1 prompts, 1 of them in the dataset"
    assert history.origin[0].facts["occurs again"] == [
        "web part 001 (duplicate_seed)",
        "pages.jsonl:9 (duplicate_seed)",
    ]


def test_seeds_without_prompts_tell_why(run):
    assert explain(run, seed("noise")).verdict == "left out at step prompt: not used: noise"
    dull = explain(run, seed("dull"))
    assert dull.verdict.endswith("topic_removed (cluster 4, Gossip: educational score 2)")
    assert dull.origin[1].summary == "cluster 4, Gossip: removed by override"
    facts = steps(explain(run, seed("unchosen")))["prompt"].facts
    assert facts["of this part outside_mix"] == 40
    assert facts["cells of the mix"] == ["blogpost/general/en: 8 asked for, 48 candidates, 8 taken"]


def test_a_row_that_gave_no_seed_goes_by_its_place(run):
    assert (
        explain(run, "pages.jsonl:3").verdict
        == "left out at step seed: kept aside at loading: empty (no letter or digit)"
    )


def test_a_source_without_clusters_says_so_and_a_part_behind_the_others_is_under_way(run):
    history = explain(run, prompt("title"))
    assert steps(history)["topic"].summary == "wikihow is not clustered"
    assert history.verdict == "under way: generation: the texts of this part are not sealed yet"


@pytest.mark.parametrize(
    ("done", "waits"),
    [
        (1, "under way: prompt: the prompts of this part are not made yet"),
        (3, "1 prompts, 0 of them in the dataset"),
        (6, "1 prompts, 1 of them in the dataset"),
    ],
)
def test_a_run_that_is_not_finished_is_told_as_far_as_it_is(tmp_path, done, waits):
    assert explain(Run(write_run(tmp_path / "run", STEPS[:done])), seed("kept")).verdict == waits


def test_texts_that_wait_for_the_filters_say_for_which(tmp_path):
    run = Run(write_run(tmp_path / "run", STEPS[:4]))
    assert explain(run, prompt("kept")).verdict == "under way: quality: not filtered yet"


def test_prompts_that_were_not_chosen_are_told_while_they_are_there(tmp_path):
    folder = write_run(tmp_path / "run", STEPS[:3])
    write_candidates(folder)
    verdicts = [explain(Run(folder), prompt(name)).verdict for name in ("crowded", "beyond", "chosen")]
    cell = "blogpost/general/en: 8 asked for, 48 candidates, 8 taken"
    assert verdicts == [
        f"left out at step prompt: outside_mix: {cell}",
        f"left out at step prompt: outside_fraction: {cell}",
        "under way: prompt: chosen; the part's prompts are not final yet",
    ]


def test_a_prompt_that_only_repeats_one_of_a_run_that_is_gone_is_told(tmp_path):
    folder = write_run(tmp_path / "run", STEPS[:3])
    (folder / "prompts/web/part-000.parquet").unlink()
    assert "duplicate_prompt: web part 001" in explain(Run(folder), prompt("cut")).verdict


def test_the_beginning_of_an_id_is_enough_and_an_unclear_one_lists_what_it_may_mean(run, folder, tmp_path):
    assert explain(run, prompt("kept")[:8].upper()).id == prompt("kept")
    with pytest.raises(InputError, match=r"has 5 digits; an id has 32, of which give 6 or more"):
        explain(run, "abcde")
    with pytest.raises(InputError, match=r"has no prompt, seed or rejected row ffffffff; 3 parts of prompts were read"):
        explain(run, "ffffffff")
    with pytest.raises(InputError, match=r"has no prompt, seed or rejected row pages.jsonl:4"):
        explain(run, "pages.jsonl:4")
    with pytest.raises(InputError, match="no id is given"):
        explain(run, " ")


def test_an_unclear_id_lists_what_it_may_mean(tmp_path):
    from scripts.common.schemas import SEEDS
    from scripts.common.tables import write_table

    ids = ["abcdef" + digit * 26 for digit in "01234567"]
    write_table(tmp_path / "run/seeds/web/part-000.parquet", [{"seed_id": name} for name in ids], SEEDS)
    with pytest.raises(
        InputError, match=rf"8 ids begin with abcdef: seed {ids[0]} in web part 000; .*; 3 more\. Give more"
    ):
        explain(Run(tmp_path / "run"), "abcdef")


def test_a_folder_that_is_no_run_is_named(tmp_path):
    (tmp_path / "tiny").mkdir()
    with pytest.raises(InputError, match=r"other is no folder of results. Folders beside it: .*tiny"):
        Run(tmp_path / "other")
    with pytest.raises(InputError, match="holds no seeds"):
        Run(tmp_path / "tiny")


def test_tables_of_another_run_are_named(tmp_path):
    folder = write_run(tmp_path / "run", STEPS[:3])
    other = write_run(tmp_path / "other", STEPS[:1])
    (other / "seeds/web/part-001.parquet").replace(folder / "seeds/web/part-000.parquet")
    with pytest.raises(InputError, match=r"seeds/web/part-000.parquet has no row with seed_id .* not of the same run"):
        explain(Run(folder), prompt("leaked"))


def test_a_damaged_ledger_file_is_named_and_stays(tmp_path):
    folder = write_run(tmp_path / "run")
    damaged = folder / "generations/ledger/web/part-000/job-3-0000.parquet"
    damaged.write_bytes(b"half a file")
    attempts = steps(explain(Run(folder), prompt("kept")))["generation"].facts["attempts in the ledger"]
    assert attempts[0].startswith("job-3-0000.parquet is damaged")
    assert damaged.exists()


def test_the_program_prints_text_or_json_and_changes_nothing(folder, capsys):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    main([str(folder), prompt("kept")[:10]])
    shown = capsys.readouterr().out
    assert shown == render(explain(Run(folder), prompt("kept")))
    assert "✓ duplicates: kept; no other repeats it" in shown
    main([str(folder), prompt("leaked"), "--json"])
    history = json.loads(capsys.readouterr().out)
    assert history["prompts"][prompt("leaked")][-1]["state"] == "removed"
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_an_unknown_id_ends_with_one_line(folder):
    result = subprocess.run(
        [sys.executable, "-m", "scripts.dataset.explain", str(folder), "ffffffff"],
        cwd=Path(__file__).parents[2],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith("error: ")
