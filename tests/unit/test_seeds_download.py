import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.common.errors import InputError
from scripts.common.files import sha256_of, write_json
from scripts.common.tables import read_table
from scripts.seeds.download import download
from scripts.seeds.locks import Lock
from scripts.seeds.patience import Patience
from scripts.seeds.rows import SHARD, raw_rows
from scripts.seeds.sources import Entry
from tests.unit.webserver import file, serve, status

HASTE = Patience(attempts=2, first_wait=0, longest_wait=0, timeout=0.3)
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
    values |= {"licence": "x", "terms": "https://example.org/terms", "note": "Ask for access first."}
    return Entry(**values | changes)


def test_a_download_keeps_the_rows_in_order_and_only_the_named_columns(tmp_path, dataset):
    source, folder = entry(dataset), tmp_path / "downloads" / "web"
    manifest = download(source, folder, 1000, shard_rows=40)
    write_json(folder / "manifest.json", manifest)
    rows = [json.loads(text) for _, text in raw_rows(source, tmp_path / "downloads", 35, 85)]
    assert (manifest["rows"], manifest["complete"]) == (100, True)
    assert rows == [{name: row[name] for name in ("content", "url")} for row in ROWS[35:85]]


@pytest.mark.parametrize("name", ["train.jsonl", "train.jsonl.gz"])
def test_json_lines_are_streamed_like_parquet(tmp_path, name):
    folder = tmp_path / "lines"
    folder.mkdir()
    data = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    for maximum in (30, 1000):
        shards = download(entry(folder), tmp_path / "web", maximum, shard_rows=40)["shards"]
    texts = [
        text for shard in shards for text in read_table(tmp_path / "web" / shard["file"], SHARD)["row"].to_pylist()
    ]
    assert [json.loads(text)["content"] for text in texts] == [row["content"] for row in ROWS]


def test_a_shard_of_huge_rows_is_closed_by_its_size(tmp_path, dataset, monkeypatch):
    monkeypatch.setattr("scripts.seeds.download.SHARD_CHARACTERS", 500)
    shards = download(entry(dataset), tmp_path / "web", 1000)["shards"]
    assert max(shard["rows"] for shard in shards) <= 10
    assert sum(shard["rows"] for shard in shards) == 100


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


def test_an_interrupted_download_goes_on_with_no_row_lost_or_doubled(tmp_path, dataset):
    source, folder, broken = entry(dataset), tmp_path / "web", dataset / "train-1.parquet"
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    with pytest.raises((InputError, pa.ArrowInvalid)):
        download(source, folder, 1000, shard_rows=20, patience=HASTE)
    assert not (folder / "manifest.json").exists()
    broken.write_bytes(whole)
    shards = download(source, folder, 1000, shard_rows=20)["shards"]
    texts = [text for shard in shards for text in read_table(folder / shard["file"], SHARD)["row"].to_pylist()]
    assert [json.loads(text)["content"] for text in texts] == [row["content"] for row in ROWS]


def test_a_shard_without_its_record_is_written_again(tmp_path, dataset):
    source, folder = entry(dataset), tmp_path / "web"
    shards = download(source, folder, 20, shard_rows=20)["shards"]
    (folder / "shard-00001.parquet").write_bytes(b"a job was killed before it recorded this one")
    assert download(source, folder, 40, shard_rows=20)["shards"][0] == shards[0]
    assert read_table(folder / "shard-00001.parquet", SHARD).num_rows == 20


def test_offline_nothing_is_downloaded_and_the_reason_is_told(tmp_path):
    with pytest.raises(InputError, match="source `web`: HF_HUB_OFFLINE is set"):
        download(entry("someone/pages"), tmp_path / "web", 10)


def test_a_file_is_kept_as_it_is_and_read_by_parts(tmp_path):
    titles = b"How to Swim\nHow to Dive\ncaf\xe9\nHow to Row\n"
    with serve(status(503), file(titles), name="titles.txt") as (url, requests):
        source = entry(url, where="url", columns={"text": "text"})
        for _ in range(2):
            manifest = download(source, tmp_path / "web", 2, patience=HASTE)
            write_json(tmp_path / "web" / "manifest.json", manifest)
    assert (manifest["file"], manifest["size"], manifest["locked"], len(requests)) == (
        "titles.txt",
        len(titles),
        False,
        2,
    )
    rows = list(raw_rows(source, tmp_path, 1, 4))
    assert [place for place, _ in rows] == ["titles.txt:2", "titles.txt:3", "titles.txt:4"]
    assert (rows[0][1], rows[1][1].reason) == ({"text": "How to Dive"}, "not_utf8")


def test_a_lock_of_a_file_is_kept_to_and_a_new_one_fetches_again(tmp_path):
    old, new = b'{"content": "old"}\n', b'{"content": "new"}\n'
    sums = {}
    for name, data in (("old", old), ("new", new)):
        (tmp_path / name).write_bytes(data)
        sums[name] = sha256_of(tmp_path / name)
    with serve(file(old), file(new, etag='"two"')) as (url, requests):
        locks = {name: Lock("web", url, sha256=sums[name]) for name in sums}
        manifest = download(entry(url, where="url", lock=locks["old"]), tmp_path / "web", 10, patience=HASTE)
        assert (manifest["locked"], manifest["sha256"]) == (True, sums["old"])
        download(entry(url, where="url", lock=locks["old"]), tmp_path / "web", 10, patience=HASTE)
        assert len(requests) == 1
        assert download(entry(url, where="url", lock=locks["new"]), tmp_path / "web", 10)["sha256"] == sums["new"]
        with pytest.raises(
            InputError, match=r"lock_sources.*or leave the source out with --config 'seeds=.sources: .web: 0"
        ):
            download(entry(url, where="url", lock=locks["old"]), tmp_path / "web", 10, patience=HASTE)


def test_a_file_that_is_refused_names_the_terms_and_the_way_around(tmp_path):
    with serve(status(403)) as (url, _), pytest.raises(InputError) as caught:
        download(entry(url, where="url"), tmp_path / "web", 10, patience=HASTE)
    for part in (
        "answers 403",
        "https://example.org/terms",
        "`hf auth login`",
        "{sources: {web: 0}}",
        "Ask for access",
    ):
        assert part in str(caught.value)


def test_rows_that_were_never_downloaded_are_an_error(tmp_path, dataset):
    with pytest.raises(InputError, match="not downloaded"):
        list(raw_rows(entry(dataset), tmp_path, 0, 10))
