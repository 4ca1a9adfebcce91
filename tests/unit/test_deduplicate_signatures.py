"""The signature files are those of datatrove's own step, byte for byte."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies

from scripts.clean import documents
from scripts.common.errors import InputError
from scripts.deduplicate import buckets, signatures
from tests.unit.sealed import arguments, sealed_part

WIDTH = 8 * 8 + 4


def sample_texts():
    """Some pages of the shipped sample, near-duplicates among them."""
    lines = [
        line
        for name in ("near-duplicates", "weather")
        for line in Path(f"resources/sample/web/{name}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    return [json.loads(line)["content"] for line in lines]


def config(**changes):
    from datatrove.pipeline.dedup.minhash import MinhashConfig

    return MinhashConfig(**changes)


def write(folder, texts, configs):
    rows = ({"prompt_id": str(place), "text": text} for place, text in enumerate(texts))
    signed = signatures.write_signatures(rows, folder, configs)
    return signed, [path.read_bytes() for path in sorted(folder.rglob("*.sig"))]


def of_datatrove(folder, texts, settings):
    from datatrove.data import Document
    from datatrove.pipeline.dedup.minhash import MinhashDedupSignature

    MinhashDedupSignature(str(folder), settings).run(Document(text=text, id="") for text in texts)
    return [path.read_bytes() for path in sorted(folder.rglob("*.sig"))]


def test_each_round_writes_the_files_of_datatrove_with_another_seed(tmp_path, monkeypatch):
    monkeypatch.setattr(signatures, "BLOCK", 16)
    texts = [*sample_texts()[:20], "too short", "", "just five words of text", "it's 10km", *sample_texts()[:3]]
    rounds = [config(seed=seed) for seed in (1, 2)]
    signed, files = write(tmp_path / "ours", texts, rounds)
    assert signed == len(texts) - 3
    assert len(files) == 2 * 14
    theirs = [of_datatrove(tmp_path / f"theirs-{number}", texts, rounds[number]) for number in range(2)]
    assert files == [file for found in theirs for file in found]
    assert files[:14] == write(tmp_path / "one", texts, rounds[:1])[1]


def test_other_settings_are_those_of_datatrove_too(tmp_path):
    texts = sample_texts()[:5]
    for number, changes in enumerate(({"num_buckets": 3, "hashes_per_bucket": 1}, {"n_grams": 2, "seed": 9})):
        files = write(tmp_path / f"ours-{number}", texts, [config(**changes)])[1]
        assert files == of_datatrove(tmp_path / f"theirs-{number}", texts, config(**changes))


SMALL = strategies.sampled_from([0, 1, 2, 255, 256, 2**32, 2**61 - 2])


@settings(max_examples=30, deadline=None)
@given(strategies.lists(strategies.tuples(SMALL, SMALL, SMALL), max_size=20))
def test_records_are_sorted_by_all_their_hashes_and_then_by_place(tmp_path_factory, records):
    folder = tmp_path_factory.mktemp("sorted")
    with pytest.MonkeyPatch.context() as patch:
        # Texts give no control over their hashes.
        patch.setattr(
            signatures,
            "signatures",
            lambda rows, configs: ((place, np.array(row, np.uint64)) for place, row in enumerate(rows)),
        )
        signatures.write_signatures(iter(records), folder / "part", [config(num_buckets=1, hashes_per_bucket=3)])
    written = np.fromfile(folder / "part/bucket_000/00000.minhash.sig", np.dtype("<u8,<u8,<u8,<u4")).tolist()
    assert written == sorted((*record, place) for place, record in enumerate(records))


def test_the_program_signs_what_clean_kept_under_places_that_count_kept_documents(tmp_path):
    texts = sample_texts()[:6]
    generations, decisions = sealed_part(tmp_path, [*texts[:2], "", texts[2], "too short to sign", *texts[3:]])
    kept = [row["text"] for row in documents.kept_documents(generations, decisions)]
    assert kept == [*texts[:3], "too short to sign", *texts[3:]]
    output = tmp_path / "signatures/web/part-000"
    signatures.main(arguments(generations=generations, decisions=decisions, output=output, rounds=2))
    assert len(list(output.iterdir())) == 28
    assert [path.name for path in output.parent.iterdir()] == ["part-000"]
    record = np.dtype([("hashes", "<u8", 8), ("place", "<u4")])
    for path in output.rglob("*.sig"):
        assert sorted(np.fromfile(path, record)["place"].tolist()) == [0, 1, 2, 4, 5, 6]
    before = {path: path.read_bytes() for path in output.rglob("*.sig")}
    signatures.main(arguments(generations=generations, decisions=decisions, output=output, rounds=2))
    assert before == {path: path.read_bytes() for path in output.rglob("*.sig")}


def test_an_empty_part_gives_empty_files_that_the_next_step_reads(tmp_path):
    folders = []
    for number, texts in enumerate(([], ["nothing to sign"], [*sample_texts()[:2], *sample_texts()[:2]])):
        generations, decisions = sealed_part(tmp_path, texts, part=f"{number:03d}")
        folders.append(tmp_path / f"signatures/web/part-{number:03d}")
        signatures.main(arguments(generations=generations, decisions=decisions, output=folders[-1], rounds=2))
    assert [(folder / "bucket_027/00000.minhash.sig").stat().st_size for folder in folders] == [0, 0, 4 * WIDTH]
    for bucket in (0, 13, 14, 27):
        output = tmp_path / f"buckets/{bucket:03d}.dups"
        buckets.main(arguments(signatures=folders, bucket=bucket, rounds=2, output=output))
        assert sorted(np.fromfile(output, "<u4").reshape(-1, 4).tolist()) == [[2, 0, 2, 2], [2, 1, 2, 3]]


def test_a_signature_does_not_depend_on_the_part_or_on_its_neighbours(tmp_path):
    texts = sample_texts()[:12]

    def records(*parts):
        found = {}
        for part in parts:
            write(tmp_path / "part", [texts[place] for place in part], [config(num_buckets=1, hashes_per_bucket=8)])
            data = (tmp_path / "part/bucket_000/00000.minhash.sig").read_bytes()
            for start in range(0, len(data), WIDTH):
                place = int.from_bytes(data[start + WIDTH - 4 : start + WIDTH], "little")
                found[part[place]] = data[start : start + WIDTH - 4]
        return found

    places = list(range(len(texts)))
    shuffled = random.Random(5).sample(places, len(places))
    assert records(places) == records(shuffled[:1], shuffled[1:7], shuffled[7:])


def test_a_document_of_five_megabytes(tmp_path):
    """Its signature is the smallest of each hash over its pieces, which overlap by four words."""
    draw = random.Random(1)
    vocabulary = ["".join(draw.choices("abcdefgh", k=draw.randint(1, 10))) for _ in range(5000)]
    words = draw.choices(vocabulary, k=850_000)
    assert len(" ".join(words)) > 5_000_000
    pieces = [" ".join(words[start : start + 100_004]) for start in range(0, len(words) - 4, 100_000)]
    small = [config(num_buckets=4, hashes_per_bucket=2)]
    whole = [list(hashes) for _, hashes in signatures.signatures(iter([{"text": "\n".join(words)}]), small)]
    parts = [hashes for _, hashes in signatures.signatures(iter({"text": piece} for piece in pieces), small)]
    assert whole == [list(np.min(parts, axis=0))]
    assert write(tmp_path / "part", ["x" * 5_000_000, "a b c d " + "0" * 5_000_000], small)[0] == 1


def test_a_text_with_half_a_surrogate_pair_is_signed(tmp_path):
    texts = ["\ud800 one two three four five", "\ufffd one two three four five"]
    signed, files = write(tmp_path / "part", texts, [config()])
    assert signed == 2
    assert all(file[: WIDTH - 4] == file[WIDTH:-4] for file in files)


def test_a_part_that_fails_leaves_no_folder(tmp_path):
    def rows():
        yield {"prompt_id": "a", "text": sample_texts()[0]}
        raise InputError("the file is damaged")

    with pytest.raises(InputError, match="damaged"):
        signatures.write_signatures(rows(), tmp_path / "part", [config()])
    assert list(tmp_path.iterdir()) == []
