"""The openai engine against a real server: vLLM's own, its CPU build, on the shipped tiny model."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading

import httpx
import jsonschema
import pytest

from scripts import engines
from scripts.common.ids import content_id
from scripts.common.schemas import PROMPTS
from scripts.common.tables import write_table
from scripts.engines import EngineSettings, Request, Sampling, chat
from scripts.generate import ledger
from tests.vllm.test_vllm_engine import MODEL, ROOT, SCHEMA, TEXTS, TOO_LONG

CONTEXT = 2048
ROOM = 20
KEY = "sk-for-this-test-only"
SAMPLING = Sampling(0.6, 0.95, 50, 1.2, 64, ("<|endoftext|>",))
SERVE = f"""-m vllm.entrypoints.openai.api_server --model {MODEL} --served-model-name tiny --host 127.0.0.1
    --dtype float32 --enforce-eager --max-model-len {CONTEXT} --max-num-batched-tokens {CONTEXT}
    --kv-cache-memory-bytes 512M --no-enable-chunked-prefill --no-enable-prefix-caching
    --structured-outputs-config.backend guidance""".split()

pytestmark = pytest.mark.skipif(not (ROOT / MODEL).is_dir(), reason=f"needs {MODEL}")


class Server:
    """One vLLM server on a port of its own, which can be killed and started again."""

    def __init__(self, python):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._command = [python, *SERVE, "--port", str(self.port)]

    def start(self):
        cpu = {"VLLM_CPU_NUM_OF_RESERVED_CPU": "0", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1"}
        environment = {**os.environ, **cpu, "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_API_KEY": KEY}
        self._process = subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        said = []
        for line in self._process.stderr:
            said.append(line)
            if "startup complete" in line:
                break
        else:
            pytest.fail("".join(said[-40:]))
        self._reader = threading.Thread(target=self._process.stderr.read)
        self._reader.start()

    def kill(self):
        """Ends the server and its engine, both outright."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join()
        self._process.stderr.close()


@pytest.fixture(scope="module")
def server(vllm_python):
    served = Server(vllm_python)
    served.start()
    yield served
    served.kill()


def slice_command(folder, server, prompts, max_new_tokens):
    """The program that generates these prompts, from the server, into a ledger under a folder."""
    table = [{"prompt_id": content_id(text), "prompt": text} for text in prompts]
    write_table(folder / "prompts.parquet", table, PROMPTS)
    flags = f"""--prompts {folder}/prompts.parquet --ledger {folder}/ledger --output {folder}/marker.json
        --source web --part 000 --slice 0 --n-slices 1 --rows-per-segment 2 --max-attempts 2 --max-failure-rate 0.2
        --temperature 0.6 --top-p 0.95 --top-k 50 --repetition-penalty 1.2 --max-new-tokens {max_new_tokens} --seed 1
        --stop <|endoftext|> --engine openai --model tiny --endpoint {server.url} --max-in-flight 4"""
    return [sys.executable, "-m", "scripts.generate.slice", *flags.split()]


def environment(key=KEY):
    return {**os.environ, "OPENAI_API_KEY": key}


def rows(folder):
    """What a ledger holds."""
    return [row for table in ledger.segments(folder / "ledger") for row in table.to_pylist()]


def ask(server, requests, sampling=SAMPLING, **options):
    settings = EngineSettings("openai", "tiny", endpoint=server.url, max_in_flight=4, options=options)
    with contextlib.closing(engines.create(settings, sampling)) as engine:
        return {answer.request_id: answer for answer in engines.complete(engine, requests, 4)}


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def test_a_slice_fills_the_ledger_and_lengths_are_the_servers_own(server, tmp_path):
    command = slice_command(tmp_path, server, [*TEXTS, TOO_LONG], 64)
    result = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    found = {row["prompt_id"]: row for row in rows(tmp_path)}
    assert len(found) == len(TEXTS) + 1
    refused = found.pop(content_id(TOO_LONG))
    assert refused["finish_reason"] == "refused"
    assert f"maximum context length is {CONTEXT} tokens" in refused["text"]
    assert {row["finish_reason"] for row in found.values()} <= {"stop", "length"}
    for text in TEXTS:
        row = found[content_id(text)]
        body = {"model": "tiny", "messages": [{"role": "user", "content": text}], "seed": row["sampling_seed"]}
        body |= {"temperature": 0.6, "top_p": 0.95, "top_k": 50, "repetition_penalty": 1.2, "max_tokens": 64}
        body |= {"stop": ["<|endoftext|>"], "return_token_ids": True}
        headers = {"Authorization": f"Bearer {KEY}"}
        reply = httpx.post(f"{server.url}/chat/completions", json=body, headers=headers, timeout=600)
        choice = reply.json()["choices"][0]
        assert (choice["message"]["content"], choice["finish_reason"]) == (row["text"], row["finish_reason"])
        assert len(choice["token_ids"]) == row["text_token_length"]


def test_a_prompt_that_leaves_little_room_gets_what_room_there_is(server, key):
    tokenizer = chat.load_tokenizer(MODEL, "main")
    prompt = "word"
    while len(chat.prompt_tokens(tokenizer, f"{prompt} word")) <= CONTEXT - ROOM:
        prompt += " word"
    answer = ask(server, [Request("a", prompt, 1)])["a"]
    room = CONTEXT - len(chat.prompt_tokens(tokenizer, prompt))
    assert answer.finish_reason in ("stop", "length"), answer
    assert answer.n_tokens == room if answer.finish_reason == "length" else answer.n_tokens <= room


def test_answers_follow_a_json_schema(server, key):
    requests = [Request(str(n), "Name the topic of this text as JSON: bread.", n, SCHEMA) for n in range(4)]
    for answer in ask(server, requests, Sampling(0.6, 0.95, 50, 1.0, 200)).values():
        if answer.finish_reason == "stop":
            jsonschema.validate(json.loads(answer.text), SCHEMA)
        else:
            assert answer.text.lstrip().startswith("{")


def test_a_wrong_key_is_one_clear_message(server, tmp_path):
    command = slice_command(tmp_path, server, TEXTS, 8)
    wrong = "sk-this-is-not-the-key"
    result = subprocess.run(command, cwd=ROOT, env=environment(wrong), capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(f"error: {server.url}/chat/completions refused the key in OPENAI")
    assert "Traceback" not in result.stderr
    assert wrong not in result.stderr + result.stdout
    assert not rows(tmp_path)


def test_a_server_that_is_killed_and_started_again_loses_nothing(server, tmp_path):
    prompts = [f"{text} Part {number}." for text in TEXTS for number in range(4)]
    process = subprocess.Popen(
        slice_command(tmp_path, server, prompts, 64), cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True
    )
    assert any("ledger segment" in line for line in process.stderr)
    server.kill()
    before = rows(tmp_path)
    assert any("busy or down" in line for line in process.stderr)
    server.start()
    said = process.stderr.read()
    assert process.wait() == 0, said
    found = [row for row in rows(tmp_path) if row["finish_reason"] != "error"]
    assert len(before) < len(prompts)
    assert [row for row in found if row in before] == before
    assert sorted(row["prompt_id"] for row in found) == sorted(map(content_id, prompts))
    assert {row["attempt"] for row in found} == {1}
