import contextlib
import gzip
import json
import socket
import ssl
import struct
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from scripts import engines
from scripts.common.errors import InputError
from scripts.engines import Completion, EngineSettings, Request, Sampling

SAMPLING = Sampling(0.6, 0.95, 50, 1.2, 100, ("<|endoftext|>",))
KEY = "sk-a-secret-key"


def chat(text, reason="stop", tokens=5):
    """The body of a good answer."""
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": reason}
    return json.dumps({"choices": [choice], "usage": {"completion_tokens": tokens}})


class Endpoint:
    """A local server; each prompt is answered by its script of (status, body, headers), the last entry again and again.

    A prompt without a script is answered with itself. An entry may also be a function of the handler, which then has
    the connection.
    """

    def __init__(self):
        self.scripts = {}
        self.asked = []
        self.busiest = 0
        self.together = None
        self._busy = 0
        self._lock = threading.Lock()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                entry = endpoint.answer(self.path, dict(self.headers), body)
                if callable(entry):
                    entry(self)
                    self.close_connection = True
                    return
                status, answer, headers = entry
                data = answer if isinstance(answer, bytes) else answer.encode()
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(data))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)
                self.close_connection = "Content-Length" in headers

            def log_message(self, *arguments):
                pass

        self.over = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, path, headers, body):
        with self._lock:
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
            self.asked.append((path, headers, body))
            prompt = body["messages"][0]["content"]
            script = self.scripts.get(prompt, [(200, chat(prompt), {})])
            entry = script.pop(0) if len(script) > 1 else script[0]
        if self.together:
            self.together.wait(timeout=60)
        with self._lock:
            self._busy -= 1
        return entry


