import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.common.errors import InputError
from scripts.common.files import read_json
from scripts.tokenize.split import main, tokenize_split
from scripts.tokenize.tokenizer import load_tokenizer

TOKENIZER = "resources/tiny-lm"
TEXTS = [f"Text number {number} speaks of the Moon." for number in range(20)]


def write_split(folder, *files, column="text"):
    folder.mkdir()
    for number, texts in enumerate(files):
        table = pa.table({column: pa.array(texts, pa.string())})
        pq.write_table(table, folder / f"train-{number:05d}-of-{len(files):05d}.parquet")
    return folder


def read_documents(folder):
    tokenizer = load_tokenizer(TOKENIZER)
    documents = []
    for path in sorted(folder.glob("*.ds")):
        tokens = np.fromfile(path, "<u2")
        ends = np.fromfile(path.with_name(path.name + ".index"), "<u8")
        documents += np.split(tokens, ends[:-1].astype(int))
    return tokenizer, documents


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokens")
    dataset = write_split(folder / "dataset", TEXTS[:12], TEXTS[12:])
    summary = tokenize_split(dataset, folder / "tokens", TOKENIZER, seed=1)
    return folder, summary


def test_every_document_is_there_once_and_ends_with_the_end_token(tokens):
    tokenizer, documents = read_documents(tokens[0] / "tokens")
    assert all(document[-1] == tokenizer.special_id("eos_token") for document in documents)
    assert sorted(tokenizer.backend.decode(document[:-1]) for document in documents) == sorted(TEXTS)


def test_documents_are_shuffled_within_their_file(tokens):
    tokenizer, documents = read_documents(tokens[0] / "tokens")
    order = [tokenizer.backend.decode(document[:-1]) for document in documents]
    assert order != TEXTS
    assert sorted(order[:12]) == sorted(TEXTS[:12])


def test_summary_counts_documents_and_tokens(tokens):
    folder, summary = tokens
    _, documents = read_documents(folder / "tokens")
    assert summary == read_json(folder / "tokens" / "tokens.json")
    assert (summary["documents"], summary["tokens"]) == (len(TEXTS), sum(map(len, documents)))


def test_metadata_names_the_tokenizer_as_it_was_given(tokens):
    for path in (tokens[0] / "tokens").glob("*.metadata"):
        assert path.read_text().splitlines()[0] == f"{TOKENIZER}|2"


def test_same_seed_gives_same_bytes_and_another_seed_another_order(tokens, tmp_path):
    folder, _ = tokens
    for seed, same in [(1, True), (2, False)]:
        tokenize_split(folder / "dataset", tmp_path / str(seed), TOKENIZER, seed)
        files = [path.read_bytes() for path in sorted((tmp_path / str(seed)).iterdir())]
        assert (files == [path.read_bytes() for path in sorted((folder / "tokens").iterdir())]) is same


def test_a_file_without_rows_is_passed_over(tmp_path):
    summary = tokenize_split(write_split(tmp_path / "dataset", [], TEXTS), tmp_path / "tokens", TOKENIZER, 1)
    assert summary["documents"] == len(TEXTS)
    assert len(list((tmp_path / "tokens").glob("*.ds"))) == 1


def test_an_empty_split_has_its_summary_only(tmp_path):
    main(
        [
            *("--dataset", str(write_split(tmp_path / "dataset", []))),
            *("--output", str(tmp_path / "tokens"), "--tokenizer", TOKENIZER, "--seed", "1"),
        ]
    )
    assert [path.name for path in (tmp_path / "tokens").iterdir()] == ["tokens.json"]
    assert read_json(tmp_path / "tokens" / "tokens.json")["documents"] == 0


def test_a_folder_without_parquet_files_is_named(tmp_path):
    with pytest.raises(InputError, match="holds no Parquet file"):
        tokenize_split(tmp_path, tmp_path / "tokens", TOKENIZER, 1)


def test_a_missing_text_column_is_named(tmp_path):
    dataset = write_split(tmp_path / "dataset", TEXTS, column="content")
    with pytest.raises(InputError, match="no column `text`; it has content"):
        tokenize_split(dataset, tmp_path / "tokens", TOKENIZER, 1)


def test_a_folder_without_a_tokenizer_is_named(tmp_path):
    with pytest.raises(InputError, match=r"tokenize\.tokenizer.*tokenizer\.json, tokenizer_config\.json missing"):
        load_tokenizer(str(tmp_path))


def test_a_hub_tokenizer_that_is_not_on_this_machine_is_named(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"nobody/nothing.*tokenize\.tokenizer"):
        load_tokenizer("nobody/nothing")


def test_a_tokenizer_without_an_end_token_is_refused(tmp_path):
    shutil.copy(f"{TOKENIZER}/tokenizer.json", tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"bos_token": {"content": "<|startoftext|>"}}')
    with pytest.raises(InputError, match="no end-of-sequence token"):
        load_tokenizer(str(tmp_path))
