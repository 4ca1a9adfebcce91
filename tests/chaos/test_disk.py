"""A full disk, and folders and files without permission."""

import contextlib
import os
import shutil
import subprocess

import pytest

from tests.chaos.programs import IN_FLIGHT

PAGE = 4096


@pytest.fixture
def small_disk(part):
    """A file system of 24 pages under the ledger; called with a number of pages it leaves so many free."""
    part.ledger.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={24 * PAGE}", "chaos", str(part.ledger)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    filler = part.ledger / "filler"

    def leave(pages):
        filler.unlink(missing_ok=True)
        state = os.statvfs(part.ledger)
        filler.write_bytes(bytes(max(0, state.f_bavail - pages) * PAGE))

    def remount(size):
        filler.unlink(missing_ok=True)
        subprocess.run(["mount", "-o", f"remount,size={size}", str(part.ledger)], check=True)

    leave.remount = remount
    try:
        yield leave
    finally:
        subprocess.run(["umount", "--lazy", str(part.ledger)], check=True)


def test_a_full_disk_ends_the_job_and_loses_nothing_that_was_written(part, endpoint, small_disk, finish):
    part.grow(150)
    asked = 0
    for pages in (0, 1, 2, 3, 4, 7):
        small_disk(pages)
        before = part.texts()
        program = part.start()
        assert program.wait() == 1, program.said
        assert "No space left on device" in program.said
        texts = part.texts()
        assert not before - texts, "texts were lost"
        now = endpoint.quiet().asked.total()
        assert now - asked - (texts - before).total() <= IN_FLIGHT
        asked = now
        assert not part.marker().exists()
        assert not part.files(".*"), "a temporary file fills the disk"
    small_disk.remount("16m")
    kept = part.texts().total()
    finish(part)
    assert endpoint.asked.total() == asked + part.count - kept


def test_a_full_disk_ends_the_sealing_and_leaves_no_half_table(part, small_disk, undisturbed):
    small_disk.remount("16m")
    part.run()
    shutil.copytree(part.ledger, part.folder / "elsewhere")
    small_disk.remount("32m")
    for path in part.files():
        path.unlink()
    command = part.seal_command()
    table = part.ledger / "sealed.parquet"
    command[command.index("--output") + 1] = str(table)
    command[command.index("--ledger") + 1] = str(part.folder / "elsewhere")
    small_disk(1)
    program = part.launch(command)
    assert program.wait() == 1
    assert "No space left on device" in program.said
    assert [path.name for path in part.files()] == ["filler"]
    small_disk.remount("16m")
    assert part.launch(command).wait() == 0
    assert table.read_bytes() == undisturbed(part.count)


@pytest.fixture
def as_anyone(part, monkeypatch):
    """Programs run without root's right to pass over permissions."""
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root passes over permissions, and there is no setpriv to take that away")
        usual = part.launch
        words = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
        monkeypatch.setattr(part, "launch", lambda command, **environment: usual([*words, *command], **environment))


@contextlib.contextmanager
def mode(path, bits):
    usual = path.stat().st_mode
    path.chmod(bits)
    try:
        yield
    finally:
        path.chmod(usual)


@pytest.fixture
def half(part):
    """A part of which one of two slices is in the ledger."""
    part.run(0, 2)
    return part


def test_a_ledger_that_may_not_be_written(half, endpoint, as_anyone, finish):
    with mode(half.ledger, 0o500):
        program = half.start()
        assert program.wait() == 1
    assert "Permission denied" in program.said
    assert str(half.ledger) in program.said
    wasted = endpoint.quiet().asked.total() - 30
    assert wasted <= IN_FLIGHT
    finish(half)
    assert endpoint.asked.total() == 60 + wasted


@pytest.mark.parametrize("what", ["folder", "segment"])
def test_a_ledger_that_cannot_be_read_is_an_error_and_no_empty_ledger(half, endpoint, as_anyone, finish, what):
    path = half.ledger if what == "folder" else half.files("*.parquet")[0]
    with mode(path, 0o000):
        program, sealing = half.start(), half.seal()
        assert program.wait() == 1, program.said
        assert sealing.wait() == 1
    for said in (program.said, sealing.said):
        assert "Permission denied" in said
        assert str(path) in said
        assert "Traceback" not in said
    assert endpoint.asked.total() == 30
    finish(half)
    assert set(endpoint.asked.values()) == {1}


def test_a_segment_that_may_not_be_written_is_all_right(half, endpoint, as_anyone, finish):
    for path in half.files("*.parquet"):
        path.chmod(0o400)
    finish(half)
    assert set(endpoint.asked.values()) == {1}
