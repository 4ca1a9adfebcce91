"""Outlines of courses: two passes through a real engine or endpoint, their ledger, and the seeds that come of them."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.schemas import COURSES, OUTLINES, SEEDS
from scripts.common.tables import read_table, write_table
from scripts.generate import ledger
from scripts.seeds import courses as courses_
from scripts.seeds import load, outline
from scripts.seeds.catalogues import Course
from scripts.seeds.outlines_request import clean_request, write_request
from tests.unit.endpoint import Endpoint, chat

ROOT = Path(__file__).resolve().parents[2]
COURSE_TITLES = ("Glaciers", "Deserts", "Rivers", "Coasts", "Caves", "Plains")


@pytest.fixture
def endpoint():
    served = Endpoint()
    yield served
    served.server.shutdown()
    served.server.server_close()


def courses(*titles):
    return [Course(title, f"{title} and how they change over the years.") for title in titles]


def units(course, *more):
    """An outline in the form of the answers; further units are added to the usual two."""
    named = [(f"{course.title} seen from above", ["Maps", "Scale"]), (f"Life of {course.title}", ["Plants"]), *more]
    return [{"title": title, "subtopics": subtopics} for title, subtopics in named]


def says(found, reason="stop"):
    return (200, chat(json.dumps({"units": found}) if isinstance(found, list) else found, reason), {})


def writes(endpoint, course, *answers):
    """What the endpoint answers, one attempt after the other, when it is asked to write this outline."""
    endpoint.scripts[write_request(course.title, course.description, 4)] = [says(answer) for answer in answers]


def cleans(endpoint, written, *answers):
    endpoint.scripts[clean_request(written)] = [says(answer) for answer in answers]


def behaves(endpoint, course):
    """The endpoint writes a good outline and gives it back clean."""
    writes(endpoint, course, units(course))
    cleans(endpoint, units(course), units(course))


class Part:
    """The files of one part in a folder of its own."""

    def __init__(self, folder, asked, engine_flags):
        self.folder, self.engine_flags = folder, engine_flags
        rows = [{"course_id": c.id, "place": f"a:1#{n}", **vars(c)} for n, c in enumerate(asked, start=1)]
        write_table(folder / "courses.parquet", rows, COURSES)

    def flags(self, **changes):
        values = {"units": 4, "attempts": 3, "max_new_tokens": 100, "seed": 1, "rows_per_segment": 1}
        values |= {"max_attempts": 2, "max_failure_rate": 0.5, "max_in_flight": 4, "source": "stanford", "part": "000"}
        values |= {name: self.folder / f"{name}.parquet" for name in ("courses", "output")}
        values |= {name: self.folder / f"{name}.json" for name in ("counts", "summary")}
        values |= {"ledger": self.folder / "ledger"} | changes
        words = [word for key, value in values.items() for word in ("--" + key.replace("_", "-"), str(value))]
        return [*words, *self.engine_flags]

    def run(self, **changes):
        outline.main(self.flags(**changes))
        return self.rows()

    def rows(self):
        return read_table(self.folder / "output.parquet", OUTLINES).to_pylist()

    def summary(self):
        return json.loads((self.folder / "summary.json").read_text())

    def bytes(self):
        return [(self.folder / name).read_bytes() for name in ("output.parquet", "counts.json", "summary.json")]


def openai_part(folder, endpoint, asked):
    flags = ["--engine", "openai", "--model", "m", "--endpoint", endpoint.url]
    return Part(folder, asked, [*flags, "--options", json.dumps({"backoff": 0.001, "retries": 0})])


def test_an_outline_is_written_cleaned_and_kept_with_both_answers(tmp_path, endpoint):
    (course,) = courses("Glaciers")
    written = units(course, ("Midterm exam", ["Rules"]), ("Ice cores with Prof. Hill", ["Drilling"]))
    given = [*units(course), {"title": "Ice cores", "subtopics": ["Drilling"]}]
    writes(endpoint, course, written)
    cleans(endpoint, written, given)
    part = openai_part(tmp_path, endpoint, [course])
    (row,) = part.run()
    assert (row["course_id"], row["source"], row["problem"], row["units"]) == (course.id, "llm", "", given)
    assert (json.loads(row["outline_raw"])["units"], json.loads(row["cleaned_raw"])["units"]) == (written, given)
    assert part.summary()["left_out"]["removed_by_second_pass"] == 1
    counts = Counts.read(tmp_path / "counts.json")
    assert (counts.rows_in, counts.rows_out, counts.rejected) == (1, 3, {"removed_by_second_pass": 1})
    assert len(endpoint.asked) == 2
    assert endpoint.asked[0][2]["response_format"]["json_schema"]["schema"]["required"] == ["units"]


def test_a_bad_answer_is_asked_for_again_with_other_random_numbers(tmp_path, endpoint):
    (course,) = courses("Glaciers")
    writes(endpoint, course, "I'm sorry, I cannot do that.", "no outline", units(course))
    cleans(endpoint, units(course), '{"units": [{"title": "Gla', units(course))
    (row,) = openai_part(tmp_path, endpoint, [course]).run()
    assert (row["source"], row["units"]) == ("llm", units(course))
    assert len({body["seed"] for _, _, body in endpoint.asked}) == len(endpoint.asked) == 5


def test_a_course_whose_answers_stay_bad_is_left_without_an_outline_and_counted(tmp_path, endpoint):
    glaciers, deserts, rivers, coasts = courses("Glaciers", "Deserts", "Rivers", "Coasts")
    writes(endpoint, glaciers, "no outline")
    writes(endpoint, deserts, units(deserts))
    cleans(endpoint, units(deserts), [{"title": "Camels", "subtopics": ["Humps"]}])
    behaves(endpoint, rivers)
    endpoint.scripts[write_request(coasts.title, coasts.description, 4)] = [(400, "content filter", {})]
    part = openai_part(tmp_path, endpoint, [glaciers, deserts, rivers, coasts])
    rows = part.run()
    assert [(row["source"], row["problem"].partition(":")[0]) for row in rows] == [
        ("course", "no_json"),
        ("course", "nothing_left"),
        ("llm", ""),
        ("course", "engine_failed"),
    ]
    assert [row["units"] for row in rows] == [[], [], units(rivers), []]
    assert rows[0]["outline_raw"] == "no outline"
    summary = part.summary()
    assert (summary["courses"], summary["outlines"]) == (4, 1)
    assert summary["without_outline"] == {"engine_failed": 1, "no_json": 1, "nothing_left": 1}
    assert Counts.read(tmp_path / "counts.json").rows_out == 5


def test_an_endpoint_that_is_broken_stops_the_job_instead_of_leaving_all_courses_without_outlines(tmp_path, endpoint):
    asked = courses("Glaciers", "Deserts")
    for course in asked:
        endpoint.scripts[write_request(course.title, course.description, 4)] = [(500, "out of memory", {})]
    with pytest.raises(InputError, match=r"2 of 2 prompts failed.*out of memory"):
        openai_part(tmp_path, endpoint, asked).run()


def test_without_attempts_nothing_is_asked(tmp_path):
    part = Part(tmp_path, courses("Glaciers"), ["--engine", "transformers", "--model", "no such model"])
    (row,) = part.run(attempts=0)
    assert (row["source"], row["problem"], row["outline_raw"]) == ("course", "not_asked", "")


class Stalling(Endpoint):
    """Gives so many answers and then none until it is released."""

    def __init__(self, answers):
        super().__init__()
        self.left, self.stalls, self.released = answers, threading.Event(), threading.Event()

    def answer(self, path, headers, body):
        self.left -= 1
        if self.left < 0 and not self.released.is_set():
            self.stalls.set()
            self.released.wait(timeout=60)
            self.asked.append((path, headers, body))
            return 503, "gone", {}
        return super().answer(path, headers, body)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_job_asks_again_for_nothing_that_was_answered(tmp_path, endpoint, number):
    asked = courses(*COURSE_TITLES)
    stalling = Stalling(answers=8)
    for course in asked:
        behaves(endpoint, course)
        behaves(stalling, course)
    undisturbed = openai_part(tmp_path / "undisturbed", endpoint, asked)
    undisturbed.run()
    part = openai_part(tmp_path, stalling, asked)
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.seeds.outline", *part.flags(max_in_flight=1)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert stalling.stalls.wait(timeout=60)
    process.send_signal(number)
    if number == signal.SIGTERM:
        stalling.released.set()
    message = process.communicate()[1]
    stalling.released.set()
    assert process.returncode != 0
    assert ("goes on from the ledger" in message) == (number == signal.SIGTERM)
    assert len(answered(part)) == 8
    part.run()
    assert part.bytes() == undisturbed.bytes()
    assert len(answered(part)) == len(endpoint.asked) == 12
    assert len(stalling.asked) == 12 + 1  # what was in flight when the job was killed
    stalling.server.shutdown()
    stalling.server.server_close()


LATE = """import sys, time, types
from pathlib import Path
from scripts.common import limit
from scripts.seeds import outline
late = Path(sys.argv.pop(1))
limit.time = types.SimpleNamespace(monotonic=lambda: time.monotonic() + 3600 * late.exists())
outline.main(sys.argv[1:])"""
"""The program, with a clock by which an hour goes by as soon as a file is there."""


@pytest.mark.parametrize("answers", [8, 0])
def test_near_its_time_limit_a_job_that_got_answers_goes_on_by_itself(tmp_path, endpoint, slurm, monkeypatch, answers):
    slurm("1:00:00")
    asked = courses(*COURSE_TITLES)
    stalling = Stalling(answers)
    for course in asked:
        behaves(endpoint, course)
        behaves(stalling, course)
    undisturbed = openai_part(tmp_path / "undisturbed", endpoint, asked)
    part = openai_part(tmp_path, stalling, asked)
    process = subprocess.Popen(
        [sys.executable, "-c", LATE, str(tmp_path / "late"), *part.flags(max_in_flight=1)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert stalling.stalls.wait(timeout=60)
    (tmp_path / "late").touch()
    message = process.communicate()[1]
    stalling.released.set()
    assert process.returncode == 1
    assert "has come near its time limit" in message
    assert ("Slurm starts the job again" in message) == (answers > 0)
    assert ("scontrol requeue 17" in (tmp_path / "calls").read_text()) == (answers > 0)
    monkeypatch.delenv("SLURM_JOB_ID")
    undisturbed.run()
    part.run()
    assert part.bytes() == undisturbed.bytes()
    assert len(stalling.asked) == 12 + 1  # what was in flight when the job ended
    stalling.server.shutdown()
    stalling.server.server_close()


def answered(part):
    """The requests that the ledger has an answer to."""
    return ledger.finished(part.folder / "ledger", next(recipes(part))).done


def recipes(part):
    return (table["recipe"][0].as_py() for table in ledger.segments(part.folder / "ledger"))


def test_answers_of_a_real_engine_do_not_depend_on_what_else_is_asked(tmp_path):
    model = ["--engine", "transformers", "--model", "resources/tiny-lm", "--dtype", "float32"]
    model += ["--max-model-len", "2048"]
    asked = courses("Glaciers", "Deserts", "Rivers")
    changes = {"units": 2, "attempts": 2, "max_new_tokens": 40}
    together = Part(tmp_path / "together", asked, model).run(**changes)
    alone = Part(tmp_path / "alone", asked[::-1], model).run(max_in_flight=1, **changes)
    raw = {row["title"]: (row["outline_raw"], row["units"]) for row in together}
    assert raw == {row["title"]: (row["outline_raw"], row["units"]) for row in alone}
    assert len({text for text, _ in raw.values()}) == 3
    assert all(text.startswith('{"units": [{"title": "') for text, _ in raw.values())


REGISTRY = ["--sources", "resources/sources.tsv", "--source", "stanford", "--where", "sample", "--downloads", "d"]


def test_the_units_of_the_sample_become_seeds(tmp_path, endpoint):
    rows = ["--start", "0", "--stop", "2"]
    courses_.main([*REGISTRY, *rows, "--output", str(tmp_path / "courses.parquet")])
    found = read_table(tmp_path / "courses.parquet", COURSES).to_pylist()
    assert len({row["course_id"] for row in found}) == len(found) == 12
    assert not any("@" in row["description"] for row in found)
    first = Course(found[0]["title"], found[0]["description"])
    behaves(endpoint, first)
    part = openai_part(tmp_path / "part", endpoint, [])
    part.run(courses=tmp_path / "courses.parquet", attempts=1)
    outputs = {name: tmp_path / f"seeds-{name}" for name in ("output", "rejected", "counts")}
    words = [word for name, path in outputs.items() for word in (f"--{name}", str(path))]
    outlines = ["--outlines", str(part.folder / "output.parquet")]
    limits = ["--languages", "en", "--max-characters", "1000000"]
    load.main([*REGISTRY, *limits, *rows, "--part", "000", *outlines, *words])
    seeds = read_table(outputs["output"], SEEDS).to_pylist()
    assert [seed["title"] for seed in seeds[:2]] == [unit["title"] for unit in units(first)]
    assert (seeds[0]["text"], seeds[0]["outline"]["book"]) == ("Maps; Scale.", first.title)
    assert seeds[1]["outline"]["earlier"] == [seeds[0]["title"]]
    assert [seed["title"] for seed in seeds[2:]] == [row["title"] for row in found[1:]]
    assert all(seed["license"] == "Apache-2.0" and seed["origin"].startswith("stanford.jsonl:") for seed in seeds)
    assert Counts.read(outputs["counts"]).rows_out == 13
    assert part.summary()["without_outline"] == {"copied_example": 11}  # the endpoint repeats what it is asked


def test_the_same_course_is_asked_about_once_and_broken_rows_not_at_all(tmp_path):
    course = {"title": "Glaciers", "description": "Ice and how it moves over the years."}
    odd = [course | {"title": "Broken \ud800"}, course | {"description": "3 units."}, "no course"]
    rows = [{"catalogue": "A", "courses": [course, course, *odd]}, {"catalogue": "B"}, {"catalogue": "C", "courses": 3}]
    (tmp_path / "rows").mkdir()
    lines = [*map(json.dumps, rows), "{broken", json.dumps(rows[0])]
    (tmp_path / "rows" / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    table = Path("resources/sources.tsv").read_text(encoding="utf-8")
    table = table.replace("resources/sample/stanford.jsonl", f"{tmp_path}/rows/")
    (tmp_path / "sources.tsv").write_text(table, encoding="utf-8")
    flags = ["--sources", str(tmp_path / "sources.tsv"), *REGISTRY[2:], "--start", "0", "--stop", "9"]
    courses_.main([*flags, "--output", str(tmp_path / "courses.parquet")])
    (row,) = read_table(tmp_path / "courses.parquet", COURSES).to_pylist()
    assert (row["title"], row["place"]) == ("Glaciers", "a.jsonl:1#1")
