import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.schemas import CONTAMINATION, DATASET, GENERATIONS, NEAR_DUPLICATES, PROMPTS, SEEDS
from scripts.common.tables import read_table, write_batches, write_table
from scripts.dataset import card, split
from scripts.dataset.licences import Licences
from tests.unit.sealed import arguments, decide, rows

KINDS = ("prompts", "seeds", "generations", "decisions", "contamination")


def write_part(folder, ids, part="000", source="web", texts=None, failed=(), contaminated=(), licences=None):
    """All files of one part whose prompts have these ids; returns them by kind."""
    name = f"{source}/part-{part}.parquet"
    prompts = [
        {
            "prompt_id": prompt_id,
            "prompt": f"Write about {prompt_id}.",
            "seed_id": f"seed-{prompt_id}",
            "seed_data": "web_samples",
            "format": "blogpost",
            "audience": "general",
            "topic": "Weather",
            "topic_in_prompt": True,
            "template_id": "en/web/blogpost/general",
            "language": "en",
        }
        for prompt_id in ids
    ]
    seeds = [
        {"seed_id": f"seed-{prompt_id}", "source": source, "license": licence, "origin": f"page {prompt_id}"}
        for prompt_id in ids
        for licence in [(licences or {}).get(prompt_id, "CC BY 4.0")]
    ]
    written = [prompt_id for prompt_id in ids if prompt_id not in failed]
    pairs = [
        {"prompt_id": prompt_id, "benchmark": "piqa", "row": "1", "ratio": ratio, "span": "s", "decision": decision}
        for prompt_id in ids
        for ratio, decision in ([(0.9, "removed")] if prompt_id in contaminated else [(0.2, "kept")])
    ]
    write_table(folder / "prompts" / name, prompts, PROMPTS)
    write_table(folder / "seeds" / name, seeds, SEEDS)
    sealed = rows([(texts or {}).get(prompt_id, f"Text of {prompt_id}.") for prompt_id in written], written)
    write_table(folder / "generations" / name, sealed, GENERATIONS)
    write_batches(folder / "contamination" / name, [pairs] if pairs else [], CONTAMINATION)
    decide(folder, folder / "generations" / name)
    return {kind: folder / ("clean" if kind == "decisions" else kind) / name for kind in KINDS}


def write_duplicates(folder, removed=()):
    path = folder / "removed.parquet"
    found = [{"removed_id": name, "kept_id": "a", "jaccard": 0.9, "cluster": "a"} for name in removed]
    write_table(path, found, NEAR_DUPLICATES)
    return path


def write_split(folder, parts, duplicates=(), name="web_samples", permissive=False):
    output = folder / "dataset" / name
    split.main(
        [
            "--permissive" if permissive else "--no-permissive",
            *arguments(
                **{kind: [part[kind] for part in parts] for kind in KINDS},
                duplicates=write_duplicates(folder, duplicates),
                licences="resources/licences.tsv",
                split=name,
                output=output,
                counts=output.with_name(f"{name}.counts.json"),
            ),
        ]
    )
    return output


def test_every_prompt_is_a_row_or_has_a_reason(tmp_path):
    first = write_part(tmp_path, ["a", "b", "c", "d", "e"], texts={"c": None}, failed=["b"], contaminated=["d"])
    second = write_part(tmp_path, ["f", "g"], part="001")
    output = write_split(tmp_path, [first, second], duplicates=["g"])

    assert sorted(path.name for path in output.iterdir()) == [
        "train-00000-of-00002.parquet",
        "train-00001-of-00002.parquet",
    ]
    table = read_table(output / "train-00000-of-00002.parquet", DATASET)
    assert pq.read_schema(output / "train-00000-of-00002.parquet").names == DATASET.names
    assert table.to_pylist()[0] == {
        "prompt": "Write about a.",
        "text_token_length": 200,
        "text": "Text of a.",
        "seed_data": "web_samples",
        "format": "blogpost",
        "audience": "general",
        "prompt_id": "a",
        "seed_id": "seed-a",
        "topic": "Weather",
        "language": "en",
        "license": "CC BY 4.0",
        "origin": "page a",
    }
    assert table["prompt_id"].to_pylist() == ["a", "e"]
    assert read_table(output / "train-00001-of-00002.parquet", DATASET)["prompt_id"].to_pylist() == ["f"]
    counts = Counts.read(tmp_path / "dataset/web_samples.counts.json")
    assert (counts.rows_in, counts.rows_out) == (7, 3)
    assert counts.rejected == {"not_generated": 1, "empty": 1, "contaminated": 1, "near_duplicate": 1}


