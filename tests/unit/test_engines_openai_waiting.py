"""Endpoints that are busy, down, slow or endless: how long the openai engine waits, and for whom."""

import contextlib
import gzip
import threading
from http.server import ThreadingHTTPServer

import pytest

from scripts import engines
from scripts.common.errors import InputError
from scripts.engines import Completion, EngineSettings, Request
from tests.unit.endpoint import SAMPLING, answers, chat, reset, seeds, stream


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
