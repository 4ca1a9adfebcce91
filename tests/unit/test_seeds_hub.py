"""Downloads and locks against a Hub on this machine, with the real client libraries in a process of their own."""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.seeds.lock_sources import lock_source
from scripts.seeds.locks import Lock, read_locks, write_locks
from scripts.seeds.rows import parse, raw_rows
from scripts.seeds.sources import read_entry
from tests.unit.webserver import file, serve, serve_hub, status

ROWS = [{"content": f"Page {number}", "url": f"https://example.org/{number}", "more": number} for number in range(60)]
HASTE = ["--attempts", "2", "--first-wait", "0", "--timeout", "2"]
CELLS = {"reader": "passage", "kind": "passage", "dataset_split": "web_samples", "seeds_per_row": "1"}
CELLS |= {"columns": "text=content; url=url", "licence": "MIT", "terms": "https://example.org/terms"}


@pytest.fixture
def hub(tmp_path):
    folder = tmp_path / "dataset"
    (folder / "data").mkdir(parents=True)
    for number in range(2):
        table = pa.Table.from_pylist(ROWS[number * 30 : number * 30 + 30])
        pq.write_table(table, folder / "data" / f"train-0000{number}-of-00002.parquet")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    (folder / "pages.json").write_text(json.dumps(ROWS))
    with serve_hub(folder) as running:
        yield running


def registry(folder, **sources):
    names = ["source", "where", "location", "config", "split", "reader", "kind", "dataset_split", "seeds_per_row"]
    names += ["columns", "filters", "licence", "terms", "expected_rows", "note"]
    rows = [CELLS | {"source": source} | cells for source, cells in sources.items()]
    lines = ["\t".join(names), *("\t".join(row.get(name, "") for name in names) for row in rows)]
    (folder / "sources.tsv").write_text("\n".join(lines) + "\n")
    return folder / "sources.tsv"


WEB = {"where": "hub", "location": "pages/web", "split": "train"}
FILE = {"where": "hub", "location": "pages/web/pages.json"}


def call(hub, folder, program, *flags):
    return subprocess.run(
        [sys.executable, "-m", f"scripts.seeds.{program}", *map(str, flags), *HASTE],
        env=os.environ | hub.environment(folder / "home"),
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )


def download(hub, folder, table, source="web", rows=50):
    flags = ["--sources", table, "--source", source, "--lock", folder / "lock.tsv", "--max-documents", rows]
    return call(hub, folder, "download", *flags, "--output", folder / "downloads" / source)


def contents(folder, table, source="web"):
    rows = raw_rows(read_entry(table, source, "original"), folder / "downloads", 0, 1000)
    return [parse(row)["content"] for _, row in rows]


def test_a_dataset_is_streamed_into_shards_at_the_commit_of_the_day(tmp_path, hub):
    table = registry(tmp_path, web=WEB)
    hub.server.disturbances = [status(429, Retry_After="0")]
    result = download(hub, tmp_path, table)
    assert result.returncode == 0, result.stderr
    manifest = json.loads((tmp_path / "downloads" / "web" / "manifest.json").read_text())
    assert (manifest["rows"], manifest["revision"], manifest["locked"]) == (50, "1" * 40, False)
    assert "web is not locked" in result.stderr
    assert contents(tmp_path, table) == [row["content"] for row in ROWS[:50]]


def test_a_later_job_streams_on_at_the_same_commit_where_the_first_one_stopped(tmp_path, hub):
    table = registry(tmp_path, web=WEB)
    assert download(hub, tmp_path, table, rows=35).returncode == 0
    hub.server.commit = "5" * 40
    assert download(hub, tmp_path, table, rows=60).returncode == 0
    manifest = json.loads((tmp_path / "downloads" / "web" / "manifest.json").read_text())
    assert ([shard["rows"] for shard in manifest["shards"]], manifest["revision"]) == ([35, 25], "1" * 40)
    assert contents(tmp_path, table) == [row["content"] for row in ROWS]


def test_a_locked_commit_is_the_one_that_is_read(tmp_path, hub):
    table = registry(tmp_path, web=WEB)
    write_locks(tmp_path / "lock.tsv", [Lock("web", "pages/web", revision="2" * 40)])
    result = download(hub, tmp_path, table)
    assert result.returncode == 0, result.stderr
    asked = {path.split("/resolve/")[1].split("/")[0] for path in hub.server.paths if "/resolve/" in path}
    assert asked == {"2" * 40}
    assert json.loads((tmp_path / "downloads" / "web" / "manifest.json").read_text())["locked"]


def test_every_source_is_locked_and_a_file_of_a_dataset_must_have_its_checksum(tmp_path, hub):
    table = registry(tmp_path, web=WEB, array=FILE)
    result = call(hub, tmp_path, "lock_sources", "--sources", table, "--output", tmp_path / "lock.tsv")
    assert result.returncode == 0, result.stderr
    locks = read_locks(tmp_path / "lock.tsv")
    assert locks["web"] == Lock("web", "pages/web", "1" * 40)
    assert (locks["array"].revision, len(locks["array"].sha256)) == ("1" * 40, 64)
    result = download(hub, tmp_path, table, "array")
    assert result.returncode == 0, result.stderr
    assert contents(tmp_path, table, "array") == [row["content"] for row in ROWS]


@pytest.mark.parametrize(
    ("refusal", "advice"),
    [
        (
            (403, "GatedRepo"),
            "accept the terms at https://huggingface.co/datasets/pages/web, log in with `hf auth login`",
        ),
        ((401, "RepoNotFound"), "It has moved, is private or misspelt"),
        ((404, "RevisionNotFound"), "It has moved, is private or misspelt"),
    ],
)
def test_a_dataset_that_is_not_given_tells_what_to_do(tmp_path, hub, refusal, advice):
    hub.server.refusal = refusal
    result = download(hub, tmp_path, registry(tmp_path, web=WEB))
    assert result.returncode != 0
    assert advice in result.stderr
    assert "--config 'seeds={sources: {web: 0}}'" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_file_of_the_web_is_locked_by_its_bytes():
    entry = read_entry(Path("resources/sources.tsv"), "wikihow", "original")
    with serve(file(b"How to Swim\n")) as (url, _):
        lock = lock_source(dataclasses.replace(entry, location=url), "as in the registry")
    assert (lock.location, lock.revision, lock.size, lock.etag) == ("as in the registry", "", "12", '"one"')
    assert lock.sha256 == hashlib.sha256(b"How to Swim\n").hexdigest()


def test_sources_that_cannot_be_locked_are_named_and_the_others_are_locked(tmp_path, hub):
    table = registry(tmp_path, web=WEB, lost=WEB | {"location": "pages/lost"})
    write_locks(tmp_path / "lock.tsv", [Lock("lost", "pages/lost", "3" * 40), Lock("gone", "x/y", "4" * 40)])
    result = call(hub, tmp_path, "lock_sources", "--sources", table, "--output", tmp_path / "lock.tsv")
    assert result.returncode != 0
    assert "1 of 2 sources are not locked" in result.stderr
    assert {name: lock.revision[0] for name, lock in read_locks(tmp_path / "lock.tsv").items()} == {
        "web": "1",
        "lost": "3",
    }