def test_the_same_input_gives_the_same_bytes(tmp_path):
    part = write_part(tmp_path, ["a", "b"])
    name = "train-00000-of-00001.parquet"
    first = (write_split(tmp_path, [part]) / name).read_bytes()
    assert (write_split(tmp_path, [part]) / name).read_bytes() == first


def test_files_of_an_earlier_run_with_more_parts_go(tmp_path):
    parts = [write_part(tmp_path, ["a"]), write_part(tmp_path, ["b"], part="001")]
    write_split(tmp_path, parts)
    output = write_split(tmp_path, parts[:1])
    assert [path.name for path in output.iterdir()] == ["train-00000-of-00001.parquet"]


def test_an_empty_part_has_a_file_without_row_groups(tmp_path):
    output = write_split(tmp_path, [write_part(tmp_path, []), write_part(tmp_path, ["a"], part="001")])
    assert pq.ParquetFile(output / "train-00000-of-00002.parquet").num_row_groups == 0


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    part = write_part(tmp_path, ["a", "b"])
    other = write_part(tmp_path, ["a", "b"], part="001")
    with pytest.raises(InputError, match=r"one part are of web/part-000.parquet, web/part-001.parquet"):
        write_split(tmp_path, [part | {"seeds": other["seeds"]}])
    swapped = write_part(tmp_path / "swapped", ["b", "a"])
    with pytest.raises(InputError, match="does not hold the texts of"):
        write_split(tmp_path, [part | {kind: swapped[kind] for kind in ("generations", "decisions")}])
    fewer = write_part(tmp_path / "fewer", ["a"])
    with pytest.raises(InputError, match=r"does not hold the texts of .*at prompt b"):
        write_split(tmp_path, [part | {kind: fewer[kind] for kind in ("prompts", "seeds")}])
    with pytest.raises(InputError, match=r"prompt b was made from seed seed-b, which .* does not have"):
        write_split(tmp_path, [part | {"seeds": fewer["seeds"]}])


LICENCES = {"a": "MIT", "b": "CC-BY-SA-4.0", "c": None, "d": "LicenseRef-Own", "e": "CC-BY-4.0", "f": "CC-BY-SA-4.0"}


def test_a_permissive_dataset_leaves_other_licences_out_and_counts_them(tmp_path):
    part = write_part(tmp_path, list("abcdef"), contaminated=["f"], licences=LICENCES)
    everything = write_split(tmp_path, [part], name="all")
    output = write_split(tmp_path, [part], permissive=True)
    name = "train-00000-of-00001.parquet"
    assert read_table(everything / name, DATASET)["prompt_id"].to_pylist() == list("abcde")
    table = read_table(output / name, DATASET)
    assert (table["prompt_id"].to_pylist(), table["license"].to_pylist()) == (["a", "e"], ["MIT", "CC-BY-4.0"])
    counts = Counts.read(tmp_path / "dataset/web_samples.counts.json")
    assert (counts.rows_in, counts.rows_out) == (6, 2)
    assert counts.rejected == {"contaminated": 1, "licence": 3}


def test_the_card_states_licences_by_count(tmp_path):
    part = write_part(tmp_path, list("abcde"), licences=LICENCES)
    text = write_card(tmp_path, [write_split(tmp_path, [part])], passed_on=5)
    assert "2 of 5 documents come from seeds with a permissive licence" in text
    assert "| CC-BY-4.0 | 1 | yes | Any use that names the author. |" in text
    assert "| CC-BY-SA-4.0 | 1 | no | Share-alike" in text
    assert "| – | 1 | no | No licence is stated. |" in text
    text = write_card(tmp_path, [write_split(tmp_path, [part], permissive=True)], passed_on=5, permissive=True)
    assert "Documents whose seed's licence is not permissive were left out." in text
    assert "| dataset_split | 5 | 0 | 2 | licence 3 |" in text
    assert "CC-BY-SA-4.0" not in text


