"""What a row of each of the nine benchmarks says, in one shape: `Item`.

Rows come with the columns of the Hub (scripts/benchmarks/load.py). The function of each benchmark says which columns
are question, choices and correct answer. `decontamination_text` is what a generated document is compared with: the
question as a model reads it, followed by the correct answer. The wrong choices are left out, because a text that
teaches an item holds its question and its answer, rarely the distractors; with them in, the question alone would
seldom reach half of the text. The published decontamination used a prepared table of texts whose recipe is not public
(HuggingFaceTB/phi2_eval_data_for_decontamination), so the recipe is ours and stands here, one function a benchmark.

Splits are those the Cosmopedia evaluation and lighteval score on. PIQA and SIQA are published on the Hub as Python
scripts, which `datasets` no longer runs: PIQA is read from its converted branch, SIQA from lighteval's copy.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any

from scripts.common.errors import InputError


@dataclasses.dataclass(frozen=True)
class Item:
    """One benchmark row.

    Args:
        benchmark: its key in `BENCHMARKS`.
        row: the row's own id where it has one, else its number, counted from 0.
        question: what a model reads before it answers.
        choices: the continuations it chooses from.
        answer: the place of the correct choice; None where the answer is withheld.
        subject: MMLU's subject, HellaSwag's activity; "" elsewhere.
    """

    benchmark: str
    row: str
    question: str
    choices: tuple[str, ...]
    answer: int | None
    subject: str = ""


Parts = tuple[str, tuple[str, ...], int | None]
"""Question, choices, answer: what a row says."""


def mmlu(row: Mapping[str, Any]) -> Parts:
    """`question`; the four `choices`; `answer` counts them from 0."""
    return _text(row, "question"), _list(row["choices"]), _place(row["answer"], 0)


def hellaswag(row: Mapping[str, Any]) -> Parts:
    """`ctx`; the four `endings`; `label` counts them from 0. The marks that WikiHow pages left in brackets, such as
    [step], are no part of the text."""
    endings = tuple(_without_marks(ending) for ending in _list(row["endings"]))
    return _without_marks(_text(row, "ctx")), endings, _place(row["label"], 0)


def piqa(row: Mapping[str, Any]) -> Parts:
    """`goal`; the solutions `sol1` and `sol2`; `label` counts them from 0."""
    return _text(row, "goal"), (row["sol1"], row["sol2"]), _place(row["label"], 0)


def siqa(row: Mapping[str, Any]) -> Parts:
    """`context`, then `question`; the answers `answerA`, `answerB`, `answerC`; `label` counts them from 1."""
    question = f"{_text(row, 'context')} {_text(row, 'question')}"
    return question, (row["answerA"], row["answerB"], row["answerC"]), _place(row["label"], 1)


def winogrande(row: Mapping[str, Any]) -> Parts:
    """`sentence` up to its blank, an underscore; each choice is `option1` or `option2` with the rest of the sentence,
    so that question and answer are the whole sentence; `answer` counts the options from 1."""
    before, blank, after = _text(row, "sentence").partition("_")
    if not blank:
        raise ValueError("the sentence has no blank (_)")
    return before.rstrip(), (row["option1"] + after, row["option2"] + after), _place(row["answer"], 1)


def openbookqa(row: Mapping[str, Any]) -> Parts:
    """`question_stem`, often an unfinished sentence; `choices` {text, label}, of which `answerKey` names a label."""
    return _text(row, "question_stem"), *_lettered(row)


def arc(row: Mapping[str, Any]) -> Parts:
    """`question`; three to five `choices` {text, label}, letters or digits, of which `answerKey` names one. Both parts
    of ARC."""
    return _text(row, "question"), *_lettered(row)


def boolq(row: Mapping[str, Any]) -> Parts:
    """`passage`, then `question`; no or yes, as `answer` is false or true. The passage is included because it is most
    of what a model reads, so a text that repeats more than half of a passage is removed."""
    if not isinstance(row["answer"], bool | None):
        raise TypeError(f"answer is {row['answer']!r} and not true or false")
    question = f"{_text(row, 'passage')} {_text(row, 'question')}"
    return question, ("no", "yes"), None if row["answer"] is None else int(row["answer"])


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """Where a benchmark is published and how its rows are read.

    Args:
        name: as printed in tables.
        parts: the function that reads a row.
        hub: dataset id.
        config: its configuration.
        split: the split that is scored.
        id_column: the column of the row's own id; "" where there is none that is unique.
        subject_column: the column that becomes `Item.subject`.
        revision: branch or commit of the dataset.
    """

    name: str
    parts: Callable[[Mapping[str, Any]], Parts]
    hub: str
    config: str
    split: str
    id_column: str = ""
    subject_column: str = ""
    revision: str = "main"

    @property
    def location(self) -> str:
        """Dataset and revision, as in the registry of sources."""
        return f"{self.hub}@{self.revision}"


BENCHMARKS = {
    "mmlu": Benchmark("MMLU", mmlu, "cais/mmlu", "all", "test", subject_column="subject"),
    "hellaswag": Benchmark(
        "HellaSwag", hellaswag, "Rowan/hellaswag", "default", "validation", subject_column="activity_label"
    ),
    "piqa": Benchmark("PIQA", piqa, "ybisk/piqa", "default", "validation", revision="refs/convert/parquet"),
    "siqa": Benchmark("SIQA", siqa, "lighteval/siqa", "default", "validation"),
    "winogrande": Benchmark("WinoGrande", winogrande, "allenai/winogrande", "winogrande_xl", "validation"),
    "openbookqa": Benchmark("OpenBookQA", openbookqa, "allenai/openbookqa", "main", "test", id_column="id"),
    "arc_easy": Benchmark("ARC-E", arc, "allenai/ai2_arc", "ARC-Easy", "test", id_column="id"),
    "arc_challenge": Benchmark("ARC-C", arc, "allenai/ai2_arc", "ARC-Challenge", "test", id_column="id"),
    "boolq": Benchmark("BoolQ", boolq, "google/boolq", "default", "validation"),
}
"""Every benchmark by the key that config.yaml uses."""


def known(key: str) -> Benchmark:
    """A benchmark by its key.

    Raises:
        InputError: there is none of this name.
    """
    if key not in BENCHMARKS:
        raise InputError(f"there is no benchmark {key!r}. Choose among {', '.join(BENCHMARKS)}.")
    return BENCHMARKS[key]


def benchmark_of(task: str) -> str:
    """The benchmark that an entry of `evaluate.benchmarks` scores, perhaps a task of lighteval; "" for none of ours.

    >>> benchmark_of("piqa"), benchmark_of("arc:challenge|25"), benchmark_of("mmlu:anatomy|5"), benchmark_of("gsm8k|5")
    ('piqa', 'arc_challenge', 'mmlu', '')
    """
    name = task.partition("|")[0]
    return next((key for key in (name, name.replace(":", "_"), name.partition(":")[0]) if key in BENCHMARKS), "")


def to_item(benchmark: str, row: Mapping[str, Any], number: int, place: str = "") -> Item:
    """The item that a published row holds.

    Args:
        benchmark: a key of `BENCHMARKS`.
        row: with the Hub's columns.
        number: its place, counted from 0: its id where it has no own.
        place: file and line, for errors.

    Raises:
        InputError: the row lacks a column or holds something else than the Hub's row does.
    """
    spec = known(benchmark)
    try:
        question, choices, answer = spec.parts(row)
        if not all(isinstance(text, str) for text in (question, *choices)):
            raise TypeError("question and choices must be text")
        if answer is not None and not 0 <= answer < len(choices):
            raise ValueError(f"answer {answer} of {len(choices)} choices")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"column {error} is missing" if isinstance(error, KeyError) else error
        raise InputError(
            f"{place or f'row {number}'} of {spec.name} cannot be read: {problem}. "
            f"It should have the columns of {spec.hub} on the Hub; it has {', '.join(sorted(row))}."
        ) from error
    identifier = str(row.get(spec.id_column) or number)
    return Item(benchmark, identifier, question, choices, answer, str(row.get(spec.subject_column) or ""))


def decontamination_text(item: Item) -> str:
    """The text that documents are compared with: the question, then the correct answer if it is known."""
    return item.question if item.answer is None else f"{item.question} {item.choices[item.answer]}"


def _text(row: Mapping[str, Any], column: str) -> str:
    if not isinstance(row[column], str):
        raise TypeError(f"{column} is {'null' if row[column] is None else type(row[column]).__name__} and not text")
    return row[column]


def _list(values: Any) -> tuple:
    if not isinstance(values, list):
        raise TypeError(f"{values!r} is no list")
    return tuple(values)


def _place(label: Any, first: int) -> int | None:
    """The place of the answer from a label that counts from `first`; None for a withheld one ("", −1 or null)."""
    if label is None or str(label).strip() in ("", "-1"):
        return None
    return int(label) - first


def _lettered(row: Mapping[str, Any]) -> tuple[tuple[str, ...], int | None]:
    texts, labels, key = _list(row["choices"]["text"]), _list(row["choices"]["label"]), row["answerKey"]
    if key and key not in labels:
        raise ValueError(f"answerKey {key} is none of {', '.join(labels)}")
    return texts, labels.index(key) if key else None


def _without_marks(text: str) -> str:
    return re.sub(r"\s*\[(?:header|title|step|substeps)\]\s*", " ", text).strip()
