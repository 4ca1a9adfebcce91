from pathlib import Path

import pytest

from scripts.common.errors import InputError
from scripts.seeds.readers import READERS
from scripts.seeds.sources import local_files, parse_filter, read_entry, read_rows

REGISTRY = Path("resources/sources.tsv")
SOURCES = ["web", "stanford", "openstax", "khanacademy", "wikihow", "auto_math_text", "ultrachat", "openhermes"]


def changed_registry(folder, source, **cells):
    lines = REGISTRY.read_text(encoding="utf-8").splitlines()
    names = lines[0].split("\t")
    rows = [dict(zip(names, line.split("\t"), strict=True)) for line in lines[1:]]
    rows = [row | cells if row["source"] == source else row for row in rows]
    path = folder / "sources.tsv"
    path.write_text("\n".join(["\t".join(names), *("\t".join(row.values()) for row in rows)]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("where", ["sample", "hub"])
@pytest.mark.parametrize("source", SOURCES)
def test_every_source_of_the_registry_is_valid_at_both_places(source, where):
    entry = read_entry(REGISTRY, source, where)
    assert entry.reader in READERS
    assert entry.licence


def test_source_and_place_are_the_key_of_the_registry():
    keys = [(row["source"], row["where"]) for _, row in read_rows(REGISTRY)]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("source", SOURCES)
def test_the_shipped_sample_has_the_rows_that_the_registry_expects(source):
    row = next(row for _, row in read_rows(REGISTRY) if (row["source"], row["where"]) == (source, "sample"))
    files = local_files(read_entry(REGISTRY, source, "sample"))
    lines = [line for path in files for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert len(lines) == int(row["expected_rows"])


def test_a_misspelt_source_names_the_nearest_one():
    with pytest.raises(InputError, match=r"unknown source `webb`.*did you mean `web`"):
        read_entry(REGISTRY, "webb", "sample")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"reader": "page"}, "line 2 .*reader.*'page' is not one of"),
        ({"columns": "text"}, "columns"),
        ({"columns": "url=url"}, "which column is text for reader passage"),
        ({"licence": ""}, "licence"),
        ({"seeds_per_row": "many"}, "seeds_per_row"),
    ],
)
def test_a_bad_row_of_the_registry_is_named_with_its_line(tmp_path, cells, message):
    path = changed_registry(tmp_path, "web", **cells)
    with pytest.raises(InputError, match=f"(?s){message}"):
        read_entry(path, "web", "sample")


def test_a_file_that_is_no_registry_is_refused(tmp_path):
    path = tmp_path / "sources.tsv"
    path.write_text("a,b,c\n1,2,3\n")
    with pytest.raises(InputError, match="no registry of sources"):
        read_entry(path, "web", "sample")
    with pytest.raises(InputError, match="does not exist"):
        read_entry(tmp_path / "absent.tsv", "web", "sample")


def test_a_hub_location_may_name_a_revision():
    entry = read_entry(REGISTRY, "openstax", "hub")
    assert (entry.location, len(entry.revision), entry.is_local) == ("HuggingFaceTB/openstax_paragraphs", 40, False)


@pytest.mark.parametrize(
    ("rule", "row", "kept"),
    [
        ("source!=camelai|glaive", {"source": "CamelAI"}, False),
        ("source!=camelai|glaive", {"source": "airoboros"}, True),
        ("source!=camelai|glaive", {"source": None}, True),
        ("language=english|", {"language": "English"}, True),
        ("language=english|", {"language": None}, True),
        ("language=english|", {}, True),
        ("language=english|", {"language": "Spanish"}, False),
        ("language=en", {}, False),
    ],
)
def test_filters_drop_or_keep_values_without_regard_to_case(rule, row, kept):
    assert parse_filter(rule).keeps(row) is kept
