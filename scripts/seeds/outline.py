"""Outlines of the courses of one part, by the language model in two passes: write, then clean.

Each course is asked about by itself. An answer that cannot be used is asked for again with other random numbers,
`--attempts` times in each pass; then the course stays without an outline (and becomes one unit made of its
description), with the reason of its last failure. The drawing is that of the topics (temperature 0.6, top_p 0.95,
top_k 50, no repetition penalty, which would punish the quotes and keys of the form).

Answers go through a ledger of generation (scripts/generate/ledger.py), each under a hash of its request and the number
of the attempt; a job that was killed and runs again takes from there what was answered and asks for the rest, so that
what was in flight is all it costs. Near its time limit the job ends and goes on likewise (scripts/common/limit.py). All
requests of a round (the first attempts at all courses, then what follows from their answers, and so on) are in the
engine together.
"""

import argparse
import contextlib
import dataclasses
import functools
import json
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts import engines
from scripts.common.counts import Counts
from scripts.common.files import write_json
from scripts.common.ids import content_id
from scripts.common.limit import TimeLimit
from scripts.common.logging import get_logger, run
from scripts.common.schemas import COURSES, OUTLINES
from scripts.common.tables import in_batches, iterate_rows, write_batches
from scripts.generate import ledger, recipe
from scripts.generate.choose import choose
from scripts.generate.ending import Drain, Watch
from scripts.generate.job import Job, Limits
from scripts.generate.status import Status
from scripts.seeds.outlines_answers import Unusable, read_cleaned, read_outline
from scripts.seeds.outlines_request import clean_request, outline_schema, write_request

SAMPLING = {"temperature": 0.6, "top_p": 0.95, "top_k": 50, "repetition_penalty": 1.0, "stop": []}

Answer = Mapping[str, Any]
Talk = Generator[tuple[str, str], Answer, dict[str, Any]]
"""Yields (request id, prompt), is sent a row of the ledger for it, and returns the row of the course."""

log = get_logger("seeds_outline")


def talk(course: Mapping[str, str], attempts: int, units: int, left_out: Counter[str]) -> Talk:
    """The requests about one course, one after the other.

    Args:
        course: a row of COURSES.
        attempts: requests of each pass at most; 0 asks nothing.
        units: units asked for.
        left_out: is given what was left out of the outlines, by reason.
    """
    row = {key: course[key] for key in ("course_id", "place", "title")} | {"source": "course", "units": []}
    asked = write_request(course["title"], course["description"], units)
    written, row["outline_raw"], row["problem"] = yield from _ask(
        asked, functools.partial(read_outline, most=2 * units), attempts
    )
    if written is None:
        return row
    read = functools.partial(read_cleaned, most=2 * units, written=written, left_out=left_out)
    kept, row["cleaned_raw"], row["problem"] = yield from _ask(
        clean_request(map(dataclasses.asdict, written)), read, attempts
    )
    if kept is not None:
        row |= {"source": "llm", "units": [dataclasses.asdict(unit) for unit in kept]}
    return row


def _ask(prompt: str, read: Callable[[str, str], Any], attempts: int) -> Generator[tuple[str, str], Answer, tuple]:
    """One pass: (what was read or None, the last answer, its problem or "")."""
    raw, problem = "", "not_asked"
    for attempt in range(1, attempts + 1):
        answer = yield content_id("outline", prompt, str(attempt)), prompt
        raw = answer["text"]
        try:
            return read(raw, answer["finish_reason"]), raw, ""
        except Unusable as unusable:
            problem = str(unusable)
    return None, raw, problem


def hold(talks: Iterable[Talk], ask: Callable[[dict[str, str]], Callable[[str], Answer]]) -> list[dict[str, Any]]:
    """Holds all talks to their ends, a round at a time, and returns their rows in order.

    Args:
        talks: one a course.
        ask: request id → prompt of a round; returns what gives the answer to an id.
    """
    rows: dict[int, dict[str, Any]] = {}
    open_talks = dict(enumerate(talks))
    answers: Callable[[str], Answer] | None = None
    waiting: dict[int, str] = {}
    while open_talks:
        prompts = {}
        for number, current in list(open_talks.items()):
            try:
                waiting[number], prompt = current.send(answers(waiting[number]) if answers else None)
                prompts[waiting[number]] = prompt
            except StopIteration as end:
                rows[number] = end.value
                del open_talks[number]
        if prompts:
            answers = ask(prompts)
    return [rows[number] for number in sorted(rows)]


