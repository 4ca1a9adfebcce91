"""Costly work that nobody asked for is refused before anything starts; work that was asked for runs without a word."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.common.files import sha256_of
from tests.snakemake import ROOT, environment

LARGE = "a text of some length, which is written down often\n" * 40_000
PROFILE = ("--workflow-profile", str(ROOT / "profiles/default"))


class Project:
    """A finished run of tests/dag/guarded in a folder of its own."""

    def __init__(self, folder: Path):
        self.folder = folder
        (folder / "scripts").mkdir(parents=True)
        for name, text in (("raw.txt", LARGE), ("template.txt", "T"), ("scripts/prepare.py", "1")):
            self.write(name, text)
        self.write("scripts/embed.py", "1")

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def touch(self, *names):
        """New modification times, later than those of all results."""
        for name in names:
            os.utime(self.folder / name)

    def run(self, *arguments, config=(), check=True):
        settings = ["--config", f"root={ROOT}", *config]
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "tests/dag/guarded/Snakefile")]
        result = subprocess.run(
            [*command, "--cores", "1", *PROFILE, *arguments, *settings],
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if check:
            assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
        return result

    def files(self):
        """Digests of all files; of Snakemake's own, all but the cache of modification times that a dry run leaves."""
        files = [path for path in self.folder.rglob("*") if path.is_file() and path.parent.name != "iocache"]
        return {path.relative_to(self.folder): sha256_of(path) for path in files}

    @property
    def embedded(self):
        """How often the costly rule has run."""
        return len((self.folder / "embedded.log").read_text().splitlines())


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("guarded"))
    project.run()
    assert project.embedded == 1
    return project


@pytest.fixture
def project(finished, tmp_path):
    """A copy of the finished run with its modification times."""
    copy = Project.__new__(Project)
    copy.folder = tmp_path / "copy"
    shutil.copytree(finished.folder, copy.folder, symlinks=True)
    return copy


def refusal(result):
    assert result.returncode == 1
    assert "error: costly work would be done again" in result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr


@pytest.mark.parametrize(
    "names",
    [
        ["scripts/prepare.py", "scripts/embed.py", "template.txt"],  # git checkout, git pull
        ["raw.txt", "results/prepared.txt"],  # larger than what Snakemake itself writes checksums of
    ],
)
def test_touched_files_rerun_nothing_costly_and_need_no_flag(project, names):
    project.touch(*names)
    project.run()
    assert project.embedded == 1


def test_an_edited_program_of_a_costly_rule_reruns_nothing(project):
    project.write("scripts/embed.py", "2")
    assert "Nothing to be done" in project.run().stderr


def test_an_edited_program_of_an_earlier_step_is_settled_by_what_it_makes(project):
    project.write("scripts/prepare.py", "2")
    told = refusal(project.run(check=False))
    assert "embed: 1 job, which took" in told
    assert "scripts/prepare.py has been edited" in told
    assert "--until prepare " in told
    project.run("--until", "prepare")
    project.run()  # equal bytes were made
    assert project.embedded == 1


@pytest.mark.parametrize("name", ["template.txt", "raw.txt"])
def test_changed_content_runs_without_fuss(project, name):
    project.write(name, LARGE + "and more")
    project.run()
    assert project.embedded == 2


def test_changed_content_runs_also_when_an_earlier_run_was_interrupted(project):
    project.write("template.txt", "another")
    project.run("--until", "prepare")
    project.run()
    assert project.embedded == 2


def test_a_changed_parameter_runs_without_fuss(project):
    project.write("scripts/prepare.py", "2")  # which alone would be refused
    project.run(config=["size=11"])
    assert project.embedded == 2


@pytest.mark.parametrize("names", [["embedded.txt"], ["prepared.txt", "embedded.txt"]])
def test_missing_outputs_run_without_fuss(project, names):
    for name in [*names, "count.txt"]:
        (project.folder / "results" / name).unlink()
    project.run()
    assert project.embedded == 2


