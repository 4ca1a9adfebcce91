import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.common.errors import InputError
from scripts.common.files import write_json
from scripts.common.tables import read_table
from scripts.seeds.download import download
from scripts.seeds.rows import SHARD, raw_rows
from scripts.seeds.sources import Entry

ROWS = [{"content": f"Page {number}", "url": f"https://example.org/{number}", "more": [[1]]} for number in range(100)]


@pytest.fixture
def dataset(tmp_path):
    """A dataset of two Parquet files in a folder, which the library opens like one of the Hub."""
    folder = tmp_path / "dataset"
    folder.mkdir()
    for number in range(2):
        table = pa.Table.from_pylist(ROWS[number * 50 : number * 50 + 50])
        pq.write_table(table, folder / f"train-{number}.parquet", row_group_size=20)
    return folder


def entry(dataset, **changes):
    values = {"source": "web", "where": "hub", "location": str(dataset), "revision": "", "config": "", "split": "train"}
    values |= {"reader": "passage", "kind": "passage", "columns": {"text": "content", "url": "url"}, "filters": ()}
    return Entry(**values | {"licence": "x", "note": "Ask for access first."} | changes)


def test_a_download_keeps_the_rows_in_order_and_only_the_named_columns(tmp_path, dataset):
    source, folder = entry(dataset), tmp_path / "downloads" / "web"
    manifest = download(source, folder, 1000, shard_rows=40)
    write_json(folder / "manifest.json", manifest)
    rows = [json.loads(text) for _, text in raw_rows(source, tmp_path / "downloads", 35, 85)]
    assert (manifest["rows"], manifest["complete"]) == (100, True)
    assert rows == [{name: row[name] for name in ("content", "url")} for row in ROWS[35:85]]


def test_a_download_goes_on_where_an_earlier_one_stopped(tmp_path, dataset):
    source, folder = entry(dataset), tmp_path / "web"
    first = download(source, folder, 30, shard_rows=20)["shards"]
    before = [(folder / shard["file"]).stat().st_mtime_ns for shard in first]
    shards = download(source, folder, 70, shard_rows=20)["shards"]
    assert [shard["rows"] for shard in shards] == [20, 10, 20, 20]
    assert [(folder / shard["file"]).stat().st_mtime_ns for shard in first] == before
    texts = [text for shard in shards for text in read_table(folder / shard["file"], SHARD)["row"].to_pylist()]
    assert [json.loads(text)["content"] for text in texts] == [row["content"] for row in ROWS[:70]]


def test_another_dataset_in_the_registry_starts_afresh(tmp_path, dataset):
    download(entry(dataset), tmp_path / "web", 100, shard_rows=20)
    manifest = download(entry(dataset, columns={"text": "content"}), tmp_path / "web", 30, shard_rows=20)
    assert [shard["rows"] for shard in manifest["shards"]] == [20, 10]
    assert len(list((tmp_path / "web").glob("shard-*.parquet"))) == 2


def test_a_column_that_the_dataset_lacks_is_named_with_those_it_has(tmp_path, dataset):
    with pytest.raises(InputError, match="no column text; it has content, url, more"):
        download(entry(dataset, columns={"text": "text"}), tmp_path / "web", 10)


def test_a_dataset_that_cannot_be_reached_gives_the_note_of_the_registry_or_the_cause(tmp_path):
    with pytest.raises(InputError, match="HF_HUB_OFFLINE"):
        download(entry("someone/pages"), tmp_path / "web", 10)


def test_rows_that_were_never_downloaded_are_an_error(tmp_path, dataset):
    with pytest.raises(InputError, match="not downloaded"):
        list(raw_rows(entry(dataset), tmp_path, 0, 10))
