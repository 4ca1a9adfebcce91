"""Engines that die, hang, or answer garbage: no text is lost, none is asked for without need, none is wrong."""

import json
import signal

import pytest

from scripts.common.ids import content_id, sampling_seed
from scripts.common.tables import GENERATIONS, read_table
from tests.chaos.conftest import KILLS
from tests.chaos.programs import IN_FLIGHT, OPTIONS, Part, openai_flags, prompt, wait_for
from tests.chaos.server import completion, text_of, well


def html(handler, prompt, seed):
    handler.answer(b"<html><body>The gateway is being restarted.</body></html>", kind="text/html")


def raw(body, status=200):
    return lambda handler, prompt, seed: handler.answer(body, status)


GARBAGE = {
    "html": html,
    "not json": raw(b'{"choices": ['),
    "nothing": raw(b""),
    "no choices": raw(b'{"choices": [], "usage": {"completion_tokens": 1}}'),
    "a list": raw(b"[1, 2, 3]"),
    "null": raw(b"null"),
    "bytes": raw(bytes(range(256))),
    "deep": raw(b'{"choices": ' + b"[" * 100_000),
    "no usage": raw(json.dumps({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}).encode()),
    "tokens of another type": raw(completion("x", tokens="many")),
    "infinite tokens": raw(completion("x", tokens=1e999).replace(b"Infinity", b"1e999")),
    "error 500": raw(b"out of memory", 500),
    "busy": raw(b"busy", 503),
    "reset": lambda handler, prompt, seed: handler.reset(),
    "half an answer": lambda handler, prompt, seed: handler.answer(completion(text_of(prompt, seed))[:50], length=999),
}

ODD_TEXTS = {
    "lone surrogates": "\ud83d half \udc00 a pair",
    "control characters": "".join(map(chr, range(32))) + "\x7f\x85\u2028\u2029",
    "NUL": "a\0b",
    "like a journal": '\n00000000 {"prompt_id":"x"}\n{"prompt_id": "y"}\n',
    "long": "long " * 200_000,
    "beyond the plane": "𝔊𝔯𝔬ß 🪴" * 10,
    "spaces": "  \n\t ",
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_asked_again_until_there_is_a_text(part, endpoint, finish, name):
    """The first answer to every fourth prompt is garbage."""
    part.grow(24)

    def behave(handler, text, seed, time_asked):
        if time_asked == 1 and int(text.split()[2]) % 4 == 1:
            GARBAGE[name](handler, text, seed)
        else:
            well(handler, text, seed, time_asked)

    endpoint.behave = behave
    finish(part)
    assert endpoint.asked.total() == 24 + 6


@pytest.mark.parametrize("name", ODD_TEXTS)
def test_odd_texts_survive_a_kill(tmp_path, endpoint, finish, name):
    part = Part(tmp_path / "part", 20, openai_flags(endpoint))

    endpoint.behave = odd = ODD[name]
    goal = 12
    program = part.start()
    wait_for(lambda: endpoint.delivered.total() >= goal, "answers", every=0)
    if program.kill() == -signal.SIGKILL:
        KILLS["kill -9 among odd texts"] += 1
    kept, asked = part.texts().total(), endpoint.quiet().asked.total()
    assert asked - kept <= IN_FLIGHT
    finish(part, behave=odd)
    assert endpoint.asked.total() - asked == 20 - kept


def _odd(text):
    def behave(handler, prompt, seed, time_asked):
        handler.answer(completion(f"{text_of(prompt, seed)}{text}"))

    return behave


ODD = {name: _odd(text) for name, text in ODD_TEXTS.items()}


@pytest.mark.parametrize("answer", [completion(7), completion(None), completion("x", "content_filter"), completion([])])
def test_a_prompt_that_gets_no_text_is_asked_with_its_next_seed(part, endpoint, answer):
    def behave(handler, text, seed, time_asked):
        if time_asked == 1 and int(text.split()[2]) % 10 == 3:
            handler.answer(answer)
        else:
            well(handler, text, seed, time_asked)

    endpoint.behave = behave
    part.run()
    assert part.seal().wait() == 0
    rows = read_table(part.sealed, GENERATIONS).to_pylist()
    assert [row["prompt_id"] for row in rows] == [content_id(str(number)) for number in range(part.count)]
    for number, row in enumerate(rows):
        assert row["sampling_seed"] == sampling_seed(row["prompt_id"], 1, row["attempt"])
        assert row["text"] == text_of(prompt(number), row["sampling_seed"])
    assert max(endpoint.asked.values()) == 2


def test_the_server_dies_and_comes_back(part, endpoint, finish):
    program = part.start()
    for goal in (10, 30, 45):
        wait_for(lambda: endpoint.delivered.total() >= goal, "answers", every=0)  # noqa: B023
        endpoint.stop()
        endpoint.start()
    assert program.wait() == 0, program.said
    finish(part)
    assert endpoint.asked.total() <= part.count + 3 * IN_FLIGHT


def test_the_server_dies_for_good_and_the_next_run_finds_another(part, endpoint, finish):
    part.engine = openai_flags(endpoint, OPTIONS.replace("{", '{"patience": 0.02, '))
    program = part.start()
    wait_for(lambda: endpoint.delivered.total() >= 30, "answers", every=0)
    endpoint.stop()
    assert program.wait() == 1
    assert "Traceback" not in program.said
    assert "error: " in program.said
    kept = part.texts().total()
    assert {row["finish_reason"] for row in part.rows()} == {"stop"}
    assert endpoint.asked.total() - kept <= IN_FLIGHT
    endpoint.start()
    asked = endpoint.asked.total()
    finish(part)
    assert endpoint.asked.total() - asked == part.count - kept


def test_answers_that_never_come_are_asked_for_again(part, endpoint, finish):
    part.engine = openai_flags(endpoint, OPTIONS.replace('"timeout": 30', '"timeout": 0.5'))

    def behave(handler, text, seed, time_asked):
        silent = time_asked == 1 and int(text.split()[2]) % 20 == 7
        (endpoint.hang if silent else well)(handler, text, seed, time_asked)

    endpoint.behave = behave
    finish(part)
    assert endpoint.asked.total() == part.count + 3


def test_an_engine_that_answers_no_more_is_killed_and_only_what_hangs_is_asked_again(part, endpoint, account, finish):
    costs = account(part, endpoint, "kill -9 of a job whose engine hangs")

    def behave(handler, text, seed, time_asked):
        (well if endpoint.asked.total() <= 23 else endpoint.hang)(handler, text, seed, time_asked)

    endpoint.behave = behave
    program = part.start()
    wait_for(lambda: endpoint.asked.total() >= 23 + IN_FLIGHT and endpoint.delivered.total() == 23, "silence")
    assert program.kill() == -signal.SIGKILL
    gained = costs.close()
    assert gained >= 23
    endpoint.behave = well
    finish(part)
    assert endpoint.asked.total() == 23 + IN_FLIGHT + part.count - gained
