"""Corrections of the topics: files of tab-separated rows, by a person (config/topics.tsv) or published.

Columns: cluster_id, topic, educational_score, decision (kept or removed), reason; each row is checked against
workflow/schemas/topics.schema.yaml. A row with a cluster_id changes that cluster, also its name where `topic` is
filled; a row without applies to every cluster that the model gave that topic (`scripts.label.votes.words`: case,
plurals and small words do not count), and so outlives a new clustering. Empty cells change nothing. topics/review.tsv
has the same columns to copy from; its further columns are allowed here and ignored.
"""

import csv
import dataclasses
import difflib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scripts.common.errors import InputError
from scripts.label.votes import words
from scripts.prompts.text import one_line

SCHEMA = Path(__file__).parents[2] / "workflow" / "schemas" / "topics.schema.yaml"
COLUMNS = ("cluster_id", "topic", "educational_score", "decision", "reason")
REVIEW_ONLY = (
    "score_min",
    "score_max",
    "score_agreement",
    "agreement",
    "n_answers",
    "n_documents",
    "label_source",
    "decided_by",
    "keywords",
    "examples",
)


@dataclasses.dataclass(frozen=True)
class Override:
    """One row; None or "" leaves a value as it is."""

    cluster_id: int | None = None
    topic: str = ""
    educational_score: float | None = None
    decision: str = ""
    reason: str = ""

    def concerns(self, cluster_id: int, topic: str) -> bool:
        """Whether the row is about this cluster."""
        if self.cluster_id is not None:
            return self.cluster_id == cluster_id
        return words(self.topic) == words(topic)


def combine(overrides: Iterable[Override]) -> Override:
    """What several rows about one cluster say together: the later one wins, cell by cell.

    A topic without cluster_id only tells which cluster is meant. A reason belongs to its decision: a later decision
    without one takes the earlier reason away.
    """
    topic, score, decision, reason = "", None, "", ""
    for override in overrides:
        topic = override.topic if override.topic and override.cluster_id is not None else topic
        score = score if override.educational_score is None else override.educational_score
        reason = override.reason if override.reason or override.decision else reason
        decision = override.decision or decision
    return Override(None, topic, score, decision, reason)


def read_overrides(path: str | Path) -> list[Override]:
    """The rows of a file of corrections.

    Raises:
        InputError: a wrong header or cell; the message names the file, the line and the remedy.
    """
    import yaml

    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    return [_checked(place, row, schema) for place, row in read_cells(path)]


def read_cells(path: str | Path) -> list[tuple[str, dict[str, str]]]:
    """(file and line, cells) of each row of a file, its header checked and its cells not."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: save it as tab-separated text in UTF-8.") from error
    reader = csv.DictReader(io.StringIO(text, newline=None), delimiter="\t", restkey="", restval="")
    rows = []
    try:
        _check_header(path, reader.fieldnames or [])
        for row in reader:
            place = f"{path}, line {reader.line_num}"
            if any(row.get("", ())):
                raise InputError(f"{place}: more cells than the first line has columns; one tab separates two cells.")
            if any(row.values()):
                rows.append((place, {name: one_line(row.get(name)) for name in COLUMNS}))
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}.") from error
    return rows


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


def _checked(place: str, cells: dict[str, str], schema: dict[str, Any]) -> Override:
    """The row, if the schema allows it; an empty cell counts as absent."""
    from scripts.workflow.config import check

    if not cells["cluster_id"] and not cells["topic"]:
        raise InputError(f"{place}: cluster_id and topic are both empty, so no cluster is meant.")
    row: dict[str, Any] = {name: cell for name, cell in cells.items() if cell}
    for name, number in (("cluster_id", int), ("educational_score", float)):
        if name in row:
            row[name] = _number(row[name], number)
    if findings := check(row, schema):
        allowed = "; ".join(f"{name}: {schema['properties'][name]['title']}" for name in COLUMNS)
        raise InputError(f"{place}: {'; '.join(findings)}. An empty cell changes nothing. Allowed are: {allowed}.")
    return Override(**row)


def _number(cell: str, number: type) -> float | str:
    """The number that a cell holds, or the cell itself, which the schema then refuses."""
    try:
        value = number(cell)
    except ValueError:
        return cell
    return value if cell.isascii() and "_" not in cell and value == value else cell
