"""The vllm engine on vLLM's CPU build: the same slice program as on a GPU, on the shipped tiny model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from scripts.common.counts import Counts
from scripts.common.ids import content_id, sampling_seed
from scripts.common.tables import PROMPTS, write_table
from scripts.generate import ledger

ROOT = Path(__file__).resolve().parents[2]
MODEL = "resources/tiny-lm"
SUBJECTS = ("tides", "bread", "ice", "the moon", "bees", "rain", "salt", "iron", "wool")
TEXTS = [f"Write a short lesson about {subject}." for subject in SUBJECTS]
TOO_LONG = "word " * 3000
SCHEMA = {
    "type": "object",
    "properties": {
        "topic": {"type": "string", "maxLength": 30},
        "educational_score": {"type": "integer", "minimum": 1, "maximum": 10},
    },
    "required": ["topic", "educational_score"],
    "additionalProperties": False,
}
ASK_FOR_JSON = """
import dataclasses, json, sys
from scripts import engines
settings, schema = json.loads(sys.argv[1])
sampling = engines.Sampling(0.6, 0.95, 50, 1.0, 100)
engine = engines.create(engines.EngineSettings(**settings), sampling)
requests = [engines.Request(str(n), "Name the topic of this text as JSON: bread.", n, schema) for n in range(4)]
answers = [dataclasses.asdict(answer) for answer in engines.complete(engine, requests, 4)]
engine.close()
print("ANSWERS" + json.dumps(answers))
"""

pytestmark = pytest.mark.skipif(not (ROOT / MODEL).is_dir(), reason=f"needs {MODEL}")


ENVIRONMENT = {**os.environ, "HF_HUB_OFFLINE": "1"}


def run(*command):
    """Runs a program of the workflow; a failure shows its output."""
    result = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-6000:]
    return result


def rows(folder):
    """What a ledger holds."""
    return [row for table in ledger.segments(folder / "ledger") for row in table.to_pylist()]


@pytest.fixture(scope="session")
def part(vllm_python, tmp_path_factory):
    """A part of ten prompts, one too long, whose slice was killed once: its folder, flags and what survived."""
    folder = tmp_path_factory.mktemp("part")
    table = [{"prompt_id": content_id(text), "prompt": text} for text in [*TEXTS[:4], TOO_LONG, *TEXTS[4:]]]
    write_table(folder / "prompts.parquet", table, PROMPTS)
    flags = f"""--prompts {folder}/prompts.parquet --ledger {folder}/ledger --output {folder}/marker.json
        --source web --part 000 --slice 0 --n-slices 1 --rows-per-segment 2 --max-attempts 2 --max-failure-rate 0.2
        --temperature 0.6 --top-p 0.95 --top-k 50 --repetition-penalty 1.2 --max-new-tokens 64 --seed 1
        --engine vllm --model {MODEL} --dtype float32 --max-model-len 2048 --max-in-flight 2 --threads 2""".split()
    command = [vllm_python, "-m", "scripts.generate.slice", *flags]
    process = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    assert any("ledger segment" in line for line in process.stderr)
    process.kill()
    process.communicate(timeout=120)
    survived = rows(folder)
    run(*command)
    return folder, flags, survived


def test_a_killed_slice_leaves_no_process_and_is_continued(part):
    folder, _, survived = part
    texts = [row["prompt_id"] for row in rows(folder) if row["finish_reason"] != "error"]
    assert 2 <= len(survived) < 10
    assert [row for row in rows(folder) if row in survived] == survived
    assert sorted(texts) == sorted(content_id(text) for text in TEXTS)


def test_a_slice_fills_the_ledger(part):
    folder, _, _ = part
    for row in rows(folder):
        assert (row["engine"], row["model"]) == ("vllm", MODEL)
        assert row["sampling_seed"] == sampling_seed(row["prompt_id"], 1, row["attempt"])
        if row["prompt_id"] == content_id(TOO_LONG):
            assert "no room in a context of 2048" in row["text"]
        else:
            assert row["text"].strip()
            assert 0 < row["text_token_length"] <= 64
    assert Counts.read(folder / "marker.json") == Counts("generate_slice", 10, 9, {"failed": 1}, "web", "000")


def test_nothing_left_to_do_needs_no_vllm(part):
    folder, flags, _ = part
    before = sorted((folder / "ledger").iterdir())
    run(sys.executable, "-m", "scripts.generate.slice", *flags)
    assert sorted((folder / "ledger").iterdir()) == before


def test_answers_follow_a_json_schema(vllm_python):
    settings = {"engine": "vllm", "model": MODEL, "dtype": "float32", "max_model_len": 2048, "max_in_flight": 4}
    output = run(vllm_python, "-c", ASK_FOR_JSON, json.dumps([settings, SCHEMA])).stdout
    line = next(line for line in output.splitlines() if line.startswith("ANSWERS"))
    answers = json.loads(line.removeprefix("ANSWERS"))
    assert len(answers) == 4
    for answer in answers:
        assert answer["finish_reason"] == "stop"
        jsonschema.validate(json.loads(answer["text"]), SCHEMA)
