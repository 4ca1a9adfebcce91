"""Requests of the openai engine and what becomes of good, wrong and hostile answers."""

import contextlib
import json
import ssl
import subprocess
import threading

import pytest

from scripts import engines
from scripts.common.errors import InputError
from scripts.engines import Completion, EngineSettings, Request
from tests.unit.endpoint import KEY, SAMPLING, Endpoint, answers, chat, reset, seeds


def test_every_prompt_is_answered_four_at_a_time(endpoint):
    endpoint.together = threading.Barrier(4)
    prompts = [f"prompt {number}" for number in range(40)]
    assert answers(endpoint, prompts) == {prompt: Completion(prompt, prompt, 5, "stop") for prompt in prompts}
    assert endpoint.busiest == 4


def test_the_request_carries_sampling_seed_and_key(endpoint):
    answers(endpoint, ["a", "b"], omit=["top_k"], body={"user": "me"})
    path, headers, body = next(asked for asked in endpoint.asked if asked[2]["messages"][0]["content"] == "b")
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert body == {
        "model": "a-model",
        "messages": [{"role": "user", "content": "b"}],
        "temperature": 0.6,
        "top_p": 0.95,
        "repetition_penalty": 1.2,
        "max_tokens": 100,
        "seed": 1,
        "stop": ["<|endoftext|>"],
        "user": "me",
    }


def test_a_schema_becomes_a_response_format(endpoint):
    schema = {"type": "object"}
    answers(endpoint, ["a"], schema)
    assert endpoint.asked[0][2]["response_format"]["json_schema"]["schema"] == schema


@pytest.mark.parametrize(
    "trouble",
    [
        (429, "slow down", {"Retry-After": "0"}),
        (429, "slow down", {"Retry-After": "soon"}),
        (503, "overloaded", {"Retry-After": "Fri, 01 Jan 2016 00:00:00 GMT"}),
        (529, "overloaded", {}),
        (200, "<html>a proxy's page</html>", {}),
        (200, chat("cut")[:40], {}),
        (200, chat("cut"), {"Content-Length": "5000"}),
        (200, chat("not packed"), {"Content-Encoding": "gzip"}),
        (200, '{"choices": []}', {}),
        (200, '{"error": {"message": "upstream"}}', {}),
        (200, "[" * 100_000, {}),
        (200, '{"choices": [{"message": "text", "finish_reason": "stop"}]}', {}),
        (500, "a bug", {}),
        lambda handler: reset(handler),
        lambda handler: handler.wfile.write(b"not HTTP at all"),
    ],
)
def test_trouble_is_asked_about_again_with_the_same_seed(endpoint, trouble):
    endpoint.scripts["b"] = [trouble, trouble, (200, chat("at last", "length"), {})]
    assert answers(endpoint, ["a", "b"])["b"] == Completion("b", "at last", 5, "length")
    assert seeds(endpoint, "b") == [1, 1, 1]


def test_trouble_without_end_is_that_requests_error(endpoint):
    endpoint.scripts["a"] = [(500, "out of memory", {})]
    result = answers(endpoint, ["a", "b"])
    assert result["a"] == Completion("a", "HTTP 500: out of memory; asked 4 times", 0, "error")
    assert result["b"].finish_reason == "stop"


def test_a_refusal_is_an_error_and_not_asked_again(endpoint):
    endpoint.scripts["a"] = [(400, f"unknown field top_k, sent with {KEY}", {})]
    endpoint.scripts["b"] = [(403, "flagged", {})]
    result = answers(endpoint, ["a", "b"])
    assert result["a"].text == (
        "HTTP 400: unknown field top_k, sent with [key] (if the endpoint does not know top_k, name it in "
        "llm.options.omit)"
    )
    assert result["b"] == Completion("b", "HTTP 403: flagged", 0, "error")
    assert len(endpoint.asked) == 2


