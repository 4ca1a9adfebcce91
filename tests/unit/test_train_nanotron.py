import json
import os
import time
import types
from pathlib import Path

import pytest
import yaml

from scripts.common import limit
from scripts.common.errors import InputError
from scripts.train import launcher, with_nanotron
from scripts.train.experiment import dataset, read_experiment
from scripts.train.launcher import run_logged
from scripts.train.with_nanotron import (
    Checkpoints,
    check_devices,
    convert_command,
    find_root,
    prepare,
    read_log,
    train,
    train_command,
)

COSMO = Path("config/experiments/cosmo-1b.yaml")


@pytest.fixture
def clone(tmp_path, monkeypatch):
    (tmp_path / "nanotron").mkdir()
    (tmp_path / "nanotron" / "run_train.py").touch()
    monkeypatch.setenv("NANOTRON_ROOT", str(tmp_path / "nanotron"))
    return tmp_path / "nanotron"


def test_without_a_clone_the_error_says_what_to_install(monkeypatch):
    monkeypatch.delenv("NANOTRON_ROOT", raising=False)
    with pytest.raises(InputError, match=r"commit d22eb809.*NANOTRON_ROOT.*train\.trainer"):
        find_root()


def test_the_clone_is_found_by_its_variable(clone):
    assert find_root() == clone.resolve()


def test_gpus_must_match_the_parallelism_of_the_experiment():
    experiment = read_experiment(COSMO)
    check_devices(experiment, nodes=20, gpus=8)
    with pytest.raises(InputError, match=r"160 GPUs, but train\.nodes × train\.gpus = 8"):
        check_devices(experiment, nodes=1, gpus=8)


def test_data_is_reached_through_links_below_a_folder_named_s3(tmp_path):
    folder = tmp_path / "tokens" / "stories"
    folder.mkdir(parents=True)
    (folder / "a.ds").touch()
    experiment = read_experiment(COSMO)
    dataset(experiment)["dataset_folder"] = [os.path.relpath(folder)]
    given = dataset(yaml.safe_load(prepare(experiment, tmp_path / "work").read_text()))["dataset_folder"]
    assert "/s3/" in given[0]
    assert [path.name for path in Path(given[0]).iterdir()] == ["a.ds"]


def test_a_run_with_checkpoints_is_resumed(tmp_path):
    experiment = read_experiment(COSMO)
    dataset(experiment)["dataset_folder"] = []
    fresh = yaml.safe_load(prepare(experiment, tmp_path).read_text())["checkpoints"]
    assert fresh["resume_checkpoint_path"] is None
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "latest.txt").write_text("1000")
    resumed = yaml.safe_load(prepare(experiment, tmp_path).read_text())["checkpoints"]
    assert resumed["resume_checkpoint_path"] == resumed["checkpoints_path"] == str(tmp_path / "checkpoints")


def test_several_nodes_get_one_launcher_each_that_meet_at_one_address(clone):
    single = train_command(clone, Path("c.yaml"), nodes=1, gpus=8, threads=4)
    assert single[1:] == [
        *("-m", "torch.distributed.run", "--nnodes=1", "--nproc-per-node=8", "--standalone"),
        *(str(clone / "run_train.py"), "--config-file", "c.yaml"),
    ]
    several = train_command(clone, Path("c.yaml"), nodes=20, gpus=8, threads=4)
    assert several[:4] == ["srun", "--nodes=20", "--ntasks=20", "--ntasks-per-node=1"]
    assert several[4:6] == ["--gpus-per-node=8", "--cpus-per-gpu=4"]
    assert any(word.startswith("--rdzv-endpoint=") for word in several)


def test_conversion_takes_the_tokenizer_along():
    command = convert_command(Path("checkpoints/10"), Path("model"), "resources/tiny-lm")
    assert command[-6:] == [
        *("--checkpoint_path", "checkpoints/10", "--save_path", "model"),
        *("--tokenizer_name", "resources/tiny-lm"),
    ]


def test_log_lines_become_rows_and_a_repeated_step_counts_once():
    line = "INFO: iteration: {} / 140000 | consumed_tokens: 2.6M | grad_norm: 1.2 | lm_loss: {} | lr: {} | eta: 1:00"
    lines = [line.format(1, "10.4", "1.5e-07"), "other", line.format(2, "9.9", "3e-07"), line.format(2, "9.8", "3e-07")]
    rows = [json.loads(row) for row in read_log(lines, 100).splitlines()]
    assert rows == [
        {"step": 1, "loss": 10.4, "lr": 1.5e-07, "tokens": 100},
        {"step": 2, "loss": 9.8, "lr": 3e-07, "tokens": 200},
    ]


def test_a_failing_command_is_an_error_that_names_its_output(tmp_path):
    with pytest.raises(InputError, match=r"status 3; its output is in .*kept\.log"):
        run_logged(["sh", "-c", "echo trouble; exit 3"], os.environ, tmp_path / "kept.log")
    assert (tmp_path / "kept.log").read_text() == "trouble\n"


def checkpoint(folder, *steps, latest):
    for step in steps:
        (folder / str(step)).mkdir(parents=True)
        (folder / str(step) / "model").touch()
    (folder / "latest.txt").write_text(latest)


def left(folder):
    return sorted(int(path.name) for path in folder.iterdir() if path.is_dir())


@pytest.mark.parametrize(
    ("latest", "expected"),
    [
        ("30", [20, 30, 40]),  # 40 is being written
        ("40", [30, 40]),
        ("10", [10, 20, 30, 40]),  # a person went back
        ("", [10, 20, 30, 40]),  # it is being written itself
        ("35", [10, 20, 30, 40]),
    ],
)
def test_the_newest_two_whole_checkpoints_are_kept(tmp_path, latest, expected):
    checkpoint(tmp_path, 10, 20, 30, 40, latest=latest)
    Checkpoints(tmp_path)
    assert left(tmp_path) == expected


