"""Topics are decided by score and size, fall back on keywords in plain sight, and a person has the last word."""

import csv
from collections import Counter
from pathlib import Path

import pytest
import yaml

from scripts.common.errors import InputError
from scripts.common.schemas import TOPIC_ANSWERS, TOPIC_EXAMPLES, TOPICS
from scripts.common.tables import read_table, write_table
from scripts.label import decide as program
from scripts.label.decide import REVIEW_COLUMNS, build_topics, decide, name_cluster, review
from scripts.label.overrides import COLUMNS, Override, read_overrides
from scripts.label.votes import words

HEADER = "cluster_id\ttopic\teducational_score\tdecision\treason\n"


def cluster(number, n_documents=100, **values):
    words = ["robin", "nest", "feather", "egg"]
    return {"cluster_id": number, "n_documents": n_documents, "keywords": words, "examples": ["A robin sang."]} | values


def answer(number, topic="Garden birds", score=7, problem=""):
    return {"cluster_id": number, "topic": topic, "educational_score": score, "problem": problem}


UNUSABLE = {"topic": None, "score": None, "problem": "no valid JSON object"}


def topics(clusters, answers=(), overrides=()):
    rows, _ = build_topics(clusters, answers, list(overrides), minimum_score=3, minimum_documents=20)
    return {row["cluster_id"]: row for row in rows}


def test_a_name_without_a_majority_is_not_used_but_its_scores_are():
    answers = [answer(0, "Garden birds", 7), answer(0, "Steam engines", 9)]
    row = topics([cluster(0)], answers)[0]
    assert row["label_source"] == "keywords"
    assert row["topic"] == ", ".join(cluster(0)["keywords"][:3])
    assert (row["educational_score"], row["n_answers"], row["agreement"]) == (8, 2, 0.5)
    row = topics([cluster(0)], [*answers, answer(0, "Birds of the garden", 6)])[0]
    assert (row["topic"], row["label_source"]) == ("Garden birds", "llm")


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("n_documents", "score", "decision"),
    [(20, 3, "kept"), (19, 10, "removed"), (20, 2.9, "removed"), (20, None, "kept"), (19, None, "removed")],
)
def test_a_topic_needs_documents_and_a_score(n_documents, score, decision):
    assert decide(n_documents, score, minimum_score=3, minimum_documents=20)[0] == decision


def test_reasons_tell_the_numbers():
    assert decide(5, 9, 3, 20)[1] == "5 documents, fewer than 20"
    assert decide(50, 2, 3, 20)[1] == "educational score 2 under 3"
    assert decide(50, None, 3, 20)[1] == "no model score was available"


def test_one_answer_names_the_topic():
    row = topics([cluster(0)], [answer(0)])[0]
    assert (row["topic"], row["educational_score"], row["agreement"]) == ("Garden birds", 7, 1)
    assert (row["label_source"], row["decision"], row["decided_by"]) == ("llm", "kept", "rule")


def test_of_several_answers_the_majority_names_and_the_median_scores():
    answers = [answer(0, "Poultry", 2), answer(0), answer(0, "Birds of the garden", 8), answer(0, **UNUSABLE)]
    named = name_cluster(cluster(0), answers)
    assert (named["topic"], named["n_answers"]) == ("Garden birds", 3)
    assert named["agreement"] == pytest.approx(2 / 3)
    assert (named["educational_score"], named["score_min"], named["score_max"]) == (7, 2, 8)
    assert named["score_agreement"] == pytest.approx(2 / 3)


def test_the_score_of_two_answers_lies_between_them():
    named = name_cluster(cluster(0), [answer(0, score=2), answer(0, score=7)])
    assert (named["educational_score"], named["score_agreement"]) == (4.5, 0)


def test_without_a_usable_answer_keywords_name_the_topic_and_it_is_kept():
    row = topics([cluster(0)], [answer(0, **UNUSABLE)])[0]
    assert (row["topic"], row["educational_score"], row["n_answers"]) == ("robin, nest, feather", None, 0)
    assert (row["label_source"], row["decision"], row["reason"]) == ("keywords", "kept", "no model score was available")


def test_a_cluster_without_answer_and_keywords_still_has_a_name():
    assert topics([cluster(4, keywords=[])])[4]["topic"] == "cluster 4"


