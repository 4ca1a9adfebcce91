"""What `progress` says about ledgers that real jobs wrote, and about their status files."""

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.common.errors import InputError
from scripts.common.ids import content_id
from scripts.common.schemas import GENERATIONS, PROMPTS
from scripts.common.tables import write_table
from scripts.engines import Sampling
from scripts.generate import ledger, progress
from scripts.generate import slice as slice_
from scripts.generate.job import Drain, Job, Limits
from scripts.generate.jobs import judge, speeds
from scripts.generate.progress import look
from scripts.generate.progress_view import as_page, as_text
from scripts.generate.recipe import Recipe
from scripts.generate.status import SUFFIX, Status, StatusFile
from scripts.generate.tally import Tally, tally
from tests.unit.echo import Echo

PLAN = Recipe("some/model", "r", Sampling(0.6, 0.95, 50, 1.2, 100), seed=1)
FLAGS = (
    *("--temperature", "0.6", "--top-p", "0.95", "--top-k", "50", "--repetition-penalty", "1.2"),
    *("--max-new-tokens", "100", "--seed", "1", "--engine", "vllm", "--model", "some/model", "--revision", "r"),
)
LIMITS = Limits(max_in_flight=4, rows_per_segment=5, max_attempts=2, max_failure_rate=0.5)
SPLITS = {"web": "web_samples", "ultrachat": "stories", "openhermes": "stories"}


def make_prompts(results, source, count, part="000"):
    asked = {content_id(source, part, str(number)): f"prompt {number}" for number in range(count)}
    rows = [{"prompt_id": key, "prompt": prompt} for key, prompt in asked.items()]
    write_table(results / f"prompts/{source}/part-{part}.parquet", rows, PROMPTS)
    return asked


def generate(results, source, asked, plan=PLAN, engine=None, part="000", again=False, gpus=0):
    """A job over these prompts, as scripts/generate/slice.py does it; `again`: it does not see what there is."""
    folder = results / f"generations/ledger/{source}/part-{part}"
    before = ledger.finished(folder / "none" if again else folder, plan.id)
    name = ledger.job_name()
    job = Job(asked, before, ledger.Writer(folder, name, LIMITS.rows_per_segment), plan, "echo")
    status = Status(name, len(asked), len(job.done))
    facts = {"source": source, "part": part, "slice": 0, "n_slices": 1, "gpus": gpus}
    facts |= {"engine": "echo", "model": plan.model, "recipe": plan.id}
    file, engine = folder / f"{name}{SUFFIX}", engine or Echo()
    with StatusFile(file, status, facts, lambda: False, lambda: engine.in_flight):
        job.generate(engine, LIMITS, Drain(), [status])
    return file


def first(asked, count):
    return dict(list(asked.items())[:count])


def test_a_finished_run_has_as_many_texts_as_prompts(tmp_path):
    for source, count in (("web", 30), ("ultrachat", 12), ("openhermes", 7)):
        generate(tmp_path, source, make_prompts(tmp_path, source, count))
    report = look(tmp_path, SPLITS)
    assert (report["total"]["prompts"], report["total"]["done"], report["total"]["coverage"]) == (49, 49, 1)
    assert {name: counts["done"] for name, counts in report["splits"].items()} == {"stories": 19, "web_samples": 30}
    assert report["total"]["tokens"] == 3 * 49
    assert report["speed"]["seconds_left"] == 0
    assert report["jobs"] == report["stragglers"] == []
    assert report["models"] == ["some/model"]


def test_texts_that_two_writers_have_count_once(tmp_path):
    asked = make_prompts(tmp_path, "web", 20)
    generate(tmp_path, "web", first(asked, 12))
    generate(tmp_path, "web", first(asked, 15), again=True)
    total = look(tmp_path, SPLITS)["total"]
    assert (total["done"], total["tokens"], total["coverage"]) == (15, 45, 0.75)


