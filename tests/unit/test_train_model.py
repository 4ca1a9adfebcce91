import copy
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from scripts.common.errors import InputError
from scripts.common.files import write_json
from scripts.train.experiment import dataset, read_experiment
from scripts.train.model import input_id, train_model
from scripts.train.with_transformers import arguments, build_model, train

TOKENIZER = "resources/tiny-lm"


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """The tiny experiment with a still smaller model, four steps and a checkpoint at every second one."""
    folder = tmp_path_factory.mktemp("tokens")
    np.random.default_rng(1).integers(5, 60, 2000).astype("<u2").tofile(folder / "00000.ds")
    write_json(folder / "tokens.json", {"bytes_per_token": 2})
    result = read_experiment(Path("config/experiments/tiny.yaml"))
    result["general"]["seed"] = result["data_stages"][0]["data"]["seed"] = 7
    result["model"]["model_config"] |= {"vocab_size": 64, "hidden_size": 16, "intermediate_size": 32}
    result["model"]["model_config"] |= {"bos_token_id": 1, "eos_token_id": 0, "pad_token_id": 2}
    result["tokenizer"]["tokenizer_name_or_path"] = TOKENIZER
    result["tokens"] |= {"sequence_length": 16, "micro_batch_size": 2, "train_steps": 4}
    result["optimizer"]["learning_rate_scheduler"]["lr_warmup_steps"] = 1
    result["checkpoints"]["checkpoint_interval"] = 2
    result["logging"]["iteration_step_info_interval"] = 1
    dataset(result).update(dataset_folder=[str(folder)], dataset_weights=[1.0])
    return result


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def experiment(settings):
    return copy.deepcopy(settings)


@pytest.fixture(scope="module")
def reference(settings, tmp_path_factory):
    """A whole training: its folder with model, log.jsonl and the checkpoints in work."""
    folder = tmp_path_factory.mktemp("reference")
    train(settings, folder / "model", folder / "log.jsonl", folder / "work", "cpu")
    return folder


def test_a_killed_run_resumes_and_gives_the_same_bytes(experiment, reference, tmp_path):
    shutil.copytree(reference / "work" / "checkpoint-2", tmp_path / "work" / "checkpoint-2")
    train(experiment, tmp_path / "model", tmp_path / "log.jsonl", tmp_path / "work", "cpu")
    assert contents(tmp_path / "model") == contents(reference / "model")
    assert (tmp_path / "log.jsonl").read_bytes() == (reference / "log.jsonl").read_bytes()


def test_a_run_without_time_goes_on_a_step_a_start_and_gives_the_same_bytes(experiment, reference, tmp_path, slurm):
    slurm("0:00")
    places = (tmp_path / "model", tmp_path / "log.jsonl", tmp_path / "work")
    for step in (1, 2, 3):
        with pytest.raises(SystemExit, match=f"Slurm starts the job again, which goes on from .* step {step}$"):
            train(experiment, *places, "cpu")
        assert not (tmp_path / "model").exists()
        assert (tmp_path / "work" / f"checkpoint-{step}").is_dir()
    train(experiment, *places, "cpu")
    assert (tmp_path / "calls").read_text().count("scontrol requeue 17") == 3
    assert contents(tmp_path / "model") == contents(reference / "model")
    assert (tmp_path / "log.jsonl").read_bytes() == (reference / "log.jsonl").read_bytes()


def test_a_run_ends_only_at_a_step_that_is_logged_so_that_no_loss_is_left_out(experiment, tmp_path, slurm):
    slurm("0:00")
    experiment["logging"]["iteration_step_info_interval"] = 2
    with pytest.raises(SystemExit, match=r"step 2$"):
        train(experiment, tmp_path / "model", tmp_path / "log.jsonl", tmp_path / "work", "cpu")
    rows = json.loads((tmp_path / "work" / "checkpoint-2" / "trainer_state.json").read_text())["log_history"]
    assert [row["step"] for row in rows if "loss" in row] == [2]


def test_a_checkpoint_whose_writing_was_interrupted_is_left_aside(experiment, reference, tmp_path):
    shutil.copytree(reference / "work" / "checkpoint-2", tmp_path / "work" / "checkpoint-2")
    shutil.copytree(reference / "work" / "checkpoint-4", tmp_path / "work" / "checkpoint-4")
    (tmp_path / "work" / "checkpoint-4" / "trainer_state.json").unlink()
    (tmp_path / "work" / "checkpoint-4" / "optimizer.pt").write_bytes(b"")
    train(experiment, tmp_path / "model", tmp_path / "log.jsonl", tmp_path / "work", "cpu")
    assert contents(tmp_path / "model") == contents(reference / "model")


def test_the_model_is_whole_readable_by_all_and_its_checkpoints_are_gone(experiment, reference, tmp_path):
    train_model(experiment, tmp_path / "model", tmp_path / "log.jsonl", tmp_path / "work", device="cpu")
    assert contents(tmp_path / "model") == contents(reference / "model")
    assert (tmp_path / "log.jsonl").read_bytes() == (reference / "log.jsonl").read_bytes()
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= contents(tmp_path / "model").keys()
    assert not (tmp_path / "work").exists()
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in (tmp_path / "model").iterdir())


def test_the_log_tells_step_loss_rate_and_tokens(reference):
    rows = [json.loads(line) for line in (reference / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert [row["tokens"] for row in rows] == [32, 64, 96, 128]
    assert rows[0]["loss"] == pytest.approx(np.log(64), rel=0.1)
    assert rows[-1]["lr"] < rows[1]["lr"]


def test_other_tokens_are_another_input(experiment, tmp_path):
    before = input_id(experiment, full=True)
    assert input_id(experiment, full=True) == before
    np.zeros(2000, "<u2").tofile(tmp_path / "00000.ds")
    dataset(experiment)["dataset_folder"] = [str(tmp_path)]
    assert input_id(experiment, full=True) != before


def test_training_can_start_from_a_trained_model(experiment, reference):
    experiment["model"]["init_method"] = {"path": str(reference / "model")}
    started = build_model(experiment).state_dict()
    trained = load_file(reference / "model" / "model.safetensors")
    assert all(started[name].equal(value) for name, value in trained.items())


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("parallelism", "dp", 8, "set parallelism.dp to 1"),
        ("optimizer", "learning_rate_scheduler", {"lr_warmup_style": "linear", "lr_decay_style": "1-sqrt"}, "cosine"),
    ],
)
def test_what_one_process_cannot_do_is_refused(experiment, tmp_path, section, key, value, message):
    experiment[section][key] = value
    with pytest.raises(InputError, match=message):
        arguments(experiment, tmp_path, "cpu")
