import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.ids import content_id, sampling_seed
from scripts.common.tables import GENERATIONS, PROMPTS, REJECTED, read_table, write_table
from scripts.engines import Sampling
from scripts.generate import ledger, manifest, seal
from scripts.generate import slice as slice_
from scripts.generate.job import Drain, Job, Limits
from scripts.generate.recipe import Recipe
from scripts.generate.status import Status
from tests.unit.echo import Echo

ROOT = Path(__file__).resolve().parents[2]
PLAN = Recipe("m", "r", Sampling(0.6, 0.95, 50, 1.2, 100), seed=1)
LIMITS = Limits(max_in_flight=4, rows_per_segment=5, max_attempts=3, max_failure_rate=0.05)


def prompts(count):
    return {content_id(str(number)): f"prompt {number}" for number in range(count)}


def job(folder, asked, plan=PLAN):
    """A job over these prompts, with what the ledger holds already."""
    before = ledger.finished(folder, plan.id)
    return Job(asked, before, ledger.Writer(folder, ledger.job_name()), plan, "echo")


def work(current, engine, limits=LIMITS, drain=None):
    current.generate(engine, limits, drain or Drain(), [Status("test", len(current.pending(9)), 0)])


def rows(folder):
    return [row for table in ledger.segments(folder) for row in table.to_pylist()]


def fails(*numbers, times=99):
    """Requests for these prompts fail, so many times."""
    left = {f"prompt {number}": times for number in numbers}

    def failing(request):
        left[request.prompt] = left.get(request.prompt, 0) - 1
        return left[request.prompt] >= 0

    return failing


def test_texts_are_written_in_segments_while_the_job_runs(tmp_path):
    seen = []
    engine = Echo(before_step=lambda step: seen.append(len(rows(tmp_path))))
    work(job(tmp_path, prompts(12)), engine)
    assert seen == [0] * 5 + [5] * 5 + [10] * 2
    assert len(rows(tmp_path)) == 12


def test_a_row_tells_how_it_was_made(tmp_path):
    work(job(tmp_path, prompts(1)), Echo())
    (row,) = rows(tmp_path)
    assert row["prompt_id"] == content_id("0")
    assert row["sampling_seed"] == sampling_seed(content_id("0"), 1, 1)
    assert row["text"] == f"prompt 0 ({row['sampling_seed']})"
    assert (row["model"], row["revision"], row["recipe"], row["engine"]) == ("m", "r", PLAN.id, "echo")


def test_a_job_generates_only_what_the_ledger_lacks(tmp_path):
    work(job(tmp_path, dict(list(prompts(10).items())[:6])), Echo())
    engine = Echo()
    work(job(tmp_path, prompts(10)), engine)
    assert [request.prompt for request in engine.asked] == [f"prompt {number}" for number in range(6, 10)]


def test_texts_of_another_recipe_do_not_count(tmp_path):
    work(job(tmp_path, prompts(3)), Echo())
    warmer = Recipe("m", "r", Sampling(0.7, 0.95, 50, 1.2, 100), seed=1)
    assert job(tmp_path, prompts(3), warmer).pending(3) == list(prompts(3))


def test_a_failed_prompt_is_asked_again_with_another_seed(tmp_path):
    engine = Echo(fails(7, times=2))
    work(job(tmp_path, prompts(20)), engine)
    seventh = [row for row in rows(tmp_path) if row["prompt_id"] == content_id("7")]
    seventh.sort(key=lambda row: row["attempt"])
    assert [(row["attempt"], row["finish_reason"]) for row in seventh] == [(1, "error"), (2, "error"), (3, "stop")]
    assert [row["sampling_seed"] for row in seventh] == [sampling_seed(content_id("7"), 1, n) for n in (1, 2, 3)]
    assert len(engine.asked) == 22


def test_a_prompt_that_always_fails_is_left_with_its_error_and_not_asked_again(tmp_path):
    work(job(tmp_path, prompts(30)), Echo(fails(4)))
    again = job(tmp_path, prompts(30))
    assert again.pending(3) == []
    assert again.pending(4) == [content_id("4")]
    assert again.attempts == {content_id("4"): 3}


def test_too_many_failures_stop_the_job_and_cost_no_prompt_its_attempts(tmp_path):
    engine = Echo(lambda request: int(request.prompt.split()[1]) >= 10)
    with pytest.raises(InputError, match=r"10 of 20 prompts failed.*out of order"):
        work(job(tmp_path, prompts(200)), engine)
    assert len(rows(tmp_path)) == 10
    assert {row["finish_reason"] for row in rows(tmp_path)} == {"stop"}
    assert len(engine.asked) < 30


def test_an_engine_that_breaks_late_stops_the_job_as_well(tmp_path):
    engine = Echo(lambda request: int(request.prompt.split()[1]) >= 960)
    with pytest.raises(InputError, match=r"20 of 980 prompts failed"):
        work(job(tmp_path, prompts(1000)), engine)
    assert job(tmp_path, prompts(1000)).pending(3) == list(prompts(1000))[960:]
    assert {row["finish_reason"] for row in rows(tmp_path)} == {"stop"}


