"""A job that watches its own texts, and ends itself when a stop rule says so."""

import logging
from pathlib import Path

import pytest
import yaml

from scripts.common.errors import InputError
from scripts.common.ids import content_id
from scripts.engines import Sampling
from scripts.generate import ledger
from scripts.generate.job import Drain, Job, Limits
from scripts.generate.measures import WATCHED
from scripts.generate.monitor import WINDOW, Monitor
from scripts.generate.recipe import Recipe
from tests.unit.echo import Echo
from tests.unit.test_generate_measures import essay

PLAN = Recipe("m", "r", Sampling(0.6, 0.95, 50, 1.2, 100), seed=1)
LIMITS = Limits(max_in_flight=4, rows_per_segment=5, max_attempts=3, max_failure_rate=0.05)


def row(text, number, reason="stop"):
    return {"prompt_id": str(number), "text": text, "text_token_length": 200, "finish_reason": reason}


def watch(monitor, *some, start=0):
    for number, text in enumerate(some, start):
        monitor.text(row(text, number))


def everything(template):
    """The mapping of prompts to templates when all belong to one."""
    return {str(number): template for number in range(1000)}


def test_the_rules_of_the_configuration_are_the_measures_that_can_be_watched():
    schema = yaml.safe_load(Path("workflow/schemas/config.schema.yaml").read_text())
    rules = schema["properties"]["generate"]["properties"]["stop_rules"]["properties"]
    assert list(rules) == list(WATCHED)


def test_a_rule_that_cannot_be_watched_is_refused():
    with pytest.raises(InputError, match=r"stop_rules: boredom cannot be watched; the measures are top_opening_share"):
        Monitor({}, {"boredom": 0.5})


def test_without_rules_nothing_ends_a_job():
    monitor = Monitor(everything("t"), window=10)
    watch(monitor, *["I cannot write that story."] * 50)
    assert monitor.summary()["templates"]["t"]["measures"]["refusals"] == 1


def test_each_template_is_measured_by_itself_over_its_last_texts():
    monitor = Monitor({str(number): f"t{number % 2}" for number in range(200)}, window=20)
    for number in range(80):
        monitor.text(row("Once upon a time it rained." if number % 2 and number < 40 else essay(number), number))
    found = monitor.summary()["templates"]
    assert found["t0"]["texts"] == found["t1"]["texts"] == 40
    assert found["t1"]["measures"]["stock_openings"] == found["t0"]["measures"]["stock_openings"] == 0


def test_a_limit_that_is_exceeded_over_a_full_window_ends_the_job_and_says_why():
    monitor = Monitor(everything("en/title/story"), {"stock_openings": 0.3}, window=20)
    watch(monitor, *["Once upon a time it rained."] * 19)
    with pytest.raises(InputError) as error:
        watch(monitor, "Once upon a time it rained.", start=19)
    message = str(error.value)
    assert "template en/title/story: stock_openings is 1 over its last 20 texts" in message
    assert "over 0.3" in message
    assert message.count("“Once upon a time it rained. …”") == 3
    assert "Finished texts are in the ledger and stay" in message
    assert "generate.stop_rules.stock_openings" in message


def test_a_limit_that_is_met_exactly_ends_nothing():
    monitor = Monitor(everything("t"), {"refusals": 0.5}, window=20)
    watch(monitor, *["I cannot write that story.", essay(1)] * 10)
    assert monitor.summary()["templates"]["t"]["measures"]["refusals"] == 0.5


def test_the_log_tells_when_something_becomes_bad_and_when_it_is_over_and_nothing_twice(caplog):
    caplog.set_level(logging.WARNING)
    monitor = Monitor(everything("t"), window=40)
    watch(monitor, *(essay(number) for number in range(40)))
    assert caplog.messages == []
    texts = [f"I cannot write that story, said {essay(number)}" for number in range(40, 80)]
    watch(monitor, *texts[:3], *(essay(number) for number in range(80, 97)))
    watch(monitor, *(essay(number) for number in range(40)))
    assert caplog.messages == [
        "t, its last 40 texts: refusals 8%",
        "t, its last 40 texts: nothing bad any more",
    ]


def test_a_prompt_of_no_known_template_is_watched_too():
    monitor = Monitor({}, window=2)
    watch(monitor, "It rained.", "It rained.")
    assert list(monitor.summary()["templates"]) == ["unknown template"]


def test_a_job_that_a_rule_ends_keeps_its_texts(tmp_path):
    prompts = {content_id(str(number)): "Once upon a time" for number in range(3 * WINDOW)}
    writer = ledger.Writer(tmp_path, ledger.job_name(), LIMITS.rows_per_segment)
    job = Job(prompts, ledger.finished(tmp_path, PLAN.id), writer, PLAN, "echo")
    monitor = Monitor(dict.fromkeys(prompts, "en/story"), {"top_opening_share": 0.3})
    with pytest.raises(InputError, match="template en/story: top_opening_share is 1 "):
        job.generate(Echo(), LIMITS, Drain(), [monitor])
    assert len(ledger.finished(tmp_path, PLAN.id).done) == WINDOW
    again = Monitor(dict.fromkeys(prompts, "en/story"), {"top_opening_share": 0.3})
    with pytest.raises(InputError, match="template en/story: top_opening_share is 1 "):
        again.remember(ledger.segments(tmp_path), PLAN.id)


def filled(folder, *some, recipe=PLAN.id):
    """A ledger with these texts; their prompts are numbers."""
    fixed = {"attempt": 1, "sampling_seed": 1, "model": "m", "revision": "r", "recipe": recipe, "engine": "echo"}
    writer = ledger.Writer(folder, ledger.job_name(), 7)
    writer.add([row(text, number) | fixed for number, text in enumerate(some)])
    writer.close()
    return ledger.segments(folder)


def test_what_the_ledger_holds_fills_the_window(tmp_path):
    monitor = Monitor(everything("t"), {"refusals": 0.4}, window=20)
    monitor.remember(filled(tmp_path, *["I cannot write that story."] * 15), PLAN.id)
    watch(monitor, *map(essay, range(9)), start=15)
    with pytest.raises(InputError, match=r"refusals is 0\.5 over its last 20 texts"):
        watch(monitor, essay(9), start=24)


@pytest.mark.parametrize("known", [{}, everything("t")])
def test_texts_of_other_prompts_or_another_recipe_are_not_held_against_a_job(tmp_path, known):
    monitor = Monitor(known, {"refusals": 0.5}, window=20)
    recipe = "another" if known else PLAN.id
    monitor.remember(filled(tmp_path, *["I cannot write that story."] * 30, recipe=recipe), PLAN.id)
    assert monitor.summary()["templates"] == {}


def test_without_rules_the_ledger_is_not_read():
    Monitor(everything("t")).remember(iter([None]), PLAN.id)
