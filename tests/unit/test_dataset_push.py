"""An upload is told before it is done, is done in one commit, and what goes wrong is told in one line."""

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from scripts.common.errors import InputError
from scripts.dataset import push
from scripts.dataset.finished import File, check_card, read_dataset
from scripts.dataset.hub import refusal
from tests.unit.hubwriter import NAME, READER, TOKEN, serve_writable_hub
from tests.unit.test_dataset_split import write_card, write_part, write_split


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished dataset of two splits, one of them without rows."""
    folder = tmp_path_factory.mktemp("made")
    parts = [write_part(folder, ["a", "b"]), write_part(folder, ["c"], part="001")]
    splits = [
        write_split(folder, parts),
        write_split(folder, [write_part(folder, [], source="ultrachat")], name="stories"),
    ]
    write_card(folder, splits)
    return folder / "dataset"


@pytest.fixture
def dataset(made, tmp_path):
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(made, tmp_path / "dataset"))


@pytest.fixture
def hub():
    with serve_writable_hub() as running:
        yield running


HASTE = ("--attempts", "2", "--first-wait", "0")


@dataclasses.dataclass(frozen=True)
class Result:
    """What the program printed, and how it failed, if it did."""

    stdout: str
    failure: str


@pytest.fixture
def call(hub, dataset, monkeypatch, capsys):
    """The program with the Hub's own client, which reads its settings when it is imported; (return code, lines)."""

    def program(*flags, token=TOKEN, repository=NAME, offline=False, endpoint=hub.address):
        for name, value in (("ENDPOINT", endpoint), ("HF_HUB_OFFLINE", offline), ("HF_HUB_DISABLE_XET", True)):
            monkeypatch.setattr(constants, name, value)
        monkeypatch.setenv("HF_TOKEN", token)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(dataset.parent / "token"))
        try:
            push.main(["--dataset", str(dataset), "--repository", repository, *HASTE, *flags])
            failure = ""
        except InputError as error:
            failure = str(error)
        said = capsys.readouterr()
        assert TOKEN not in said.out + said.err + failure
        return Result(said.out, failure)

    return program


DRY = ("--private", "--no-upload")
UPLOAD = ("--private", "--upload")
FILES = [
    "README.md",
    "stories/train-00000-of-00001.parquet",
    "web_samples/train-00000-of-00002.parquet",
    "web_samples/train-00001-of-00002.parquet",
]


def test_without_upload_everything_is_told_and_nothing_is_written(call, hub, dataset):
    result = call(*DRY)
    assert not result.failure
    assert hub.writes() == []
    assert "does not exist, or this login may not see it; it would be made, private" in result.stdout
    assert [line.split()[0] for line in result.stdout.splitlines() if line.endswith("  new")] == FILES
    assert "4 files" in result.stdout and "3 rows; to send: 4 files" in result.stdout
    assert "Nothing was changed." in result.stdout


def test_an_upload_makes_one_commit_of_all_files_and_a_second_one_sends_nothing(call, hub, dataset):
    result = call(*UPLOAD)
    assert not result.failure
    assert {name: data for name, data in hub.files.items() if name != ".gitattributes"} == {
        name: (dataset / name).read_bytes() for name in FILES
    }
    assert (hub.private, [commit["summary"] for commit in hub.commits]) == (True, ["3 rows in 4 files"])
    assert f"{NAME} holds these 4 files now, at commit {hub.sha}" in result.stdout
    result = call(*DRY)
    assert "the repository exists and is private" in result.stdout
    assert "to send: 0 files, 0 B; to delete: 0" in result.stdout
    hub.requests.clear()
    assert not call(*UPLOAD).failure
    assert hub.writes() == ["/api/repos/create"]
    assert len(hub.commits) == 1


def test_what_changed_is_sent_and_data_files_of_an_earlier_version_go(call, hub, dataset):
    assert not call(*UPLOAD).failure
    hub.files |= {"stories/train-00000-of-00002.parquet": b"old", "LICENSE": b"kept", FILES[2]: b"changed"}
    result = call(*DRY)
    assert "stories/train-00000-of-00002.parquet     on the Hub only, would be deleted" in result.stdout
    assert "to send: 1 files" in result.stdout and "to delete: 1" in result.stdout
    assert not call(*UPLOAD).failure
    assert sorted(hub.files) == sorted([*FILES, ".gitattributes", "LICENSE"])
    assert hub.files[FILES[2]] == (dataset / FILES[2]).read_bytes()


def test_an_interrupted_upload_goes_on_without_sending_a_file_again(call, hub, dataset):
    hub.accepts, hub.refusals = 1, 1
    assert "the Hub answers 400" in call(*UPLOAD).failure
    assert (hub.commits, len(hub.stored)) == ([], 1)
    hub.requests.clear()
    assert not call(*UPLOAD).failure
    assert sum(path.startswith("/store/") for _, path in hub.requests) == 2
    assert len(hub.commits) == 1