def test_a_person_can_remove_keep_rename_and_rescore(tmp_path):
    lines = ["0\t\t\tremoved\ttoo narrow", "1\tOwls of the night\t9\t\t", "2\t\t\tkept\t", "\tGARDEN BIRDS\t1\t\t"]
    overrides = read_overrides(write(tmp_path / "topics.tsv", HEADER + "\n".join(lines) + "\n"))
    answers = [answer(0, "Cars"), answer(1, "Owls", 2), answer(2, "Spam", 1), answer(3), answer(4)]
    rows = topics([cluster(n) for n in range(6)], answers, overrides)
    assert (rows[0]["decision"], rows[0]["reason"], rows[0]["topic"]) == ("removed", "too narrow", "Cars")
    assert (rows[1]["decision"], rows[1]["topic"], rows[1]["educational_score"]) == ("kept", "Owls of the night", 9)
    assert (rows[2]["decision"], rows[2]["reason"]) == ("kept", "decided by a person")
    assert [rows[n]["decision"] for n in (3, 4)] == ["removed", "removed"]
    assert [rows[n]["decided_by"] for n in range(6)] == ["override", "rule", "override", "rule", "rule", "rule"]
    assert [rows[n]["label_source"] for n in range(6)] == ["llm", "override", "llm", "override", "override", "keywords"]


def test_a_row_without_cluster_id_finds_the_name_in_other_words_and_does_not_rename():
    row = topics([cluster(0)], [answer(0)], [Override(topic="the Bird and Gardens", decision="removed")])[0]
    assert (row["topic"], row["decision"], row["label_source"]) == ("Garden birds", "removed", "llm")
    assert topics([cluster(0)], [answer(0)], [Override(topic="Garden", decision="removed")])[0]["decision"] == "kept"


def test_later_corrections_win_cell_by_cell():
    first = Override(topic="Garden birds", educational_score=2, decision="removed", reason="published list")
    row = topics([cluster(0)], [answer(0)], [first, Override(0, "Birds")])[0]
    assert (row["topic"], row["decision"], row["reason"]) == ("Birds", "removed", "published list")
    row = topics([cluster(0)], [answer(0)], [first, Override(0, decision="kept")])[0]
    assert (row["decision"], row["reason"], row["educational_score"]) == ("kept", "decided by a person", 2)


def test_a_correction_of_no_cluster_is_reported():
    lost, used = Override(9, decision="removed"), Override(0, decision="removed")
    _, unused = build_topics([cluster(0)], [answer(0)], [lost, used], 3, 20)
    assert unused == [lost]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty: its first line must name the columns"),
        ("cluster\tdecision\n", "unknown column `cluster`: did you mean `cluster_id`"),
        ("cluster_id decision reason\n", "unknown column `cluster_id decision reason`"),
        ("decision\treason\n", "needs the column cluster_id or topic"),
        ("topic\ttopic\n", "a column occurs twice"),
        (HEADER + "1\tBirds\t5\tkept\twhy\tmore\n", "line 2: more cells than the first line has columns"),
        (HEADER + "\t\t5\tkept\t\n", "line 2: cluster_id and topic are both empty"),
        (HEADER + "\n1\t\t\tkep\t\n", "line 3: `decision`: 'kep' .* decision: kept or removed"),
        (HEADER + "-1\t\t\tkept\t\n", "line 2: `cluster_id`: -1 .* cluster_id: a whole number"),
        (HEADER + "1_0\t\t\tkept\t\n", "line 2: `cluster_id`: '1_0' is not of type 'integer'"),
        (HEADER + "1\t\t11\t\t\n", "line 2: `educational_score`: 11.0 .* educational_score: a number from 1 to 10"),
        (HEADER + "1\t\thigh\t\t\n", "`educational_score`: 'high'"),
        (HEADER + "1\t\tnan\t\t\n", "`educational_score`: 'nan'"),
        (HEADER + "1\tab\t\t\t\n", "line 2: `topic`: 'ab' .* topic: 3 to 60 characters"),
    ],
)
def test_a_faulty_file_is_refused_with_its_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_overrides(write(tmp_path / "topics.tsv", text))


