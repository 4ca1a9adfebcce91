"""The mix: numbers for cells, and clear errors before any job starts."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from scripts.common.errors import InputError
from scripts.prompts.mix import check_sources, fitting, numbers, packs
from scripts.prompts.select import bounds, find_repeated
from scripts.workflow import layout
from scripts.workflow.config import resolve

FOLDER = Path("config/templates")
CELLS = ["blogpost/general/en", "wikihow/general/en", "wikihow/general/fr", "wikihow/young_children/en"]


def test_a_number_is_spread_evenly_over_all_cells():
    assert numbers(10, 100, CELLS, "web") == dict(zip(CELLS, [3, 3, 2, 2], strict=True))


def test_patterns_choose_cells_and_the_others_are_not_asked_for():
    assert numbers({"wikihow/*": 9}, 100, CELLS, "web") == dict.fromkeys(CELLS[1:], 3)
    assert numbers({"wikihow/general": 4, "blog*/*": 1}, 100, CELLS, "web") == {CELLS[0]: 1, CELLS[1]: 2, CELLS[2]: 2}
    assert numbers({"*/*/fr": 7}, 100, CELLS, "web") == {CELLS[2]: 7}


def test_a_number_below_one_is_a_share_of_the_total():
    assert sum(numbers(0.25, 1000, CELLS, "web").values()) == 250
    assert numbers({"blogpost/*": 0.1, "wikihow/*/en": 4}, 50, CELLS, "web") == {CELLS[0]: 5, CELLS[1]: 2, CELLS[3]: 2}


def test_nothing_may_be_asked_for():
    assert numbers(0, 100, CELLS, "web") == {}
    assert numbers(0, 100, [], "web") == {}


def test_published_prompts_have_one_cell():
    assert numbers(12, 100, ["*"], "cosmopedia_stories") == {"*": 12}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"wikihou/*": 1},
            r"`prompts.mix.web.wikihou/\*` matches no cell of web, `wikihou` .*: did you mean `wikihow`\?",
        ),
        ({"wikihow/*/de": 1}, "matches no cell of web, `de` none of its values; known are en, fr"),
        ({"blogpost/young*": 1}, "matches no cell of web; known are blogpost/general/en"),
        ({"wikihow": 1}, "matches no cell of web: a pattern is format/audience"),
        ({"wikihow/*": 1, "*/general": 2}, r"`prompts.mix.web.\*/general` and `wikihow/\*` both match wikihow/general"),
        (1.5, "1.5 must be a whole number of prompts or a share below 1"),
    ],
)
def test_a_wrong_entry_is_named(asked, message):
    with pytest.raises(InputError, match=message):
        numbers(asked, 100, CELLS, "web")


def test_patterns_say_nothing_of_published_prompts():
    with pytest.raises(InputError, match="give one number"):
        numbers({"*/*": 1}, 100, ["*"], "cosmopedia_stories")


def test_a_source_without_templates_cannot_be_asked():
    with pytest.raises(InputError, match=r"`prompts\.mix\.web`: no template fits this source"):
        numbers(1, 100, [], "web")


def test_unknown_and_forgotten_sources_are_named():
    with pytest.raises(InputError, match=r"unknown source `wed`: did you mean `web`\?"):
        check_sources({"wed": 1}, [], ["web", "stanford"])
    with pytest.raises(InputError, match="does not mention `stanford`"):
        check_sources({"web": 1}, ["web", "stanford"], ["web", "stanford"])


def test_a_template_for_an_unknown_source_is_named(tmp_path):
    shutil.copytree(FOLDER / "en", tmp_path / "en")
    path = tmp_path / "en/title/wikihow.yaml"
    path.write_text(path.read_text().replace("sources: [wikihow]", "sources: [wikihows]"))
    with pytest.raises(
        InputError, match=r"en/title/wikihow.yaml: unknown source `wikihows` in `sources`: did you mean"
    ):
        sources(tmp_path)


def test_a_language_is_a_folder(tmp_path):
    text = (FOLDER / "en/title/wikihow.yaml").read_text().replace("en/title", "xx/title")
    (tmp_path / "xx/title").mkdir(parents=True)
    (tmp_path / "xx/title/wikihow.yaml").write_text(text.replace("language: en", "language: xx"))
    shutil.copytree(FOLDER / "en", tmp_path / "en")
    both = fitting(packs(tmp_path, ["en", "xx"]), "wikihow", "title")
    assert [template.language for template in both] == ["en", "xx"]
    with pytest.raises(InputError, match=r"there is no .*/xy; known are en, xx"):
        packs(tmp_path, ["en", "xy"])


def sources(folder=FOLDER, **user):
    base, schema = (
        yaml.safe_load(Path(name).read_text()) for name in ("config/config.yaml", "workflow/schemas/config.schema.yaml")
    )
    config = resolve(base, user, Path("config/scales"), schema)
    return layout.read_sources(Path("resources/sources.tsv"), config, folder=folder)


def test_the_paper_s_mix_adds_up_to_the_published_rows():
    asked = {name: sum(source.cells.values()) for name, source in sources(scale="full").items()}
    assert sum(asked.values()) == 31060000
    assert asked["ultrachat"] + asked["openhermes"] == 4992964
    assert len(sources(scale="full")["web"].cells) == 4


def test_the_mix_of_a_source_is_replaced_as_a_whole():
    web = sources(scale="full", prompts={"mix": {"web": {"wikihow/*": 10}}})["web"]
    assert web.cells == {"wikihow/general/en": 10}
    assert [path.name for path in web.templates] == ["wikihow.yaml"]


def test_a_template_concerns_the_sources_that_the_mix_uses_it_for():
    files = {name: {path.name for path in source.templates} for name, source in sources(scale="full").items()}
    assert files["auto_math_text"] == {"math_college_students.yaml", "math_grade_school_students.yaml"}
    assert {name for name, used in files.items() if "story_morality.yaml" in used} == {"ultrachat"}
    assert {name for name, used in files.items() if "story_reddit.yaml" in used} == {"ultrachat", "openhermes"}
    assert not {name for name, used in files.items() if "forum_qa.yaml" in used}


def test_a_second_language_takes_half_of_every_number(tmp_path):
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    for path in (FOLDER / "en").rglob("*.yaml"):
        copy = tmp_path / "xx" / path.relative_to(FOLDER / "en")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text().replace("id: en/", "id: xx/").replace("language: en", "language: xx"))
    web = sources(tmp_path, scale="full", prompts={"languages": ["en", "xx"], "mix": {"web": {"wikihow/*": 10}}})["web"]
    assert web.cells == {"wikihow/general/en": 5, "wikihow/general/xx": 5}
    assert [path.parts[-3] for path in web.templates] == ["en", "xx"]


RANKS = st.lists(st.integers(0, 2**63 - 1), unique=True, max_size=30)


@given(RANKS, st.integers(0, 40), st.integers(0, 40), st.floats(0.01, 1), st.floats(0.01, 1))
def test_smaller_numbers_and_fractions_give_nested_subsets(ranks, one, two, part, other):
    ranks = np.array(ranks, np.int64)
    few, many = (bounds(ranks, asked, share) for asked, share in zip(sorted([one, two]), sorted([part, other])))  # noqa: B905
    assert few["fraction_bound"] <= many["fraction_bound"] <= many["mix_bound"]
    assert (
        (ranks <= few["fraction_bound"]).sum()
        == few["taken"]
        == round(min(few["asked"], len(ranks)) * min(part, other))
    )
    assert (ranks <= many["mix_bound"]).sum() == min(max(one, two), len(ranks))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2))))
def test_repeated_ids_point_to_their_first_occurrence(pairs):
    found = find_repeated(np.array(pairs, np.uint64).reshape(-1, 2))
    assert found == {n: pairs.index(pair) for n, pair in enumerate(pairs) if pairs.index(pair) != n}