def test_a_repository_that_does_not_hold_what_was_sent_is_told(call, hub, dataset):
    hub.breaks = FILES[3]
    result = call(*UPLOAD)
    assert f"does not hold what was uploaded: {FILES[3]} (1 of 4 files)" in result.failure


def test_a_public_repository_takes_no_dataset_that_is_to_be_private(call, hub, dataset):
    hub.files, hub.private = {}, False
    assert "exists and is public\nan upload would be refused: dataset.private is true" in call(*DRY).stdout
    result = call(*UPLOAD)
    assert f"{NAME} is public, but the config key dataset.private is true" in result.failure
    assert hub.files == {}
    assert not call("--no-private", "--upload").failure
    assert sorted(hub.files) == sorted(FILES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"token": ""}, "there is no token for the Hub: set HF_TOKEN"),
        ({"token": "hf_" + "x" * 34}, "the Hub answers 401 (Invalid credentials in Authorization header)"),
        ({"token": READER}, f"this token may not write to {NAME}. Give it write permission for reader"),
        ({"repository": "somebody/else"}, "this token may not write to somebody/else"),
        ({"repository": "no good/name"}, "`no good/name` is no name of a repository"),
        ({"repository": "name"}, "`name` does not say whose it is"),
        ({"repository": ""}, "an upload needs the config key dataset.repository"),
        ({"offline": True}, "HF_HUB_OFFLINE is set, so nothing can be uploaded"),
    ],
)
def test_an_upload_that_cannot_be_tells_why_in_one_line(call, hub, changes, message):
    result = call(*UPLOAD, **changes)
    assert message in result.failure
    assert hub.files is None


def test_offline_the_files_are_listed_and_the_hub_is_not_asked(call, hub, dataset):
    result = call(*DRY, offline=True)
    assert not result.failure
    assert "the Hub was not asked which of these files it has" in result.stdout
    assert hub.requests == []
    assert not call(*DRY, repository="").failure
    assert hub.requests == []


def test_a_hub_that_does_not_answer_is_asked_again_and_then_told(call, hub, dataset):
    result = call(*DRY, endpoint="http://127.0.0.1:9")
    assert "Check the network, and run again" in result.failure


def broken(dataset, name):
    (dataset / name).unlink()


def renamed(dataset, name):
    (dataset / name).rename(dataset / name.replace("00002", "00003"))


def doubled(dataset, name):
    (dataset / name).write_bytes((dataset / FILES[2]).read_bytes())


def rewritten(dataset, name, old, new):
    text = (dataset / name).read_text()
    assert old in text
    (dataset / name).write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ((broken, "README.md"), r"README.md is missing: the dataset is not finished"),
        ((broken, "stories.counts.json"), r"stories.counts.json is missing: split stories is not finished"),
        ((broken, FILES[3]), r"web_samples must hold train-00000-of-00001.parquet and so on, and nothing else"),
        ((renamed, FILES[3]), r"web_samples must hold train-00000-of-00002.parquet and so on"),
        ((doubled, FILES[3]), r"split web_samples has 4 rows in its files, but .* tells of 3"),
        ((rewritten, "README.md", "num_examples: 3", "num_examples: 4"), r"tells of other rows than the files have"),
        ((rewritten, "README.md", "config_name: web", "config_name: fog"), r"names the splits fog_samples; those with"),
        ((rewritten, "README.md", "pretty_name: ", "pretty_name: {"), r"its front matter cannot be read"),
    ],
)
def test_a_dataset_that_is_not_whole_is_not_offered(dataset, damage, message):
    change, *arguments = damage
    change(dataset, *arguments)
    with pytest.raises(InputError, match=message):
        read_dataset(dataset)


def test_a_folder_without_splits_is_not_offered(tmp_path):
    (tmp_path / "README.md").write_text("---\n---\n")
    with pytest.raises(InputError, match="has no split"):
        read_dataset(tmp_path)


def test_the_front_matter_is_what_the_hubs_client_reads(made):
    front = check_card(made / "README.md", {"web_samples": 3, "stories": 0})
    assert front["dataset_info"][0]["splits"][0]["num_examples"] == 3
    assert front["license"] == "other"


def test_a_small_file_has_gits_name_and_a_large_one_its_checksum(tmp_path):
    (tmp_path / "x").write_bytes(b"hello\n")
    file = File(tmp_path / "x", "x", 6)
    assert file.git_id == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert file.sha256 == "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"


def test_refusals_are_readable():
    assert "was removed, renamed or changed meanwhile" in refusal(NAME, 412, "")
    assert "run again, later if need be" in refusal(NAME, 418, "no")


def test_the_program_ends_with_one_line(hub, dataset):
    words = [sys.executable, "-m", "scripts.dataset.push", "--dataset", str(dataset), "--repository", NAME, *UPLOAD]
    result = subprocess.run(
        [*words, *HASTE],
        env=os.environ | hub.environment(dataset.parent / "home", READER),
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith("error: the Hub answers 403")