def test_a_forced_run_runs_without_fuss(project):
    project.run("--forcerun", "embed")
    assert project.embedded == 2


def test_copied_results_without_metadata_are_not_made_again(project):
    shutil.rmtree(project.folder / ".snakemake")
    project.touch("raw.txt", "template.txt", "scripts/prepare.py")
    assert "the results were copied" in refusal(project.run(check=False))
    assert project.embedded == 1
    project.run("--touch")
    assert "Nothing to be done" in project.run().stderr


def test_the_flag_allows_it(project):
    project.write("scripts/prepare.py", "2")
    refusal(project.run(check=False, config=["allow_costly=[count]"]))
    project.run(config=["allow_costly=[embed]"])
    assert project.embedded == 2


@pytest.mark.parametrize("dry", [[], ["-n"]])
def test_a_misspelt_rule_is_not_taken_for_a_permission(project, dry):
    project.write("scripts/prepare.py", "2")
    result = project.run(*dry, check=False, config=["allow_costly=[embde]"])
    assert result.returncode == 1
    assert "error: `allow_costly`: unknown rule `embde`: did you mean `embed`?" in result.stderr
    assert project.embedded == 1


def test_a_refused_run_leaves_no_lock(project):
    project.write("scripts/prepare.py", "2")
    refusal(project.run(check=False))
    refusal(project.run(check=False))


def edited(project):
    project.write("scripts/prepare.py", "2")


def touched(project):
    project.touch("raw.txt", "template.txt", "scripts/prepare.py", "results/prepared.txt")


def copied(project):
    shutil.rmtree(project.folder / ".snakemake")
    project.touch("raw.txt")


def killed(project):
    """The end of a run, where checksums of large files are written down, was never reached."""
    for record in (project.folder / ".snakemake/metadata").iterdir():
        known = json.loads(record.read_text())
        record.write_text(json.dumps(known | {"input_checksums": {}}))
    project.touch("results/prepared.txt")


def changed(project):
    project.write("raw.txt", LARGE + "and more")


@pytest.mark.parametrize(
    ("state", "config", "is_refused"),
    [
        (edited, [], True),
        (copied, [], True),
        (killed, [], True),
        (edited, ["allow_costly=[embed]"], False),
        (touched, [], False),
        (changed, [], False),
    ],
)
def test_a_dry_run_tells_what_the_start_will_refuse_and_changes_nothing(project, state, config, is_refused):
    state(project)
    before = project.files()
    told = project.run("-n", config=config).stdout
    assert project.files() == before
    started = project.run(config=config, check=False)
    assert ("warning: costly work would be done again" in told) == is_refused == bool(started.returncode)
    if is_refused:
        beginning = "nothing tells that what it reads has changed. "
        start = refusal(started).split(beginning)[1].removeprefix("Nothing was run.\n").split("when the work shall")[0]
        assert told.count(f"{beginning}Such a run is refused.\n{start}") == 2  # below both tables of jobs


def test_a_dry_run_without_hooks_warns_of_nothing(project):
    edited(project)
    told = project.run("-n", "--no-hooks")
    assert "costly work" not in told.stdout + told.stderr


def test_every_program_of_a_costly_rule_may_be_edited():
    """No file of scripts/ is an input of a GPU rule whose change would rerun it."""
    rules = [
        rule
        for file in (ROOT / "workflow/rules").glob("*.smk")
        for rule in re.split(r"^rule ", file.read_text(), flags=re.MULTILINE)[1:]
        if re.search(r"^\s+gpu=", rule, flags=re.MULTILINE)
    ]
    assert len(rules) >= 7
    for rule in rules:
        inputs = rule.split("    input:\n")[1].split("    output:\n")[0]
        lines = [line for line in inputs.splitlines() if "scripts/" in line]
        assert lines
        assert all("=ancient(" in line for line in lines), rule.splitlines()[0]
