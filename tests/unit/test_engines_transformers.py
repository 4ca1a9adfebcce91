import json
from dataclasses import replace

import jsonschema
import pytest

from scripts import engines
from scripts.common.errors import InputError
from scripts.engines import EngineSettings, Request, Sampling
from tests.unit.conftest import TEXTS

SAMPLING = Sampling(temperature=0.8, top_p=0.95, top_k=50, repetition_penalty=1.2, max_new_tokens=48)
GREEDY = replace(SAMPLING, temperature=0.0)
REQUESTS = [
    Request(str(number), f"{TEXTS[number % 5]} Tell me more." * (1 + number % 3), number) for number in range(11)
]
SCHEMA = {
    "type": "object",
    "properties": {
        "topic": {"type": "string", "maxLength": 12},
        "score": {"type": "integer", "minimum": 1, "maximum": 10},
    },
    "required": ["topic", "score"],
    "additionalProperties": False,
}


def settings(model, **changes):
    return EngineSettings(
        engine="transformers",
        model=str(model),
        **{"dtype": "float32", "max_model_len": 256, "max_in_flight": 8, "options": {"device": "cpu"}} | changes,
    )


def answers(model, requests=REQUESTS, sampling=SAMPLING, **changes):
    wanted = settings(model, **changes)
    engine = engines.create(wanted, sampling)
    completions = {answer.request_id: answer for answer in engines.complete(engine, requests, wanted.max_in_flight)}
    engine.close()
    return completions


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_text_does_not_depend_on_what_else_is_in_the_batch(random_lm, dtype):
    together = answers(random_lm, dtype=dtype)
    assert {answer.finish_reason for answer in together.values()} == {"stop", "length"}
    assert answers(random_lm, dtype=dtype, max_in_flight=1) == together
    assert answers(random_lm, REQUESTS[::-1], dtype=dtype, max_in_flight=11) == together
    assert answers(random_lm, REQUESTS[4:7], dtype=dtype, max_in_flight=3).items() <= together.items()


def test_texts_are_decoded_one_by_one_where_a_rows_place_matters(random_lm):
    engine = engines.create(settings(random_lm), SAMPLING)
    assert engine._tile == 8

    def round_by_row(model, inputs, output):
        output.logits[1:] += 1e-6

    engine._model.register_forward_hook(round_by_row)
    engine.check_rows()
    assert engine._tile == 1


def test_greedy_texts_are_those_of_generate(random_lm):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(random_lm, dtype="float64")
    tokenizer = AutoTokenizer.from_pretrained(random_lm)
    ours = answers(random_lm, sampling=GREEDY, dtype="float64")
    for request in REQUESTS[:5]:
        turn = [{"role": "user", "content": request.prompt}]
        prompt = tokenizer.apply_chat_template(turn, add_generation_prompt=True, return_tensors="pt")
        tokens = model.generate(**prompt, max_new_tokens=48, do_sample=False, repetition_penalty=1.2, pad_token_id=0)
        new = tokens[0, prompt["input_ids"].shape[1] :]
        assert ours[request.request_id].text == tokenizer.decode(new, skip_special_tokens=True)
        assert ours[request.request_id].n_tokens == len(new)


def test_another_seed_gives_another_text(random_lm):
    first, second = (answers(random_lm, [Request("a", TEXTS[0], seed)])["a"].text for seed in (1, 2))
    assert first != second


def test_a_stop_string_ends_the_text_before_it(random_lm):
    text = answers(random_lm)["1"].text
    stop = text[20:23]
    stopped = answers(random_lm, sampling=replace(SAMPLING, stop=("<|endoftext|>", stop)))["1"]
    assert stopped.text == text[: text.index(stop)]
    assert stopped.finish_reason == "stop"


def test_a_text_is_cut_where_the_context_ends(random_lm):
    markup, letters = 2, 240
    answer = answers(random_lm, [Request("a", "q" * letters, 1)], sampling=GREEDY)["a"]
    assert answer.n_tokens == 256 - markup - letters
    assert answer.finish_reason == "length"


def test_texts_that_end_with_their_first_token_come_back_once(random_lm):
    engine = engines.create(settings(random_lm, max_in_flight=3), replace(SAMPLING, max_new_tokens=1))
    completions = list(engines.complete(engine, REQUESTS, 3))
    assert sorted(answer.request_id for answer in completions) == sorted(request.request_id for request in REQUESTS)
    assert {answer.n_tokens for answer in completions} == {1}


def test_a_stop_string_that_is_no_token_does_not_make_another_token_an_end(random_lm):
    from scripts.engines import chat

    tokenizer = chat.load_tokenizer(str(random_lm), "main")
    tokenizer.unk_token = "<|user|>"
    assert chat.end_tokens(tokenizer, None, ("<|nothing|>", "bread")) == {0}
    assert chat.end_tokens(tokenizer, None, ("<|assistant|>",)) == {0, 2}


def test_a_prompt_that_does_not_fit_is_refused_and_the_others_go_on(random_lm):
    too_long = Request("long", "word " * 500, 1)
    completions = answers(random_lm, [too_long, *REQUESTS])
    assert completions["long"].finish_reason == "refused"
    assert "no room in a context of 256" in completions["long"].text
    assert completions.keys() == {"long", *(request.request_id for request in REQUESTS)}


def test_an_answer_follows_its_json_schema(random_lm):
    requests = [Request(str(seed), TEXTS[2], seed, SCHEMA if seed % 2 else None) for seed in range(6)]
    completions = answers(random_lm, requests)
    for seed in (1, 3, 5):
        jsonschema.validate(json.loads(completions[str(seed)].text), SCHEMA)
        assert completions[str(seed)].finish_reason == "stop"
    free = answers(random_lm, [request for request in requests if request.json_schema is None])
    assert free.items() <= completions.items()


def test_a_schema_that_cannot_be_followed_is_an_error(random_lm):
    answer = answers(random_lm, [Request("a", TEXTS[0], 1, {"type": "no such type"})])["a"]
    assert answer.finish_reason == "error"
    assert "JSON Schema" in answer.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"max_model_len": 512}, "a context of 256 tokens"), ({"options": {"devise": "cpu"}}, "not devise")],
)
def test_settings_that_do_not_fit_are_refused(random_lm, changes, message):
    with pytest.raises(InputError, match=message):
        engines.create(settings(random_lm, **changes), SAMPLING)


def test_a_tokenizer_that_cannot_be_read_is_named(random_lm, tmp_path):
    for file in random_lm.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match=r"cannot load the tokenizer of llm\.model"):
        engines.create(settings(tmp_path), SAMPLING)


def test_a_base_model_without_chat_template_is_refused(random_lm, tmp_path):
    for file in random_lm.iterdir():
        if "chat_template" not in file.name:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(InputError, match="no chat template"):
        engines.create(settings(tmp_path), SAMPLING)
