"""Seeds of a part that become prompts: every one is used or has a reason."""

import pyarrow as pa
import pytest

from scripts.common.errors import InputError
from scripts.common.schemas import ASSIGNMENTS
from scripts.prompts.build import Builder, Clusters, Selection
from scripts.prompts.render import Recipe
from scripts.prompts.templates import load
from tests.unit.prompt_seeds import WEB, batch, rows_of, seed


def clusters(seeds, numbers):
    rows = [{"seed_id": row["seed_id"], "cluster_id": n} for row, n in zip(seeds, numbers, strict=True)]
    return Clusters(pa.Table.from_pylist(rows, ASSIGNMENTS).select(["seed_id", "cluster_id"]).to_batches(2))


def run_builder(seeds, selection, size=3):
    builder = Builder(selection, Recipe(load(WEB), "web_samples"))
    batches = [batch(seeds[start : start + size]) for start in range(0, len(seeds), size)]
    return rows_of(builder.prompts(batches)), builder


def topics(**decisions):
    return {
        int(key[1:]): {"topic": f"Topic {key}", "decision": decision, "reason": "score 1 < 3"}
        for key, decision in decisions.items()
    }


def test_every_seed_is_used_or_has_a_reason():
    seeds = [seed(n) for n in range(4)]
    ids = [row["seed_id"] for row in seeds]
    known = topics(c0="kept", c1="removed")
    selection = Selection("web/part-001", {ids[0]: "web/part-000"}, clusters(seeds, [0, -1, 0, 1]), known)
    prompts, builder = run_builder(seeds, selection)
    assert {p["seed_id"] for p in prompts} == {ids[2]}
    assert [(row["id"], row["reason"]) for row in builder.rejected] == [
        (ids[0], "duplicate_seed"),
        (ids[1], "noise"),
        (ids[3], "topic_removed"),
    ]
    assert builder.rejected[2]["detail"] == "cluster 1, Topic c1: score 1 < 3"
    counts = builder.counts("web", "001")
    assert (counts.rows_in, counts.added, counts.rows_out) == (4, 3, 4)


def test_noise_may_be_kept_without_a_topic():
    seeds = [seed(1), seed(2)]
    known = topics(c0="kept")
    prompts, builder = run_builder(seeds, Selection("web/part-000", {}, clusters(seeds, [-1, 0]), known, True))
    assert {p["topic"] for p in prompts if p["seed_id"] == seeds[0]["seed_id"]} == {None}
    assert len(prompts) == 8
    assert builder.rejected == []


def test_the_kept_copy_of_a_duplicate_seed_is_used():
    row = seed(1)
    prompts, _ = run_builder([row], Selection("web/part-000", {row["seed_id"]: "web/part-000"}))
    assert len(prompts) == 4


def test_a_seed_that_no_template_fits_is_kept_aside():
    rows = [seed(1, language="ko"), seed(2, text=" \n"), seed(3, "wikihow", "title"), seed(4, text=None)]
    prompts, builder = run_builder(rows, Selection("web/part-000", {}))
    assert prompts == []
    assert builder.counts("web", "000").rejected == {"no_template": 4}


def test_missing_clusters_and_topics_are_named():
    with pytest.raises(InputError, match="not of these seeds in their order"):
        run_builder([seed(1)], Selection("web/part-000", {}, clusters([], []), {}))
    with pytest.raises(InputError, match="cluster 7 is not in the topics table"):
        run_builder([seed(1)], Selection("web/part-000", {}, clusters([seed(1)], [7]), {}))
