"""The time limit of the Slurm job that a program runs in: when it comes near, and how the job goes on after it.

Generation, outlines and training are longer than the limits of many clusters. Such a job ends by itself two minutes
before its limit (a fifth of the time before, when that is less), with what it has done in the ledger or in a
checkpoint, and asks Slurm to put it back into the queue (`scontrol requeue`). Snakemake sees a job that waits and runs
again, so none of its retries is used up; should Snakemake be gone, the job goes on all the same. Only a job that got
further since its start asks: one that cannot even load its engine, or reach its next checkpoint, in its time fails
instead of starting for ever. Where Slurm refuses (sbatch --no-requeue, JobRequeue=0 without the profile's
`slurm-requeue`), the job fails, and a retry of Snakemake goes on with it.

Outside Slurm there is no limit. Slurm is asked once, when the job begins: SLURM_JOB_END_TIME, of newer versions only,
does not reach jobs that are started in the way of Snakemake.
"""

import os
import re
import subprocess
import time

from scripts.common.logging import get_logger

MARGIN = 120.0
SHARE = 0.2
PATIENCE = 60

log = get_logger(__name__)


def seconds(text: str) -> float | None:
    """What squeue says of the time left, "[days-][[hours:]minutes:]seconds", in seconds; None: without a limit."""
    match = re.fullmatch(r"(?:(\d+)-)?(?:(?:(\d+):)?(\d+):)?(\d+)", text.strip())
    if match is None:
        return None
    days, hours, minutes, rest = (int(group or 0) for group in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + rest)


class TimeLimit:
    """When this job should end by itself.

    Args:
        margin: seconds before the limit, at most; a fifth of the time that is left when that is less.
    """

    def __init__(self, margin: float = MARGIN) -> None:
        self._job = os.environ.get("SLURM_JOB_ID", "")
        left = seconds(_ask("squeue", "--noheader", "--format=%L", f"--jobs={self._job}") or "") if self._job else None
        self._end = None if left is None else time.monotonic() + left - min(margin, SHARE * left)
        if left is not None:
            log.info("Slurm gives this job %.0f more minutes", left / 60)

    def near(self) -> bool:
        """Whether it is time to end."""
        return self._end is not None and time.monotonic() >= self._end

    def requeue(self) -> bool:
        """Puts this job back into the queue; from now on Slurm may end it at any moment. False: Slurm refused."""
        return self._end is not None and _ask("scontrol", "requeue", self._job) is not None

    def next_run(self, further: bool) -> str:
        """Who goes on with this job, as the subject of a sentence; requeues it if that is its right.

        Args:
            further: whether the job got further since its start; only then, and near its limit, Slurm is asked.
        """
        again = further and self.near() and self.requeue()
        return "Slurm starts the job again, which" if again else "the next run"


def _ask(*command: str) -> str | None:
    """What a command of Slurm says; None, with a line in the log, when it fails or is not there."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("%s: %s", " ".join(command), error)
        return None
    if result.returncode:
        log.warning("%s: %s", " ".join(command), result.stderr.strip())
        return None
    return result.stdout
