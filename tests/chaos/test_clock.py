"""Nothing depends on the wall clock or on the times of files."""

import os
import signal

from tests.chaos.conftest import KILLS
from tests.chaos.programs import check_sealed, wait_for


def test_the_clock_jumps_back_and_forth(part, endpoint, account, undisturbed, chance):
    costs = account(part, endpoint, "kill -9 while the clock jumps")
    clock = {"CHAOS_CLOCK": str(chance.random())}
    for wanted in (12, 25):
        program = part.start(**clock)
        wait_for(lambda: endpoint.delivered.total() >= wanted, f"{wanted} answers", every=0)  # noqa: B023
        assert program.kill() == -signal.SIGKILL, program.said
        costs.close()
    part.run(**clock)
    assert set(part.texts().values()) == {1}
    sealing = part.launch(part.seal_command(), **clock)
    assert sealing.wait() == 0, sealing.said
    check_sealed(part, undisturbed(part.count))


def test_files_of_1970_and_2099_count_as_any_other(part, endpoint, finish):
    program = part.start()
    wait_for(lambda: endpoint.delivered.total() >= 30, "30 answers", every=0)
    assert program.kill() == -signal.SIGKILL
    KILLS["kill -9 before files were dated wrongly"] += 1
    endpoint.quiet()
    for number, path in enumerate(part.files()):
        os.utime(path, (0, 0) if number % 2 else (4_070_908_800, 4_070_908_800))
    kept, asked = part.texts().total(), endpoint.asked.total()
    finish(part)
    assert endpoint.asked.total() - asked == part.count - kept
