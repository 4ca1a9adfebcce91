import pytest

from scripts.common.counts import Counts
from scripts.common.ids import content_id
from scripts.common.schemas import REJECTED, SEEDS
from scripts.common.tables import read_table, write_table
from scripts.seeds import duplicates


def write_part(folder, source, number, names):
    path = folder / source / f"part-{number:03d}.parquet"
    write_table(path, [{"seed_id": content_id(name)} for name in names], SEEDS)
    return path


@pytest.fixture
def run(tmp_path):
    def run_on(*parts):
        output, counts = tmp_path / "duplicates.parquet", tmp_path / "counts.json"
        duplicates.main(["--seeds", *map(str, parts), "--output", str(output), "--counts", str(counts)])
        return read_table(output, REJECTED).to_pylist(), Counts.read(counts)

    return run_on


def test_the_first_part_keeps_a_seed_that_occurs_again(tmp_path, run):
    parts = [write_part(tmp_path, *part) for part in [("web", 0, "abc"), ("web", 1, "bd"), ("wikihow", 0, "bae")]]
    rows, counts = run(*parts)
    assert {row["id"]: row["detail"] for row in rows} == {
        content_id("a"): "web/part-000",
        content_id("b"): "web/part-000",
    }
    assert (counts.rows_in, counts.rows_out, counts.rejected) == (8, 5, {"duplicate_seed": 3})
    assert run(*reversed(parts))[0][0]["detail"] == "wikihow/part-000"


def test_parts_without_duplicates_and_empty_parts_give_an_empty_table(tmp_path, run):
    rows, counts = run(write_part(tmp_path, "web", 0, "abc"), write_part(tmp_path, "web", 1, ""))
    assert (rows, counts.rows_out) == ([], 3)
    assert run(write_part(tmp_path, "web", 2, ""))[1].rows_in == 0
