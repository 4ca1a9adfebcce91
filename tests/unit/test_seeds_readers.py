import pytest

from scripts.seeds.catalogues import Course, clean_description
from scripts.seeds.readers import READERS, BadRow, Outline, Rejected


def read(reader, row, **columns):
    return list(READERS[reader].read(row, columns))


def test_a_passage_is_its_stripped_text():
    (draft,) = read("passage", {"content": "  A page.\n"}, text="content")
    assert (draft.text, draft.title, draft.outline) == ("A page.", "", None)


@pytest.mark.parametrize(
    ("row", "reason"),
    [({"text": "x"}, "missing_column"), ({"content": None}, "null"), ({"content": ["x"]}, "wrong_type")],
)
def test_a_row_without_its_text_is_refused_with_a_reason(row, reason):
    with pytest.raises(BadRow) as bad:
        read("passage", row, text="content")
    assert bad.value.args[0] == reason


@pytest.mark.parametrize("turns", [["Why?", "Because.", "And then?"], "Why?"])
def test_the_first_turn_of_a_dialogue_is_the_seed(turns):
    assert read("first_turn", {"data": turns}, text="data")[0].text == "Why?"


def test_a_conversation_gives_the_first_question_and_its_answer():
    messages = [{"from": "system", "value": "Be brief."}]
    messages += [{"from": who, "value": text} for who, text in [("human", "Why?"), ("gpt", "So."), ("human", "And?")]]
    assert read("conversation", {"c": messages}, messages="c")[0].text == "Why?\nSo."


def test_a_conversation_without_a_human_is_refused():
    with pytest.raises(BadRow, match="no_human_message"):
        read("conversation", {"c": [{"from": "gpt", "value": "Hello."}]}, messages="c")


@pytest.mark.parametrize(
    ("given", "title"),
    [
        ("How to Bake  Bread", "How to Bake Bread"),
        ("Bake-Sourdough-Bread", "How to Bake Sourdough Bread"),
        ("Set Up a Wi-Fi Router", "Set Up a Wi-Fi Router"),
        ("Juggle", "Juggle"),
        ("https://www.example.org/Read-a-Map-%26-Compass", "How to Read a Map & Compass"),
    ],
)
def test_page_names_become_titles(given, title):
    assert read("title", {"title": given}, title="title")[0].title == title


def test_an_article_is_a_title_with_its_text():
    (draft,) = read("article", {"t": " Peat\n", "x": "Soil of plants.\n"}, title="t", text="x")
    assert (draft.title, draft.text, draft.outline) == ("Peat", "Soil of plants.", None)


def test_a_published_prompt_is_not_changed_by_a_character():
    row = {"prompt": " Write.\n", "seed_data": "s", "format": "f", "audience": "a"}
    (draft,) = read("published_prompt", row, **{name: name for name in row})
    assert (draft.text, draft.asked.seed_data, draft.asked.format, draft.asked.audience) == (" Write.\n", "s", "f", "a")


def test_a_book_gives_one_unit_a_section_with_the_earlier_ones():
    section = {"paragraph": "Text.", "abstract": None}
    part = {"title": "Motion", "abstract": "About motion.", "chapters": []}
    part["sections"] = [section | {"title": name} for name in ("Learning objectives", "Speed", "Force")]
    chapters = [
        {"title": "Preface", "sections": [section | {"title": "Who reads this"}], "chapters": []},
        {"title": "Moving", "sections": [], "chapters": [{"title": "Introduction", "abstract": "Hello."}, part]},
    ]
    row = {"book_title": "Physics", "chapters": chapters}
    drafts = read("book", row, title="book_title", chapters="chapters")
    assert drafts[0] == Rejected("no_subject", "Learning objectives")
    assert [draft.title for draft in drafts[1:]] == ["Speed", "Force"]
    outline = drafts[2].outline
    assert (outline.book, outline.chapter, outline.section) == ("Physics", "Moving", "Motion")
    assert outline.earlier == ("Speed",)


