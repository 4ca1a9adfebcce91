"""The review page shows every cluster, runs nothing that seeds or models wrote, and needs nothing but itself."""

import csv
import html.parser
import json
import re

import pytest

from scripts.common.ids import content_id
from scripts.common.schemas import CLUSTER_SAMPLE, TOPIC_ANSWERS, TOPICS
from scripts.common.tables import write_table
from scripts.label import review
from scripts.label.overrides import read_overrides

NASTY = '</script><script>alert(1)</script><img src=x onerror=alert(2)> & "it\'s" {{ 7 * 7 }}'


def topic(number, **values):
    row = {
        "cluster_id": number, "topic": f"Topic {number}", "n_documents": 100 - number, "keywords": ["robin", "nest"],
        "examples": [f"Example {k} of {number}." for k in range(10)], "educational_score": 6.0, "score_min": 5.0,
        "score_max": 8.0, "score_agreement": 1.0, "agreement": 1.0, "n_answers": 3, "label_source": "llm",
        "decision": "kept", "decided_by": "rule", "reason": "educational score 6",
    }  # fmt: skip
    return row | values


UNANSWERED = {
    "educational_score": None, "score_min": None, "score_max": None, "score_agreement": None, "agreement": None,
    "n_answers": 0, "label_source": "keywords",
}  # fmt: skip


def answer(number, sample, name, score=6, problem="", raw="{}"):
    return {
        "cluster_id": number, "sample": sample, "attempt": 1, "raw": raw, "topic": name, "educational_score": score,
        "problem": problem,
    }  # fmt: skip


def sample(number):
    return [
        {"seed_id": content_id(str(k)), "cluster_id": k % 4 - 1, "x": k % 7, "y": k % 5, "probability": 1.0}
        for k in range(number)
    ]


def build(folder, topics, answers=(), points=(), corrections=None, name="page.html"):
    for file, rows, schema in [
        ("sample", points, CLUSTER_SAMPLE),
        ("topics", topics, TOPICS),
        ("answers", answers, TOPIC_ANSWERS),
    ]:
        write_table(folder / file, list(rows), schema)
    arguments = [f"--{file}={folder / file}" for file in ("sample", "topics", "answers")]
    arguments += ["--run", "test", "--scale", "tiny", f"--page={folder / name}"]
    review.main([*arguments, *(["--corrections", str(corrections)] if corrections else [])])
    return (folder / name).read_text(encoding="utf-8")


class Page(html.parser.HTMLParser):
    """The tags of a page with their attributes, and the text of its elements by id."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self._id = [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._id = dict(attributes).get("id")

    def handle_data(self, data):
        self.texts[self._id] = self.texts.get(self._id, "") + data

    def all(self, tag, name):
        return [attributes[name] for each, attributes in self.tags if each == tag and name in attributes]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    topics = [topic(0, topic=NASTY, examples=[NASTY], keywords=[NASTY], reason=NASTY), topic(1), topic(2, **UNANSWERED)]
    answers = [
        answer(0, 0, "Birds", raw=NASTY),
        answer(0, 1, "Garden birds"),
        answer(0, 2, "Cars"),
        answer(2, 0, None, None, f"the topic has the character {NASTY}", NASTY),
    ]
    return build(tmp_path_factory.mktemp("review"), topics, answers, sample(50))


def test_every_cluster_has_its_row_and_its_examples_and_answers(page):
    read = Page(page)
    assert read.all("tbody", "data-cluster") == ["0", "1", "2"]
    assert page.count("Example 7 of 1.") == 1
    assert page.count(">agrees<") == 2
    assert page.count(">another topic<") == page.count(">unusable<") == 1


def test_what_models_and_data_say_is_never_taken_for_markup(page):
    read = Page(page)
    assert len([tag for tag, _ in read.tags if tag == "script"]) == 3
    assert not [tag for tag, _ in read.tags if tag == "img"]
    assert "alert(1)" not in re.sub(r"&lt;script&gt;alert\(1\)", "", page)
    assert "{{ 7 * 7 }}" in page


def test_the_page_needs_no_network_and_no_other_file(page):
    assert not re.search(r"https?://|@import|url\(", page)
    assert not [name for _, attributes in Page(page).tags for name in attributes if name in ("src", "href")]


def test_the_page_is_the_same_in_every_run(page, tmp_path):
    first = build(tmp_path, [topic(1), topic(0)], [answer(0, 0, "Birds")], sample(50))
    assert first == build(tmp_path, [topic(0), topic(1)], [answer(0, 0, "Birds")], sample(50)[::-1], name="again")


def test_topics_are_marked_for_the_filters():
    assert review.marks(topic(0)) == ["kept"]
    assert review.marks(topic(0, agreement=0.5)) == ["kept", "doubtful"]
    assert review.marks(topic(0, agreement=2 / 3, score_agreement=1 / 3)) == ["kept", "doubtful"]
    assert review.marks(topic(0, decision="removed", **UNANSWERED)) == ["removed", "unanswered"]
    assert review.marks(topic(0, decided_by="override")) == ["kept", "corrected"]


def test_a_large_sample_is_thinned_by_hash_in_any_order_and_the_page_says_so(tmp_path, monkeypatch):
    points = sample(300)
    drawn = review.draw_points(points, 100)
    assert {len(values) for values in drawn.values()} == {100}
    assert drawn == review.draw_points(points[::-1], 100)
    assert (min(drawn["x"]), max(drawn["x"]), min(drawn["y"]), max(drawn["y"])) == (0, 2000, 0, 2000)
    monkeypatch.setattr(review, "DRAWN", 100)
    page = build(tmp_path, [topic(0)], points=points)
    assert "100 of its 300 documents" in page
    assert json.loads(Page(page).texts["points"]) == drawn


def test_corrections_there_are_stay_in_the_file_that_the_page_saves(tmp_path):
    path = tmp_path / "topics.tsv"
    path.write_text('topic\tdecision\treason\n"5"" nails"\tkept\t</script>\n', encoding="utf-8")
    assert read_overrides(path)
    kept = json.loads(Page(build(tmp_path, [topic(0)], corrections=path)).texts["corrections"])
    assert kept["columns"] == list(next(csv.reader(["cluster_id,topic,educational_score,decision,reason"])))
    row = {"cluster_id": "", "topic": '5" nails', "educational_score": "", "decision": "kept", "reason": "</script>"}
    assert kept["rows"] == [row]


def test_without_clusters_the_page_says_so(tmp_path):
    assert "No cluster was found" in build(tmp_path, [], points=sample(0))


def test_a_sample_at_one_place_is_drawn_in_the_middle():
    same = [{"seed_id": "a", "cluster_id": 0, "x": 3.0, "y": 3.0}] * 2
    assert review.draw_points(same, 5)["x"] == [1000, 1000]
