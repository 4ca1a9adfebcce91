"""A file of the web arrives whole from a server that stalls, breaks off, refuses or changes it."""

import email.utils
import hashlib
import os
import time

import pytest

from scripts.common.errors import InputError
from scripts.common.files import write_json
from scripts.seeds.fetch import Refused, fetch
from scripts.seeds.patience import Patience, retry_after
from tests.unit.webserver import file, serve, stall, status

DATA = os.urandom(3_000_000)
HASTE = Patience(attempts=3, first_wait=0, longest_wait=0, timeout=0.3)


def fetched(folder, *actions, patience=HASTE, **options):
    with serve(*actions) as (url, requests):
        result = fetch(url, folder / "data.jsonl", patience=patience, **options)
    assert sorted(path.name for path in folder.iterdir()) == ["data.jsonl"]
    return result, (folder / "data.jsonl").read_bytes(), requests


def test_a_file_arrives_with_its_checksum(tmp_path):
    result, data, requests = fetched(tmp_path, file(DATA), sha256=hashlib.sha256(DATA).hexdigest())
    assert (data, result.size, result.etag, len(requests)) == (DATA, len(DATA), '"one"', 1)
    assert result.sha256 == hashlib.sha256(DATA).hexdigest()


def test_a_connection_that_breaks_off_is_continued_where_it_ended(tmp_path):
    _, data, requests = fetched(tmp_path, file(DATA, until=2_000_000), file(DATA))
    assert data == DATA
    assert (requests[1]["Range"], requests[1]["If-Range"]) == ("bytes=2000000-", '"one"')


def test_breaking_off_again_and_again_is_no_failure_while_bytes_arrive(tmp_path):
    step = 1 << 20
    breaks = [file(DATA, until=until) for until in range(step, len(DATA), step)]
    _, data, requests = fetched(tmp_path, *breaks, file(DATA), patience=Patience(attempts=1, timeout=0.3))
    assert (data, len(requests)) == (DATA, len(breaks) + 1)


def test_a_server_that_stalls_is_asked_again(tmp_path):
    _, data, requests = fetched(tmp_path, stall, file(DATA))
    assert (data, len(requests)) == (DATA, 2)


@pytest.mark.parametrize("code", [429, 500, 502, 503])
def test_a_busy_server_is_asked_again(tmp_path, code):
    _, data, requests = fetched(tmp_path, status(code, Retry_After="0"), status(code), file(DATA))
    assert (data, len(requests)) == (DATA, 3)


def test_a_server_that_keeps_no_ranges_sends_all_of_it_again(tmp_path):
    _, data, requests = fetched(tmp_path, file(DATA, until=2_000_000), file(DATA, ranges=False))
    assert (data, len(requests)) == (DATA, 2)


def test_a_file_that_changes_between_two_attempts_is_never_mixed(tmp_path):
    other = os.urandom(2_500_000)
    result, data, _ = fetched(tmp_path, file(DATA, until=2_000_000), file(other, etag='"two"'))
    assert (data, result.etag) == (other, '"two"')


def test_a_server_that_ignores_the_version_asked_for_is_found_out(tmp_path):
    other = os.urandom(len(DATA))

    def careless(handler):
        del handler.headers["If-Range"]
        file(other, etag='"two"')(handler)

    _, data, requests = fetched(tmp_path, file(DATA, until=2_000_000), careless)
    assert (data, len(requests)) == (other, 3)


def test_without_a_version_nothing_is_continued(tmp_path):
    _, data, requests = fetched(tmp_path, file(DATA, etag="", until=2_000_000), file(DATA, etag=""))
    assert (data, requests[1].get("Range")) == (DATA, None)


def test_a_file_without_a_version_that_never_ends_is_given_up(tmp_path):
    with (
        serve(file(DATA, etag="", until=2_000_000)) as (url, requests),
        pytest.raises(InputError, match="cannot be fetched"),
    ):
        fetch(url, tmp_path / "data.jsonl", patience=HASTE)
    assert len(requests) == HASTE.attempts


def test_a_wait_that_the_server_asks_for_takes_the_place_of_the_back_off(tmp_path):
    patience = Patience(attempts=2, first_wait=600, longest_wait=600, timeout=0.3)
    assert fetched(tmp_path, status(429, Retry_After="0"), file(DATA), patience=patience)[1] == DATA


def test_a_later_job_goes_on_where_an_earlier_one_stopped(tmp_path):
    with serve(file(DATA, until=2_000_000), *[status(503)] * 3, file(DATA)) as (url, requests):
        with pytest.raises(InputError, match=r"answers 503.*kept: run again later"):
            fetch(url, tmp_path / "data.jsonl", patience=HASTE)
        assert not (tmp_path / "data.jsonl").exists()
        fetch(url, tmp_path / "data.jsonl", patience=HASTE)
    assert requests[4]["Range"] == "bytes=2000000-"
    assert (tmp_path / "data.jsonl").read_bytes() == DATA


def test_a_job_killed_after_the_last_byte_fetches_nothing_again(tmp_path):
    with serve(file(DATA)) as (url, requests):
        (tmp_path / ".data.jsonl.part").write_bytes(DATA)
        write_json(tmp_path / ".data.jsonl.part.json", {"url": url, "etag": '"one"', "validator": '"one"'})
        fetch(url, tmp_path / "data.jsonl", patience=HASTE)
    assert (len(requests), (tmp_path / "data.jsonl").read_bytes()) == (1, DATA)


@pytest.mark.parametrize(("code", "meaning"), [(401, "login"), (403, "denied"), (404, "no such file"), (410, "gone")])
def test_a_refusal_is_final(tmp_path, code, meaning):
    with serve(status(code)) as (url, requests), pytest.raises(Refused, match=meaning):
        fetch(url, tmp_path / "data.jsonl", patience=HASTE)
    assert len(requests) == 1


def test_another_checksum_than_the_locked_one_is_refused_and_leaves_nothing(tmp_path):
    with (
        serve(file(DATA)) as (url, _),
        pytest.raises(InputError, match=r"has changed since it was locked.*lock_sources"),
    ):
        fetch(url, tmp_path / "data.jsonl", sha256="0" * 64, patience=HASTE)
    assert not (tmp_path / "data.jsonl").exists()
    assert not (tmp_path / ".data.jsonl.part").exists()


def test_retry_after_is_seconds_or_a_date():
    assert retry_after({"Retry-After": "7"}) == 7
    assert 50 < retry_after({"Retry-After": email.utils.formatdate(time.time() + 60, usegmt=True)}) <= 60
    assert retry_after({"Retry-After": email.utils.formatdate(0, usegmt=True)}) == 0
    assert retry_after({"Retry-After": "soon"}) is None
    assert retry_after({}) is None
