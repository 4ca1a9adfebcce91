import argparse
import importlib.util

import pytest

from scripts import engines
from scripts.common.errors import InputError
from scripts.engines import Completion, EngineSettings, Request, Sampling
from tests.unit.echo import Echo


def requests(count):
    return [Request(str(number), f"prompt {number}", number) for number in range(count)]


def test_every_request_comes_back_once():
    answers = list(engines.complete(Echo(), requests(20), 3))
    assert sorted(answer.request_id for answer in answers) == sorted(str(number) for number in range(20))


def test_the_engine_is_full_as_long_as_requests_are_left():
    engine = Echo()
    list(engines.complete(engine, requests(20), 4))
    assert engine.load == [4] * 17 + [3, 2, 1]


def test_requests_are_taken_only_when_there_is_room():
    taken = []
    stream = (taken.append(request) or request for request in requests(10))
    answers = engines.complete(Echo(), stream, 2)
    next(answers)
    assert len(taken) == 2


def test_nothing_more_is_taken_or_returned_once_it_is_stopped():
    engine = Echo()
    answers = []
    for answer in engines.complete(engine, requests(10), 4, stopped=lambda: len(answers) == 2):
        answers.append(answer)
    assert len(answers) == 2
    assert (len(engine.asked), engine.in_flight) == (5, 3)


def test_no_requests_need_no_step():
    engine = Echo()
    assert list(engines.complete(engine, [], 4)) == []
    assert engine.load == []


def test_flags_give_settings():
    parser = argparse.ArgumentParser()
    engines.add_arguments(parser)
    args = parser.parse_args(["--engine", "openai", "--model", "m", "--endpoint", "", "--options", '{"retries": 2}'])
    assert engines.settings_from(args) == EngineSettings("openai", "m", options={"retries": 2})
    flags = ["--engine", "openai", "--model", "m", "--options", '{"omit": []}', "--options", '{"retries": 3}']
    assert engines.settings_from(parser.parse_args(flags)).options == {"omit": [], "retries": 3}
    assert engines.settings_from(parser.parse_args(flags[:4])).options == {}


def test_an_engine_that_does_not_exist_is_refused():
    parser = argparse.ArgumentParser()
    engines.add_arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["--engine", "magic", "--model", "m"])


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed here")
def test_a_missing_library_is_named_with_what_to_do():
    with pytest.raises(InputError, match=r"the vllm engine needs vllm, which .*interpreters: {vllm: "):
        engines.create(EngineSettings("vllm", "m"), Sampling(0.6, 0.95, 50, 1.2, 100))


def test_completions_say_how_they_ended():
    assert next(engines.complete(Echo(), requests(1), 1)) == Completion("0", "prompt 0 (0)", 3, "stop")
