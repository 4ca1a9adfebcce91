"""The vllm engine on vLLM's CPU build: the same slice program as on a GPU, on the shipped tiny model.

The engine is started five times, which is most of the time that this takes.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from scripts.common.counts import Counts
from scripts.common.ids import content_id, sampling_seed
from scripts.common.schemas import PROMPTS
from scripts.common.tables import write_table
from scripts.engines import orphans
from scripts.generate import ledger

ROOT = Path(__file__).resolve().parents[2]
MODEL = "resources/tiny-lm"
SUBJECTS = ("tides", "bread", "ice", "the moon", "bees", "rain", "salt", "iron", "wool")
TEXTS = [f"Write a {form} about {subject}." for form in ("lesson", "story", "blog post") for subject in SUBJECTS]
TOO_LONG = "word " * 3000
SCHEMA = {
    "type": "object",
    "properties": {
        "topic": {"type": "string", "pattern": "^[a-z ]{3,30}$"},
        "educational_score": {"type": "integer", "minimum": 1, "maximum": 10},
    },
    "required": ["topic", "educational_score"],
    "additionalProperties": False,
}

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


def kill_job(pid):
    os.kill(pid, signal.SIGKILL)


def kill_core(pid):
    """Kills vLLM's engine core, a child of the job."""
    (core,) = [
        child
        for child in orphans.processes()
        if (found := orphans.stat(child))
        and found[0] == pid
        and "EngineCore" in Path(f"/proc/{child}/cmdline").read_text()
    ]
    os.kill(core, signal.SIGKILL)


def end_all(pid):
    """Tells the job and its engine's processes to end, as Slurm does it."""
    os.killpg(pid, signal.SIGTERM)


def interrupt(command, folder, how):
    """Ends a job in some way once it has written texts: its exit status, its last error, and what the ledger holds.

    All processes of the job write to the same pipe, so its end shows that none of them is left.
    """
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, start_new_session=True, **pipes)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "ledger segment" in line:
            how(process.pid)
            break
    lines += process.communicate(timeout=120)[0].splitlines(keepends=True)
    error = next((line for line in reversed(lines) if line.startswith("error: ")), "".join(lines)[-3000:])
    return process.returncode, error, rows(folder)


@pytest.fixture(scope="session")
def part(vllm_python, tmp_path_factory):
    """A part with a prompt that is too long, whose slice was ended three times: its folder, flags and how it ended."""
    folder = tmp_path_factory.mktemp("part")
    table = [{"prompt_id": content_id(text), "prompt": text} for text in [*TEXTS[:4], TOO_LONG, *TEXTS[4:]]]
    write_table(folder / "prompts.parquet", table, PROMPTS)
    flags = f"""--prompts {folder}/prompts.parquet --ledger {folder}/ledger --output {folder}/marker.json
        --source web --part 000 --slice 0 --n-slices 1 --rows-per-segment 2 --max-attempts 2 --max-failure-rate 0.2
        --temperature 0.6 --top-p 0.95 --top-k 50 --repetition-penalty 1.2 --max-new-tokens 32 --seed 1
        --engine vllm --model {MODEL} --dtype float32 --max-model-len 2048 --max-in-flight 2 --threads 2""".split()
    command = [vllm_python, "-m", "scripts.generate.slice", *flags]
    ends = {how.__name__: interrupt(command, folder, how) for how in (kill_job, kill_core, end_all)}
    run(*command)
    return folder, flags, ends


@pytest.fixture(scope="session")
def seen(vllm_python):
    """What one engine answered to all that drive.py asks."""
    settings = {"engine": "vllm", "model": MODEL, "dtype": "float32", "max_model_len": 2048, "threads": 2}
    output = run(vllm_python, "-m", "tests.vllm.drive", json.dumps([settings, SCHEMA, TOO_LONG])).stdout
    return json.loads(next(line for line in output.splitlines() if line.startswith("SEEN")).removeprefix("SEEN"))


def test_a_job_that_is_ended_in_any_way_leaves_no_process_and_keeps_its_texts(part):
    folder, _, ends = part
    numbers = [len(survived) for _, _, survived in ends.values()]
    assert 2 <= numbers[0] < numbers[1] < numbers[2] < len(TEXTS)
    for _, _, survived in ends.values():
        assert [row for row in rows(folder) if row in survived] == survived


def test_a_killed_engine_core_ends_the_job_with_a_message(part):
    status, error, _ = part[2]["kill_core"]
    assert status == 1
    assert error.startswith("error: the engine died (RuntimeError: a process of vLLM has died")


def test_a_job_and_an_engine_that_are_told_to_end_do_so_and_blame_no_prompt(part):
    status, error, survived = part[2]["end_all"]
    assert status == 1
    assert "was ended by SIGTERM" in error
    assert "error" not in {row["finish_reason"] for row in survived}


def test_the_slice_ends_with_every_text_once(part):
    folder, _, _ = part
    texts = [row["prompt_id"] for row in rows(folder) if row["finish_reason"] in ledger.USABLE]
    assert sorted(texts) == sorted(content_id(text) for text in TEXTS)


def test_a_slice_fills_the_ledger(part):
    folder, _, _ = part
    for row in rows(folder):
        assert (row["engine"], row["model"]) == ("vllm", MODEL)
        assert row["sampling_seed"] == sampling_seed(row["prompt_id"], 1, row["attempt"])
        if row["prompt_id"] == content_id(TOO_LONG):
            assert (row["finish_reason"], row["attempt"]) == ("refused", 1)
        else:
            assert row["text"].strip()
            assert 0 < row["text_token_length"] <= 32
    counts = Counts("generate_slice", len(TEXTS) + 1, len(TEXTS), {"refused": 1}, "web", "000")
    assert Counts.read(folder / "marker.json") == counts


def test_nothing_left_to_do_needs_no_vllm(part):
    folder, flags, _ = part
    before = sorted((folder / "ledger").iterdir())
    run(sys.executable, "-m", "scripts.generate.slice", *flags)
    assert sorted((folder / "ledger").iterdir()) == before


def test_answers_follow_a_json_schema(seen):
    assert len(seen["objects"]) == 4
    for answer in seen["objects"].values():
        assert answer["finish_reason"] == "stop"
        jsonschema.validate(json.loads(answer["text"]), SCHEMA)


def test_a_prompt_that_is_longer_than_the_context_is_refused(seen):
    answer = seen["refused"]["long"]
    assert answer["finish_reason"] == "refused"
    assert "no room in a context of 2048" in answer["text"]


def test_a_text_depends_neither_on_the_order_nor_on_what_else_is_in_the_engine(seen):
    assert len(seen["forwards"]) == 24
    assert seen["forwards"] == seen["backwards"]


def test_a_waiting_request_enters_as_soon_as_another_one_ends(seen):
    tokens = [seen["forwards"][str(number)]["n_tokens"] for number in range(24)]
    steps_in_chunks = sum(max(tokens[first : first + 4]) for first in range(0, 20, 4))
    assert seen["steps"] < steps_in_chunks, tokens


def test_an_engine_whose_worker_dies_says_so(seen):
    assert "a process of vLLM has died" in seen["died"]