def test_a_prompt_that_does_not_fit_is_refused(endpoint):
    endpoint.scripts["a"] = [(400, '{"error": {"code": "context_length_exceeded"}}', {})]
    result = answers(endpoint, ["a", "b"])
    assert result["a"].finish_reason == "refused"
    assert result["b"].finish_reason == "stop"
    assert len(seeds(endpoint, "a")) == 2


def test_a_prompt_that_leaves_little_room_gets_what_room_there_is(endpoint):
    refusal = (400, "This model's maximum context length is 128 tokens. However, you requested 150 tokens", {})
    endpoint.scripts["a"] = [refusal, (200, chat("short", "length"), {})]
    assert answers(endpoint, ["a"])["a"] == Completion("a", "short", 5, "length")
    assert ["max_tokens" in body for _, _, body in endpoint.asked] == [True, False]
    assert seeds(endpoint, "a") == [0, 0]


def test_half_a_character_becomes_a_question_mark_and_others_stay(endpoint):
    endpoint.scripts["a"] = [(200, chat("half \ud83d of \x00 it 😀"), {})]
    assert answers(endpoint, ["a"])["a"].text == "half ? of \x00 it 😀"


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (401, f"wrong key {KEY}", "refused the key in OPENAI_API_KEY"),
        (402, "no money", "asks for payment"),
        (429, '{"error": {"code": "insufficient_quota"}}', "quota is used up"),
    ],
)
def test_what_no_request_survives_ends_the_job_after_what_was_finished(endpoint, status, body, message):
    endpoint.scripts["c"] = [(status, body, {})]
    received = []
    engine = engines.create(EngineSettings("openai", "m", endpoint=endpoint.url, max_in_flight=1), SAMPLING)
    with contextlib.closing(engine), pytest.raises(InputError, match=message) as caught:
        received.extend(engines.complete(engine, [Request(name, name, 1) for name in "abcd"], 1))
    assert KEY not in str(caught.value)
    assert [answer.request_id for answer in received] == ["a", "b"]
    assert [body["messages"][0]["content"] for _, _, body in endpoint.asked] == ["a", "b", "c"]


def test_an_unknown_path_ends_the_job_unless_there_were_answers(endpoint):
    endpoint.scripts["a"] = [(404, "no such model", {})]
    with pytest.raises(InputError, match="does not know this path or model"):
        answers(endpoint, ["a"])
    endpoint.scripts["b"] = [(404, "no backend", {}), (200, chat("b"), {})]
    assert answers(endpoint, ["c", "b"], in_flight=1)["b"].text == "b"


def test_answers_without_their_length_end_the_job_with_a_way_out(endpoint):
    choice = {"message": {"content": "no usage"}, "finish_reason": "stop"}
    endpoint.scripts["a"] = [(200, json.dumps({"choices": [choice]}), {})]
    with pytest.raises(InputError, match="tokens its answers have"):
        answers(endpoint, ["a"])
    counted = choice | {"logprobs": {"content": [{"token": "no"}, {"token": " usage"}]}}
    endpoint.scripts["a"] = [(200, json.dumps({"choices": [counted]}), {})]
    assert answers(endpoint, ["a"], body={"logprobs": True})["a"].n_tokens == 2


def test_a_redirect_is_told_and_never_followed(endpoint):
    other = Endpoint()
    endpoint.scripts["a"] = [(307, "", {"Location": f"{other.url}/chat/completions?key={KEY}"})]
    with pytest.raises(InputError, match=f"redirects to 127.0.0.1:{other.server.server_port}") as caught:
        answers(endpoint, ["a"])
    other.server.shutdown()
    other.server.server_close()
    assert KEY not in str(caught.value)
    assert not other.asked


