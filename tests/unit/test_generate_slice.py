"""The program of a generation job: what it refuses before an engine starts, and how it ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.ids import content_id
from scripts.common.schemas import PROMPTS
from scripts.common.tables import write_table
from scripts.generate import ledger
from scripts.generate import slice as slice_
from scripts.generate.prompts import read_prompts

ROOT = Path(__file__).resolve().parents[2]


def table(count):
    texts = [f"prompt {number}" for number in range(count)]
    return [{"prompt_id": content_id(text), "prompt": text} for text in texts]


def written(folder, rows):
    write_table(folder / "prompts.parquet", rows, PROMPTS)
    return folder / "prompts.parquet"


def flags(folder, *more):
    text = f"""--prompts {folder}/prompts.parquet --ledger {folder}/ledger --output {folder}/marker.json
        --source web --part 000 --slice 0 --n-slices 1 --rows-per-segment 4 --max-attempts 2 --max-failure-rate 0.5
        --temperature 0.8 --top-p 0.95 --top-k 50 --repetition-penalty 1.2 --max-new-tokens 20 --seed 1
        --dtype float32 --max-model-len 256 --max-in-flight 2"""
    return [*text.split(), *more]


def program(folder, *more, **environment):
    """The running program, with its standard error."""
    command = [sys.executable, "-m", "scripts.generate.slice", *flags(folder, *more)]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )


def words(process):
    """What a program that ends says, and that it fails with a message instead of a traceback."""
    with process.stderr:
        message = process.stderr.read()
    assert process.wait() == 1
    assert message.splitlines()[-1].startswith("error: "), message
    return message


def library(folder, code):
    """Puts a module in place of vLLM, which is not installed here."""
    (folder / "vllm").mkdir()
    (folder / "vllm" / "__init__.py").write_text(code)
    return {"PYTHONPATH": str(folder)}


@pytest.mark.parametrize("n_slices", [1, 2, 3, 7, 20])
def test_slices_are_equal_runs_that_cover_the_part(tmp_path, n_slices):
    path = written(tmp_path, table(17))
    pieces = [slice_.slice_prompts(path, number, n_slices) for number in range(n_slices)]
    assert [item for piece in pieces for item in piece.items()] == list(read_prompts(path).items())
    assert max(map(len, pieces)) - min(map(len, pieces)) <= 1


def test_slices_cover_a_part_of_many_batches(tmp_path):
    path = written(tmp_path, table(25_003))
    pieces = [slice_.slice_prompts(path, number, 4) for number in range(4)]
    assert [key for piece in pieces for key in piece] == [row["prompt_id"] for row in table(25_003)]


def test_a_job_may_begin_anywhere_in_its_slice():
    rows = {str(number): f"prompt {number}" for number in range(5)}
    orders = {tuple(slice_.begin_anywhere(rows)) for _ in range(200)}
    assert orders == {tuple("01234"[first:] + "01234"[:first]) for first in range(5)}
    assert slice_.begin_anywhere(rows) == rows
    assert slice_.begin_anywhere({}) == {}


def test_a_slice_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(InputError, match="not one of 4 slices"):
        slice_.slice_prompts(tmp_path / "prompts.parquet", 4, 4)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "again"}, f"rows 3 and 12346 have the same id {content_id('prompt 2')}"),
        ({"prompt": ""}, f"row 12346: prompt {content_id('new')} is empty"),
        ({"prompt": " \n\t\u00a0"}, "row 12346: prompt .* is empty"),
        ({"prompt": None}, "row 12346: prompt .* is empty"),
        ({"prompt_id": None, "prompt": "p"}, "row 12346: the prompt has no id"),
        ({"prompt_id": "", "prompt": "p"}, "row 12346: the prompt has no id"),
    ],
)
def test_a_row_that_is_not_right_is_named_to_every_slice(tmp_path, row, message):
    known = content_id("prompt 2" if row["prompt"] == "again" else "new")
    path = written(tmp_path, [*table(12_345), {"prompt_id": known} | row, {"prompt_id": "x", "prompt": "y"}])
    for number in range(3):
        with pytest.raises(InputError, match=message):
            slice_.slice_prompts(path, number, 3)


def test_a_file_that_is_no_table_of_prompts_is_refused(tmp_path):
    path = tmp_path / "prompts.parquet"
    pq.write_table(pa.table({"prompt_id": ["a"], "text": ["b"]}), path)
    with pytest.raises(InputError, match="lacks the column prompt; it has prompt_id, text"):
        read_prompts(path)
    pq.write_table(pa.table({"prompt_id": [1], "prompt": ["b"]}), path)
    with pytest.raises(InputError, match="the column prompt_id holds int64, not text"):
        read_prompts(path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="not a readable Parquet file"):
        read_prompts(path)


def test_bad_input_ends_the_program_with_one_line_and_nothing_else(tmp_path, random_lm):
    written(tmp_path, [*table(3), table(3)[1]])
    message = words(program(tmp_path, "--engine", "transformers", "--model", str(random_lm)))
    assert "rows 2 and 4 have the same id" in message
    written(tmp_path, table(3))
    message = words(program(tmp_path, "--engine", "transformers", "--model", str(tmp_path)))
    assert f"{tmp_path} has no config.json" in message
    assert "Traceback" not in message
    assert [path.name for path in tmp_path.iterdir()] == ["prompts.parquet"]


def test_refused_prompts_are_counted_apart(tmp_path, random_lm):
    rows = table(5)
    rows[3]["prompt"] = "far too long " * 100
    written(tmp_path, rows)
    slice_.main(flags(tmp_path, "--engine", "transformers", "--model", str(random_lm)))
    assert Counts.read(tmp_path / "marker.json") == Counts("generate_slice", 5, 4, {"refused": 1}, "web", "000")


def test_a_signal_while_the_engine_loads_ends_the_program(tmp_path, random_lm):
    written(tmp_path, table(3))
    code = "import sys, threading; print('loading', file=sys.stderr, flush=True); threading.Event().wait()"
    process = program(tmp_path, "--engine", "vllm", "--model", str(random_lm), **library(tmp_path, code))
    assert any(line == "loading\n" for line in process.stderr)
    process.send_signal(signal.SIGTERM)
    assert "was ended by SIGTERM before its engine was ready" in words(process)
    assert not (tmp_path / "marker.json").exists()


def test_an_engine_that_cannot_start_is_named_with_its_last_words(tmp_path, random_lm):
    written(tmp_path, table(3))
    code = "raise RuntimeError('no kernel for this GPU')"
    message = words(program(tmp_path, "--engine", "vllm", "--model", str(random_lm), **library(tmp_path, code)))
    assert "error: the engine cannot start (RuntimeError: no kernel for this GPU)" in message


def test_an_endpoint_that_never_answers_ends_the_program(tmp_path, silent_endpoint):
    written(tmp_path, table(3))
    options = ["--engine", "openai", "--model", "m", "--endpoint", silent_endpoint, "--stall-minutes", "0.05"]
    message = words(program(tmp_path, *options, "--options", json.dumps({"timeout": 600})))
    assert "error: web part 000 slice 000 was ended because no answer came for 0.05 minutes" in message
    assert "0 of 3 texts are in the ledger" in message
    assert not (tmp_path / "marker.json").exists()


@pytest.fixture
def silent_endpoint():
    """The address of a server that takes requests and never answers."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"


def test_an_interrupted_slice_has_no_marker_and_is_continued(tmp_path, random_lm):
    written(tmp_path, table(40))
    model = ["--engine", "transformers", "--model", str(random_lm), "--options", '{"device": "cpu"}']
    process = program(tmp_path, *model)
    assert any("segment" in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    message = words(process)
    assert "was ended by SIGINT" in message
    assert not (tmp_path / "marker.json").exists()
    survived = {row["prompt_id"] for rows in ledger.segments(tmp_path / "ledger") for row in rows.to_pylist()}
    assert 0 < len(survived) < 40
    slice_.main(flags(tmp_path, *model))
    rows = [row["prompt_id"] for rows in ledger.segments(tmp_path / "ledger") for row in rows.to_pylist()]
    assert sorted(rows) == sorted(row["prompt_id"] for row in table(40))
    assert Counts.read(tmp_path / "marker.json").rows_out == 40
