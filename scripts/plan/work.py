"""How much work a job has: seeds, texts or tokens of its part, its split or the whole run.

A source's texts are those that the mix asks for (`layout.Source.prompts`), spread evenly over its parts; where a part's
prompts exist already they are counted instead, from the footer of the file. Of a slice that was ended early only what
its status file does not have is left.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scripts.plan.ranges import Range
from scripts.preflight.training import checkpoints
from scripts.train.experiment import read_experiment, tokens_per_step
from scripts.workflow.layout import Source, number

EXPERIMENTS = Path("config/experiments")
COURSE_TOKENS = 15000
"""Tokens asked of the model for a row of a catalogue: an estimated 30 M for 2,000 rows (workflow/rules/outline.smk)."""


class Work:
    """Counts the work of jobs.

    Args:
        config: the resolved configuration.
        sources: the layout of the run.
        length: tokens of a text.
        results: the run's folder, for what it has already; None for a run that has nothing.
        left: (source, part, slice) → share of a slice that is not done yet.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        sources: Mapping[str, Source],
        length: Range,
        results: Path | None = None,
        left: Mapping[tuple[str, str, str], float] | None = None,
    ) -> None:
        self._config, self._sources, self._length = config, sources, length
        self._left = left or {}
        self._texts = {
            (name, part): _rows(results, name, part) or source.prompts / source.parts
            for name, source in sources.items()
            for part in map(number, range(source.parts))
        }

    def units(self, unit: str, wildcards: Mapping[str, str], rule: str = "") -> float:
        """The work of a job in this unit."""
        if unit == "job":
            return 1.0
        if unit == "sample":
            return self._config["cluster"]["sample_size"]
        if unit in ("train_token", "train_flop", "parameter"):
            return _training(EXPERIMENTS / f"{self._config['train']['experiment']}.yaml", unit)
        if unit in ("seed", "clustered_seed"):
            clustered = self._config["cluster"]["sources"]
            parts = [pair for pair in self._parts(wildcards) if unit == "seed" or pair[0] in clustered]
            return sum(self._seeds(*pair) for pair in parts)
        if unit == "token":
            return self._length.value * self._texts_of(wildcards, rule)
        texts = self._texts_of(wildcards)
        return texts * {"text": 1, "round_text": self._config["deduplicate"]["rounds"], "bucket_text": 1}[unit]

    def in_texts(self, cost: Range, unit: str, units: float) -> Range:
        """A cost of tokens, whose number is no surer than the length of a text."""
        return cost.by(self._length.times(1 / self._length.value)) if unit == "token" else cost

    @property
    def splits(self) -> set[str]:
        """The splits of the dataset."""
        return {source.split for source in self._sources.values()}

    def texts(self) -> float:
        """Texts of the whole run."""
        return sum(self._texts.values())

    def texts_left(self, wildcards: Mapping[str, str]) -> float:
        """Texts that a slice still has to make."""
        source, part, piece = wildcards["source"], wildcards["part"], wildcards["slice"]
        share = self._left.get((source, part, piece), 1.0)
        return share * self._texts[source, part] / self._sources[source].slices

    def _texts_of(self, wildcards: Mapping[str, str], rule: str = "") -> float:
        """The number of texts that a job makes or reads."""
        if "slice" in wildcards:
            return self.texts_left(wildcards)
        if rule == "seeds_outline":
            return sum(self._seeds(*pair) for pair in self._parts(wildcards)) * COURSE_TOKENS / self._length.value
        if rule == "generate_preview":
            source = self._sources[wildcards["source"]]
            return min(self._config["generate"]["preview"] * len(source.templates), source.prompts)
        return sum(self._texts[pair] for pair in self._parts(wildcards))

    def _parts(self, wildcards: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """(source, part) of what a job is about: a part, a source, a split, or everything."""
        for source, part in self._texts:
            asked = {"source": source, "part": part, "split": self._sources[source].split}
            if all(wildcards.get(key, value) == value for key, value in asked.items()):
                yield source, part

    def _seeds(self, source: str, part: str) -> int:
        size = self._config["seeds"]["documents_per_part"]
        return max(0, min(size, self._sources[source].rows - int(part) * size))


def _rows(results: Path | None, source: str, part: str) -> int:
    """Prompts of a part that are there already."""
    path = results / f"prompts/{source}/part-{part}.parquet" if results else None
    if not path or not path.exists():
        return 0
    import pyarrow.parquet as pq

    return pq.read_metadata(path).num_rows


def _training(path: Path, unit: str) -> float:
    """Of an experiment the parameters, the tokens it trains on or its operations: 6 a parameter and token."""
    parameters = checkpoints(path)["parameters"]
    if unit == "parameter":
        return parameters
    experiment = read_experiment(path)
    tokens = experiment["tokens"]["train_steps"] * tokens_per_step(experiment)
    return tokens * (6 * parameters if unit == "train_flop" else 1)
