"""The request that the executor plugin would send, the partition it would choose, and how jobs are asked about."""

import os
import re
import textwrap

import pytest

from scripts.common.errors import InputError
from scripts.preflight.asks import choose_partition, read_accounts, read_ask, read_choices, trial_command
from scripts.preflight.cluster import Cluster, check_accounts, check_partitions, check_status_command, place
from scripts.preflight.slurm import Ask, parse_partitions

SINFO = "cpu|up|4:00:00|64|256000|(null)|idle|9|cpu*\nbig|up|1-00:00:00|64|512000|gpu:h100:8|idle|9|big\n"
PARTITIONS = parse_partitions(SINFO)
SETTINGS = {"status_command": "squeue", "init_seconds_before_status_checks": 40}
TRAIN = {"rule": "train_model", "local": False, "threads": 8, "gpu": 160, "gpu_model": "h100", "nodes": 20}


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A function that puts a program of Slurm into an otherwise empty PATH: its name, what it says, how it ends."""
    monkeypatch.setenv("PATH", os.fspath(tmp_path))

    def add(name, says="", status=0):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\necho '{says}'\nexit {status}\n")
        path.chmod(0o755)

    return add


def test_gpus_of_several_nodes_are_counted_for_each():
    assert read_ask({**TRAIN, "runtime": 1440, "mem_mb": 128000}) == Ask(1440, 128000, 8, 8, "h100", 20)


def test_memory_by_cpu_times_with_units_and_gres_are_understood():
    request = {"threads": 4, "mem_mb_per_cpu": 2000, "runtime": "1-00:00:00", "gres": "gpu:a100:2"}
    assert read_ask(request) == Ask(1440, 8000, 4, 2, "a100", 1)


def test_the_partition_is_the_given_one_then_that_of_the_file_then_slurms_default(tmp_path):
    file = tmp_path / "partitions.yaml"
    file.write_text(
        textwrap.dedent("""
            partitions:
              cpu: {max_runtime: 240, max_mem_mb: 256000}
              big: {max_runtime: 1440, max_mem_mb: 512000, max_gpu: 8, available_gpu_models: [h100]}
        """)
    )
    choices = read_choices(str(file))
    small, large = {"rule": "a", "threads": 1, "mem_mb": 1000}, {"rule": "b", "threads": 1, "gpu": 2}
    assert choose_partition({**small, "slurm_partition": "mine"}, choices, PARTITIONS) == ("mine", False)
    assert choose_partition(small, choices, PARTITIONS) == ("cpu", False)
    assert choose_partition(large, choices, PARTITIONS) == ("big", False)
    assert choose_partition({**large, "gpu": 9}, choices, PARTITIONS) == ("cpu", True)
    assert choose_partition(large, [], PARTITIONS) == ("cpu", True)
    assert choose_partition(large, [], {}) == ("", True)


def test_of_a_list_of_partitions_one_that_would_do_is_taken():
    job = {"rule": "a", "local": False, "threads": 1, "runtime": 600, "slurm_partition": "cpu,big"}
    (placed,) = place({"settings": {}, "rules": [job]}, Cluster(PARTITIONS, {}, "25.05"))
    assert placed.partition == "big"


def test_local_rules_go_nowhere():
    assert place({"settings": {}, "rules": [{**TRAIN, "local": True}]}, Cluster(PARTITIONS, {}, "25.05")) == []


def test_slurm_is_asked_with_what_the_plugin_would_send():
    request = {**TRAIN, "mem_mb": 1000, "runtime": 60, "slurm_account": "ai"}
    command = trial_command(request, read_ask(request), "big", {"qos": "high"})
    assert command[:2] == ["sbatch", "--test-only"]
    expected = {"--partition=big", "--account=ai", "--time=60", "--mem=1000", "--gpus=h100:160", "--nodes=20"}
    assert expected | {"--cpus-per-task=8", "--qos=high"} <= set(command)
    assert "--account=ai" not in trial_command(request, read_ask(request), "big", {"no_account": True})


def test_several_accounts_of_a_rule_are_told_apart():
    assert read_accounts({"slurm_account": "one, two"}) == ["one", "two"]
    assert read_accounts({"slurm_account": 12345}) == ["12345"]


def cluster(age):
    return Cluster(PARTITIONS, {"MinJobAge": f"{age} sec", "AccountingStorageType": "accounting_storage/none"}, "25.05")


def test_squeue_does_where_slurm_remembers_finished_jobs_long_enough(programs):
    programs("squeue")
    (finding,) = check_status_command(SETTINGS, cluster(300))
    assert (finding.level, "300 s" in finding.found) == ("ok", True)


def test_squeue_alone_is_a_warning_where_slurm_forgets_too_early(programs):
    programs("squeue")
    (finding,) = check_status_command(SETTINGS, cluster(60))
    assert finding.level == "warning"
    assert "slurm-init-seconds-before-status-checks: 20" in finding.advice


def test_sacct_without_accounting_fails_whether_it_was_asked_for_or_is_turned_to(programs):
    programs("squeue")
    programs("sacct", "Slurm accounting storage is disabled", status=1)
    for settings, age in (({**SETTINGS, "status_command": "sacct"}, 300), (SETTINGS, 60)):
        (finding,) = check_status_command(settings, cluster(age))
        assert finding.level == "fails"
        assert "wait for ever" in finding.found
        assert "slurm-status-command: squeue" in finding.advice


def test_sacct_with_accounting_does(programs):
    programs("sacct", "1|COMPLETED")
    (finding,) = check_status_command({**SETTINGS, "status_command": "sacct"}, cluster(60))
    assert finding.level == "ok"


def test_an_account_that_is_not_the_users_fails_and_the_users_own_are_named(programs):
    programs("sacctmgr", "   nlp\n   ai")
    request = {**TRAIN, "slurm_account": "physics"}
    placed = place({"settings": {}, "rules": [request]}, Cluster(PARTITIONS, {}, "25.05"))
    (finding,) = check_accounts({}, placed)
    assert finding.level == "fails"
    assert "only ai, nlp" in finding.found
    programs("sacctmgr", "   nlp\n   physics")
    assert [finding.level for finding in check_accounts({}, placed)] == ["ok"]
    assert [finding.level for finding in check_accounts({"no_account": True}, placed)] == ["ok"]


def test_an_account_without_accounting_fails_because_the_plugin_cannot_look_it_up(programs):
    programs("sacctmgr", "You are not running a supported accounting_storage plugin", status=1)
    placed = place({"settings": {}, "rules": [{**TRAIN, "slurm_account": "ai"}]}, Cluster(PARTITIONS, {}, "25.05"))
    (finding,) = check_accounts({}, placed)
    assert finding.level == "fails"
    assert "slurm-no-account: true" in finding.advice


def test_an_account_of_which_slurm_knows_nothing_is_not_called_the_users(programs):
    programs("sacctmgr", "You are not running a supported accounting_storage plugin", status=1)
    programs("sshare", "")
    placed = place({"settings": {}, "rules": [{**TRAIN, "slurm_account": "ai"}]}, Cluster(PARTITIONS, {}, "25.05"))
    (finding,) = check_accounts({}, placed)
    assert finding.level == "warning"
    assert "ai could not be checked" in finding.found


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        ("{max_gpus: 4}", "partition gpu has the unknown limit max_gpus: did you mean max_gpu?"),
        ("{colour: red}", "partition gpu has the unknown limit colour: known are max_runtime, "),
        ("{max_mem_mb: 250G}", "max_mem_mb of partition gpu is '250G', and a plain number is wanted"),
        ("", "partition gpu has no limits"),
    ],
)
def test_a_mistake_in_the_file_of_partitions_is_told_in_words(tmp_path, limits, problem):
    file = tmp_path / "partitions.yaml"
    file.write_text(f"partitions:\n  gpu: {limits}\n  cpu: {{max_runtime: 4h, cluster: one}}\n")
    with pytest.raises(InputError, match=re.escape(problem)):
        read_choices(str(file))


def test_the_file_of_partitions_that_is_shipped_is_read():
    assert read_choices("profiles/slurm/partitions.yaml")


@pytest.mark.parametrize(
    ("rule", "keys"),
    [
        ("train_model", "Correct train.gpus, train.gpu_model, train.nodes, train.threads (config), "),
        ("embed_documents", "Correct embed.gpus, embed.gpu_model (config), "),
        ("generate_slice", "Correct llm.gpus, llm.gpu_model, llm.threads (config), "),
    ],
)
def test_who_asks_for_too_many_gpus_is_told_which_keys_of_the_configuration_ask(rule, keys):
    found = cluster(300)
    placed = place({"settings": {}, "rules": [{**TRAIN, "rule": rule, "gpu": 20000, "slurm_partition": "cpu"}]}, found)
    (finding,) = check_partitions({}, found, placed)
    assert finding.advice.startswith(keys)
