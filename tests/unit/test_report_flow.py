import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.report import flow, sankey

SPLITS = {"web_samples": ["web", "fineweb"], "stories": ["ultrachat"], "khanacademy": ["khanacademy"]}
REASONS = {
    "seeds_load": ["too_short", "not_english"],
    "prompts_seal": ["noise", "outside_mix"],
    "generate_seal": ["quarantined"],
    "clean_filter": ["too_short", "refusal", "repetition"],
    "deduplicate_verify": ["near_duplicate"],
    "decontaminate_scan": ["contaminated"],
    "dataset_split": ["licence"],
}
SVG = "{http://www.w3.org/2000/svg}"


def share(draw, rows, reasons):
    """So many of the rows under each reason."""
    rejected = {}
    for reason in reasons:
        n = draw(st.integers(0, rows - sum(rejected.values())))
        if n:
            rejected[reason] = n
    return rejected


@st.composite
def runs(draw, splits=SPLITS):
    """The count files of a whole run that reconcile."""
    counts, removed, unique = [], 0, 0
    for split, sources in splits.items():
        prompts, lost = 0, {}
        for source in sources:
            rows = draw(st.integers(0, 5000))
            for step in list(REASONS)[:-1]:
                added = draw(st.integers(0, 900)) if step in ("seeds_load", "prompts_seal") and rows else 0
                rejected = share(draw, rows + added, REASONS[step])
                left = rows + added - sum(rejected.values())
                if step == "prompts_seal":
                    prompts += left
                if step == "deduplicate_verify":
                    removed, unique = removed + rows - left, unique + left
                else:
                    counts.append(Counts(step, rows, left, rejected, source, "000", added))
                if step in list(REASONS)[2:]:
                    for reason, n in rejected.items():
                        name = "not_generated" if reason == "quarantined" else reason
                        lost[name] = lost.get(name, 0) + n
                rows = left
        licence = share(draw, prompts - sum(lost.values()), ["licence"])
        lost |= licence
        counts.append(Counts("dataset_split", prompts, prompts - sum(lost.values()), lost, split))
    rejected = {"near_duplicate": removed} if removed else {}
    return [*counts, Counts("deduplicate_verify", unique + removed, unique, rejected)]


@given(runs())
def test_what_enters_every_step_of_every_split_leaves_it(counts):
    found = flow.follow(counts, SPLITS)
    assert list(found) == list(flow.STEPS)
    for split in SPLITS:
        chain = [by_split[split] for by_split in found.values()]
        for before, after in pairwise(chain):
            assert before.rows_out == after.rows_in
        for each in chain:
            assert each.rows_in + each.added == each.rows_out + sum(each.rejected.values())
        prompts, dataset = found["prompts_seal"][split].rows_out, found["dataset_split"][split].rows_out
        assert prompts == dataset + sum(sum(each.rejected.values()) for each in chain[2:])
    written = [each for each in counts if each.step == "dataset_split"]
    assert flow.steps(found)["dataset_split"].rows_out == sum(each.rows_out for each in written)


@given(runs())
def test_the_bands_of_every_bar_are_as_high_as_the_bar(counts):
    found = flow.follow(counts, SPLITS)
    if not any(each.rows_in + each.rows_out for by_split in found.values() for each in by_split.values()):
        return
    drawing = sankey.Sankey(found)
    for place, step in enumerate(drawing.order):
        for split, each in drawing.drawn[step].items():
            lost = min(sum(each.rejected.values()), each.rows_in)
            assert sankey.straight(each) + lost == drawing.columns[place][split]
            joins = each.rows_out - sankey.straight(each)
            fresh_lost = sum(each.rejected.values()) - lost
            assert joins + fresh_lost == each.added
    assert ElementTree.fromstring(drawing.svg()).tag == f"{SVG}svg"


def whole_run():
    """A run in which each step keeps one row aside, the dataset one for its licence."""
    counts = [
        Counts("seeds_load", 1000, 900, {"too_short": 100}, "web"),
        Counts("prompts_seal", 900, 1500, {"noise": 300, "topic_removed": 100}, "web", added=1000),
        Counts("generate_seal", 1500, 1499, {"quarantined": 1}, "web"),
        Counts("clean_filter", 1499, 1490, {"refusal": 9}, "web"),
        Counts("deduplicate_verify", 1490, 1470, {"near_duplicate": 20}),
        Counts("decontaminate_scan", 1470, 1467, {"contaminated": 3}, "web"),
    ]
    reasons = {"not_generated": 1, "refusal": 9, "near_duplicate": 20, "contaminated": 3, "licence": 467}
    return [*counts, Counts("dataset_split", 1500, 1000, reasons, "web_samples")]


