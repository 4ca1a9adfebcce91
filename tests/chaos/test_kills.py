"""kill -9 of the cheap engine's job: at every file operation, at random moments, in the middle of a write."""

import signal
import sys

from tests.chaos.conftest import KILLS
from tests.chaos.programs import IN_FLIGHT, spinning, wait_for
from tests.chaos.server import completion, text_of


def test_killed_at_every_file_operation_of_the_ledger(part, endpoint, account, finish, tmp_path):
    """The n-th run is killed just before its n-th operation on the ledger folder."""
    part.grow(300)
    part.rows_per_segment = 3
    log = tmp_path / "operations"
    costs = account(part, endpoint, "kill -9 at a file operation")
    for number in range(1, 29):
        program = part.start(CHAOS_SIGNAL=f"KILL:{number}:{part.ledger}", CHAOS_LOG=str(log))
        assert program.wait() == -signal.SIGKILL, program.said
        costs.close()
    met = {line.split()[1] for line in log.read_text().splitlines() if line.endswith("<-")}
    assert {"open", "os.rename", "os.fsync"} <= met
    finish(part)
    assert endpoint.asked.total() <= part.count + number * IN_FLIGHT


def test_killed_at_random_moments(part, endpoint, account, finish, chance):
    """Between 1 and 14 answers into a run, plus a moment of up to 4 ms."""
    part.grow(150)
    costs = account(part, endpoint, "kill -9 at a random moment")
    for _ in range(12):
        goal, pause = endpoint.delivered.total() + chance.randint(1, 14), chance.uniform(0, 0.004)
        program = part.start()
        wait_for(lambda: endpoint.delivered.total() >= goal, "answers", every=0)  # noqa: B023
        for _ in spinning(pause):
            pass
        assert program.kill() == -signal.SIGKILL, program.said
        costs.close()
    finish(part)


def test_killed_while_a_segment_is_written(part, endpoint, account, finish):
    """As soon as a temporary file is seen; texts of 100 kB make the writing long."""

    def at_length(handler, prompt, seed, time_asked):
        handler.answer(completion(text_of(prompt, seed) * 200))

    endpoint.behave = at_length
    costs = account(part, endpoint, "kill -9 while a file is written")
    for _ in range(6):
        program = part.start()
        known = set(part.files(".*"))
        wait_for(lambda: program.process.poll() is not None or set(part.files(".*")) - known, "a temporary file", 0)  # noqa: B023
        assert program.kill() == -signal.SIGKILL, program.said
        costs.close()
    finish(part, behave=at_length)


def test_merging_segments_is_killed_at_every_file_operation(part, endpoint, finish):
    """Both the merging at the end of a job and that of the segments of dead jobs."""
    part.rows_per_segment = 15
    number = 27
    while (program := part.start(CHAOS_SIGNAL=f"KILL:{number}:{part.ledger}")).wait() != 0:
        assert program.process.returncode == -signal.SIGKILL, program.said
        assert set(part.texts().values()) == {1}
        KILLS["kill -9 while a job merges its segments"] += 1
        number += 1
    command = [sys.executable, "-m", "scripts.generate.compact", "--ledgers", str(part.ledger)]
    for number in range(1, 8):
        part.grow(part.count + 8)
        part.run()
        texts = part.texts()
        program = part.launch(command, CHAOS_SIGNAL=f"KILL:{number}:{part.ledger}")
        KILLS["kill -9 while dead jobs' segments are merged"] += program.wait() == -signal.SIGKILL
        assert part.texts() == texts
    program = part.launch(command)
    assert program.wait() == 0, program.said
    assert len(part.files("*.parquet")) == 1
    asked = endpoint.asked.total()
    finish(part)
    assert endpoint.asked.total() == asked


def test_the_sealing_is_killed_at_every_file_operation(part, undisturbed):
    part.rows_per_segment = 30
    part.run()
    number = 1
    while (program := part.launch(part.seal_command(), CHAOS_SIGNAL=f"KILL:{number}:{part.folder}")).wait() != 0:
        assert program.process.returncode == -signal.SIGKILL, program.said
        assert not part.sealed.exists() or part.sealed.read_bytes() == undisturbed(part.count)
        KILLS["kill -9 while sealing"] += 1
        number += 1
    assert number > 8
    assert part.sealed.read_bytes() == undisturbed(part.count)
    assert not [path for path in part.folder.glob("*.tmp") if not path.name.startswith(".")]


def test_killed_with_every_number_of_slices(part, endpoint, account, finish, chance):
    """Each run has another number of slices, and one of them is killed in the middle."""
    costs = account(part, endpoint, "kill -9 of one of several slices")
    for _ in range(4):
        slices = chance.randint(1, 4)
        before = endpoint.delivered.total()
        program = part.start(chance.randrange(slices), slices)
        wait_for(lambda: endpoint.delivered.total() - before >= 3 or program.process.poll() is not None, "3 answers", 0)  # noqa: B023
        if program.kill() == -signal.SIGKILL:
            costs.close()
        else:
            costs.open()
    finish(part, 3)
