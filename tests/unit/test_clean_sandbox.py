"""What code in the sandbox can do, and what it cannot: programs are run that try."""

import os
import socket
import sys
from pathlib import Path

import pytest

from scripts.clean.rules import Settings, Text, code_fails
from scripts.clean.sandbox import Sandbox
from scripts.common.errors import InputError
from scripts.common.files import read_json
from scripts.common.schemas import DECISIONS
from scripts.common.tables import read_table
from tests.unit.prose import TEXT
from tests.unit.sealed import actions, decide, sealed_part


@pytest.fixture(scope="module")
def sandbox():
    """A sandbox with short limits."""
    try:
        return Sandbox.start(seconds=2, memory=256 * 2**20)
    except InputError as missing:
        pytest.skip(str(missing))


def tells(sandbox, expression, imports="os, sys, pathlib"):
    """What an expression is inside the sandbox: the only way out is the last line of an error."""
    return sandbox.run(f"import {imports}\nraise LookupError({expression})").detail.removeprefix("LookupError: ")


def test_a_program_that_ends_is_well_and_one_that_fails_gives_its_last_line(sandbox):
    assert sandbox.run("print('bread')").ok
    assert sandbox.run("raise SystemExit(0)").ok
    result = sandbox.run("def bake():\n    return 1 / 0\n\nbake()")
    assert (result.ok, result.detail) == (False, "ZeroDivisionError: division by zero")
    assert sandbox.run("import os\nos._exit(3)").detail == "ended with exit status 3"


def test_there_is_no_network(sandbox):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 1)"
        assert "ConnectionRefusedError" in sandbox.run(code).detail
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert sandbox.run("import socket\nsocket.create_connection(('192.0.2.1', 80), 1)").detail.endswith("unreachable")
    assert tells(sandbox, "[name for _, name in socket.if_nameindex()]", "socket") == "['lo']"


def test_neither_project_nor_home_nor_other_files_are_there(sandbox):
    for path in (Path.cwd(), Path.cwd() / "config/config.yaml", Path.home() / ".bashrc", "/etc/passwd", "/proc/self"):
        assert tells(sandbox, f"os.path.exists({str(path)!r})") == "False", path
    assert tells(sandbox, "os.listdir('/tmp')") == "[]"
    home, python = Path.home(), Path(os.path.realpath(sys.base_prefix))
    way = [python.relative_to(home).parts[0]] if python.is_relative_to(home) else []
    assert tells(sandbox, f"os.listdir({str(home)!r}) if os.path.exists({str(home)!r}) else []") == repr(way)


def test_the_environment_and_other_processes_are_hidden(sandbox, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "a-secret")
    assert "a-secret" not in tells(sandbox, "repr(dict(os.environ))")
    assert tells(sandbox, "set(os.environ) - {'PWD', 'LC_CTYPE'}") == "set()"
    assert int(tells(sandbox, "os.getpid()")) < 10
    assert tells(sandbox, "(os.getuid(), os.getgid())") == "(65534, 65534)"


@pytest.mark.parametrize("path", ["/x", "/usr/x", "/dev/shm/x", "/lib/x", f"{os.path.realpath(sys.base_prefix)}/x"])
def test_nothing_outside_its_own_folder_can_be_written(sandbox, path):
    result = sandbox.run(f"open({path!r}, 'w')")
    assert "Error" in result.detail, result
    assert not Path(path).exists()


def test_its_own_folder_is_small_and_gone_afterwards(sandbox):
    assert sandbox.run("open('/tmp/a', 'w').write('bread')").detail == ""
    assert tells(sandbox, "os.path.exists('/tmp/a')") == "False"
    assert "File too large" in sandbox.run("open('/tmp/a', 'w').write('x' * 2**21)").detail
    flood = "for n in range(100):\n    open(f'/tmp/{n}', 'w').write('x' * 2**20)"
    assert "No space left on device" in sandbox.run(flood).detail


def test_it_ends_by_the_clock_and_by_the_processor(sandbox):
    for code in ("while True:\n    pass", "import time\ntime.sleep(1000)"):
        result = sandbox.run(code)
        assert (result.ok, result.detail) == (False, "no end after 2 seconds of processor time or 4 in all")