def test_a_small_slice_of_failures_only_stops_the_job_too(tmp_path):
    with pytest.raises(InputError, match="3 of 3 prompts failed"):
        work(job(tmp_path, prompts(3)), Echo(fails(0, 1, 2)))
    assert rows(tmp_path) == []


def test_a_broken_engine_loses_nothing_that_was_finished(tmp_path):
    def breaks(step):
        if step == 8:
            raise RuntimeError("the GPU fell off the bus")

    with pytest.raises(RuntimeError, match="fell off"):
        work(job(tmp_path, prompts(20)), Echo(before_step=breaks))
    assert len(rows(tmp_path)) == 8


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_the_job(tmp_path, number):
    drain = Drain()
    usual = signal.getsignal(number)
    engine = Echo(before_step=lambda step: os.kill(os.getpid(), number) if step == 7 else None)
    with drain.listening():
        work(job(tmp_path, prompts(20)), engine, drain=drain)
    assert drain.signal == number
    assert len(rows(tmp_path)) == 8
    assert len(engine.asked) == 11
    assert signal.getsignal(number) == usual


@pytest.mark.parametrize("n_slices", [1, 2, 3, 7, 20])
def test_slices_are_equal_runs_that_cover_the_part(tmp_path, n_slices):
    table = [{"prompt_id": key, "prompt": prompt} for key, prompt in prompts(17).items()]
    write_table(tmp_path / "prompts.parquet", table, PROMPTS)
    pieces = [slice_.slice_prompts(tmp_path / "prompts.parquet", number, n_slices) for number in range(n_slices)]
    assert [item for piece in pieces for item in piece.items()] == list(prompts(17).items())
    assert max(map(len, pieces)) - min(map(len, pieces)) <= 1


def test_a_slice_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(InputError, match="not one of 4 slices"):
        slice_.slice_prompts(tmp_path / "prompts.parquet", 4, 4)


# The whole stage, on a real engine.

SUBJECTS = ["the tide", "bread", "a bicycle tube", "ice", "the moon"]
PART = [f"Write something about {SUBJECTS[number % 5]} number {number}." for number in range(40)]
RECIPE_FLAGS = (
    *("--temperature", "0.8", "--top-p", "0.95", "--top-k", "50", "--repetition-penalty", "1.2"),
    *("--max-new-tokens", "60", "--seed", "1"),
)


class Part:
    """A part of 40 prompts, one of which is too long for the model, in a folder of its own."""

    def __init__(self, folder, model):
        self.folder = folder
        self.prompts = folder / "prompts.parquet"
        self.ledger = folder / "ledger"
        self.model_flags = ["--engine", "transformers", "--model", str(model)]
        texts = [*PART[:11], "far too long " * 100, *PART[11:]]
        write_table(self.prompts, [{"prompt_id": content_id(text), "prompt": text} for text in texts], PROMPTS)

    def slice_flags(self, number, n_slices, rows_per_segment=16, max_in_flight=8):
        return [
            *(f"--prompts {self.prompts} --ledger {self.ledger} --source web --part 000".split()),
            *(f"--output {self.folder}/slice-{number}.json --slice {number} --n-slices {n_slices}".split()),
            *(f"--rows-per-segment {rows_per_segment} --max-attempts 2 --max-failure-rate 0.1".split()),
            *(f"--dtype float32 --max-model-len 256 --max-in-flight {max_in_flight} --threads 1".split()),
            *("--options", '{"device": "cpu"}', *RECIPE_FLAGS, *self.model_flags),
        ]

    def generate(self, n_slices, **changes):
        for number in range(n_slices):
            slice_.main(self.slice_flags(number, n_slices, **changes))

    def seal(self):
        """The bytes of the sealed part."""
        outputs = [self.folder / name for name in ("sealed.parquet", "rejected.parquet", "counts.json")]
        names = zip(("--output", "--rejected", "--counts"), map(str, outputs), strict=True)
        inputs = f"--prompts {self.prompts} --ledger {self.ledger} --source web --part 000".split()
        seal.main([*inputs, *(word for pair in names for word in pair), *RECIPE_FLAGS, *self.model_flags])
        return [path.read_bytes() for path in outputs]


@pytest.fixture(scope="module")
def whole(random_lm, tmp_path_factory):
    """A part generated in one undisturbed slice, and its sealed bytes."""
    part = Part(tmp_path_factory.mktemp("whole"), random_lm)
    part.generate(1)
    return part, part.seal()


def test_a_sealed_part_has_one_row_for_each_prompt_in_their_order(whole):
    part, _ = whole
    sealed = read_table(part.folder / "sealed.parquet", GENERATIONS)
    rejected = read_table(part.folder / "rejected.parquet", REJECTED).to_pylist()
    assert sealed["prompt_id"].to_pylist() == [content_id(text) for text in PART]
    assert set(sealed["finish_reason"].to_pylist()) == {"stop", "length"}
    assert sealed["job"].null_count == len(sealed)
    assert [(row["id"], row["reason"]) for row in rejected] == [(content_id("far too long " * 100), "failed")]
    assert "attempt 2: the prompt has" in rejected[0]["detail"]
    assert Counts.read(part.folder / "counts.json") == Counts("generate_seal", 41, 40, {"failed": 1}, "web", "000")
    assert Counts.read(part.folder / "slice-0.json") == Counts("generate_slice", 41, 40, {"failed": 1}, "web", "000")


