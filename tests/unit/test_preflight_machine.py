"""How checks are run, and those of programs, disk, GPUs, training and of what a tiny job answers."""

import logging
import os
import sys
import threading
from pathlib import Path

import pytest

from scripts.preflight import disk, local, probe, rules, software, training
from scripts.preflight.findings import Check, Finding, call, fails, ok, run_checks, warning
from scripts.workflow.preflight import in_words

GIB = 2**30


def test_checks_run_together_and_their_findings_keep_the_order():
    met = threading.Barrier(2)

    def wait(name):
        met.wait(timeout=10)
        return [ok(name, "met")]

    found = run_checks([Check("one", lambda: wait("one")), Check("two", lambda: wait("two"))])
    assert [finding.check for finding in found] == ["one", "two"]


def test_a_check_that_hangs_is_given_up_and_one_that_breaks_hides_no_other():
    over = threading.Event()

    def breaks():
        raise OSError("no such device")

    checks = [Check("hangs", lambda: over.wait() and [], 0.05), Check("breaks", breaks), Check("good", lambda: [])]
    hangs, broken = run_checks(checks)
    over.set()
    assert (hangs.level, broken.level) == ("warning", "warning")
    assert "within 0 s" in hangs.found
    assert "no such device" in broken.found


def test_a_command_that_is_missing_or_slow_or_fails_says_so():
    assert "no command nowhere" in call(["nowhere"]).problem
    assert call([sys.executable, "-c", "import sys; sys.exit('a reason')"]).problem == "a reason"
    slow = call([sys.executable, "-c", "input()"], 0.2, stdin=os.fdopen(os.pipe()[0]))
    assert "no answer" in slow.problem


def test_what_fails_stands_last_with_its_advice_and_the_sum():
    words = in_words([fails("a", "broken", "mend it"), ok("b", "good"), warning("c", "perhaps")], "dataset")
    assert words.splitlines() == [
        "ok      b: good",
        "warning c: perhaps",
        "FAILS   a: broken",
        "        → mend it",
        "",
        "1 ok, 1 warning, 1 would fail. `dataset` would fail.",
    ]


@pytest.mark.parametrize(
    ("level", "text", "kept"),
    [
        (logging.INFO, "Select jobs to execute...", False),
        (logging.ERROR, "RuleException:\nCalledProcessError in file ...", False),
        (logging.ERROR, "WorkflowError:\nAt least one job did not complete successfully.", False),
        (logging.ERROR, "WorkflowError:\nsacct is not here", True),
        (logging.WARNING, "The partition is not known", True),
    ],
)
def test_after_the_verdict_snakemake_is_heard_only_when_it_has_more_to_tell(level, text, kept):
    assert rules._is_news(logging.LogRecord("snakemake", level, "", 0, text, None, None)) is kept


def interpreters(python, deployment=()):
    """Facts of a run whose one rule uses this Python for its reports."""
    rules = [{"rule": "report_topics", "tools": ["report"]}]
    return {"rules": rules, "tools": {"report": "report"}, "interpreters": {"report": python}, "deployment": deployment}


def test_this_python_does_for_the_report():
    (finding,) = software.check_interpreters(interpreters(sys.executable))
    assert finding.level == "ok"


def test_a_python_that_is_not_there_or_lacks_the_library_fails_with_the_key_to_set(tmp_path):
    (finding,) = software.check_interpreters(interpreters(str(tmp_path / "python")))
    assert (finding.level, "interpreters: {report:" in finding.advice) == ("fails", True)
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    bare.chmod(0o755)
    (finding,) = software.check_interpreters(interpreters(str(bare)))
    assert (finding.level, "matplotlib: it is not installed" in finding.found) == ("fails", True)


def test_an_environment_that_conda_will_make_is_not_looked_into():
    (finding,) = software.check_interpreters(interpreters("python", ["conda"]))
    assert (finding.level, "conda makes" in finding.found) == ("ok", True)


