"""Slurm's job arrays without the traps of snakemake-executor-plugin-slurm 2.8.0.

* It forgets jobs (its issue 473): a batch that is smaller than what else is ready is neither submitted nor offered
  again, and keeps its places among `jobs`, until nothing is submitted any more. `forget_nothing` mends that.
* It puts the command of a job between double quotes and leaves those inside as they are: `trap` finds them first.
* An array whose commands take more than 128 kB goes another, broken way: `slurm-array-limit` in profiles/slurm keeps
  arrays smaller.
"""

import sys
from collections.abc import Iterable
from typing import Any

PLUGIN = "snakemake_executor_plugin_slurm"
PENDING = "pending_jobs_for_rule"
"""The plugin's function whose answer a batch is held against: how many jobs of its rule are ready besides."""


def forget_nothing() -> None:
    """Has the plugin submit every batch as it comes; nothing happens where it is not in use."""
    plugin = sys.modules.get(PLUGIN)
    if hasattr(plugin, PENDING):
        setattr(plugin, PENDING, lambda dag, rule: 0)


def trap(executor_settings: Any, words: Iterable[str] | None) -> str:
    """What is wrong with a run that submits job arrays; empty when nothing is.

    Args:
        executor_settings: those of the executor, of which only Slurm's know of arrays.
        words: the values given with `--config`.
    """
    quoted = [word for word in words or () if "'" in word or '"' in word]
    if not quoted or not getattr(executor_settings, "array_jobs", None):
        return ""
    return (
        f"the executor cannot submit job arrays with quotation marks in --config ({', '.join(quoted)}). Leave them out "
        "where YAML needs none, put the values into a file (--configfile), or take slurm-array-jobs out of the profile."
    )