def test_a_part_that_was_killed_and_cut_differently_is_sealed_to_the_same_bytes(whole, random_lm, tmp_path):
    part = Part(tmp_path, random_lm)
    flags = part.slice_flags(0, 1, rows_per_segment=3, max_in_flight=5)
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.generate.slice", *flags], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    next(line for line in process.stderr if "segment" in line)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "slice-0.json").exists()
    survived = rows(part.ledger)
    assert 3 <= len(survived) < 40
    part.generate(3, max_in_flight=2)
    assert len(rows(part.ledger)) == 40 + 2
    assert [row for row in rows(part.ledger) if row in survived] == survived
    assert part.seal() == whole[1]


def test_two_writers_on_one_slice_are_sealed_to_the_same_bytes(whole, random_lm, tmp_path):
    part = Part(tmp_path, random_lm)
    part.generate(1)
    other = Part(tmp_path / "other", random_lm)
    other.generate(2, rows_per_segment=7)
    for segment in other.ledger.iterdir():
        segment.rename(part.ledger / segment.name)
    assert len(rows(part.ledger)) == 2 * (40 + 2)
    assert part.seal() == whole[1]


def test_a_damaged_segment_is_generated_again(whole, random_lm, tmp_path):
    part = Part(tmp_path, random_lm)
    part.generate(1, rows_per_segment=10)
    victim = sorted(part.ledger.glob("*.parquet"))[1]
    victim.write_bytes(victim.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"10 of 41 prompts of web part 000 are missing.*only the missing"):
        part.seal()
    part.generate(2)
    assert part.seal() == whole[1]


def test_nothing_left_to_do_needs_no_engine(whole, tmp_path):
    part, _ = whole
    marker = part.folder / "slice-0.json"
    before = marker.read_bytes()
    marker.unlink()
    flags = part.slice_flags(0, 1)
    flags[flags.index("--dtype") + 1] = "no such type"
    slice_.main(flags)
    assert marker.read_bytes() == before


def test_an_empty_part_is_sealed_empty(random_lm, tmp_path):
    part = Part(tmp_path, random_lm)
    write_table(part.prompts, [], PROMPTS)
    part.generate(2)
    part.seal()
    assert len(read_table(tmp_path / "sealed.parquet", GENERATIONS)) == 0


def test_a_prompt_that_the_part_holds_twice_is_sealed_once(whole, random_lm, tmp_path):
    part = Part(tmp_path, random_lm)
    table = read_table(whole[0].prompts, PROMPTS).to_pylist()
    write_table(part.prompts, [*table[:3], table[1]], PROMPTS)
    part.generate(1)
    part.seal()
    rejected = read_table(tmp_path / "rejected.parquet", REJECTED).to_pylist()
    assert [(row["id"], row["reason"]) for row in rejected] == [(table[1]["prompt_id"], "duplicate_prompt")]
    assert Counts.read(tmp_path / "counts.json").rows_out == 3


def test_a_retrained_model_in_the_same_folder_is_another_recipe(random_lm, tmp_path):
    from scripts.generate.recipe import folder_revision

    for file in random_lm.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert folder_revision(tmp_path) == folder_revision(random_lm)
    (tmp_path / "README.md").write_text("a card does not matter")
    assert folder_revision(tmp_path) == folder_revision(random_lm)
    weights = bytearray((tmp_path / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(weights)
    assert folder_revision(tmp_path) != folder_revision(random_lm)


def test_the_manifest_adds_up(whole, tmp_path):
    part, _ = whole
    files = ["--parts", str(part.folder / "sealed.parquet"), "--counts", str(part.folder / "counts.json")]
    manifest.main([*files, "--output", str(tmp_path / "manifest.json"), *RECIPE_FLAGS, *part.model_flags])
    result = json.loads((tmp_path / "manifest.json").read_text())
    sealed = read_table(part.folder / "sealed.parquet", GENERATIONS)
    assert result["total"] == result["sources"]["web"]
    assert result["total"]["tokens"] == sum(sealed["text_token_length"].to_pylist())
    assert (result["total"]["prompts"], result["total"]["texts"], result["total"]["rejected"]) == (
        41,
        40,
        {"failed": 1},
    )
    assert sum(result["total"]["finish_reasons"].values()) == 40
    assert result["revision"] == sealed["revision"][0].as_py()
    assert result["sampling"]["temperature"] == 0.8


def test_the_manifest_refuses_parts_of_another_recipe(whole, tmp_path):
    part, _ = whole
    files = ["--parts", str(part.folder / "sealed.parquet"), "--counts", str(part.folder / "counts.json")]
    flags = [*RECIPE_FLAGS[:1], "0.1", *RECIPE_FLAGS[2:]]
    with pytest.raises(InputError, match="another model or sampling"):
        manifest.main([*files, "--output", str(tmp_path / "manifest.json"), *flags, *part.model_flags])