def test_the_card_sums_rare_licences_up():
    rows = {"MIT": 50} | {f"LicenseRef-{number:02}": 1 for number in range(30)}
    found = card.describe_licences(rows, Licences(Path("resources/licences.tsv")))
    assert (len(found["listed"]), found["listed"][0]["name"], found["permissive"]) == (20, "MIT", 50)
    assert found["others"] == {"licences": 11, "rows": 11}


SUMMARY = {
    "documents": 400,
    "rounds": 4,
    "clusters": 5,
    "members": 12,
    "largest_cluster": 3,
    "removed": 4,
    "spared": 3,
    "minimum_jaccard": 0.7,
    "maximum_cluster": 1000,
    "minhash": {"clusters": 4, "members": 10, "removed": 6},
    "sources": {"web": 300, "openstax": 100},
    "formats": {"blogpost": 400},
    "by_source": {"web": {"web": 1, "openstax": 2}, "openstax": {"openstax": 1}},
    "by_format": {"blogpost": {"blogpost": 4}},
    "by_format_same_seed": {"blogpost": {"blogpost": 3}},
    "alarms": [],
}
GENERATION = {
    "model": "resources/tiny-lm",
    "revision": "files-0123456789abcdef",
    "engines": {"transformers": 3},
    "sampling": {
        "temperature": 0.6,
        "top_p": 0.95,
        "top_k": 50,
        "repetition_penalty": 1.2,
        "max_new_tokens": 320,
        "stop": ["<|end|>"],
    },
    "seed": 1234,
    "total": {"texts": 3, "finish_reasons": {"stop": 2, "length": 1}},
}
RULE = {"ngram": 10, "ratio": 0.5, "short_rows": "report"}
ALARM = {
    "cluster": "0a" * 16,
    "size": 2345,
    "sources": {"web": 2300, "openstax": 45},
    "formats": {"blogpost": 2345},
    "examples": ["0a" * 16],
    "jaccard": {"pairs": 10, "minimum": 0.5, "median": 0.75, "maximum": 1.0},
}
CONTROL = {
    "planted": 16,
    "hosts": 16,
    "kinds": [
        {
            "kind": "whole",
            "description": "the whole row",
            "planted": 8,
            "expected_removed": 8,
            "removed": 8,
            "agreed": 8,
        },
        {"kind": "nine", "description": "nine | words", "planted": 8, "expected_removed": 0, "removed": 0, "agreed": 8},
    ],
    "recall": {"value": 1.0, "low": 0.676, "high": 1.0, "found": 8, "of": 8},
    "precision": {"value": 1.0, "low": 0.676, "high": 1.0, "right": 8, "of": 8},
    "clean": {"documents": 16, "removed": 0},
}