@pytest.mark.parametrize(("says", "level"), [("conda 26.1.0", "ok"), ("conda 23.9.0", "fails"), ("", "fails")])
def test_conda_has_to_answer_and_be_new_enough(tmp_path, monkeypatch, says, level):
    (tmp_path / "conda").write_text(f"#!/bin/sh\necho '{says}'\n")
    (tmp_path / "conda").chmod(0o755)
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    assert [finding.level for finding in software.check_conda({"deployment": ["conda"]})] == [level]
    assert software.check_conda({"deployment": []}) == []


def test_the_lock_tells_the_version_that_was_tested():
    assert software.locked(Path("envs/cluster.lock.txt"), "umap-learn")
    assert software.locked(Path("envs/nothing.lock.txt"), "umap-learn") == ""


def test_snakemake_and_its_plugin_are_new_enough():
    (finding,) = software.check_versions("slurm")
    assert (finding.level, "snakemake-executor-plugin-slurm" in finding.found) == ("ok", True)


FULL = {
    "rules": [
        {"rule": rule} for rule in ("embed_documents", "generate_slice", "deduplicate_signatures", "train_model")
    ],
    "sources": [
        {"source": "web", "where": "hub", "rows": 1_000_000, "parts": 4, "slices": 10, "prompts": 2_000_000},
        {"source": "sample", "where": "sample", "rows": 100, "parts": 1, "slices": 1, "prompts": 0},
    ],
    "config": {
        "fraction": 0.5,
        "clustered": ["web"],
        "rounds": 4,
        "rows_per_segment": 256,
        "checkpoints": {"parameters": 10**9, "count": 3},
        "train": {"trainer": "nanotron"},
    },
}


def test_sizes_follow_from_the_counts_of_the_configuration_and_the_rules_that_run():
    sizes = {need.stage: need.size for need in disk.needs(FULL)}
    assert sizes["embeddings"] == 1_000_000 * disk.EMBEDDING
    assert sizes["ledger"] == 1_000_000 * disk.TEXT
    assert sizes["deduplicate"] == 1_000_000 * 56 * disk.BUCKET
    assert sizes["train"] == 42 * 10**9
    assert "dataset" not in sizes
    assert disk.files(FULL) > 1_000_000 / 256 + 5 * 56


def test_too_little_room_fails_little_room_is_a_warning_and_what_is_there_counts():
    needs = [disk.Need("ledger", "results", 10e9, "10 texts × 1 GB")]
    assert disk.judge_space("disk", needs, 20e9).level == "ok"
    assert disk.judge_space("disk", needs, 11e9).level == "warning"
    assert disk.judge_space("disk", needs, 5e9).level == "fails"
    assert disk.judge_space("disk", needs, 5e9, there=6e9).level == "ok"
    assert "10 texts × 1 GB" in disk.judge_space("disk", needs, 5e9).found
    assert "6 GB of it there already" in disk.judge_space("disk", needs, 5e9, there=6e9).found
    assert "already" not in disk.judge_space("disk", needs, 5e9, there=777e3).found


def test_too_few_inodes_fail():
    assert disk.judge_files("disk", 1000, 999).level == "fails"
    assert disk.judge_files("disk", 1000, 1000).level == "ok"


def test_a_folder_behind_a_link_to_nowhere_fails_and_one_that_can_be_made_does(tmp_path):
    (tmp_path / "results").symlink_to(tmp_path / "scratch")
    (finding,) = disk.check_folder(tmp_path / "results" / "tiny")
    assert finding.level == "fails"
    assert f"is a link to {tmp_path / 'scratch'}, which is not there" in finding.found
    (tmp_path / "scratch").mkdir()
    assert disk.check_folder(tmp_path / "results" / "tiny") == []