def test_memory_is_limited(sandbox):
    assert sandbox.run("x = bytearray(2**30)").detail == "MemoryError"
    assert sandbox.run("x = []\nwhile True:\n    x.append(bytearray(2**20))").detail == "MemoryError"


def test_no_process_can_be_started_so_a_fork_bomb_stays_alone(sandbox):
    assert "BlockingIOError" in sandbox.run("import os\nwhile True:\n    os.fork()").detail
    stubborn = "import os\nfor _ in range(1000):\n    try:\n        os.fork()\n    except OSError:\n        pass\n"
    assert tells(sandbox, "len([1 for pid in range(1, 500) if alive(pid)])", "os\n" + stubborn + ALIVE) == "2"
    assert "BlockingIOError" in sandbox.run("import subprocess\nsubprocess.run(['/bin/true'])").detail


ALIVE = """
def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
"""


def test_threads_are_allowed(sandbox):
    code = "import threading\nfound = []\nt = threading.Thread(target=found.append, args=[1])\nt.start()\nt.join()\n"
    assert sandbox.run(code + "assert found == [1]").ok


def test_limits_cannot_be_raised_and_no_namespace_be_made(sandbox):
    code = "import resource\nresource.setrlimit(resource.RLIMIT_AS, (2**40, 2**40))"
    assert sandbox.run(code).detail == "ValueError: not allowed to raise maximum limit"
    assert tells(sandbox, "ctypes.CDLL(None).unshare(0x10000000)", "ctypes") == "-1"


def test_a_flood_of_errors_is_cut(sandbox):
    result = sandbox.run("import sys\nwhile True:\n    sys.stderr.write('x' * 1000)")
    assert not result.ok
    assert len(result.detail) <= 200


@pytest.mark.parametrize("code", ["import a_package_from_elsewhere", "input()", "open('data.csv')"])
def test_what_the_sandbox_does_not_offer_is_no_defect(sandbox, code):
    assert sandbox.run(code).ok
    assert sandbox.run(code).detail


def test_a_text_is_run_as_one_program(sandbox):
    settings = Settings(actions("flag"), sandbox=sandbox)
    good = "```python\nx = 1\n```\nthen\n```python\nassert x == 1\n```\nand\n```bash\nexit 1\n```"
    assert code_fails(Text(good, 200, "stop", "en"), settings) is None
    bad = "```python\nx = 1\n```\nthen\n```python\n>>> x + y\n3\n```"
    assert code_fails(Text(bad, 200, "stop", "en"), settings) == "NameError: name 'y' is not defined"
    excerpt = bad + "\n```python\nf(a, ..., b=)\n```"
    assert code_fails(Text(excerpt, 200, "stop", "en"), settings) is None


def test_code_is_run_only_when_asked(sandbox, tmp_path):
    generations, _ = sealed_part(tmp_path, [TEXT + "\n\n```python\n1 / 0\n```"])
    rules = actions(code_fails="remove")
    decisions = decide(tmp_path, generations, rules)
    assert read_table(decisions, DECISIONS)["reason"].to_pylist() == [""]
    assert read_json(decisions.with_suffix(".summary.json"))["rules"]["code_fails"]["action"] == "ignore"
    table = read_table(decide(tmp_path, generations, rules, run_code=True), DECISIONS).to_pylist()
    assert [(row["reason"], row["detail"]) for row in table] == [("code_fails", "ZeroDivisionError: division by zero")]
    assert read_json(tmp_path / "clean/web/part-000.summary.json")["programs"] == {"failed": 1}


def test_without_bubblewrap_nothing_is_run(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"no program `bwrap` here. Code is never run outside the sandbox: install it"):
        Sandbox.start()


def test_without_namespaces_nothing_is_run(monkeypatch, tmp_path):
    refusing = tmp_path / "bwrap"
    refusing.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        InputError, match=r"cannot make a sandbox here \(bwrap: No permissions to create new namespace\)"
    ):
        Sandbox.start()
