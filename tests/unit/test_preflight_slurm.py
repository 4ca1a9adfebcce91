"""What is read of Slurm's outputs, and when a request fits a partition."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.preflight.slurm import (
    Ask,
    Nodes,
    out_of_service,
    parse_config,
    parse_gpus,
    parse_minutes,
    parse_partitions,
    refusals,
)

# As Slurm 22.05 printed it.
SINFO = """\
cpu|up|2-00:00:00|8|64000|(null)|idle|1|cpu*|(null)
gpu|up|2-00:00:00|8|64000|gpu:h200:2|idle|1|gpu|(null)
"""
SCONTROL = (
    "PartitionName=gpu AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL AllocNodes=ALL Default=NO QoS=N/A "
    "DefaultTime=NONE DisableRootJobs=NO ExclusiveUser=NO GraceTime=0 Hidden=NO MaxNodes=UNLIMITED "
    "MaxTime=2-00:00:00 MinNodes=0 LLN=NO MaxCPUsPerNode=UNLIMITED Nodes=gpu1 PriorityJobFactor=1 PriorityTier=1 "
    "RootOnly=NO ReqResv=NO OverSubscribe=NO OverTimeLimit=NONE PreemptMode=OFF State=UP TotalCPUs=8 TotalNodes=1 "
    "SelectTypeParameters=NONE JobDefaults=(null) DefMemPerNode=UNLIMITED MaxMemPerNode=UNLIMITED "
    "TRES=cpu=8,mem=62.50G,node=1,billing=8\n"
)
CONFIG = """\
Configuration data as of 2026-11-21T20:31:17
AccountingStorageType   = accounting_storage/none
MinJobAge               = 600 sec
SLURM_VERSION           = 22.05.8
"""
# Made up after the same formats, as a larger site prints them.
SITE = """\
short*|up|4:00:00|64|256000|(null)|alloc|100|short*
short*|up|4:00:00|64|256000|(null)|down*|3|short*
a100|up|1-00:00:00|128|1000000|gpu:a100:4(S:0-3)|mix|20|a100
a100|up|1-00:00:00|128|500000|gpu:a100:8(S:0-7),shard:64|drain|2|a100
old|down|infinite|16|64000+|gpu:2|idle|1|old
""".replace("short*|up", "short|up")
LIMITS = (
    "PartitionName=short AllowAccounts=ALL DenyAccounts=guests MaxNodes=10 MaxTime=04:00:00 MaxMemPerNode=200000\n"
    "PartitionName=a100 AllowAccounts=ai,nlp MaxNodes=16 MaxTime=1-00:00:00 MaxMemPerNode=UNLIMITED\n"
)


@pytest.fixture(scope="module")
def site():
    return parse_partitions(SITE, LIMITS)


def test_what_slurm_printed_is_read():
    partitions = parse_partitions(SINFO, SCONTROL)
    assert list(partitions) == ["cpu", "gpu"]
    assert [name for name, partition in partitions.items() if partition.default] == ["cpu"]
    (nodes,) = partitions["gpu"].nodes
    assert (partitions["gpu"].minutes, nodes.cpus, nodes.memory_mb, nodes.gpus) == (2880, 8, 64000, {"h200": 2})
    assert refusals(Ask(minutes=2880, memory_mb=64000, cpus=8, gpus=2, model="H200"), partitions["gpu"]) == []
    assert parse_config(CONFIG)["MinJobAge"] == "600 sec"


def test_fields_that_newer_versions_print_besides_do_no_harm():
    line = SCONTROL.replace("ExclusiveUser=NO", "ExclusiveUser=NO ExclusiveTopo=NO")
    line = line.replace("MaxCPUsPerNode=UNLIMITED", "MaxCPUsPerNode=6 MaxCPUsPerSocket=UNLIMITED")
    gpu = parse_partitions(SINFO, line.replace("billing=8", "billing=8,gres/gpu=2,gres/gpu:nvidia_h100_nvl=2"))["gpu"]
    assert refusals(Ask(cpus=7), gpu) == ["it admits 6 CPUs a node, and 7 are asked for"]
    assert refusals(Ask(cpus=6), gpu) == []


def test_nodes_of_a_partition_that_differ_are_kept_apart(site):
    assert [nodes.count for nodes in site["a100"].nodes] == [20, 2]
    assert [nodes.gpus for nodes in site["a100"].nodes] == [{"a100": 4}, {"a100": 8}]
    assert site["old"].nodes[0].gpus == {"": 2}
    assert site["old"].minutes == math.inf


@pytest.mark.parametrize(
    ("name", "ask", "reason"),
    [
        ("short", Ask(minutes=241), "it admits 240 minutes, and 241 are asked for"),
        ("short", Ask(nodes=11), "it admits 10 nodes a job, and 11 are asked for"),
        ("short", Ask(memory_mb=210_000), "it admits 200,000 MB a node, and 210,000 are asked for"),
        ("short", Ask(cpus=65), "it has 64 CPUs a node, and 65 are asked for"),
        ("short", Ask(gpus=1), "it has no GPU a node, and 1 GPUs are asked for"),
        ("short", Ask(account="guests"), "it is not for the account guests"),
        ("a100", Ask(gpus=2, model="h100"), "it has 4 a100 a node, and 2 h100 are asked for"),
        ("a100", Ask(gpus=8, nodes=3), "2 of its nodes would do, and 3 are asked for"),
        ("a100", Ask(account="physics"), "it is for the accounts ai,nlp, and physics is not among them"),
        ("old", Ask(), "it is down"),
    ],
)
def test_a_request_that_cannot_run_is_refused_in_words(site, name, ask, reason):
    assert reason in refusals(ask, site[name])


def test_what_fits_is_not_refused(site):
    assert refusals(Ask(minutes=240, memory_mb=200_000, cpus=64, nodes=10), site["short"]) == []
    assert refusals(Ask(minutes=1440, gpus=8, model="a100", nodes=2, account="nlp"), site["a100"]) == []


def test_a_job_whose_nodes_take_none_now_would_wait(site):
    assert out_of_service(Ask(gpus=8), site["a100"]) == "drain"
    assert out_of_service(Ask(gpus=4), site["a100"]) == ""
    assert out_of_service(Ask(cpus=64), site["short"]) == ""


@pytest.mark.parametrize(
    ("state", "serves"),
    [("idle mix mix- alloc idle~ plnd resv comp", True), ("down* idle* drain drain* drng maint fail", False)],
)
def test_nodes_serve_that_work_or_sleep(state, serves):
    for word in state.split():
        assert Nodes(8, 64000, {}, word, 1).serves == serves


@pytest.mark.parametrize(
    ("gres", "gpus"),
    [
        ("(null)", {}),
        ("gpu:2", {"": 2}),
        ("gpu:h200:2", {"h200": 2}),
        ("gpu:H100:8(S:0-1)", {"h100": 8}),
        ("gpu:a100:4(S:0-1),gpu:v100:2(S:0)", {"a100": 4, "v100": 2}),
        ("shard:16,gpu:nvidia_a100_1g.5gb:7", {"nvidia_a100_1g.5gb": 7}),
        ("gpu", {"": 1}),
        ("license:4", {}),
    ],
)
def test_gpus_are_found_among_the_resources_of_a_node(gres, gpus):
    assert parse_gpus(gres) == gpus


@given(st.integers(0, 400), st.integers(0, 23), st.integers(0, 59))
def test_times_are_read_back(days, hours, minutes):
    whole = days * 1440 + hours * 60 + minutes
    assert parse_minutes(f"{days}-{hours:02d}:{minutes:02d}:00") == whole
    assert parse_minutes(f"{days * 24 + hours}:{minutes:02d}:00") == whole
    assert parse_minutes(str(whole)) == whole


def test_times_of_other_forms_are_read():
    assert parse_minutes("30:00") == 30
    assert parse_minutes("1-12") == 36 * 60
    assert parse_minutes("infinite") == parse_minutes("UNLIMITED") == parse_minutes("n/a") == math.inf


@given(st.text(alphabet="gpu:h2,()S-0|*\n "))
def test_no_output_breaks_the_reading(text):
    parse_gpus(text)
    parse_partitions(text, text)