def test_failures_and_texts_outside_of_the_prompts_are_told_apart(tmp_path):
    asked = make_prompts(tmp_path, "web", 20)
    others = make_prompts(tmp_path / "elsewhere", "other", 3)
    engine = Echo(lambda request: request.prompt in ("prompt 3", "prompt 8"))
    generate(tmp_path, "web", asked | dict.fromkeys(others, "more"), engine=engine)
    total = look(tmp_path, SPLITS)["total"]
    assert [total[key] for key in ("prompts", "done", "failed", "refused", "outside")] == [20, 18, 2, 0, 3]
    assert (total["given_up"], total["coverage"]) == (0, 0.9)
    report = look(tmp_path, SPLITS, max_attempts=2)
    assert (report["total"]["failed"], report["total"]["given_up"]) == (2, 2)
    assert report["speed"]["seconds_left"] == 0


def test_only_rows_of_the_recipe_count_and_the_others_are_named(tmp_path):
    asked = make_prompts(tmp_path, "web", 20)
    warmer = Recipe("some/model", "r", Sampling(0.9, 0.95, 50, 1.2, 100), seed=1)
    generate(tmp_path, "web", first(asked, 8), plan=warmer)
    generate(tmp_path, "web", first(asked, 5))
    by_id = {plan.id: look(tmp_path, SPLITS, None, plan.id)["total"]["done"] for plan in (PLAN, warmer)}
    assert by_id == {PLAN.id: 5, warmer.id: 8}
    report = look(tmp_path, SPLITS, None, "not begun")
    assert report["total"]["done"] == 0
    assert report["texts_by_recipe"] == dict(sorted({PLAN.id: 5, warmer.id: 8}.items()))
    assert "13 texts are of other models or sampling" in as_text(report)


def test_the_program_counts_the_recipe_of_its_flags(tmp_path, capsys):
    asked = make_prompts(tmp_path, "web", 9)
    generate(tmp_path, "web", first(asked, 4))
    progress.main([str(tmp_path), "--json", *FLAGS])
    assert json.loads(capsys.readouterr().out)["total"]["done"] == 4
    progress.main([str(tmp_path), "--json", *FLAGS, "--stop", "enough"])
    assert json.loads(capsys.readouterr().out)["total"]["done"] == 0


def test_sources_can_be_left_out_and_parts_without_ledger_count(tmp_path):
    generate(tmp_path, "web", make_prompts(tmp_path, "web", 5))
    make_prompts(tmp_path, "web", 7, part="001")
    make_prompts(tmp_path, "wikihow", 100)
    total = look(tmp_path, SPLITS, ["web"], None)["total"]
    assert (total["prompts"], total["done"]) == (12, 5)


def test_a_ledger_without_prompts_has_no_coverage(tmp_path):
    generate(tmp_path, "web", make_prompts(tmp_path / "elsewhere", "web", 5))
    report = look(tmp_path, SPLITS)
    assert (report["total"]["prompts"], report["total"]["done"], report["total"]["coverage"]) == (None, 5, None)
    assert "web_samples        –     5" in as_text(report)
    assert "<h1>Generation</h1>" in as_page(report, 0)


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="neither prompts nor texts"):
        look(tmp_path, SPLITS)


def test_looking_changes_nothing(tmp_path):
    generate(tmp_path, "web", make_prompts(tmp_path, "web", 12))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    progress.main([str(tmp_path)])
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("content", ["", "{", "[]", '{"state": "running"}', '{"recent": 3}', "null"])
def test_a_damaged_status_file_is_passed_over(tmp_path, content):
    generate(tmp_path, "web", make_prompts(tmp_path, "web", 12)).write_text(content)
    assert look(tmp_path, SPLITS)["total"]["done"] == 12


def test_a_job_at_work_shows_its_speed_and_the_time_left(tmp_path):
    asked = make_prompts(tmp_path, "web", 20)
    file = generate(tmp_path, "web", first(asked, 10), gpus=2)
    status = json.loads(file.read_text())
    working = {"state": "running", "in_flight": 4, "seconds": 100.0, "tokens": 1000}
    file.write_text(json.dumps(status | working | {"recent": {"seconds": 50.0, "texts": 5, "tokens": 600}}))
    report = look(tmp_path, SPLITS)
    assert report["speed"]["tokens_per_second_each"] == 6
    assert report["speed"]["tokens_per_second_each_overall"] == 5
    assert report["speed"]["seconds_left"] == 100
    assert report["splits"]["web_samples"]["in_flight"] == 4
    assert "1 jobs at work on 2 GPUs: 12 tokens/s" in as_text(report)
    assert "2 min left" in as_text(report)


