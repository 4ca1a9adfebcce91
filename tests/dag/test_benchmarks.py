"""Which benchmarks are protected."""

import re

import pytest

from tests.snakemake import snakemake


def test_what_is_evaluated_is_protected_too():
    settings = ["decontaminate={benchmarks: [piqa]}", "evaluate={benchmarks: [boolq, 'arc:challenge|25', 'gsm8k|5']}"]
    result = snakemake("-n", "-p", "--until", "decontaminate_index", "--config", "run=never-made", *settings)
    named = re.search(r"scripts.decontaminate.index .* --benchmarks ([\w ]+) --", result.stdout)
    assert named[1].split() == ["arc_challenge", "boolq", "piqa"]
    assert "warning: decontamination knows no rows of gsm8k|5 (evaluate.benchmarks)" in result.stderr


@pytest.mark.parametrize("section", ["decontaminate", "evaluate"])
def test_an_unknown_benchmark_is_refused_before_any_job(section):
    result = snakemake("-n", "--config", f"{section}={{benchmarks: [piqa, hellaswagg]}}", check=False)
    assert result.returncode != 0
    assert f"`{section}.benchmarks.1`: 'hellaswagg' is not one of ['mmlu'" in result.stderr
