"""The folder opens with `datasets` as the published dataset does: configurations, columns, types, rows."""

import pyarrow.parquet as pq
import pytest

from scripts.common.counts import Counts
from scripts.common.schemas import DATASET, PROMPTS
from scripts.common.tables import read_table, write_table
from tests.unit.test_dataset_split import write_card, write_part, write_split

datasets = pytest.importorskip("datasets")

PUBLISHED = ["prompt", "text_token_length", "text", "seed_data", "format", "audience"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A split with an empty first part, one whose rows name no topic, and one without rows."""
    made = tmp_path_factory.mktemp("made")
    web = [write_part(made, []), write_part(made, ["a", "b", "c"], part="001", contaminated=["b"])]
    wikihow = write_part(made, ["d"], source="wikihow", licences={"d": None})
    row = read_table(wikihow["prompts"], PROMPTS).to_pylist()[0]
    write_table(wikihow["prompts"], [row | {"topic": None}], PROMPTS)
    empty = write_split(made, [write_part(made, [], source="ultrachat")], name="stories")
    write_card(made, [write_split(made, web), write_split(made, [wikihow], name="wikihow"), empty])
    return made / "dataset"


@pytest.fixture(scope="module")
def loaded(folder, tmp_path_factory):
    """Configuration → its train split, for every one that the folder offers."""
    cache = str(tmp_path_factory.mktemp("cache"))
    names = datasets.get_dataset_config_names(str(folder))
    return {name: datasets.load_dataset(str(folder), name, split="train", cache_dir=cache) for name in names}


def test_every_split_with_rows_is_a_configuration(loaded):
    assert list(loaded) == ["web_samples", "wikihow"]


def test_columns_are_the_published_ones_in_their_order_then_ours_and_of_the_same_types_everywhere(loaded):
    for rows in loaded.values():
        assert rows.column_names == DATASET.names
        assert rows.column_names[: len(PUBLISHED)] == PUBLISHED
        types = {name: feature.dtype for name, feature in rows.features.items()}
        assert types == {name: "int64" if name == "text_token_length" else "string" for name in DATASET.names}


def test_rows_are_those_of_the_counts(folder, loaded):
    for name, rows in loaded.items():
        counts = Counts.read(folder / f"{name}.counts.json")
        assert len(rows) == counts.rows_out > 0
    assert loaded["web_samples"]["prompt_id"][:] == ["a", "c"]


def test_published_columns_have_no_nulls_and_ours_may(loaded):
    for rows in loaded.values():
        assert all(None not in rows[name][:] for name in PUBLISHED)
    assert (loaded["wikihow"]["topic"][:], loaded["wikihow"]["license"][:]) == ([None], [None])


def test_files_are_laid_out_as_published(folder):
    files = sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*"))
    assert files == [
        "stories/train-00000-of-00001.parquet",
        "web_samples/train-00000-of-00002.parquet",
        "web_samples/train-00001-of-00002.parquet",
        "wikihow/train-00000-of-00001.parquet",
    ]
    assert {pq.read_schema(folder / name).remove_metadata() for name in files} == {DATASET}


def test_a_split_opens_as_a_stream(folder):
    rows = datasets.load_dataset(str(folder), "web_samples", split="train", streaming=True)
    assert [row["prompt_id"] for row in rows] == ["a", "c"]
