"""kill -9 of jobs with the real model loaded: two slices at a time, over and over, on one ledger."""

import signal

import pytest

from scripts.common.schemas import GENERATIONS
from scripts.common.tables import read_table
from tests.chaos.conftest import KILLS
from tests.chaos.programs import ROOT, Part, check_sealed, spinning, wait_for

FLAGS = [
    "--engine",
    "transformers",
    "--dtype",
    "float32",
    "--max-model-len",
    "512",
    "--max-in-flight",
    "3",
    "--max-new-tokens",
    "40",
]
ENGINE = [*FLAGS, "--model", str(ROOT / "resources" / "tiny-lm")]
PROMPTS = 84
ROUNDS = 5
ROWS = 3


def new_part(folder):
    """A part of the real model, with small segments."""
    part = Part(folder, PROMPTS, ENGINE)
    part.rows_per_segment = ROWS
    return part


def together(part):
    """Both slices of a part at the same time."""
    return [part.start(number, 2) for number in range(2)]


@pytest.fixture
def undisturbed(tmp_path):
    """The sealed bytes of a part that was generated in one go."""
    part = new_part(tmp_path / "undisturbed")
    for program in together(part):
        assert program.wait() == 0, program.said
    assert part.seal().wait() == 0
    return part.sealed.read_bytes()


def test_jobs_with_a_loaded_model_are_killed_again_and_again(undisturbed, tmp_path, chance):
    """Each round kills both jobs 1 to 6 texts after the model was loaded; what was written is never made again."""
    part = new_part(tmp_path / "part")
    have = part.texts()
    for _ in range(ROUNDS):
        moments = {program: chance.randint(1, 6) for program in together(part)}
        while moments:
            due = wait_for(lambda: [one for one, n in moments.items() if _rows_of(part, one) >= n], "texts")  # noqa: B023
            for _ in spinning(chance.uniform(0, 0.03)):
                pass
            program = due[0]
            del moments[program]
            assert program.kill() == -signal.SIGKILL, program.said
            KILLS["kill -9 with a model loaded"] += 1
        now = part.texts()
        assert not have - now, "texts were lost"
        assert now.total() > have.total(), "a round without progress"
        have = now
    for program in together(part):
        assert program.wait() == 0, program.said
    assert set(part.texts().values()) == {1}, "something was generated again"
    sealing = part.seal()
    assert sealing.wait() == 0, sealing.said
    check_sealed(part, undisturbed)
    assert max(read_table(part.sealed, GENERATIONS, ["text_token_length"])["text_token_length"].to_pylist()) > 10


def _rows_of(part, program):
    """At least how many rows a job has written: whole segments, and lines of its journal."""
    mine = [path for path in part.files() if f"-{program.process.pid}-" in path.name]
    journals = [path for path in mine if path.suffix == ".journal"]
    return ROWS * sum(path.suffix == ".parquet" for path in mine) + sum(map(_lines, journals))


def _lines(path):
    try:
        return path.read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0
