"""What a run may meet on its way to the dataset: nothing, too much, twice, damaged; each is told or counted."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.schemas import DATASET, GENERATIONS, PROMPTS, SEEDS
from scripts.common.tables import read_table, write_table
from scripts.dataset.explain import explain
from scripts.dataset.lookup import Run
from tests.unit.history import STEPS, prompt, write_run
from tests.unit.sealed import actions, decide
from tests.unit.test_dataset_split import KINDS, write_card, write_part, write_split

FILE = "train-00000-of-00001.parquet"


def kept(output, name=FILE):
    return read_table(output / name, DATASET)["prompt_id"].to_pylist()


def rejected(output):
    return Counts.read(output.with_name(f"{output.name}.counts.json")).rejected


def test_an_empty_part_goes_all_the_way(tmp_path):
    output = write_split(tmp_path, [write_part(tmp_path, [])])
    assert (kept(output), rejected(output)) == ([], {})


def test_rows_without_a_text_are_counted(tmp_path):
    output = write_split(tmp_path, [write_part(tmp_path, ["a", "b", "c"], texts={"a": None, "b": " \n"})])
    assert (kept(output), rejected(output)) == (["c"], {"empty": 2})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"no Parquet", lambda data: b""])
def test_a_damaged_file_is_named(tmp_path, kind, damage):
    part = write_part(tmp_path, ["a", "b"])
    part[kind].write_bytes(damage(part[kind].read_bytes()))
    with pytest.raises(InputError, match=rf"{part[kind]} is not a readable Parquet file .*Delete it and run again"):
        write_split(tmp_path, [part])
    assert not list((tmp_path / "dataset/web_samples").glob("*.parquet"))


def test_a_file_of_another_kind_is_named_with_its_columns(tmp_path):
    part = write_part(tmp_path, ["a", "b"])
    with pytest.raises(InputError, match=r"prompts/web/part-000.parquet lacks the column reason; it has prompt_id,"):
        write_split(tmp_path, [part | {"decisions": part["prompts"]}])


def test_two_texts_of_one_prompt_are_named(tmp_path):
    part = write_part(tmp_path, ["a", "b"])
    table = read_table(part["generations"], GENERATIONS)
    write_table(part["generations"], pa.concat_tables([table, table.slice(1)]), GENERATIONS)
    decide(tmp_path, part["generations"])
    with pytest.raises(InputError, match=r"generations/web/part-000.parquet holds two texts of prompt b. Delete it"):
        write_split(tmp_path, [part])


def test_a_prompt_that_a_part_holds_twice_is_once_in_the_dataset(tmp_path):
    part = write_part(tmp_path, ["a", "b"])
    table = read_table(part["prompts"], PROMPTS)
    write_table(part["prompts"], pa.concat_tables([table, table.slice(1)]), PROMPTS)
    output = write_split(tmp_path, [part])
    assert (kept(output), rejected(output)) == (["a", "b"], {"not_generated": 1})


def test_a_published_column_without_a_value_is_named(tmp_path):
    part = write_part(tmp_path, ["a"])
    row = read_table(part["prompts"], PROMPTS).to_pylist()[0]
    write_table(part["prompts"], [row | {"audience": None, "topic": None}], PROMPTS)
    with pytest.raises(
        InputError, match=r"prompt a of .*prompts/web/part-000.parquet has no audience, which every row"
    ):
        write_split(tmp_path, [part])


def test_a_document_of_five_megabytes_goes_all_the_way(tmp_path):
    pytest.importorskip("datasets")
    from datasets import load_dataset

    text = "".join(f"Sentence {number} tells of a long day. " for number in range(140_000))
    assert len(text) > 5_000_000
    output = write_split(tmp_path, [write_part(tmp_path, ["a", "b", "c"], texts={"b": text})])
    write_card(tmp_path, [output])
    loaded = load_dataset(str(tmp_path / "dataset"), "web_samples", split="train", cache_dir=str(tmp_path / "cache"))
    assert [len(found) for found in loaded["text"]] == [10, len(text), 10]


def break_text(path, schema, column, row, data=b"half \xed\xa0\x80 pair"):
    """Puts bytes that are no UTF-8 (a lone surrogate) into a text of a table."""
    table = read_table(path, schema)
    texts = [value.encode() for value in table[column].to_pylist()]
    texts[row] = data
    broken = pa.array(texts, pa.binary()).view(pa.string())
    pq.write_table(table.set_column(table.schema.get_field_index(column), column, broken), path)


@pytest.mark.parametrize("rules", [actions(), actions("flag"), actions("remove")])
def test_lone_surrogates_are_left_out_and_counted_whatever_the_rules(tmp_path, rules):
    part = write_part(tmp_path, ["a", "b", "c"], texts={"c": "Nothing can be read of this. " * 40})
    break_text(part["generations"], GENERATIONS, "text", 1)
    decide(tmp_path, part["generations"], rules)
    output = write_split(tmp_path, [part])
    assert rejected(output)["broken"] == 1
    assert "b" not in kept(output)
    assert all(text.encode() for text in read_table(output / FILE, DATASET)["text"].to_pylist())


def test_lone_surrogates_in_an_origin_do_not_reach_the_dataset(tmp_path):
    part = write_part(tmp_path, ["a", "b"])
    break_text(part["seeds"], SEEDS, "origin", 1)
    with pytest.raises(InputError, match=r"seeds/web/part-000.parquet, row 2: the column origin holds no UTF-8"):
        write_split(tmp_path, [part])


def test_a_broken_text_can_be_explained(tmp_path):
    folder = write_run(tmp_path / "run", STEPS)
    break_text(folder / "generations/web/part-000.parquet", GENERATIONS, "text", 0)
    shown = explain(Run(folder), prompt("kept")).prompts[prompt("kept")]
    assert shown[1].facts["text"] == "half ��� pair"
