"""What Snakemake makes of damaged, missing and growing ledgers: two slices of one part, on the tiny model."""

import shutil

import pyarrow.parquet as pq
import pytest

from scripts.common.ids import content_id
from scripts.common.schemas import GENERATIONS, PROMPTS, REJECTED
from scripts.common.tables import read_table, write_table
from tests.snakemake import ROOT, planned_jobs, snakemake

RUN = "test-ledger"
FOLDER = ROOT / "results" / RUN
SEALED = FOLDER / "generations/web/part-000.parquet"
LEDGER = FOLDER / "generations/ledger/web/part-000"
SLICES = FOLDER / "generations/slices/web/part-000"
TEXTS = [f"Tell what happens to {thing} in winter." for thing in ("a lake", "bees", "roads", "an orchard", "bread")]
ONLY = ["--allowed-rules", "generate_slice", "generate_seal", "--cores", "2"]


def arguments(**generate):
    """The command that makes the sealed part, from prompts that are there already."""
    settings = ", ".join(f"{key}: {value}" for key, value in {"max_new_tokens": 24, **generate}.items())
    return [str(SEALED.relative_to(ROOT)), *ONLY, "--config", f"run={RUN}", f"generate={{{settings}}}"]


@pytest.fixture(scope="module")
def sealed():
    """The bytes of the part after an undisturbed run."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    rows = [{"prompt_id": content_id(text), "prompt": text} for text in TEXTS]
    write_table(FOLDER / "prompts/web/part-000.parquet", rows, PROMPTS)
    snakemake(*arguments())
    yield SEALED.read_bytes()
    shutil.rmtree(FOLDER)


def segment_of(prompt):
    """The file of the ledger that holds this prompt's text."""
    return next(
        path for path in LEDGER.glob("*.parquet") if content_id(prompt) in pq.read_table(path)["prompt_id"].to_pylist()
    )


def test_the_same_command_generates_again_what_was_found_damaged_at_sealing(sealed):
    victim = segment_of(TEXTS[0])
    data = bytearray(victim.read_bytes())
    column = pq.ParquetFile(victim).metadata.row_group(0).column(GENERATIONS.get_field_index("text"))
    data[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    victim.write_bytes(data)
    SEALED.unlink()
    failed = snakemake(*arguments(), check=False)
    assert failed.returncode != 0
    log = (FOLDER / "logs/generate_seal/web/part-000.log").read_text()
    assert "2 of 5 prompts of web part 000 are missing" in log
    assert "give the same command again" in log
    assert [path.name for path in SLICES.iterdir()] == ["slice-001.json"]
    assert planned_jobs(*arguments()) == {"generate_slice": 1, "generate_seal": 1}
    snakemake(*arguments())
    assert SEALED.read_bytes() == sealed


def test_a_partial_run_seals_what_there_is_and_again_when_there_is_more(sealed):
    absent = segment_of(TEXTS[0])
    elsewhere = absent.rename(FOLDER / absent.name)
    assert planned_jobs(*arguments(partial="true")) == {"generate_seal": 1}
    snakemake(*arguments(partial="true"))
    assert read_table(SEALED, GENERATIONS)["prompt_id"].to_pylist() == [content_id(text) for text in TEXTS[2:]]
    rejected = read_table(SEALED.with_name("part-000.rejected.parquet"), REJECTED).to_pylist()
    assert [(row["id"], row["reason"]) for row in rejected] == [
        (content_id(text), "not_generated") for text in TEXTS[:2]
    ]
    assert planned_jobs(*arguments(partial="true")) == {}
    elsewhere.rename(absent)
    assert planned_jobs(*arguments(partial="true")) == {"generate_seal": 1}
    snakemake(*arguments(partial="true"))
    assert SEALED.read_bytes() == sealed
