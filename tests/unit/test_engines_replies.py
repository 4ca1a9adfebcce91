import email.utils
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.engines import Completion
from scripts.engines.replies import MOST_TOKENS, Broken, Busy, Hopeless, TooLong, read, wait_asked


def reply(message, reason="stop", **more):
    """A chat completion."""
    choice = {"message": {"role": "assistant"} | message, "finish_reason": reason}
    return json.dumps({"choices": [choice], "usage": {"completion_tokens": 7}} | more)


def understood(body, status=200, headers=None):
    return read("a", status, headers or {}, body, lambda text: text)


@pytest.mark.parametrize(
    ("sent", "kept"), [("stop", "stop"), ("length", "length"), ("eos_token", "stop"), ("stop_sequence", "stop")]
)
def test_an_end_is_a_stop_or_the_limit(sent, kept):
    assert understood(reply({"content": "text"}, sent)) == Completion("a", "text", 7, kept)


@pytest.mark.parametrize("reason", ["content_filter", "tool_calls", "abort", None, 3, ["stop"], {}])
def test_another_end_is_an_error(reason):
    answer = understood(reply({"content": "half a text"}, reason))
    assert answer.finish_reason == "error"
    assert str(reason) in answer.text
    assert answer.n_tokens == 0


@pytest.mark.parametrize("content", [None, 3, ["text"], {"text": "text"}])
def test_an_answer_without_text_is_an_error(content):
    assert "no text" in understood(reply({"content": content})).text
    assert understood(reply({}, "tool_calls")).finish_reason == "error"


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_alone_is_an_error_that_tells_what_to_do(name):
    answer = understood(reply({"content": None, name: "let me think"}, "length"))
    assert answer.finish_reason == "error"
    assert "turn reasoning off" in answer.text


def test_reasoning_beside_a_text_does_not_count_where_the_endpoint_tells_how_much_it_was():
    usage = {"completion_tokens": 50, "completion_tokens_details": {"reasoning_tokens": 38}}
    assert understood(reply({"content": "text", "reasoning_content": "hm"}, usage=usage)).n_tokens == 12


def test_an_empty_text_is_a_text():
    assert understood(reply({"content": ""})) == Completion("a", "", 7, "stop")


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        5,
        {"completion_tokens": None},
        {"completion_tokens": "7"},
        {"completion_tokens": 7.5},
        {"completion_tokens": -1},
        {"completion_tokens": True},
        {"completion_tokens": 0},
        {"completion_tokens": MOST_TOKENS + 1},
    ],
)
def test_a_length_that_cannot_be_is_none(usage):
    with pytest.raises(Hopeless, match="logprobs") as caught:
        understood(reply({"content": "text"}, usage=usage))
    assert caught.value.at_first


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "3",
        "[]",
        "{}",
        '{"choices": {}}',
        '{"choices": [3]}',
        "[" * 100_000,
        "1" * 10_000,
        "<html>",
        '{"choices": [{"message": null}]}',
    ],
)
def test_what_is_no_chat_completion_is_broken(body):
    with pytest.raises(Broken, match="not a chat completion"):
        understood(body)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["choices", "message", "content", "finish_reason", "usage", "logprobs"]), inner
            )
        ),
    )
)
def test_any_json_is_understood_or_refused(value):
    try:
        answer = understood(json.dumps(value))
    except (Broken, Hopeless):
        return
    assert answer.finish_reason in ("stop", "length", "error")


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "This model's maximum context length is 2048 tokens. However, your prompt contains 3000 input tokens"),
        (400, "max_tokens=5000 cannot be greater than max_model_len=2048."),
        (400, "The input (61709 tokens) is longer than the model's context length (40960 tokens)."),
        (400, '{"error": {"message": "too much", "code": "context_length_exceeded"}}'),
        (400, "request (4390 tokens) exceeds the available context size (4096 tokens), try increasing it"),
        (400, '{"error": {"type": "exceed_context_size_error", "n_ctx": 256}}'),
        (400, "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576)."),
        (422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given: 3474 and 60"),
        (422, "Input validation error: `inputs` must have less than 4096 tokens. Given: 4545"),
    ],
)
def test_a_prompt_beyond_the_context_is_recognised(status, message):
    with pytest.raises(TooLong):
        understood(message, status)


@pytest.mark.parametrize("status", [400, 403, 405, 413, 418, 422, 204])
def test_another_refusal_is_an_error(status):
    assert understood("no, because of top_k", status).text.startswith(f"HTTP {status}: no, because of top_k")


def test_an_unknown_field_is_named_with_what_to_do_about_it():
    body = '{"detail": [{"type": "extra_forbidden", "loc": ["body", "repetition_penalty"]}]}'
    assert understood(body, 422).text.endswith("does not know repetition_penalty, name it in llm.options.omit)")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (408, Busy),
        (429, Busy),
        (502, Busy),
        (503, Busy),
        (504, Busy),
        (524, Busy),
        (500, Broken),
        (501, Broken),
        (401, Hopeless),
        (404, Hopeless),
        (302, Hopeless),
        (308, Hopeless),
    ],
)
def test_every_status_has_its_kind(status, kind):
    with pytest.raises(kind):
        understood("a\n  page", status)


def test_a_redirect_names_the_host_and_nothing_else():
    with pytest.raises(Hopeless, match=r"redirects to example\.org:81;") as caught:
        understood("", 301, {"Location": "https://user:word@example.org:81/path?secret=1"})
    assert "word" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": " 1.5 "}, 1.5),
        ({"Retry-After": "7", "retry-after-ms": "250"}, 0.25),
        ({"Retry-After": "Fri, 01 Jan 2016 00:00:00 GMT"}, 0),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "1e400"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "Fri, 32 Foo 99999 25:00:00 GMT"}, None),
    ],
)
def test_a_wait_is_read_from_its_headers(headers, seconds):
    assert wait_asked(headers) == seconds


def test_a_wait_may_be_a_date():
    date = email.utils.formatdate(time.time() + 3600, usegmt=True)
    assert 3000 < wait_asked({"Retry-After": date}) <= 3600


@given(st.text())
def test_any_wait_is_a_number_or_none(text):
    wait = wait_asked({"Retry-After": text})
    assert wait is None or 0 <= wait < float("inf")
