"""The flow of rows: for every split what each step took in, added, kept aside by reason and passed on.

Every step counts its rows by source; here they are followed from the rows read to the dataset, split by split, and each
step must take exactly what the one before left. Deduplication works on all sources at once and counts them together:
its share of a split is what clean left there less what decontamination took up. `scripts/report/sankey.py` draws it.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence

from scripts.common.counts import Counts, total
from scripts.common.errors import InputError

STEPS = {
    "seeds_load": ("seeds", "raw rows become clean seeds"),
    "prompts_seal": ("prompts", "seeds in kept topics meet templates"),
    "generate_seal": ("texts", "the language model answers"),
    "clean_filter": ("good texts", "broken, short and poor texts go"),
    "deduplicate_verify": ("unique", "near-duplicates go"),
    "decontaminate_scan": ("uncontaminated", "texts that repeat benchmark rows go"),
    "dataset_split": ("dataset", "texts whose licence is not wanted go"),
}
"""Step → what it leaves, and what happens in it; in the order of the pipeline."""

START = "rows read"

EARLIER = ("not_generated", "near_duplicate", "contaminated")
"""Reasons under which dataset_split names, besides those of clean, the prompts that earlier steps kept aside."""

UNUSED = ("outside_mix", "outside_fraction", "duplicate_prompt")
"""Reasons of prompts that were made from a seed only to be chosen from."""

Flow = dict[str, dict[str, Counts]]
"""Step → split → its counts there, in the order of the pipeline and of the splits."""


def follow(counts: Iterable[Counts], splits: Mapping[str, Sequence[str]]) -> Flow:
    """The flow of a run, up to the last step that was counted.

    Args:
        counts: of all steps, sources and parts.
        splits: split → its sources.

    Raises:
        InputError: a step did not take what the one before left.
    """
    groups: dict[str, dict[str, list[Counts]]] = {step: {} for step in STEPS}
    for each in counts:
        if each.step in groups:
            groups[each.step].setdefault(each.source, []).append(each)
    flow: Flow = {}
    for step, by_source in groups.items():
        if not by_source:
            break
        names = {split: [split] if step == "dataset_split" else sources for split, sources in splits.items()}
        flow[step] = {
            split: total((each for name in names[split] for each in by_source.get(name, ())), step) for split in splits
        }
    if "deduplicate_verify" in flow:
        flow["deduplicate_verify"] = _deduplicated(flow, groups["deduplicate_verify"].get("", ()))
    if "dataset_split" in flow:
        flow["dataset_split"] = {split: _own_part(flow, split) for split in splits}
    _check(flow)
    return flow


def steps(flow: Flow) -> dict[str, Counts]:
    """Step → its counts over all splits."""
    return {step: total(by_split.values(), step) for step, by_split in flow.items()}


def without_unused(counts: Counts) -> tuple[Counts, dict[str, int]]:
    """The counts without rows that a step added and left out again, and those by reason."""
    unused: dict[str, int] = {}
    for reason in UNUSED:
        if n := min(counts.rejected.get(reason, 0), counts.added - sum(unused.values())):
            unused[reason] = n
    rejected = {reason: n - unused.get(reason, 0) for reason, n in counts.rejected.items()}
    rest = {reason: n for reason, n in rejected.items() if n}
    return Counts(counts.step, counts.rows_in, counts.rows_out, rest, added=counts.added - sum(unused.values())), unused


def _deduplicated(flow: Flow, counted: Iterable[Counts]) -> dict[str, Counts]:
    """What deduplication did in each split, checked against its own account of all."""
    whole = total(counted, "deduplicate_verify")
    before, after = flow["clean_filter"], flow.get("decontaminate_scan")
    if after is None:
        raise InputError("Deduplication was counted, but not decontamination. Give the counts of both.")
    found = {
        split: _less(whole.step, before[split].rows_out, after[split].rows_in, "near_duplicate") for split in before
    }
    removed = sum(each.rejected.get("near_duplicate", 0) for each in found.values())
    if removed != whole.rejected.get("near_duplicate", 0):
        taken = sum(each.rows_in for each in after.values())
        raise _mismatch("all splits", whole.step, whole.rows_out, "decontaminate_scan", taken)
    return found


def _own_part(flow: Flow, split: str) -> Counts:
    """What dataset_split itself kept aside; it counts all prompts, whatever step they were lost in."""
    counts = flow["dataset_split"][split]
    if counts.rows_in != flow["prompts_seal"][split].rows_out:
        raise _mismatch(split, "prompts_seal", flow["prompts_seal"][split].rows_out, "dataset_split", counts.rows_in)
    known = {*EARLIER, *flow["clean_filter"][split].rejected}
    own = {reason: n for reason, n in counts.rejected.items() if reason not in known}
    return Counts("dataset_split", counts.rows_out + sum(own.values()), counts.rows_out, own)


def _less(step: str, rows_in: int, rows_out: int, reason: str) -> Counts:
    if rows_out > rows_in:
        raise _mismatch("a split", step, rows_in, "the next step", rows_out)
    return Counts(step, rows_in, rows_out, {reason: rows_in - rows_out} if rows_in > rows_out else {})


def _check(flow: Flow) -> None:
    for before, after in itertools.pairwise(flow):
        for split, counts in flow[after].items():
            if counts.rows_in != flow[before][split].rows_out:
                raise _mismatch(split, before, flow[before][split].rows_out, after, counts.rows_in)


def _mismatch(split: str, before: str, left: int, after: str, taken: int) -> InputError:
    return InputError(
        f"The counts do not reconcile: {split}: {before} left {left:,} rows, but {after} took {taken:,}. "
        f"Some count files are of another state of the run: delete the outputs of {after} and run again."
    )
