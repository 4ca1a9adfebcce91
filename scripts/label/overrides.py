"""A person's corrections of the topics: config/topics.tsv, tab-separated, optional.

Columns: cluster_id, topic, educational_score, decision (kept or removed), reason. A row with a cluster_id changes that
cluster, also its name where `topic` is filled; a row without applies to every cluster of that topic, and so outlives a
new clustering. Empty cells change nothing. topics/review.tsv has the same columns to copy from; its further columns are
allowed here and ignored.
"""

import csv
import dataclasses
import difflib
import io
from collections.abc import Mapping
from pathlib import Path

from scripts.common.errors import InputError
from scripts.label.prompt import SCORE_RANGE, TOPIC_LENGTH
from scripts.prompts.text import one_line

COLUMNS = ("cluster_id", "topic", "educational_score", "decision", "reason")
REVIEW_ONLY = ("n_documents", "label_source", "agreement", "keywords", "examples")


@dataclasses.dataclass(frozen=True)
class Override:
    """One row; None or "" leaves a value as it is."""

    cluster_id: int | None
    topic: str
    educational_score: float | None
    decision: str
    reason: str

    def concerns(self, cluster_id: int, topic: str) -> bool:
        """Whether the row is about this cluster."""
        if self.cluster_id is not None:
            return self.cluster_id == cluster_id
        return self.topic.casefold() == topic.casefold()


def read_overrides(path: str | Path) -> list[Override]:
    """The rows of a file of corrections.

    Raises:
        InputError: a wrong header or cell; the message names the file, the line and the remedy.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: save it as tab-separated text in UTF-8.") from error
    reader = csv.DictReader(io.StringIO(text, newline=None), delimiter="\t", restkey="", restval="")
    try:
        _check_header(path, reader.fieldnames or [])
        return [_read_row(f"{path}, line {reader.line_num}", row) for row in reader if any(row.values())]
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}.") from error


def _check_header(path: str | Path, names: list[str]) -> None:
    if not names:
        raise InputError(f"{path} is empty: its first line must name the columns {', '.join(COLUMNS)} (tab-separated).")
    for name in names:
        if name not in COLUMNS + REVIEW_ONLY:
            near = difflib.get_close_matches(name, COLUMNS, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"the columns are {', '.join(COLUMNS)}, separated by tabs."
            raise InputError(f"{path}: unknown column `{name}`: {hint}")
    if len(set(names)) < len(names):
        raise InputError(f"{path}: a column occurs twice in the first line.")
    if not {"cluster_id", "topic"} & set(names):
        raise InputError(f"{path}: the first line needs the column cluster_id or topic, to say which cluster is meant.")


def _read_row(where: str, row: Mapping) -> Override:
    if any(row.get("", ())):
        raise InputError(f"{where}: more cells than the first line has columns; one tab separates two cells.")
    cells = {name: one_line(row.get(name)) for name in COLUMNS}
    if not cells["cluster_id"] and not cells["topic"]:
        raise InputError(f"{where}: cluster_id and topic are both empty, so no cluster is meant.")
    if cells["topic"] and not TOPIC_LENGTH[0] <= len(cells["topic"]) <= TOPIC_LENGTH[1]:
        raise InputError(f"{where}: the topic must have {TOPIC_LENGTH[0]} to {TOPIC_LENGTH[1]} characters.")
    if cells["decision"] not in ("", "kept", "removed"):
        raise InputError(f"{where}: decision `{cells['decision']}` must be kept, removed or empty.")
    return Override(
        cluster_id=_cluster(where, cells["cluster_id"]),
        topic=cells["topic"],
        educational_score=_score(where, cells["educational_score"]),
        decision=cells["decision"],
        reason=cells["reason"],
    )


def _cluster(where: str, cell: str) -> int | None:
    if cell and not (cell.isascii() and cell.isdigit()):
        raise InputError(f"{where}: cluster_id `{cell}` must be a whole number as in review.tsv, or empty.")
    return int(cell) if cell else None


def _score(where: str, cell: str) -> float | None:
    if not cell:
        return None
    try:
        score = float(cell)
    except ValueError:
        score = float("nan")
    if not SCORE_RANGE[0] <= score <= SCORE_RANGE[1]:
        raise InputError(f"{where}: educational_score `{cell}` must be a number from 1 to 10, or empty.")
    return score
