import json
import os
from pathlib import Path

import pytest
import yaml

from scripts.common.errors import InputError
from scripts.train.experiment import dataset, read_experiment
from scripts.train.with_nanotron import (
    check_devices,
    convert_command,
    find_root,
    prepare,
    read_log,
    run_logged,
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
