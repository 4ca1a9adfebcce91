"""Engines that die, hang, or answer garbage: no text is lost, none is asked for without need, none is wrong."""

import json
import signal

from scripts.common.ids import content_id, sampling_seed
from scripts.common.schemas import GENERATIONS
from scripts.common.tables import read_table
from tests.chaos.programs import IN_FLIGHT, OPTIONS, openai_flags, prompt, wait_for
from tests.chaos.server import completion, text_of, well


def html(handler, prompt, seed):
    handler.answer(b"<html><body>The gateway is being restarted.</body></html>", kind="text/html")


def raw(body, status=200):
    return lambda handler, prompt, seed: handler.answer(body, status)


GARBAGE = [
    html,
    raw(b'{"choices": ['),
    raw(b""),
    raw(b'{"choices": [], "usage": {"completion_tokens": 1}}'),
    raw(b"[1, 2, 3]"),
    raw(b"null"),
    raw(bytes(range(256))),
    raw(b'{"choices": ' + b"[" * 100_000),
    raw(json.dumps({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}).encode()),
    raw(completion("x", tokens="many")),
    raw(completion("x", tokens=1e999).replace(b"Infinity", b"1e999")),
    raw(b"out of memory", 500),
    raw(b"busy", 503),
    lambda handler, prompt, seed: handler.reset(),
    lambda handler, prompt, seed: handler.answer(completion(text_of(prompt, seed))[:50], length=999),
]

ODD_TEXTS = [
    "\ud83d half \udc00 a pair",
    "".join(map(chr, range(32))) + "\x7f\x85\u2028\u2029",
    "a\0b",
    '\n00000000 {"prompt_id":"x"}\n{"prompt_id": "y"}\n',
    "long " * 200_000,
    "𝔊𝔯𝔬ß 🪴" * 10,
    "  \n\t ",
]
TEXTLESS = [completion(7), completion(None), completion("x", "content_filter"), completion([])]


def number_of(text):
    return int(text.split()[2])


def test_garbage_is_asked_again_until_there_is_a_text(part, endpoint, finish):
    """The first answer to every third prompt is garbage, of each kind in turn."""

    def behave(handler, text, seed, time_asked):
        turn, rest = divmod(number_of(text), 3)
        if time_asked == 1 and rest == 1:
            GARBAGE[turn % len(GARBAGE)](handler, text, seed)
        else:
            well(handler, text, seed, time_asked)

    endpoint.behave = behave
    finish(part)
    assert {text: times for text, times in endpoint.asked.items() if times > 1} == {
        prompt(number): 2 for number in range(1, part.count, 3)
    }


def oddly(handler, text, seed, time_asked):
    odd = ODD_TEXTS[number_of(text) % len(ODD_TEXTS)]
    handler.answer(completion(f"{text_of(text, seed)}{odd}"))


def test_odd_texts_survive_kills(part, endpoint, account, finish):
    """In journals, in segments, and in the sealed table, where they are as in a run that nothing disturbed."""
    part.grow(40)
    endpoint.behave = oddly
    costs = account(part, endpoint, "kill -9 among odd texts")
    for goal in (9, 24):
        program = part.start()
        wait_for(lambda: endpoint.delivered.total() >= goal, "answers", every=0)  # noqa: B023
        assert program.kill() == -signal.SIGKILL, program.said
        costs.close()
    finish(part, behave=oddly)


def test_a_prompt_that_gets_no_text_is_asked_with_its_next_seed(part, endpoint):
    def behave(handler, text, seed, time_asked):
        if time_asked == 1 and number_of(text) % 10 == 3:
            handler.answer(TEXTLESS[number_of(text) // 10 % len(TEXTLESS)])
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
        silent = time_asked == 1 and number_of(text) % 20 == 7
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
