"""The whole stage on a real engine: slices, the sealed part and its manifest, whatever happened on the way."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from scripts.common.counts import Counts
from scripts.common.errors import InputError
from scripts.common.ids import content_id
from scripts.common.schemas import GENERATIONS, PROMPTS, REJECTED
from scripts.common.tables import read_table, write_table
from scripts.generate import compact, ledger, manifest, seal
from scripts.generate import slice as slice_
from tests.unit.test_generate_ledger import row

ROOT = Path(__file__).resolve().parents[2]
SUBJECTS = ["the tide", "bread", "a bicycle tube", "ice", "the moon"]
PART = [f"Write something about {SUBJECTS[number % 5]} number {number}." for number in range(40)]
RECIPE_FLAGS = (
    *("--temperature", "0.8", "--top-p", "0.95", "--top-k", "50", "--repetition-penalty", "1.2"),
    *("--max-new-tokens", "60", "--seed", "1"),
)


def rows(folder):
    return [row for table in ledger.segments(folder) for row in table.to_pylist()]


TABLES = [("sealed.parquet", GENERATIONS), ("rejected.parquet", REJECTED)]


class Part:
    """A part of 40 prompts, one of which is too long for the model, in a folder of its own."""

    def __init__(self, folder, model):
        self.folder = folder
        self.prompts = folder / "prompts.parquet"
        self.ledger = folder / "ledger"
        self.n_slices = 0
        self.model_flags = ["--engine", "transformers", "--model", str(model)]
        texts = [*PART[:11], "far too long " * 100, *PART[11:]]
        write_table(self.prompts, [{"prompt_id": content_id(text), "prompt": text} for text in texts], PROMPTS)

    def slice_flags(self, number, n_slices, rows_per_segment=16, max_in_flight=8):
        return [
            *(f"--prompts {self.prompts} --ledger {self.ledger} --source web --part 000".split()),
            *(f"--output {self.folder}/slice-{number}.json --slice {number} --n-slices {n_slices}".split()),
            *(f"--rows-per-segment {rows_per_segment} --max-attempts 2 --max-failure-rate 0.1".split()),
            *(f"--dtype float32 --max-model-len 256 --max-in-flight {max_in_flight} --threads 1".split()),
            *("--options", '{"device": "cpu"}', *RECIPE_FLAGS, *self.model_flags),
        ]

    def generate(self, n_slices, **changes):
        self.n_slices = n_slices
        for number in range(n_slices):
            slice_.main(self.slice_flags(number, n_slices, **changes))

    def seal(self, *more):
        """The bytes of the sealed part."""
        outputs = [self.folder / name for name in ("sealed.parquet", "rejected.parquet", "counts.json")]
        names = zip(("--output", "--rejected", "--counts"), map(str, outputs), strict=True)
        inputs = f"--prompts {self.prompts} --ledger {self.ledger} --source web --part 000".split()
        markers = [str(self.folder / f"slice-{number}.json") for number in range(self.n_slices)]
        flags = [*inputs, *(word for pair in names for word in pair), "--markers", *markers, *more]
        seal.main([*flags, *RECIPE_FLAGS, *self.model_flags])
        return [path.read_bytes() for path in outputs]


@pytest.fixture(scope="module")
def whole(random_lm, tmp_path_factory):
    """A part generated in one undisturbed slice, and its sealed bytes."""
    part = Part(tmp_path_factory.mktemp("whole"), random_lm)
    part.generate(1)
    return part, part.seal()


def test_a_sealed_part_has_one_row_for_each_prompt_in_their_order(whole):
    part, _ = whole
    sealed = read_table(part.folder / "sealed.parquet", GENERATIONS)
    rejected = read_table(part.folder / "rejected.parquet", REJECTED).to_pylist()
    assert sealed["prompt_id"].to_pylist() == [content_id(text) for text in PART]
    assert set(sealed["finish_reason"].to_pylist()) == {"stop", "length"}
    assert sealed["job"].null_count == len(sealed)
    assert [(row["id"], row["reason"]) for row in rejected] == [(content_id("far too long " * 100), "refused")]
    assert "attempt 1: the prompt has" in rejected[0]["detail"]
    assert Counts.read(part.folder / "counts.json") == Counts("generate_seal", 41, 40, {"refused": 1}, "web", "000")
    assert Counts.read(part.folder / "slice-0.json") == Counts("generate_slice", 41, 40, {"refused": 1}, "web", "000")


def test_a_part_that_was_killed_and_cut_differently_is_sealed_to_the_same_bytes(whole, random_lm, tmp_path):
    part = Part(tmp_path, random_lm)
    flags = part.slice_flags(0, 1, rows_per_segment=3, max_in_flight=5)
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.generate.slice", *flags], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    next(line for line in process.stderr if "segment" in line)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "slice-0.json").exists()
    survived = rows(part.ledger)
    assert 3 <= len(survived) < 40
    part.generate(3, max_in_flight=2)
    assert len(rows(part.ledger)) == 40 + 1
    assert [row for row in rows(part.ledger) if row in survived] == survived
    assert part.seal() == whole[1]


def test_two_writers_on_one_slice_are_sealed_to_the_same_bytes(whole, random_lm, tmp_path):
    part = Part(tmp_path, random_lm)
    part.generate(1)
    other = Part(tmp_path / "other", random_lm)
    other.generate(2, rows_per_segment=7)
    for segment in other.ledger.iterdir():
        segment.rename(part.ledger / segment.name)
    assert len(rows(part.ledger)) == 2 * (40 + 1)
    assert part.seal() == whole[1]


def test_ledgers_of_two_clusters_merge_by_copying_journals_included(whole, random_lm, tmp_path):
    part, there = Part(tmp_path, random_lm), tmp_path / "there"
    killed = ledger.Writer(there, "killed-there", 4)
    half = slice_.slice_prompts(part.prompts, 0, 2)
    done = [row for row in rows(whole[0].ledger) if row["prompt_id"] in half]
    killed.add(done[:4])
    killed.add(done[4:7])
    slice_.main(part.slice_flags(1, 2))
    for path in there.iterdir():
        (part.ledger / path.name).write_bytes(path.read_bytes())
    texts = [path.suffix for path in part.ledger.iterdir() if path.suffix != ".json"]
    assert sorted(texts) == [".journal", ".parquet", ".parquet"]
    slice_.main(part.slice_flags(0, 2))
    assert len(rows(part.ledger)) == 41
    assert part.seal() == whole[1]
    compact.main(["--ledgers", str(part.ledger)])
    assert part.seal() == whole[1]


def test_a_part_stopped_early_is_sealed_as_it_is_and_the_manifest_tells_the_coverage(whole, random_lm, tmp_path):
    part = Part(tmp_path, random_lm)
    slice_.main(part.slice_flags(0, 4))
    part.n_slices = 0
    part.seal("--partial")
    sealed = read_table(tmp_path / "sealed.parquet", GENERATIONS)
    assert sealed.equals(read_table(whole[0].folder / "sealed.parquet", GENERATIONS).slice(0, 10))
    rejected = read_table(tmp_path / "rejected.parquet", REJECTED).to_pylist()
    order = [row["prompt_id"] for row in read_table(part.prompts, PROMPTS, ["prompt_id"]).to_pylist()]
    assert [row["id"] for row in rejected] == order[10:]
    assert {row["reason"] for row in rejected} == {"not_generated"}
    files = ["--parts", str(tmp_path / "sealed.parquet"), "--counts", str(tmp_path / "counts.json")]
    manifest.main([*files, "--output", str(tmp_path / "manifest.json"), *RECIPE_FLAGS, *part.model_flags])
    result = json.loads((tmp_path / "manifest.json").read_text())
    assert result["total"]["coverage"] == result["sources"]["web"]["coverage"] == round(10 / 41, 6)
    part.generate(4)
    assert part.seal("--partial") == part.seal() == whole[1]


def test_an_empty_ledger_is_sealed_empty_where_that_is_asked_for(random_lm, tmp_path):
    part = Part(tmp_path, random_lm)
    with pytest.raises(InputError, match="41 of 41 prompts"):
        part.seal()
    part.seal("--partial")
    assert len(read_table(tmp_path / "sealed.parquet", GENERATIONS)) == 0
    assert Counts.read(tmp_path / "counts.json").rejected == {"not_generated": 41}


def test_many_small_files_of_sorting_give_the_same_rows_and_nothing_is_left_behind(whole, monkeypatch, tmp_path):
    part, _ = whole
    expected = [read_table(part.folder / name, schema) for name, schema in TABLES]
    (part.folder / ".sealed.parquet.sorting").mkdir()
    (part.folder / ".sealed.parquet.sorting" / "0").write_text("left by a killed program")
    monkeypatch.setattr(seal, "PROMPTS_PER_FILE", 7)
    monkeypatch.setattr(seal, "FILES", 6)
    part.seal()
    assert [read_table(part.folder / name, schema) for name, schema in TABLES] == expected
    assert not (part.folder / ".sealed.parquet.sorting").exists()


def test_a_refused_prompt_is_rejected_as_such(tmp_path):
    writer = ledger.Writer(tmp_path / "ledger", "job", 9)
    writer.add([row("prompt-0", 1, "refused"), row("prompt-1", 1, "error"), row("prompt-1", 2, "error"), row("p")])
    outcome = seal.Outcome()
    with seal.scratch_folder(tmp_path / "sealed.parquet") as scratch:
        batches = list(seal.seal(["prompt-0", "prompt-1", "p", "q"], tmp_path / "ledger", "ours", scratch, outcome))
    assert [batch["prompt_id"].to_pylist() for batch in batches] == [["p"]]
    assert outcome.rejected == [
        ("prompt-0", "refused", "attempt 1: refused prompt-0 1"),
        ("prompt-1", "failed", "attempt 2: error prompt-1 2"),
        ("q", "not_generated", "the ledger has no row of it"),
    ]
    assert outcome.missing == [3]


def turned_bit(path):
    """Turns one bit over in the texts of a segment, which nobody looks at before sealing."""
    data = bytearray(path.read_bytes())
    column = pq.ParquetFile(path).metadata.row_group(0).column(GENERATIONS.get_field_index("text"))
    data[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    path.write_bytes(data)


def test_texts_found_damaged_at_sealing_are_generated_again_and_nothing_else(whole, random_lm, tmp_path):
    part = Part(tmp_path, random_lm)
    part.generate(3)
    second = sorted(part.ledger.glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)[1]
    turned_bit(second)
    with pytest.raises(InputError, match=r"14 of 41 prompts of web part 000 are missing.*of 1 slices were removed"):
        part.seal()
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["slice-0.json", "slice-2.json"]
    assert not (tmp_path / "sealed.parquet").exists()
    assert [path.name[:-17] for path in (part.ledger / "aside").iterdir()] == [second.name[:-8]]
    before = rows(part.ledger)
    part.generate(3)
    assert len(rows(part.ledger)) == len(before) + 14
    assert part.seal() == whole[1]


def test_nothing_left_to_do_needs_no_engine(whole, tmp_path):
    part, _ = whole
    marker = part.folder / "slice-0.json"
    before = marker.read_bytes()
    marker.unlink()
    flags = part.slice_flags(0, 1)
    flags[flags.index("--dtype") + 1] = "no such type"
    slice_.main(flags)
    assert marker.read_bytes() == before


def test_an_empty_part_is_sealed_empty(random_lm, tmp_path):
    part = Part(tmp_path, random_lm)
    write_table(part.prompts, [], PROMPTS)
    part.generate(2)
    part.seal()
    assert len(read_table(tmp_path / "sealed.parquet", GENERATIONS)) == 0


def test_a_prompt_that_the_part_holds_twice_is_sealed_once(whole, random_lm, tmp_path):
    part = Part(tmp_path, random_lm)
    table = read_table(whole[0].prompts, PROMPTS).to_pylist()
    write_table(part.prompts, table[:3], PROMPTS)
    part.generate(1)
    write_table(part.prompts, [*table[:3], table[1]], PROMPTS)
    part.seal()
    rejected = read_table(tmp_path / "rejected.parquet", REJECTED).to_pylist()
    assert [(row["id"], row["reason"]) for row in rejected] == [(table[1]["prompt_id"], "duplicate_prompt")]
    assert Counts.read(tmp_path / "counts.json").rows_out == 3


def test_a_retrained_model_in_the_same_folder_is_another_recipe(random_lm, tmp_path):
    from scripts.generate.recipe import folder_revision

    for file in random_lm.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert folder_revision(tmp_path) == folder_revision(random_lm)
    (tmp_path / "README.md").write_text("a card does not matter")
    assert folder_revision(tmp_path) == folder_revision(random_lm)
    weights = bytearray((tmp_path / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(weights)
    assert folder_revision(tmp_path) != folder_revision(random_lm)


def test_the_manifest_adds_up(whole, tmp_path):
    part, _ = whole
    files = ["--parts", str(part.folder / "sealed.parquet"), "--counts", str(part.folder / "counts.json")]
    manifest.main([*files, "--output", str(tmp_path / "manifest.json"), *RECIPE_FLAGS, *part.model_flags])
    result = json.loads((tmp_path / "manifest.json").read_text())
    sealed = read_table(part.folder / "sealed.parquet", GENERATIONS)
    assert result["total"] == result["sources"]["web"]
    assert result["total"]["tokens"] == sum(sealed["text_token_length"].to_pylist())
    assert (result["total"]["prompts"], result["total"]["texts"], result["total"]["rejected"]) == (
        41,
        40,
        {"refused": 1},
    )
    assert sum(result["total"]["finish_reasons"].values()) == 40
    assert result["total"]["coverage"] == 1
    assert result["revision"] == sealed["revision"][0].as_py()
    assert result["sampling"]["temperature"] == 0.8


def test_the_manifest_refuses_parts_of_another_recipe(whole, tmp_path):
    part, _ = whole
    files = ["--parts", str(part.folder / "sealed.parquet"), "--counts", str(part.folder / "counts.json")]
    flags = [*RECIPE_FLAGS[:1], "0.1", *RECIPE_FLAGS[2:]]
    with pytest.raises(InputError, match="another model or sampling"):
        manifest.main([*files, "--output", str(tmp_path / "manifest.json"), *flags, *part.model_flags])
