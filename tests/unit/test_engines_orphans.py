"""Real processes: a parent that is killed, and a family whose members hold the write end of a pipe while they live."""

import os
import signal
import subprocess
import sys

import pytest

PARENT = """
import subprocess, sys
from scripts.engines import orphans
alive, stay = map(int, sys.argv[1:])
watcher = orphans.watch(grace=0.5)
grandchild = (
    "import os, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    f"print('up', flush=True); os.read({stay}, 1)"
)
child = (
    "import subprocess, sys;"
    f"subprocess.run([sys.executable, '-c', {grandchild!r}], start_new_session=True, pass_fds=[{alive}, {stay}])"
)
process = subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE, pass_fds=[alive, stay])
process.stdout.readline()
watcher.look()
if "close" == "CLOSE":
    watcher.close()
print("ready", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def family():
    """Starts a parent with a child and a grandchild, which is in a session of its own and ignores SIGTERM."""
    (alive, held), (stay, leave) = os.pipe(), os.pipe()

    def start(close):
        program = PARENT.replace("CLOSE", close)
        command = [sys.executable, "-c", program, str(held), str(stay)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        process = subprocess.Popen(command, **pipes, pass_fds=[held, stay])
        os.close(held)
        assert process.stdout.readline() == b"ready\n"
        return process, alive

    yield start
    for descriptor in (leave, stay, alive):
        os.close(descriptor)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_killed_program_leaves_behind_is_ended(family, number):
    parent, alive = family("")
    parent.send_signal(number)
    parent.communicate(timeout=60)
    assert parent.returncode == -number
    assert os.read(alive, 1) == b""


def test_after_the_end_of_the_watch_nothing_is_ended(family):
    parent, alive = family("close")
    parent.kill()
    parent.communicate(timeout=60)
    os.set_blocking(alive, False)
    with pytest.raises(BlockingIOError):
        os.read(alive, 1)