def test_a_server_without_tls_or_with_an_unknown_certificate_ends_the_job(endpoint, tmp_path):
    with pytest.raises(InputError, match="cannot be reached by TLS"):
        answers(endpoint, ["a"], url=endpoint.url.replace("http:", "https:"))
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"]
    subprocess.run(
        [*made, "-keyout", tmp_path / "key", "-out", tmp_path / "certificate"], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    endpoint.server.socket = context.wrap_socket(endpoint.server.socket, server_side=True)
    with pytest.raises(InputError, match="self-signed certificate"):
        answers(endpoint, ["a"], url=endpoint.url.replace("http:", "https:"))


def test_an_unknown_host_ends_the_job():
    with pytest.raises(InputError, match=r"http://no-such-host\.invalid/v1/chat/completions has "):
        answers(None, ["a"], url="http://no-such-host.invalid/v1", patience=0)


@pytest.mark.parametrize("echo", [KEY, "sk-ab/cd", "sk-ab\\/cd", "sk-ab%2Fcd"])
def test_a_key_that_comes_back_is_in_no_message_and_no_text(endpoint, monkeypatch, caplog, echo):
    monkeypatch.setenv("OPENAI_API_KEY", KEY if echo == KEY else "sk-ab/cd")
    padding = "x" * (300 - len("HTTP 400: ") - 4)  # the message is cut in the middle of the key
    endpoint.scripts["a"] = [(400, echo, {})]
    endpoint.scripts["b"] = [(400, padding + echo, {})]
    endpoint.scripts["c"] = [(503, f"busy {echo}", {}), (200, f"<p>{echo}</p>", {})]
    result = answers(endpoint, ["a", "b", "c"])
    told = caplog.text + "".join(answer.text for answer in result.values())
    assert "sk-" not in told
    assert told.count("[key]") >= 3


def test_a_text_with_the_key_loses_it_and_a_mere_word_stays(endpoint, monkeypatch):
    endpoint.scripts["b"] = [(200, chat("An EMPTY room."), {})]
    monkeypatch.setenv("OPENAI_API_KEY", KEY + "0123456789")
    endpoint.scripts["a"] = [(200, chat(f"Use {KEY}0123456789 here."), {})]
    assert answers(endpoint, ["a"])["a"].text == "Use [key] here."
    monkeypatch.setenv("OPENAI_API_KEY", "EMPTY")
    assert answers(endpoint, ["b"])["b"].text == "An EMPTY room."


def test_a_key_read_from_a_file_may_end_with_a_line_end(endpoint, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\r\n")
    answers(endpoint, ["a"])
    assert endpoint.asked[0][1]["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("key", ["sk-one\nsk-two", "sk one", "sk-\u00e9", "sk-\x07"])
def test_a_key_that_cannot_be_one_is_refused_without_showing_it(endpoint, monkeypatch, key):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(InputError, match="OPENAI_API_KEY holds") as caught:
        answers(endpoint, ["a"])
    assert "sk" not in str(caught.value)


def test_closing_does_not_wait_for_a_retry_or_an_answer(endpoint):
    endpoint.scripts["a"] = [(503, "busy", {"Retry-After": "500"})]
    endpoint.scripts["b"] = [lambda handler: endpoint.over.wait()]
    for prompt in "ba":
        engine = engines.create(EngineSettings("openai", "m", endpoint=endpoint.url, max_in_flight=1), SAMPLING)
        engine.submit(Request(prompt, prompt, 1))
        while not seeds(endpoint, prompt):
            engine.step()
        engine.close()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"endpoint": ""}, "base URL"),
        ({"endpoint": "http://"}, "base URL"),
        ({"endpoint": "http://me:secret@h"}, "the key belongs in OPENAI_API_KEY"),
        ({"endpoint": "http://h", "options": {"retrys": 3}}, "retrys"),
        ({"endpoint": "http://h", "options": {"retries": "3"}}, "retries is '3'"),
        ({"endpoint": "http://h", "options": {"omit": "top_k"}}, "omit is 'top_k'"),
        ({"endpoint": "http://h", "options": {"timeout": -1}}, "timeout is -1"),
        ({"endpoint": "http://h", "options": {"patience": True}}, "patience is True"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(InputError, match=message) as caught:
        engines.create(EngineSettings("openai", "m", **settings), SAMPLING)
    assert "secret" not in str(caught.value)