@pytest.fixture
def endpoint(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    served = Endpoint()
    yield served
    served.over.set()
    served.server.shutdown()
    served.server.server_close()


def answers(endpoint, prompts, schema=None, url=None, in_flight=4, **options):
    quick = {"backoff": 0.001, "retries": 3} | options
    settings = EngineSettings("openai", "a-model", endpoint=url or endpoint.url, max_in_flight=in_flight, options=quick)
    requests = [Request(prompt, prompt, number, schema) for number, prompt in enumerate(prompts)]
    with contextlib.closing(engines.create(settings, SAMPLING)) as engine:
        return {answer.request_id: answer for answer in engines.complete(engine, requests, in_flight)}


def seeds(endpoint, prompt):
    """The seed of every request for a prompt."""
    return [body["seed"] for _, _, body in endpoint.asked if body["messages"][0]["content"] == prompt]


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


def reset(handler):
    """Breaks the connection off in the middle of an answer."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [{"mess')
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def test_trouble_without_end_is_that_requests_error(endpoint):
    endpoint.scripts["a"] = [(500, "out of memory", {})]
    result = answers(endpoint, ["a", "b"])
    assert result["a"] == Completion("a", "HTTP 500: out of memory; asked 4 times", 0, "error")
    assert result["b"].finish_reason == "stop"


def test_an_endpoint_that_is_busy_for_long_costs_no_prompt_its_retries(endpoint):
    prompts = ["a", "b", "c", "d"]
    for prompt in prompts:
        endpoint.scripts[prompt] = [(503, "loading the model", {})] * 9 + [(200, chat(prompt), {})]
    assert {answer.finish_reason for answer in answers(endpoint, prompts, retries=0, backoff=0).values()} == {"stop"}
    assert seeds(endpoint, "b") == [1] * 10


@pytest.mark.parametrize("status", [429, 503])
def test_an_endpoint_that_stays_busy_ends_the_job_and_fails_no_prompt(endpoint, status):
    for prompt in "bcde":
        endpoint.scripts[prompt] = [(status, "come back later", {})]
    received = []
    with pytest.raises(InputError, match=rf"nothing for 0.0002 minutes \(HTTP {status}: come back later") as caught:
        stream(endpoint, "abcde", received, patience=0.0002)
    assert {answer.finish_reason for answer in received} <= {"stop"}
    assert "llm.options.patience" in str(caught.value)


def stream(endpoint, prompts, received, url=None, **options):
    """As `answers`; what arrives goes to a list, so that it is there after a failure."""
    settings = EngineSettings(
        "openai", "m", endpoint=url or endpoint.url, max_in_flight=2, options={"backoff": 0.001} | options
    )
    with contextlib.closing(engines.create(settings, SAMPLING)) as engine:
        received.extend(engines.complete(engine, [Request(prompt, prompt, 1) for prompt in prompts], 2))


def test_a_request_that_alone_is_put_off_for_ever_is_an_error(endpoint):
    endpoint.scripts["a"] = [(429, "too large for your limit", {})]
    result = {}

    def requests():
        yield Request("a", "a", 1)
        while "a" not in result:
            yield Request(str(len(endpoint.asked)), "b", 1)

    options = {"backoff": 0.001, "retries": 1, "patience": 1 / 60}
    settings = EngineSettings("openai", "m", endpoint=endpoint.url, max_in_flight=2, options=options)
    with contextlib.closing(engines.create(settings, SAMPLING)) as engine:
        for answer in engines.complete(engine, requests(), 2):
            result[answer.request_id] = answer
    assert "while other requests were answered" in result["a"].text
    assert {answer.finish_reason for name, answer in result.items() if name != "a"} == {"stop"}


def test_patience_ends_while_many_requests_wait_for_their_turn(endpoint):
    for number in range(200):
        endpoint.scripts[f"prompt {number}"] = [(503, "down", {})]
    with pytest.raises(InputError, match=r"nothing for 0\.005 minutes"):
        answers(endpoint, list(endpoint.scripts), in_flight=200, patience=0.005, backoff=0.05)
    assert len(endpoint.asked) < 200


def test_an_endpoint_that_is_down_ends_the_job_when_patience_does(endpoint):
    endpoint.server.shutdown()
    endpoint.server.server_close()
    with pytest.raises(InputError, match=r"nothing for 0 minutes .*ConnectError"):
        answers(endpoint, ["a"], patience=0)


def test_a_restarted_server_is_used_as_if_nothing_had_been(endpoint):
    def die(handler):
        endpoint.server.socket.close()
        reset(handler)
        threading.Thread(target=come_back).start()

    def come_back():
        endpoint.server.shutdown()
        endpoint.server = ThreadingHTTPServer(endpoint.server.server_address, endpoint.server.RequestHandlerClass)
        threading.Thread(target=endpoint.server.serve_forever, args=(0.01,), daemon=True).start()

    endpoint.scripts["b"] = [die, (200, chat("b"), {})]
    result = answers(endpoint, list("abcdefgh"), retries=2)
    assert {answer.finish_reason for answer in result.values()} == {"stop"}
    assert len(result) == 8


def test_all_wait_when_one_is_told_to(endpoint):
    endpoint.scripts["a"] = [(429, "wait", {"Retry-After": "500"})]
    engine = engines.create(EngineSettings("openai", "m", endpoint=endpoint.url, max_in_flight=1), SAMPLING)
    engine.submit(Request("a", "a", 1))
    while not endpoint.asked:
        engine.step()
    engine.submit(Request("b", "b", 1))
    assert engine.step() == engine.step() == []
    engine.close()
    assert not seeds(endpoint, "b")


def test_an_answer_that_drips_is_broken_off_in_time(endpoint):
    def drip(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        with contextlib.suppress(OSError):
            while not endpoint.over.wait(0.01):
                handler.wfile.write(b" ")

    endpoint.scripts["a"] = [drip]
    assert answers(endpoint, ["a"], timeout=0.1, retries=1)["a"] == Completion(
        "a", "no whole answer within 0.1 seconds; asked 2 times", 0, "error"
    )


def test_a_silent_endpoint_is_broken_off_in_time(endpoint):
    endpoint.scripts["a"] = [lambda handler: endpoint.over.wait(), (200, chat("at last"), {})]
    assert answers(endpoint, ["a"], timeout=0.5)["a"].text == "at last"


def test_an_answer_without_end_is_broken_off(endpoint):
    def pour(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(2**40))
        handler.end_headers()
        with contextlib.suppress(OSError):
            while True:
                handler.wfile.write(b" " * 2**20)

    endpoint.scripts["a"] = [pour]
    assert answers(endpoint, ["a"], retries=0)["a"].text == "the answer has more than 16777216 bytes; asked 1 times"


def test_packed_answers_are_read(endpoint):
    endpoint.scripts["a"] = [(200, gzip.compress(chat("small").encode()), {"Content-Encoding": "gzip"})]
    assert answers(endpoint, ["a"])["a"].text == "small"


def test_a_packed_answer_without_end_is_broken_off(endpoint):
    endpoint.scripts["a"] = [(200, gzip.compress(b" " * 2**26), {"Content-Encoding": "gzip"})]
    assert "more than" in answers(endpoint, ["a"], retries=0)["a"].text


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