def test_the_figure_shows_every_count_and_reason_up_to_the_licence():
    svg = sankey.draw(flow.follow(whole_run(), SPLITS))
    for text in ("1,000", "1,500", "1,467", "+ 1,000", "− 400", "noise 300", "topic removed 100", "− 467", "licence"):
        assert f">{text}<" in svg
    told = {element.text for element in ElementTree.fromstring(svg).iter(f"{SVG}title")}
    assert "web samples: 1,470 of 1,490 good texts go on to unique (98.7 %)" in told
    assert "web samples: 20 of 1,490 good texts kept aside: near duplicate 20" in told
    assert "licence: 467 of the 467 kept aside here" in told


def test_prompts_that_were_made_and_left_out_again_are_told_and_not_drawn():
    counts = [
        Counts("seeds_load", 100, 100, {}, "web"),
        Counts("prompts_seal", 100, 130, {"noise": 10, "outside_mix": 950, "duplicate_prompt": 10}, "web", added=1000),
    ]
    found = flow.follow(counts, SPLITS)
    assert sum(found["prompts_seal"]["web_samples"].rejected.values()) == 970
    drawn, unused = flow.without_unused(found["prompts_seal"]["web_samples"])
    assert (drawn.rows_in, drawn.added, drawn.rejected, drawn.rows_out) == (100, 40, {"noise": 10}, 130)
    assert unused == {"outside_mix": 950, "duplicate_prompt": 10}
    svg = sankey.draw(found)
    for text in ("+ 40", "− 10", "± 960 not used"):
        assert f">{text}<" in svg
    assert "so in no band: outside mix 950, duplicate prompt 10" in svg


def test_a_mix_that_asks_for_less_than_one_prompt_a_seed_loses_seeds():
    counts = Counts("prompts_seal", 100, 30, {"outside_mix": 75}, added=5)
    drawn, unused = flow.without_unused(counts)
    assert (drawn.added, drawn.rejected, unused) == (0, {"outside_mix": 70}, {"outside_mix": 5})


def test_every_band_and_bar_has_a_tooltip():
    root = ElementTree.fromstring(sankey.draw(flow.follow(whole_run(), SPLITS)))
    drawn = [each for kind in ("rect", "path") for each in root.iter(f"{SVG}{kind}") if not each.get("stroke-width")]
    bands = [each for each in drawn if each.get("fill") != "none"]
    assert len(bands) > 20
    assert all(each.find(f"{SVG}title") is not None for each in bands)


@pytest.mark.parametrize("step", ["generate_seal", "clean_filter", "decontaminate_scan"])
def test_a_step_that_took_other_rows_than_the_one_before_left_is_named(step):
    counts = [
        Counts(each.step, each.rows_in + 1, each.rows_out + 1, each.rejected, each.source)
        if each.step == step
        else each
        for each in whole_run()
    ]
    with pytest.raises(InputError, match=r"do not reconcile: .* left 1,\d+ rows, but \w+ took 1,\d+"):
        flow.follow(counts, SPLITS)


def test_a_dataset_of_other_prompts_is_named():
    counts = [*whole_run()[:-1], Counts("dataset_split", 1499, 1499, {}, "web_samples")]
    with pytest.raises(InputError, match="web_samples: prompts_seal left 1,500 rows, but dataset_split took 1,499"):
        flow.follow(counts, SPLITS)


def test_a_run_that_has_come_part_of_the_way_is_drawn_so_far():
    found = flow.follow(whole_run()[:2], SPLITS)
    assert list(found) == ["seeds_load", "prompts_seal"]
    assert ">1,500<" in sankey.draw(found)
    assert "No row was read" in sankey.draw(flow.follow([], SPLITS))


def test_eight_splits_have_labels_that_do_not_touch_and_keep_their_colours():
    splits = {f"split_{k}": [f"source_{k}"] for k in range(8)}
    counts = [Counts("seeds_load", n, n, {}, f"source_{k}") for k, n in enumerate((10**7, 1, 1, 1, 2, 1, 1, 0))]
    svg = sankey.draw(flow.follow(counts, splits))
    rows = sorted(float(y) for y in re.findall(r'<text x="[\d.]+" y="([\d.]+)"[^>]*>split \d', svg))
    assert len(rows) == 8
    assert all(after - before >= 14 for before, after in pairwise(rows))


def test_markup_in_reasons_and_splits_is_never_taken_for_markup():
    counts = [Counts("seeds_load", 3, 1, {"<b>bad</b>": 2}, "a")]
    svg = sankey.draw(flow.follow(counts, {"<script>": ["a"]}))
    assert ElementTree.fromstring(svg) is not None
    assert "<b>" not in svg
    assert "<script>" not in svg