def test_a_part_of_a_book_with_an_abstract_and_no_sections_is_a_unit():
    parts = [{"title": "Waves", "abstract": "About waves."}, {"title": "Introduction to light", "abstract": "Light."}]
    row = {"book_title": "Physics", "chapters": [{"title": "Sound", "sections": [], "chapters": parts}]}
    (draft,) = read("book", row, title="book_title", chapters="chapters")
    assert (draft.title, draft.text, draft.outline.chapter) == ("Waves", "About waves.", "Sound")


def test_a_lesson_knows_the_groups_and_lessons_before_it():
    groups = [{"title": "Counting", "lessons": ["One"]}, {"title": "Adding", "lessons": ["Sums", "More sums"]}]
    row = {"title": "Early_math", "subunits": [{"title": "Unit 1: Numbers", "subunits": groups}]}
    drafts = read("course", row, title="title", units="subunits")
    outline = drafts[-1].outline
    assert drafts[-1].title == "More sums"
    assert (outline.book, outline.chapter, outline.section) == ("Early math", "Unit 1: Numbers", "Adding")
    assert outline.earlier == ("Counting", "Sums")


CATALOGUE = {
    "name": "Physics",
    "list": [
        {"title": "Optics", "description": "Lenses, mirrors and the eye. 3 units. Dr. A. Hill, hill@example.edu."},
        {"title": "Thesis", "description": "May be repeated for credit. Prerequisite: consent of instructor."},
        {"title": "Topics with Prof. Hill", "description": "Whatever Prof. Hill is thinking about this year."},
        {"description": "A course without a name about lenses."},
    ],
}


def test_a_course_without_an_outline_is_one_unit():
    kept, *rejected = read("catalogue", CATALOGUE, title="name", courses="list")
    assert (kept.title, kept.text, kept.outline.book) == ("Optics", "Lenses, mirrors and the eye.", "Physics")
    assert [problem.reason for problem in rejected] == ["too_short", "personal_data", "empty"]
    assert "Hill" not in str(rejected)


def test_each_unit_of_a_courses_outline_is_a_seed_that_knows_the_units_before_it():
    units = [{"title": "Lenses", "subtopics": ["Focus", "Thin lenses"]}, {"title": "The eye", "subtopics": []}]
    outlines = {Course("Optics", "Lenses, mirrors and the eye.").id: units}
    drafts = list(READERS["catalogue"].read(CATALOGUE, {"title": "name", "courses": "list"}, outlines=outlines))
    assert [(draft.title, draft.text) for draft in drafts[:2]] == [("Lenses", "Focus; Thin lenses."), ("The eye", "")]
    assert [draft.outline for draft in drafts[:2]] == [Outline("Optics"), Outline("Optics", earlier=("Lenses",))]
    assert [problem.reason for problem in drafts[2:]] == ["too_short", "personal_data", "empty"]


@pytest.mark.parametrize(
    "sentence",
    [
        "Instructor: Dr. Marit Hill, m.hill@example.edu; office hours Tuesday 14:00.",
        "Taught by Beatrix Holloway in Gallery Wing 3.",
        "Led by Mr. Otis Fair.",
        "With prof. Marsh and Drs. Hill and Øster.",
        "Write to hill (at) example.edu.",
        "Call 555-0142 or see www.example.edu.",
        "3-5 units.",
        "Prerequisites: MATH 20.",
        "Grading: problem sets 50%, project 50%.",
        "Seminar, Wednesdays 15:00, Room B14.",
        "Enrolment limited to 25.",
        "Same as: BIO 202.",
    ],
)
def test_personal_data_and_logistics_leave_a_course_description(sentence):
    assert clean_description(f"Rocks and how they form. {sentence} Minerals close the course.") == (
        "Rocks and how they form. Minerals close the course."
    )


@pytest.mark.parametrize(
    "sentence",
    [
        "We read Aeschylus, Sophocles and Euripides.",
        "Merchants, partnerships and letters of credit.",
        "A critical examination of primary sources.",
        "Unit 1 explains pigments and binders.",
        "Borrowing and contact between languages.",
    ],
)
def test_sentences_about_the_subject_stay(sentence):
    assert clean_description(sentence) == sentence