def test_the_page_renews_itself_when_watched_and_needs_no_other_file(tmp_path):
    generate(tmp_path, "web", make_prompts(tmp_path, "web", 5), Recipe("<b>model", "r", PLAN.sampling, 1))
    report = look(tmp_path, SPLITS)
    page = as_page(report, 30)
    assert '<meta http-equiv="refresh" content="30">' in page
    assert "http-equiv" not in as_page(report, 0)
    assert "&lt;b&gt;model" in page
    assert "src=" not in page
    assert "href=" not in page


# Judging jobs by their status files alone.

NOW = 1_800_000_000.0


def job(slice_=0, state="running", age=10.0, rate=100.0, **changes):
    """A job's status, renewed so many seconds ago."""
    at = NOW - age
    recent = {"seconds": 300.0, "texts": 30, "tokens": 300.0 * rate}
    return {
        **{"source": "web", "part": "000", "slice": slice_, "n_slices": 9, "state": state, "gpus": 1},
        **{"changed": at, "updated": stamp(at), "recent": recent, "seconds": 3000.0, "tokens": 3000 * rate},
        **{"seconds_without_answer": 1.0},
        **changes,
    }


def stamp(seconds):
    import datetime

    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()


def problems(*jobs, complete=()):
    return [entry["problem"] for entry in judge(jobs, complete, NOW)]


def test_jobs_that_work_finished_or_wait_for_their_first_minute_are_no_problem():
    young = job(3, rate=0.0, recent={"seconds": 20.0, "texts": 0, "tokens": 0})
    assert problems(job(0), job(1), job(2, state="finished", age=9999), young) == ["", "", "", ""]


def test_a_job_that_is_silent_is_probably_dead_unless_its_slice_was_taken_over():
    assert problems(job(0, age=900), job(1)) == ["silent, probably dead", ""]
    assert problems(job(0, age=900), job(0)) == ["", ""]
    assert problems(job(0, age=900), job(5, n_slices=20)) == ["", ""]
    assert problems(job(0, age=900), job(1), complete={("web", "000")}) == ["", ""]
    assert problems(job(0, age=900), job(0, part="001")) == ["silent, probably dead", ""]


def test_a_job_that_died_a_moment_ago_is_not_at_work_in_a_part_that_is_complete():
    assert [entry["at_work"] for entry in judge([job(0), job(0, part="001")], {("web", "000")}, NOW)] == [False, True]


def test_a_job_that_died_a_moment_ago_is_not_at_work_beside_the_one_that_goes_on_with_its_slice():
    dead, goes_on, second_writer = job(0, age=120), job(0, age=5), job(0, age=15)
    assert [entry["at_work"] for entry in judge([dead, goes_on, second_writer], (), NOW)] == [False, True, True]


def test_failed_and_ended_jobs_are_named_until_another_takes_over():
    assert problems(job(0, state="failed"), job(1, state="ended")) == [
        "failed, see its log",
        "was told to end, not started again",
    ]
    assert problems(job(0, state="failed", age=60), job(0)) == ["", ""]


def test_a_slow_job_and_a_stuck_one_are_found():
    slow, stuck = job(3, rate=20.0), job(4, rate=0.0, seconds_without_answer=700.0)
    assert problems(job(0), job(1), job(2), slow, stuck) == [
        *("", "", ""),
        "slow, 20 % of the median",
        "stuck, no answer from its engine",
    ]


def test_a_wrong_clock_makes_no_job_dead_and_no_dead_job_alive():
    node_behind = job(0, updated=stamp(NOW - 7200))
    node_ahead = job(1, updated=stamp(NOW + 7200))
    assert problems(node_behind, node_ahead, job(2)) == ["", "", ""]
    assert problems(job(0, changed=NOW - 7200), job(1, changed=NOW - 7210)) == ["", ""]  # the drive's is behind
    assert problems(job(0, changed=NOW + 7200), job(1, changed=NOW + 7190)) == ["", ""]  # the drive's is ahead
    silent = "silent, probably dead"
    assert problems(job(0, age=7200, updated=stamp(NOW + 3600)), job(1)) == [silent, ""]
    assert problems(job(0, age=7200, changed=NOW), job(1, age=900)) == ["", silent]


