from pathlib import Path

import pytest

from scripts.common.errors import InputError
from scripts.seeds.files import find_files
from scripts.seeds.locks import Lock, read_locks, write_locks
from scripts.seeds.readers import READERS
from scripts.seeds.sources import is_commit, parse_filter, read_entry, read_rows

REGISTRY = Path("resources/sources.tsv")
SAMPLED = ["web", "stanford", "openstax", "khanacademy", "wikihow", "auto_math_text", "ultrachat", "openhermes"]
SAMPLED += ["wikipedia", "openwebmath", "sep", "fineweb", "cosmopedia_web_samples_v1"]
PUBLISHED = ["web_samples_v1", "web_samples_v2", "stories", "auto_math_text", "stanford", "wikihow", "openstax"]
PUBLISHED += ["khanacademy"]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def changed_registry(folder, source, **cells):
    lines = REGISTRY.read_text(encoding="utf-8").splitlines()
    names = lines[0].split("\t")
    rows = [dict(zip(names, line.split("\t"), strict=True)) for line in lines[1:]]
    rows = [row | cells if row["source"] == source else row for row in rows]
    path = folder / "sources.tsv"
    path.write_text("\n".join(["\t".join(names), *("\t".join(row.values()) for row in rows)]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("where", ["sample", "original"])
def test_every_row_of_the_registry_is_valid(where):
    entries = [
        read_entry(REGISTRY, row["source"], where)
        for _, row in read_rows(REGISTRY)
        if (row["where"] == "sample") == (where == "sample")
    ]
    assert {entry.source for entry in entries} >= set(SAMPLED)
    assert all(entry.reader in READERS and entry.licence and entry.terms for entry in entries)
    assert len({entry.source for entry in entries}) == len(entries)


@pytest.mark.parametrize("split", PUBLISHED)
def test_every_published_split_is_a_source_of_prompts(split):
    entry = read_entry(REGISTRY, f"cosmopedia_{split}", "original")
    assert (entry.dataset, entry.config, entry.kind) == ("HuggingFaceTB/cosmopedia", split, "prompt")
    assert entry.kept_columns == ["audience", "format", "prompt", "seed_data"]


@pytest.mark.parametrize("source", SAMPLED)
def test_the_shipped_sample_has_the_rows_that_the_registry_expects(source):
    row = next(row for _, row in read_rows(REGISTRY) if (row["source"], row["where"]) == (source, "sample"))
    files = find_files(read_entry(REGISTRY, source, "sample").location)
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


def test_an_address_must_be_one_of_the_web(tmp_path):
    with pytest.raises(InputError, match=r"(?s)line \d+ .*where=url.*`location`.*does not match"):
        read_entry(changed_registry(tmp_path, "wikihow", where="url", location="titles.txt"), "wikihow", "original")


def test_a_file_that_is_no_registry_is_refused(tmp_path):
    path = tmp_path / "sources.tsv"
    path.write_text("a,b,c\n1,2,3\n")
    with pytest.raises(InputError, match="no registry of sources"):
        read_entry(path, "web", "sample")
    with pytest.raises(InputError, match="does not exist"):
        read_entry(tmp_path / "absent.tsv", "web", "sample")


def test_a_hub_location_may_name_a_revision():
    entry = read_entry(REGISTRY, "openstax", "original")
    assert (entry.dataset, is_commit(entry.revision)) == ("HuggingFaceTB/openstax_paragraphs", True)
    assert (entry.is_local, entry.is_file, entry.is_locked) == (False, False, True)


def test_a_hub_location_may_name_one_file():
    entry = read_entry(REGISTRY, "openhermes", "original")
    assert (entry.dataset, entry.hub_file, entry.is_file) == ("teknium/OpenHermes-2.5", "openhermes2_5.json", True)


def test_a_lock_pins_the_revision_of_its_source_only(tmp_path):
    path = tmp_path / "sources.lock.tsv"
    write_locks(path, [Lock("web", "tiiuae/falcon-refinedweb", revision=COMMIT)])
    web, math = (read_entry(REGISTRY, source, "original", path) for source in ("web", "auto_math_text"))
    assert (web.revision, web.is_locked) == (COMMIT, True)
    assert (math.revision, math.is_locked) == ("", False)
    assert read_entry(REGISTRY, "web", "sample", path).revision == ""


def test_a_lock_for_another_location_does_not_count(tmp_path):
    path = tmp_path / "sources.lock.tsv"
    write_locks(path, [Lock("web", "someone/else", revision=COMMIT)])
    assert not read_entry(REGISTRY, "web", "original", path).is_locked


def test_a_lock_that_lock_sources_did_not_write_is_refused(tmp_path):
    path = tmp_path / "sources.lock.tsv"
    path.write_text("source\trevision\nweb\tmain\n")
    with pytest.raises(InputError, match="no lock of sources"):
        read_locks(path)


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
