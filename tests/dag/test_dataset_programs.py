"""Programs that read a run on request: whatever there is of the run, they start no other job."""

import shutil

import pytest

from tests.snakemake import ROOT, planned_jobs, snakemake

FRESH = "run=never-made"


@pytest.mark.parametrize(
    ("program", "scale"), [("explain_document", "tiny"), ("explain_document", "full"), ("push_dataset", "small")]
)
def test_a_program_on_request_runs_alone(program, scale):
    assert planned_jobs(program, "--config", f"scale={scale}", FRESH, "document=abcdef12") == {program: 1}


def test_a_document_of_a_run_that_is_not_there_is_told_in_one_line():
    folder = ROOT / "results" / "only-asked"
    settings = ("--cores", "1", "--config", f"run={folder.name}", "document=abcdef12")
    result = snakemake("explain_document", *settings, check=False)
    shutil.rmtree(folder)  # it holds the log
    assert result.returncode != 0
    assert "error: results/only-asked holds no seeds: nothing of this run is finished yet" in result.stdout


def test_beside_a_run_at_work_the_lock_stays():
    lock = ROOT / ".snakemake" / "locks" / "0.input.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch(exist_ok=False)
    try:
        result = snakemake("-n", "explain_document", "--config", FRESH, "document=abcdef12", check=False)
        assert result.returncode != 0
        assert (
            "a run is at work in this folder and would lose its lock: call `snakemake explain_document --nolock`"
            in (result.stderr)
        )
        assert planned_jobs("explain_document", "--nolock", "--config", FRESH, "document=abcdef12")
        assert lock.exists()
    finally:
        lock.unlink()


def test_an_id_that_snakemake_takes_for_a_number_says_how_to_give_it():
    result = snakemake("-n", "explain_document", "--config", FRESH, "document=01234567", check=False)
    assert result.returncode != 0
    assert "`document`: 1234567 is not of type 'string'. Give a text with a letter in it" in result.stderr