def test_what_lies_in_a_folder_is_counted(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(b"12345")
    assert disk.taken(tmp_path) == 5
    assert disk.taken(tmp_path / "nowhere") == 0


def test_the_size_of_the_papers_model_is_found():
    found = training.checkpoints(Path("config/experiments/cosmo-1b.yaml"))
    assert found == {"parameters": pytest.approx(1.742e9, rel=0.001), "count": 3}


def test_gpus_are_counted_against_the_rule_that_asks_for_most():
    rules = [{"rule": "generate_slice", "gpu": 2}, {"rule": "embed_documents", "gpu": 1}]
    assert local.check_gpus(rules, [80 * GIB, 80 * GIB])[0].level == "ok"
    (finding,) = local.check_gpus(rules, [80 * GIB])
    assert (finding.level, finding.found.startswith("generate_slice ask")) == ("fails", True)
    assert local.check_gpus(rules, None)[0].level == "warning"
    assert local.check_gpus([{"rule": "clean_filter"}], [])[0].level == "ok"


def test_more_memory_than_there_is_is_a_warning():
    rules = [{"rule": "deduplicate_clusters", "mem_mb": 12000}]
    assert local.check_memory(rules, (8 * 10**9, "the machine's memory"))[0].level == "warning"
    assert local.check_memory(rules, (16 * 10**9, "the machine's memory"))[0].level == "ok"


def trainer(missing_data, extra_data=(), **config):
    """Facts of a run that trains the paper's model."""
    splits = ["web_samples", "stanford", "wikihow", "openstax", "auto_math_text", "khanacademy", "stories"]
    train = {"experiment": "cosmo-1b", "trainer": "transformers", "missing_data": missing_data}
    facts = {"splits": splits, "experiment": "config/experiments/cosmo-1b.yaml"}
    rules = [{"rule": "train_config"}, {"rule": "train_model"}]
    train = {**train, "extra_data": dict(extra_data), **config}
    return {"rules": rules, "interpreters": {"train": sys.executable}, "config": {**facts, "train": train}}


def test_data_of_the_mixture_that_nothing_makes_fails_unless_it_may_be_left_out():
    (finding,) = training.check_training(trainer("fail"), {})
    assert (finding.level, "notebooks" in finding.found) == ("fails", True)
    (finding,) = training.check_training(trainer("leave_out"), {})
    assert finding.level == "ok"
    (finding,) = training.check_training(trainer("fail", {"notebooks": "nowhere"}), {})
    assert "notebooks" in finding.found


def test_nanotron_needs_its_clone(tmp_path):
    facts = trainer("leave_out", trainer="nanotron")
    assert training.check_training(facts, {})[1].level == "fails"
    (tmp_path / "run_train.py").touch()
    assert training.check_training(facts, {"NANOTRON_ROOT": str(tmp_path)})[1] == Finding(
        "nanotron", "ok", str(tmp_path)
    )


def test_nothing_is_said_of_training_where_nothing_is_trained():
    assert training.check_training({**trainer("fail"), "rules": []}, {}) == []


@pytest.mark.parametrize(
    ("answer", "level", "words"),
    [
        ("reads\nnode7\n", "ok", "node node7 reads"),
        ("blind\nnode7\n", "fails", "does not see files"),
        ("reads\nmissing /opt/vllm/bin/python\nnode7\n", "fails", "does not see /opt/vllm/bin/python"),
    ],
)
def test_the_answer_of_a_node_is_understood(answer, level, words):
    finding = probe.read_answer("shared files", Path("/scratch"), answer)
    assert (finding.level, words in finding.found) == (level, True)


@pytest.mark.parametrize(
    ("state", "level", "words"),
    [
        ("PENDING (Resources)", "warning", "was PENDING (Resources)"),
        ("COMPLETED (None)", "fails", "not seen here"),
        ("gone", "fails", "not seen here"),
        ("FAILED (NonZeroExitCode)", "fails", "wrote nothing"),
    ],
)
def test_the_silence_of_a_node_is_judged_by_the_state_of_the_job(state, level, words):
    finding = probe.judge_silence("shared files", "7", state, Path("/scratch"), 60)
    assert (finding.level, words in finding.found) == (level, True)
