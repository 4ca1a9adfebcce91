from pathlib import Path

import pytest
import yaml

from scripts.common.errors import InputError
from scripts.common.files import write_json
from scripts.train.config import main, mix, read_tokens, render, wanted_mixture
from scripts.train.experiment import dataset, read_experiment, tokens_per_step

EXPERIMENTS = Path("config/experiments")
SPECIAL = {"vocab_size": 32000, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": None}


def parameters(shape):
    """The size of a Llama, by hand."""
    width, layers, ffn = shape["hidden_size"], shape["num_hidden_layers"], shape["intermediate_size"]
    embeddings = shape["vocab_size"] * width * (1 if shape["tie_word_embeddings"] else 2)
    keys = width * shape["num_key_value_heads"] // shape["num_attention_heads"]
    return embeddings + layers * (2 * width * width + 2 * width * keys + 3 * width * ffn + 2 * width) + width


@pytest.fixture
def tokens(tmp_path):
    for name, count in {"web_samples": 300, "stories": 100, "openstax": 0}.items():
        (tmp_path / name).mkdir()
        write_json(tmp_path / name / "tokens.json", {"tokenizer": "resources/tiny-lm", "tokens": count})
    return {path.name: path for path in sorted(tmp_path.iterdir())}


def test_cosmo_1b_has_the_published_size_and_amount_of_training():
    experiment = read_experiment(EXPERIMENTS / "cosmo-1b.yaml")
    assert round(parameters(experiment["model"]["model_config"]) / 1e9, 3) == 1.742
    assert tokens_per_step(experiment) == 1_310_720
    assert round(tokens_per_step(experiment) * experiment["tokens"]["train_steps"] / 1e9, 1) == 183.5


def test_cosmo_1b_mixes_the_published_billions_of_tokens():
    mixture = wanted_mixture(read_experiment(EXPERIMENTS / "cosmo-1b.yaml"))
    textbooks = sum(mixture[name] for name in ("web_samples", "stanford", "wikihow", "openstax"))
    assert round(textbooks, 1) == 20
    assert round(mixture["auto_math_text"] + mixture["khanacademy"], 1) == 2.4
    assert mixture["stories"] == pytest.approx(5.1 + 3.6)


@pytest.mark.parametrize(("name", "millions"), [("tiny", (0.8, 1.3)), ("small", (100, 120))])
def test_other_experiments_have_the_size_that_their_first_line_says(name, millions):
    shape = dict(read_experiment(EXPERIMENTS / f"{name}.yaml")["model"]["model_config"])
    shape["vocab_size"] = 4096 if name == "tiny" else 32000
    assert millions[0] < parameters(shape) / 1e6 < millions[1]


def test_without_a_mixture_every_split_counts_by_its_tokens():
    assert mix(None, {"a": 300, "b": 100, "empty": 0}, "fail") == {"a": 0.75, "b": 0.25}


def test_missing_data_fails_with_its_name_or_is_left_out():
    with pytest.raises(InputError, match="notebooks"):
        mix({"web_samples": 3, "notebooks": 1}, {"web_samples": 10}, "fail")
    assert mix({"web_samples": 3, "notebooks": 1}, {"web_samples": 10}, "leave_out") == {"web_samples": 1.0}


def test_nothing_to_train_on_is_an_error():
    with pytest.raises(InputError, match="all splits are empty"):
        mix(None, {"a": 0}, "fail")


def test_tokens_of_another_tokenizer_are_refused(tokens):
    with pytest.raises(InputError, match="was tokenised with `resources/tiny-lm`, not `other`"):
        read_tokens(tokens, "other")


def test_rendering_fills_what_is_null_and_keeps_what_is_set():
    experiment = read_experiment(EXPERIMENTS / "cosmo-1b.yaml")
    weights = {"web_samples": 1.0}
    complete = render(experiment, "cosmo-1b", {"web_samples": Path("t/web_samples")}, weights, "mistral", SPECIAL, 7)
    assert complete["general"] == {**experiment["general"], "run": "cosmo-1b"}  # its own seed
    assert dataset(complete)["dataset_folder"] == ["t/web_samples"]
    assert complete["model"]["model_config"]["eos_token_id"] == 2
    assert complete["tokenizer"]["tokenizer_name_or_path"] == "mistral"


def test_a_vocabulary_that_is_not_the_tokenizers_is_refused():
    experiment = read_experiment(EXPERIMENTS / "cosmo-1b.yaml")
    with pytest.raises(InputError, match="vocab_size is 32000, but the tokenizer gpt2 has 50257"):
        render(experiment, "cosmo-1b", {}, {}, "gpt2", {**SPECIAL, "vocab_size": 50257}, 7)


def test_the_program_writes_a_complete_configuration(tokens, tmp_path):
    output = tmp_path / "config.yaml"
    flags = ["--experiment", str(EXPERIMENTS / "tiny.yaml"), "--tokenizer", "resources/tiny-lm", "--seed", "7"]
    main([*flags, "--tokens", *map(str, tokens.values()), "--output", str(output)])
    complete = yaml.safe_load(output.read_text())
    assert dataset(complete)["dataset_weights"] == [0.25, 0.75]  # stories, web_samples; openstax is empty
    assert complete["general"]["seed"] == complete["data_stages"][0]["data"]["seed"] == 7
    assert complete["model"]["model_config"]["vocab_size"] == 4096


def test_an_unknown_experiment_is_answered_with_the_known_ones():
    with pytest.raises(InputError, match="cosmo-1b, small, tiny"):
        read_experiment(EXPERIMENTS / "huge.yaml")


def test_a_file_that_is_no_experiment_is_refused(tmp_path):
    (tmp_path / "x.yaml").write_text("model: {}\n")
    with pytest.raises(InputError, match="lacks the section general"):
        read_experiment(tmp_path / "x.yaml")