def write_card(folder, splits, passed_on=3, permissive=False, **changes):
    counts = Counts("decontaminate_scan", passed_on, passed_on, {}, "web", "000")
    counts.write(folder / "scan.counts.json")
    (folder / "summary.json").write_text(json.dumps(SUMMARY))
    (folder / "manifest.json").write_text(json.dumps(GENERATION))
    cut = {"opening": {"action": "cut", "removed": 0, "flagged": 0, "cut": 7}}
    (folder / "cleaned.json").write_text(json.dumps({"rules": cut}))
    cells = {"piqa": {"documents": 2, "rows": 1}}
    published = {"source": "dataset card", "cells": {"piqa": "5 (3)"}}
    lines = [{"group": "web, stanford, openstax", "documents": 3, "removed": 2, "cells": cells, "published": published}]
    names = [{"benchmark": "piqa", "name": "PIQA", "checked": 12, "uncheckable": 1}]
    (folder / "table.json").write_text(json.dumps({"benchmarks": names, "groups": lines}))
    (folder / "sources.tsv").write_text(
        "source\twhere\tlocation\tdataset_split\tlicence\tterms\nweb\tsample\tsample/web\tweb_samples\tCC0 | own\t\n"
    )
    flags = {
        "splits": splits,
        "counts": [folder / "scan.counts.json", *(path.with_name(path.name + ".counts.json") for path in splits)],
        "duplicates": folder / "summary.json",
        "contamination": folder / "table.json",
        "sources": folder / "sources.tsv",
        "licences": "resources/licences.tsv",
        "where": "sample",
        "used": ["web"],
        "name": 'A "quoted" name: yes',
        "scale": "tiny",
        "deduplicate": {"ngram": 5, "buckets": 14, "hashes_per_bucket": 8},
        "decontaminate": RULE,
        "generations": folder / "manifest.json",
        "minimum_tokens": 150,
        "tokenizer": "resources/tiny-lm",
        "cleaned": folder / "cleaned.json",
        "output": folder / "dataset" / "README.md",
    }
    card.main(["--permissive" if permissive else "--no-permissive", *arguments(**flags | changes)])
    return (folder / "dataset" / "README.md").read_text()


def test_the_card_tells_of_every_split_and_loads_with_datasets(tmp_path):
    pytest.importorskip("datasets")
    from datasets import load_dataset

    parts = [write_part(tmp_path, []), write_part(tmp_path, ["a", "b", "c"], part="001")]
    full = write_split(tmp_path, parts)
    empty = write_split(tmp_path, [write_part(tmp_path, [], source="ultrachat")], name="stories")
    text = write_card(tmp_path, [full, empty])
    front = yaml.safe_load(text.split("---\n")[1])
    assert front["pretty_name"] == 'A "quoted" name: yes'
    assert front["size_categories"] == ["n<1K"]
    assert [config["config_name"] for config in front["configs"]] == ["web_samples"]
    assert "| web_samples | 2 | 3 | 600 |" in text
    assert "| opening | cut | 0 | 7 |" in text
    assert "| stories | 1 | 0 | 0 |" in text
    assert "| web | web_samples | sample/web | CC0 \\| own | – |" in text
    assert "| web, stanford, openstax | 3 | 2 (1) |\n| *published: dataset card* | | 5 (3) |\n" in text
    assert str(tmp_path) not in text
    loaded = load_dataset(str(tmp_path / "dataset"), "web_samples", split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded["prompt_id"][:] == ["a", "b", "c"]
    assert write_card(tmp_path, [full, empty]) == text


def test_only_the_tiny_scale_is_called_meaningless(tmp_path):
    output = write_split(tmp_path, [write_part(tmp_path, ["a", "b", "c"])])
    assert "**The texts are meaningless.**" in write_card(tmp_path, [output])
    assert "meaningless" not in write_card(tmp_path, [output], scale="full")


def test_a_chain_of_counts_that_breaks_stops_the_card(tmp_path):
    output = write_split(tmp_path, [write_part(tmp_path, ["a", "b"])])
    with pytest.raises(InputError, match="decontaminate_scan passed on 3 rows but dataset_split has 2"):
        write_card(tmp_path, [output])
    steps = [
        Counts("clean_filter", 5, 4, {"empty": 1}),
        Counts("deduplicate_verify", 5, 5),
        Counts("dataset_split", 5, 5),
    ]
    with pytest.raises(InputError, match="clean_filter passed on 4 rows but deduplicate_verify has 5"):
        card.check_chain(steps)


def test_a_source_without_licence_line_is_named(tmp_path):
    output = write_split(tmp_path, [write_part(tmp_path, ["a", "b", "c"])])
    with pytest.raises(InputError, match=r"sources.tsv has no row for source wikihow with where=sample"):
        write_card(tmp_path, [output], used=["web", "wikihow"])


@pytest.mark.parametrize(
    ("rows", "name"), [(0, "n<1K"), (1000, "1K<n<10K"), (31_060_000, "10M<n<100M"), (10**9, "n>1B")]
)
def test_size_categories_are_the_hubs(rows, name):
    assert card.size_category(rows) == name