def test_speed_is_of_jobs_at_work_and_overall_of_all_of_them():
    jobs = judge([job(0, rate=100.0), job(1, rate=50.0, gpus=2), job(2, state="finished", rate=300.0)], (), NOW)
    speed = speeds(jobs)
    assert (speed["jobs"], speed["gpus"], speed["tokens_per_second"]) == (2, 3, 150)
    assert speed["tokens_per_second_each"] == 50
    assert speed["tokens_per_second_each_overall"] == (100 + 50 + 300) / 4
    assert speeds(judge([job(0, gpus=0)], (), NOW))["per"] == "job"


# Counting rows, against the plain way to do it.

IDS = [f"prompt-{number}" for number in range(6)]
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "prompt_id": st.sampled_from([*IDS, "outside-1", "outside-2"]),
            "recipe": st.sampled_from(["ours", "another"]),
            "finish_reason": st.sampled_from(["stop", "length", "error", "refused"]),
            "attempt": st.integers(1, 3),
            "job": st.sampled_from(["a", "b", "c"]),
        }
    ),
    max_size=25,
)


@given(ROWS)
def test_a_tally_is_what_the_rows_say(rows):
    rows = [row | {"text_token_length": 10 * row["attempt"] + "abc".index(row["job"])} for row in rows]
    schema = pa.schema([GENERATIONS.field(name) for name in ledger.KEYS])
    result = tally(pa.Table.from_pylist(rows, schema), pa.array(IDS), max_attempts=2)
    assert result.pop("") == Tally(6)
    assert set(result) == {row["recipe"] for row in rows}
    for recipe, counted in result.items():
        own = [row for row in rows if row["recipe"] == recipe]
        texts = [row for row in own if row["finish_reason"] in ("stop", "length")]
        done = {row["prompt_id"] for row in texts}
        asked = {row["prompt_id"] for row in own if row["prompt_id"] in IDS} - done
        refused = {row["prompt_id"] for row in own if row["finish_reason"] == "refused"} & asked
        given_up = {row["prompt_id"] for row in own if row["attempt"] >= 2} & asked - refused
        best = {
            key: min((row["attempt"], row["job"], row["text_token_length"]) for row in texts if row["prompt_id"] == key)
            for key in done & set(IDS)
        }
        assert counted == Tally(
            6,
            done=len(best),
            failed=len(asked - refused),
            given_up=len(given_up),
            refused=len(refused),
            tokens=sum(tokens for _, _, tokens in best.values()),
            outside=len(done - set(IDS)),
        )


def test_tallies_add_up():
    assert Tally(3, 1) + Tally(None, 2, 1) + Tally(4, tokens=7) == Tally(7, 3, 1, tokens=7)


def test_a_generation_job_keeps_its_status_beside_its_rows(tmp_path, random_lm, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    asked = make_prompts(tmp_path, "web", 6)
    folder = tmp_path / "generations/ledger/web/part-000"
    paths = {"--prompts": tmp_path / "prompts/web/part-000.parquet", "--ledger": folder, "--output": tmp_path / "slice"}
    slice_.main(
        [
            *(str(word) for pair in paths.items() for word in pair),
            *("--source", "web", "--part", "000", "--slice", "0", "--n-slices", "1", "--rows-per-segment", "4"),
            *("--max-attempts", "2", "--max-failure-rate", "0.5", "--dtype", "float32", "--max-model-len", "256"),
            *("--max-in-flight", "3", "--threads", "1", "--options", '{"device": "cpu"}'),
            *FLAGS[:8],
            *("--max-new-tokens", "20", "--seed", "1", "--engine", "transformers", "--model", str(random_lm)),
        ]
    )
    (file,) = folder.glob(f"*{SUFFIX}")
    status = json.loads(file.read_text())
    (written,) = {path.name.rsplit("-", 1)[0] for path in folder.glob("*.parquet")}
    assert (status["job"], status["state"], status["slurm_job_id"]) == (written, "finished", "4711")
    total = look(tmp_path, SPLITS)["total"]
    assert (total["done"], total["tokens"]) == (len(asked), status["tokens"])
    assert status["done"] == status["total"] == len(asked)
