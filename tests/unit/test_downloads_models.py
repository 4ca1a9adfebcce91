"""Models are fetched into the cache once, and found there without the network."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.webserver import serve_hub

FILES = ["config.json", "tokenizer.json", "model.safetensors", "pytorch_model.bin", "onnx/model.onnx"]


@pytest.fixture
def hub(tmp_path):
    for name in FILES:
        (tmp_path / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / name).write_text(f"the bytes of {name}")
    with serve_hub(tmp_path / "model") as running:
        yield running


def fetch(hub, folder, *flags, **environment):
    words = [sys.executable, "-m", "scripts.downloads.models", *flags, "--output", str(folder / "models.json")]
    return subprocess.run(
        [*words, "--attempts", "2", "--first-wait", "0"],
        env=os.environ | hub.environment(folder / "home") | environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )


def cached(folder):
    snapshot = next((folder / "home" / "hub").glob("models--pages--web/snapshots/*"))
    return sorted(str(path.relative_to(snapshot)) for path in snapshot.rglob("*") if path.is_file())


def test_a_model_is_fetched_with_its_commit_and_later_found_without_the_network(tmp_path, hub):
    result = fetch(hub, tmp_path, "--models", "pages/web@main")
    assert result.returncode == 0, result.stderr
    assert json.loads((tmp_path / "models.json").read_text()) == {"pages/web@main": "1" * 40}
    assert cached(tmp_path) == ["config.json", "model.safetensors", "tokenizer.json"]
    hub.server.refusal = (503, "")
    assert fetch(hub, tmp_path, "--models", "pages/web@main", HF_HUB_OFFLINE="1").returncode == 0


def test_a_tokenizer_comes_without_the_weights(tmp_path, hub):
    assert fetch(hub, tmp_path, "--tokenizers", "pages/web@main").returncode == 0
    assert cached(tmp_path) == ["config.json", "tokenizer.json"]


@pytest.mark.parametrize(
    ("refusal", "advice"),
    [
        ((403, "GatedRepo"), "Accept the terms at https://huggingface.co/pages/web, log in with `hf auth login`"),
        ((404, "RepoNotFound"), "there is no such model on the Hub, or it is private"),
    ],
)
def test_a_model_that_is_not_given_tells_what_to_do(tmp_path, hub, refusal, advice):
    hub.server.refusal = refusal
    result = fetch(hub, tmp_path, "--models", "pages/web@main")
    assert result.returncode != 0
    assert advice in result.stderr
    assert "Traceback" not in result.stderr
