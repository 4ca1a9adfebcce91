"""`snakemake progress` on the tiny run, which was killed once and continued."""

import json
import subprocess
import sys

from tests.snakemake import ROOT, snakemake

SETTINGS = ("--cores", "1", "--config", "run=test")


def test_after_the_run_all_texts_that_were_sealed_are_counted(tiny_run):
    command = [sys.executable, "-m", "scripts.generate.progress", str(tiny_run), "--json"]
    report = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    snakemake("generations", *SETTINGS)
    manifest = json.loads((tiny_run / "generations/manifest.json").read_text())
    assert manifest["total"]["coverage"] == 1
    assert report["recipe"] == manifest["recipe"]
    counted, sealed = report["total"], manifest["total"]
    assert (counted["prompts"], counted["done"]) == (sealed["prompts"], sealed["texts"])
    assert counted["tokens"] == sealed["tokens"]
    assert counted["outside"] == counted["in_flight"] == 0
    assert report["jobs"] == report["stragglers"] == []


def test_it_shows_the_table_and_writes_the_page_each_time_and_leaves_the_lock_of_a_run_beside_it(tiny_run):
    page, lock = tiny_run / "generations/progress.html", ROOT / ".snakemake/locks/99.output.lock"
    page.unlink(missing_ok=True)
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text("something\n")
    try:
        for _ in range(2):
            shown = snakemake("progress", "--nolock", *SETTINGS).stdout
            assert "web_samples" in shown
            assert "nothing left to generate" in shown
        assert lock.exists()
    finally:
        lock.unlink(missing_ok=True)
    assert "<h1>Generation</h1>" in page.read_text()


def test_it_asks_for_the_flag_that_keeps_the_lock():
    result = snakemake("progress", *SETTINGS, check=False)
    assert result.returncode == 1
    assert "would lose its lock: call `snakemake progress --nolock`" in result.stderr
