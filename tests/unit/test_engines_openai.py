import json
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

    A prompt without a script is answered with itself.
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
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, answer, headers = endpoint.answer(self.path, dict(self.headers), body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.encode())

            def log_message(self, *arguments):
                pass

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
    served.server.shutdown()
    served.server.server_close()


def answers(endpoint, prompts, schema=None, **options):
    quick = {"backoff": 0.001, "retries": 3} | options
    settings = EngineSettings("openai", "a-model", endpoint=endpoint.url, max_in_flight=4, options=quick)
    engine = engines.create(settings, SAMPLING)
    requests = [Request(prompt, prompt, number, schema) for number, prompt in enumerate(prompts)]
    result = {answer.request_id: answer for answer in engines.complete(engine, requests, 4)}
    engine.close()
    return result


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
        (503, "overloaded", {}),
        (503, "overloaded", {"Retry-After": "Fri, 01 Jan 2016 00:00:00 GMT"}),
        (200, "<html>a proxy's page</html>", {}),
        (200, '{"choices": []}', {}),
        (200, json.dumps({"choices": [{"message": {"content": "no usage"}, "finish_reason": "stop"}]}), {}),
    ],
)
def test_trouble_is_asked_about_again(endpoint, trouble):
    endpoint.scripts["a"] = [trouble, trouble, (200, chat("at last", "length"), {})]
    assert answers(endpoint, ["a", "b"])["a"] == Completion("a", "at last", 5, "length")
    assert len(endpoint.asked) == 4


def test_a_lost_connection_is_asked_about_again_until_it_is_an_error(endpoint):
    endpoint.server.shutdown()
    endpoint.server.server_close()
    answer = answers(endpoint, ["a"])["a"]
    assert answer.finish_reason == "error"
    assert "ConnectError" in answer.text
    assert "asked 4 times" in answer.text


def test_trouble_without_end_is_that_requests_error(endpoint):
    endpoint.scripts["a"] = [(500, "out of memory", {})]
    result = answers(endpoint, ["a", "b"])
    assert result["a"] == Completion("a", "HTTP 500: out of memory; asked 4 times", 0, "error")
    assert result["b"].finish_reason == "stop"


def test_a_refused_request_is_an_error_and_not_asked_again(endpoint):
    endpoint.scripts["a"] = [(400, f"unknown field top_k, sent with {KEY}", {})]
    assert answers(endpoint, ["a"])["a"] == Completion(
        "a", "HTTP 400: unknown field top_k, sent with [key]", 0, "error"
    )
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize(("content", "reason"), [(None, "stop"), ("half a text", "content_filter")])
def test_an_answer_without_text_is_an_error(endpoint, content, reason):
    endpoint.scripts["a"] = [(200, chat(content, reason), {})]
    assert answers(endpoint, ["a"])["a"].finish_reason == "error"


def test_half_a_character_becomes_a_question_mark(endpoint):
    endpoint.scripts["a"] = [(200, chat("half \ud83d of it"), {})]
    assert answers(endpoint, ["a"])["a"].text == "half ? of it"


def test_a_refused_key_ends_the_job_after_what_was_finished(endpoint):
    endpoint.scripts["c"] = [(401, f"wrong key {KEY}", {})]
    engine = engines.create(EngineSettings("openai", "m", endpoint=endpoint.url, max_in_flight=1), SAMPLING)
    received = []
    with pytest.raises(InputError, match="refused the key in OPENAI_API_KEY") as caught:
        received.extend(engines.complete(engine, [Request(name, name, 1) for name in "abcd"], 1))
    assert KEY not in str(caught.value)
    assert [body["messages"][0]["content"] for _, _, body in endpoint.asked] == ["a", "b", "c"]


def test_closing_does_not_wait_for_a_retry(endpoint):
    endpoint.scripts["a"] = [(503, "busy", {"Retry-After": "500"})]
    engine = engines.create(EngineSettings("openai", "m", endpoint=endpoint.url, max_in_flight=1), SAMPLING)
    engine.submit(Request("a", "a", 1))
    while not endpoint.asked:
        engine.step()
    engine.close()
    assert engine.in_flight == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"endpoint": ""}, "base URL"), ({"endpoint": "http://h", "options": {"retrys": 3}}, "retrys")],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        engines.create(EngineSettings("openai", "m", **settings), SAMPLING)
