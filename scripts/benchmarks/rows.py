"""Rows of the nine benchmarks, from the shipped sample or the Hugging Face Hub, in one shape: `Item`.

Both places hold the columns of the Hub. A row is read in two steps: `read_rows` gives it as it is published,
`to_item` turns it into question, choices and correct answer. `decontamination_text` is what a generated document is
compared with: the question as a model reads it, followed by the correct answer. The wrong choices are left out, because
a text that teaches an item holds its question and its answer, rarely the distractors; with them in, the question alone
would seldom reach half of the text. The published decontamination used a prepared table of texts whose recipe is not
public (HuggingFaceTB/phi2_eval_data_for_decontamination), so the recipe is ours and stands here, one function a
benchmark.

Splits are those the Cosmopedia evaluation and lighteval score on. PIQA and SIQA are published on the Hub as Python
scripts, which `datasets` no longer runs: PIQA is read from its converted branch, SIQA from lighteval's copy.
"""

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from scripts.common.errors import InputError

HUB = "hub"
"""The location that means: the dataset on the Hugging Face Hub."""


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
    """The question; four choices; the answer as a number from 0."""
    return row["question"], tuple(row["choices"]), _place(row["answer"], 0)


def hellaswag(row: Mapping[str, Any]) -> Parts:
    """The context; four endings. The marks that WikiHow pages left in brackets are no part of the text."""
    return (
        _without_marks(row["ctx"]),
        tuple(_without_marks(ending) for ending in row["endings"]),
        _place(row["label"], 0),
    )


def piqa(row: Mapping[str, Any]) -> Parts:
    """The goal; two solutions."""
    return row["goal"], (row["sol1"], row["sol2"]), _place(row["label"], 0)


def siqa(row: Mapping[str, Any]) -> Parts:
    """Context and question; three answers, counted from 1."""
    return (
        f"{row['context']} {row['question']}",
        (row["answerA"], row["answerB"], row["answerC"]),
        _place(row["label"], 1),
    )


def winogrande(row: Mapping[str, Any]) -> Parts:
    """The sentence up to its blank; each choice is an option with the rest of the sentence. Options count from 1."""
    before, _, after = row["sentence"].partition("_")
    return before.rstrip(), (row["option1"] + after, row["option2"] + after), _place(row["answer"], 1)


def openbookqa(row: Mapping[str, Any]) -> Parts:
    """The question stem, which is often an unfinished sentence; four choices with letters."""
    return row["question_stem"], *_lettered(row)


def arc(row: Mapping[str, Any]) -> Parts:
    """The question; three to five choices with letters or digits (both parts of ARC)."""
    return row["question"], *_lettered(row)


def boolq(row: Mapping[str, Any]) -> Parts:
    """Passage, then question; yes or no. The passage is included because it is most of what a model reads."""
    return f"{row['passage']} {row['question']}", ("no", "yes"), None if row["answer"] is None else int(row["answer"])


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


def read_rows(benchmark: str, location: str) -> Iterator[dict[str, Any]]:
    """Yields a benchmark's rows with the Hub's own columns, in their published order.

    Args:
        benchmark: a key of `BENCHMARKS`.
        location: "hub", or a folder that holds `<benchmark>.jsonl`.

    Raises:
        InputError: the benchmark is unknown, its file absent, or a line is not a JSON object.
    """
    spec = _benchmark(benchmark)
    if location == HUB:
        from datasets import load_dataset

        yield from load_dataset(spec.hub, spec.config, split=spec.split, revision=spec.revision)
        return
    path = Path(location) / f"{benchmark}.jsonl"
    if not path.is_file():
        raise InputError(f"{path} does not exist. Put the rows of {spec.name} there, one JSON object a line.")
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise InputError(f"{path} line {number} is not valid JSON ({error}). Mend or remove it.") from error
            if not isinstance(row, dict):
                raise InputError(f"{path} line {number} is not a JSON object. Mend or remove it.")
            yield row


def to_item(benchmark: str, row: Mapping[str, Any], number: int) -> Item:
    """The item that a published row holds; `number` is its place, counted from 0, its id where it has no own.

    Raises:
        InputError: the row lacks a column or holds something else than the Hub's row does.
    """
    spec = _benchmark(benchmark)
    try:
        question, choices, answer = spec.parts(row)
        if not all(isinstance(text, str) for text in (question, *choices)):
            raise TypeError("question and choices must be text")
        if answer is not None and not 0 <= answer < len(choices):
            raise ValueError(f"answer {answer} of {len(choices)} choices")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"row {number} of {spec.name} cannot be read ({type(error).__name__}: {error}). "
            f"It should have the columns of {spec.hub} on the Hub; it has {', '.join(sorted(row))}."
        ) from error
    identifier = str(row.get(spec.id_column) or number)
    return Item(benchmark, identifier, question, choices, answer, str(row.get(spec.subject_column) or ""))


def read_items(benchmark: str, location: str) -> Iterator[Item]:
    """Yields every item of a benchmark; arguments and errors as in `read_rows` and `to_item`."""
    for number, row in enumerate(read_rows(benchmark, location)):
        yield to_item(benchmark, row, number)


def decontamination_text(item: Item) -> str:
    """The text that documents are compared with: the question, then the correct answer if it is known."""
    return item.question if item.answer is None else f"{item.question} {item.choices[item.answer]}"


def _benchmark(key: str) -> Benchmark:
    if key not in BENCHMARKS:
        raise InputError(f"there is no benchmark {key!r}. Choose among {', '.join(BENCHMARKS)}.")
    return BENCHMARKS[key]


def _place(label: Any, first: int) -> int | None:
    """The place of the answer from a label that counts from `first`; None for a withheld one ("", −1 or null)."""
    if label is None or str(label).strip() in ("", "-1"):
        return None
    return int(label) - first


def _lettered(row: Mapping[str, Any]) -> tuple[tuple[str, ...], int | None]:
    texts, labels, key = row["choices"]["text"], row["choices"]["label"], row["answerKey"]
    return tuple(texts), labels.index(key) if key else None


def _without_marks(text: str) -> str:
    return re.sub(r"\s*\[(?:header|title|step|substeps)\]\s*", " ", text).strip()
