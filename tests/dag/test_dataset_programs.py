"""Programs that read a run on request: whatever there is of the run, they start no other job."""

import os
import shutil

import pytest

from tests.snakemake import ROOT, planned_jobs, snakemake
from tests.unit.hubwriter import NAME, TOKEN, serve_writable_hub
from tests.unit.test_dataset_split import write_card, write_part, write_split

FRESH = "run=never-made"


@pytest.mark.parametrize(
    ("program", "scale"), [("explain_document", "tiny"), ("explain_document", "full"), ("push_dataset", "small")]
)
def test_a_program_on_request_runs_alone(program, scale):
    assert planned_jobs(program, "--config", f"scale={scale}", FRESH, "document=abcdef12") == {program: 1}


@pytest.fixture
def asked_only():
    """The folder of a run that only such programs know."""
    folder = ROOT / "results" / "only-asked"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_a_document_of_a_run_that_is_not_there_is_told_in_one_line(asked_only):
    settings = ("--cores", "1", "--config", f"run={asked_only.name}", "document=abcdef12")
    result = snakemake("explain_document", *settings, check=False)
    assert result.returncode != 0
    assert "error: results/only-asked holds no seeds: nothing of this run is finished yet" in result.stdout


def test_an_upload_goes_where_the_configuration_says_with_the_users_token(asked_only, tmp_path):
    write_card(asked_only, [write_split(asked_only, [write_part(asked_only, ["a", "b", "c"])])])
    with serve_writable_hub() as hub:
        settings = ("--config", f"run={asked_only.name}", f"dataset={{repository: {NAME}, upload: true}}")
        # HF_HUB_OFFLINE, which the tests set, stands for a user's wish unless downloads are allowed by name.
        offline = snakemake(
            "push_dataset", "--cores", "1", *settings, env=os.environ | {"HF_TOKEN": TOKEN}, check=False
        )
        assert "HF_HUB_OFFLINE is set, so nothing can be uploaded" in offline.stdout
        variables = hub.environment(tmp_path / "home") | {"DOWNLOADS_OFFLINE": "0"}
        result = snakemake("push_dataset", "--cores", "1", *settings, env=os.environ | variables)
        assert f"{NAME} holds these 2 files now" in result.stdout
        assert TOKEN not in result.stdout + result.stderr
        assert TOKEN not in (asked_only / "logs/push_dataset/push_dataset.log").read_text()
        assert sorted(hub.files) == [".gitattributes", "README.md", "web_samples/train-00000-of-00001.parquet"]


def test_beside_a_run_at_work_the_lock_stays():
    lock = ROOT / ".snakemake" / "locks" / "0.input.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch(exist_ok=False)
    try:
        result = snakemake("-n", "explain_document", "--config", FRESH, "document=abcdef12", check=False)
        assert result.returncode != 0
        assert "would lose its lock: call `snakemake explain_document --nolock`" in result.stderr
        assert planned_jobs("explain_document", "--nolock", "--config", FRESH, "document=abcdef12")
        assert lock.exists()
    finally:
        lock.unlink()
