"""Hands the course of generation jobs to an experiment tracker: trackio, which is local and speaks wandb's language.

It is called by `progress`, which reads the courses from the jobs' status files. The jobs know nothing of it, so no
tracker can hold up or break generation, and it need not be installed where the engines are. A status file holds the
course of the whole job: whenever `progress` runs, while the jobs do or later, all is handed over that was not before.

A job is a run, named after its slice. Its steps are its seconds; logged are texts, tokens, failed attempts, and tokens
per second since the step before. trackio keeps all in one folder (see it with `TRACKIO_DIR=<folder> trackio show`); it
is told to go nowhere else, whatever the environment says.
"""

import contextlib
import importlib.util
import io
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scripts.common.errors import InputError
from scripts.common.files import read_json, write_json
from scripts.common.logging import get_logger

HANDED_OVER = "handed_over.json"
ELSEWHERE = ("SPACE_ID", "SERVER_URL", "BUCKET_ID", "DATASET_ID", "WEBHOOK_URL", "WRITE_TOKEN")
FACTS = ("job", "source", "part", "slice", "n_slices", "model", "engine", "recipe", "gpus", "host", "slurm_job_id")

log = get_logger(__name__)


class Tracker:
    """Hands over what is new.

    Args:
        project: the project's name there.
        folder: where trackio keeps its files, and this class the seconds that each job was handed over up to.

    Raises:
        InputError: trackio is not installed.
    """

    def __init__(self, project: str, folder: Path) -> None:
        if importlib.util.find_spec("trackio") is None:
            raise InputError(
                f"the tracker trackio is not installed in {sys.executable}: `pip install trackio==0.43.0` there, "
                "or set generate.tracker to none"
            )
        self._project, self._folder = project, folder
        self._works = True

    def track(self, jobs: Iterable[Mapping[str, Any]]) -> int:
        """Hands over what is new of these statuses and returns how many steps; a tracker that fails is left alone."""
        if not self._works:
            return 0
        try:
            return self._track(jobs)
        except Exception as error:  # whatever it is: progress is shown all the same
            log.warning("the tracker failed and is left alone from here on (%r)", error)
            self._works = False
            return 0

    def _track(self, jobs: Iterable[Mapping[str, Any]]) -> int:
        known = self._folder / HANDED_OVER
        seconds: dict[str, float] = read_json(known) if known.exists() else {}
        steps = 0
        for job in jobs:
            new = [row for row in job["history"] if row[0] > seconds.get(job["job"], -1.0)]
            if new:
                self._hand_over(job, new)
                seconds[job["job"]] = new[-1][0]
                steps += len(new)
        if steps:
            write_json(known, seconds)
        return steps

    def _hand_over(self, job: Mapping[str, Any], new: Iterable[tuple[float, int, int, int]]) -> None:
        trackio = self._load()
        name = f"{job['source']}-{job['part']}-{job['slice']:03}-{job['job'].rsplit('-', 1)[-1]}"
        facts = {key: job[key] for key in FACTS}
        with contextlib.redirect_stdout(io.StringIO()):
            run = trackio.init(
                self._project, name, group=job["source"], config=facts, resume="allow", embed=False,
                auto_log_gpu=False, auto_log_cpu=False,
            )  # fmt: skip
            before = next((row for row in reversed(job["history"]) if row not in new), (0.0, 0, 0, 0))
            for row in new:
                elapsed = max(row[0] - before[0], 1e-9)
                metrics = dict(zip(("seconds", "texts", "tokens", "failed_attempts"), row, strict=True))
                run.log(metrics | {"tokens_per_second": (row[2] - before[2]) / elapsed}, step=round(row[0]))
                before = row
            trackio.finish()

    def _load(self) -> Any:
        """The tracker, told where to keep things before it is imported, since it looks only then."""
        for name in ELSEWHERE:
            os.environ.pop(f"TRACKIO_{name}", None)
        os.environ.update(TRACKIO_DIR=str(self._folder.resolve()), HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")
        self._folder.mkdir(parents=True, exist_ok=True)
        import trackio

        return trackio