def test_a_file_in_another_encoding_is_refused(tmp_path):
    path = tmp_path / "topics.tsv"
    path.write_bytes((HEADER + "1\tMären\t\t\t\n").encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8"):
        read_overrides(path)


def test_files_of_spreadsheets_are_read(tmp_path):
    path = tmp_path / "topics.tsv"
    path.write_bytes(b"\xef\xbb\xbf" + (HEADER + '7\t"5"" nails"\t4\r\n\r\n').replace("\t4\r\n", "\t4\r\n").encode())
    assert read_overrides(path) == [Override(7, '5" nails', 4.0, "", "")]


def test_the_schema_describes_the_same_columns():
    schema = yaml.safe_load(Path("workflow/schemas/topics.schema.yaml").read_text())
    assert set(schema["properties"]) == set(COLUMNS)


def test_the_published_list_tells_every_topic_once_and_both_conflicts_of_its_script():
    rows = {row.topic: row for row in read_overrides("resources/topics_published.tsv")}
    assert len({words(topic) for topic in rows}) == len(rows) == 142
    assert Counter(row.decision for row in rows.values()) == {"kept": 110, "removed": 32}
    glued = [row.topic for row in rows.values() if "missing comma" in row.reason]
    assert sorted(glued) == ["Moving Services and Logistics", "Transportation and City Planning"]
    both = [row.topic for row in rows.values() if "both lists" in row.reason]
    assert [rows[topic].decision for topic in both] == ["removed", "removed"]


def test_the_review_is_sorted_by_size_with_one_line_a_cluster(tmp_path):
    rows = topics(
        [cluster(0, 30), cluster(1, 50, examples=["first\tline\nsecond " * 20, '"quoted"'])], [answer(1, '5" nails', 4)]
    )
    path = write(tmp_path / "review.tsv", review(rows.values()))
    lines = path.read_text().splitlines()
    assert len(lines) == 3
    assert {line.count("\t") for line in lines} == {len(REVIEW_COLUMNS) - 1}
    read = list(csv.DictReader(path.open(), delimiter="\t"))
    assert [row["cluster_id"] for row in read] == ["1", "0"]
    assert read[0]["topic"] == '5" nails'
    assert read[1]["educational_score"] == ""


def test_rows_of_the_review_can_be_used_as_corrections(tmp_path):
    rows = topics([cluster(0), cluster(1)], [answer(0), answer(1, "Poultry", 2)])
    text = review(rows.values()).replace("removed", "kept")
    overrides = read_overrides(write(tmp_path / "topics.tsv", text))
    assert topics([cluster(0), cluster(1)], [answer(1, "Poultry", 2)], overrides)[1]["decision"] == "kept"


def test_the_program_writes_topics_and_review(tmp_path):
    write_table(tmp_path / "examples", [cluster(0), cluster(1, 3)], TOPIC_EXAMPLES)
    write_table(tmp_path / "answers", [answer(0) | {"sample": 0, "attempt": 1, "raw": "{}"}], TOPIC_ANSWERS)
    arguments = ["--examples", str(tmp_path / "examples"), "--answers", str(tmp_path / "answers")]
    for name in ("a", "b"):
        program.main([*arguments, "--topics", str(tmp_path / name), "--review", str(tmp_path / f"{name}.tsv")])
    rows = read_table(tmp_path / "a", TOPICS).to_pylist()
    assert [(row["decision"], row["label_source"]) for row in rows] == [("kept", "llm"), ("removed", "keywords")]
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a.tsv").read_text() == (tmp_path / "b.tsv").read_text()


def test_of_several_files_the_later_wins_and_rows_of_no_cluster_are_counted(tmp_path, caplog):
    write_table(tmp_path / "examples", [cluster(0), cluster(1)], TOPIC_EXAMPLES)
    answers = [answer(0, "Music"), answer(1, "Death")]
    write_table(tmp_path / "answers", [row | {"sample": 0, "attempt": 1, "raw": ""} for row in answers], TOPIC_ANSWERS)
    own = write(tmp_path / "topics.tsv", "topic\tdecision\nDeath\tkept\nNo such topic\tkept\n")
    arguments = ["--examples", str(tmp_path / "examples"), "--answers", str(tmp_path / "answers")]
    arguments += ["--overrides", "resources/topics_published.tsv", str(own)]
    program.main([*arguments, "--topics", str(tmp_path / "topics"), "--review", str(tmp_path / "review.tsv")])
    rows = read_table(tmp_path / "topics", TOPICS).to_pylist()
    assert [(row["topic"], row["decision"], row["decided_by"]) for row in rows] == [
        ("Music", "kept", "override"),
        ("Death", "kept", "override"),
    ]
    assert "topics_published.tsv: 140 of 142 rows concern no cluster" in caplog.text
    assert "topics.tsv: 1 of 2 rows concern no cluster: 'No such topic'" in caplog.text