class Asker:
    """Asks rounds of requests through the ledger; the engine is loaded when the ledger lacks something."""

    def __init__(self, args: argparse.Namespace, name: str, drain: Drain, watch: Watch, limit: TimeLimit) -> None:
        self._args, self._name, self._drain, self._watch, self._limit = args, name, drain, watch, limit
        self._plan = recipe.recipe_from(args)
        self._schema = outline_schema(args.units)
        self._limits = Limits(args.max_in_flight, args.rows_per_segment, args.max_attempts, args.max_failure_rate)
        self._writer = ledger.Writer(args.ledger, ledger.job_name(), args.rows_per_segment)
        self._engine: engines.Engine | None = None
        self._answered = 0
        self.asked = 0

    def ask(self, prompts: dict[str, str]) -> Callable[[str], Answer]:
        """Answers all prompts of a round; ends the program when it is told to end before that."""
        before = ledger.finished(self._args.ledger, self._plan.id)
        job = Job(prompts, before, self._writer, self._plan, self._args.engine, self._schema)
        self.asked += len(prompts)
        if job.pending(self._limits.max_attempts):
            if self._engine is None:
                with self._drain.at_once():
                    self._engine = engines.create(engines.settings_from(self._args), self._plan.sampling)
            found = len(job.done)
            status = Status(self._name, len(prompts), found)
            with self._watch.working():
                job.generate(self._engine, self._limits, self._drain, [status, self._watch])
            status.report()
            self._answered += len(job.done) - found
            if self._drain.requested():
                next_run = self._limit.next_run(self._drain.signal is None and self._answered > 0)
                sys.exit(f"error: {self._name} {self._drain.reason}; {next_run} goes on from the ledger")
        chosen = choose(ledger.segments(self._args.ledger), self._plan.id)

        def answer(request_id: str) -> Answer:
            if request_id in chosen.places:
                return chosen.row(request_id)
            return {"text": chosen.failures[request_id][-1], "finish_reason": "error"}

        return answer

    def close(self) -> None:
        """Frees the engine."""
        if self._engine is not None:
            with self._watch.closing(self._engine):
                self._engine = None


def summarise(rows: Sequence[Mapping[str, Any]], left_out: Mapping[str, int], asked: int) -> dict[str, Any]:
    """How many courses have an outline, why the others have none, and what was left out of the outlines."""
    problems = Counter(row["problem"].partition(":")[0] for row in rows if row["source"] == "course")
    return {
        "courses": len(rows),
        "outlines": sum(row["source"] == "llm" for row in rows),
        "without_outline": dict(sorted(problems.items())),
        "requests": asked,
        "subtopics": sum(len(unit["subtopics"]) for row in rows for unit in row["units"]),
        "left_out": dict(sorted(left_out.items())),
    }


def account(rows: Sequence[Mapping[str, Any]], left_out: Mapping[str, int], source: str, part: str) -> Counts:
    """Courses + units that the model added = units + units left out; a course without an outline is one unit."""
    units = sum(len(row["units"]) or 1 for row in rows)
    rejected = {reason: n for reason, n in left_out.items() if n and not reason.startswith("subtopic_")}
    added = units + sum(rejected.values()) - len(rows)
    return Counts("seeds_outline", len(rows), units, rejected, source, part, added)


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the outlines of one part."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--courses", type=Path, required=True, help="courses of the part")
    parser.add_argument("--ledger", type=Path, required=True, help="folder of the part's segments")
    parser.add_argument("--source", required=True)
    parser.add_argument("--part", required=True)
    parser.add_argument("--attempts", type=int, required=True, help="requests of each pass for a course at most")
    parser.add_argument("--units", type=int, required=True, help="units asked for of each course")
    parser.add_argument("--max-new-tokens", type=int, required=True, help="longest answer")
    parser.add_argument("--seed", type=int, required=True, help="of the run")
    parser.add_argument("--rows-per-segment", type=int, required=True)
    parser.add_argument("--max-attempts", type=int, required=True, help="times that a request may fail in the engine")
    parser.add_argument("--max-failure-rate", type=float, required=True)
    parser.add_argument("--stall-minutes", type=float, default=30, help="longest time without an answer; 0: any")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--counts", type=Path, required=True)
    parser.add_argument("--summary", type=Path, required=True)
    engines.add_arguments(parser)
    parser.set_defaults(**SAMPLING)
    args = parser.parse_args(argv)

    left_out: Counter[str] = Counter()
    courses = iterate_rows(args.courses, COURSES)
    name = f"outlines of {args.source} part {args.part}"
    drain = Drain()
    limit = TimeLimit()
    with (
        drain.listening(),
        Watch(name, drain, args.stall_minutes, limit=limit) as watch,
        contextlib.closing(Asker(args, name, drain, watch, limit)) as asker,
    ):
        rows = hold((talk(course, args.attempts, args.units, left_out) for course in courses), asker.ask)
    write_batches(args.output, in_batches(rows), OUTLINES)
    account(rows, left_out, args.source, args.part).write(args.counts)
    summary = summarise(rows, left_out, asker.asked)
    write_json(args.summary, summary)
    log.info("%s", json.dumps(summary))


if __name__ == "__main__":
    run(main)