def test_a_new_checkpoint_takes_the_place_of_an_older_one_and_is_given_time_to_settle(tmp_path):
    checkpoint(tmp_path, 10, 20, latest="20")
    checkpoints = Checkpoints(tmp_path)
    checkpoints.look()
    assert checkpoints.settled()
    assert not checkpoints.further()
    checkpoint(tmp_path, 30, latest="")
    checkpoints.look()
    assert (left(tmp_path), checkpoints.newest, checkpoints.settled()) == ([10, 20, 30], 20, False)
    (tmp_path / "latest.txt").write_text("30")
    checkpoints.look()
    assert (left(tmp_path), checkpoints.newest, checkpoints.settled()) == ([20, 30], 30, False)
    assert checkpoints.further()


RUN_TRAIN = """import os, pathlib, signal, sys, time, yaml
signal.signal(signal.SIGTERM, signal.SIG_IGN)
config = yaml.safe_load(open(sys.argv[2]))
folder = pathlib.Path(config["checkpoints"]["checkpoints_path"])
resume = config["checkpoints"]["resume_checkpoint_path"]
first = int(open(resume + "/latest.txt").read()) + 1 if resume else 1
here = pathlib.Path(__file__).parent
(here / "pid").write_text(str(os.getpid()))
for step in range(first, config["tokens"]["train_steps"] + 1):
    if step == first + int((here / "checkpoints_a_start").read_text()):
        (here / "late").touch()
        time.sleep(600)
    print(f"iteration: {step} / 5 | lm_loss: {step / 2} | lr: 0.1 | eta", flush=True)
    (folder / str(step)).mkdir(parents=True)
    (folder / str(step) / "model").write_text("whole")
    (folder / "latest.txt").write_text(str(step))
"""
"""Stands in for nanotron: makes some checkpoints, then lets the time limit come and does not listen to SIGTERM."""

CONVERT = """import pathlib, sys
words = dict(zip(sys.argv[1::2], sys.argv[2::2]))
assert (pathlib.Path(words["--checkpoint_path"]) / "model").read_text() == "whole"
pathlib.Path(words["--save_path"]).mkdir()
(pathlib.Path(words["--save_path"]) / "config.json").write_text(words["--checkpoint_path"])
"""


@pytest.fixture
def start(clone, slurm, monkeypatch, tmp_path):
    """Starts a job of a training of five steps, whose time is over after so many checkpoints."""
    slurm("1:00:00")
    (clone / "run_train.py").write_text(RUN_TRAIN)
    (clone / "examples" / "llama").mkdir(parents=True)
    (clone / "examples" / "llama" / "convert_nanotron_to_hf.py").write_text(CONVERT)
    clock = types.SimpleNamespace(monotonic=lambda: time.monotonic() + 3600 * (clone / "late").exists())
    monkeypatch.setattr(limit, "time", clock)
    monkeypatch.setattr(launcher, "TICK", 0.01)
    monkeypatch.setattr(launcher, "GRACE", 0.5)
    monkeypatch.setattr(with_nanotron, "SETTLED", 0.0)
    experiment = read_experiment(Path("config/experiments/tiny.yaml"))
    dataset(experiment)["dataset_folder"] = []
    experiment["tokenizer"]["tokenizer_name_or_path"] = "resources/tiny-lm"
    experiment["tokens"]["train_steps"] = 5
    (tmp_path / "work").mkdir()

    def job(checkpoints):
        (clone / "late").unlink(missing_ok=True)
        (clone / "checkpoints_a_start").write_text(str(checkpoints))
        train(experiment, tmp_path / "model", tmp_path / "log.jsonl", tmp_path / "work", nodes=1, gpus=1, threads=1)

    return job


def runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_job_near_its_limit_is_ended_and_its_next_start_goes_on(clone, start, tmp_path):
    checkpoints = tmp_path / "work" / "checkpoints"
    for newest, kept in ((2, [1, 2]), (4, [3, 4])):
        with pytest.raises(SystemExit, match=f"Slurm starts the job again, which goes on from .* step {newest}$"):
            start(checkpoints=2)
        assert left(checkpoints) == kept
        assert not runs((clone / "pid").read_text())
    assert (tmp_path / "calls").read_text().count("scontrol requeue 17") == 2
    start(checkpoints=2)
    assert left(checkpoints) == [4, 5]
    assert (tmp_path / "model" / "config.json").read_text() == str(checkpoints / "5")
    assert [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()] == [1, 2, 3, 4, 5]
    (clone / "run_train.py").write_text("raise SystemExit('there is nothing left to train')")
    (tmp_path / "model" / "config.json").unlink()
    (tmp_path / "model").rmdir()
    start(checkpoints=2)
    assert (tmp_path / "model" / "config.json").exists()


def test_a_job_that_reaches_no_checkpoint_in_its_time_fails(clone, start, tmp_path):
    with pytest.raises(InputError, match=r"without a new checkpoint \(the newest: None\).*train\.runtime"):
        start(checkpoints=0)
    checkpoint(tmp_path / "work" / "checkpoints", 2, 3, latest="3")
    with pytest.raises(InputError, match=r"without a new checkpoint \(the newest: 3\)"):
        start(checkpoints=0)
    assert left(tmp_path / "work" / "checkpoints") == [2, 3]
    assert not runs((clone / "pid").read_text())
    assert "scontrol" not in (tmp_path / "calls").read_text()
