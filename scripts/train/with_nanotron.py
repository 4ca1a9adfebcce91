"""Training with nanotron on many GPUs, and conversion of its last checkpoint to the Hugging Face format.

Near the job's time limit (scripts/common/limit.py) nanotron is ended, and the next start goes on from the newest
checkpoint: what was trained after it is done again, half an interval of checkpoints on average. A start that reached no
new checkpoint fails. Of the checkpoints the newest two whole ones are kept.

The release of nanotron on the package index (0.4, 2024) no longer runs with current torch, so a clone of its repository
is needed. The last commit where a Llama can start from random weights is d22eb809 (April 2025); install it with
`pip install --no-deps`, because its bound on numpy breaks `datasets`, and set NANOTRON_ROOT to the clone. Its data
loader accepts only paths that contain "s3", so the folders are linked below a folder of that name. When it resumes it
restores a wrong learning rate (its pull request 243 mends that), so a resumed run says so in its log.
"""

import json
import os
import re
import shutil
import socket
import sys
import time
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

from scripts.common.errors import InputError
from scripts.common.files import write_text
from scripts.common.limit import TimeLimit
from scripts.common.logging import get_logger
from scripts.train.experiment import dataset, dump, tokens_per_step
from scripts.train.launcher import run_logged

log = get_logger("train_model")

COMMIT = "d22eb809"
PORT = 29500
KEPT = 2
SETTLED = 10.0
"""Seconds after a new latest.txt, which every process writes as soon as it is done itself."""
STEP = re.compile(r"iteration: (\d+) / .*?\blm_loss: ([\d.eE+-]+)([KMG]?).*?\blr: ([\d.eE+-]+)")
SUFFIX = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9}


def find_root() -> Path:
    """The clone of nanotron: NANOTRON_ROOT, or where the installed package comes from.

    Raises:
        InputError: there is none.
    """
    candidates = [Path(os.environ["NANOTRON_ROOT"])] if os.environ.get("NANOTRON_ROOT") else []
    spec = find_spec("nanotron")
    if spec and spec.origin:
        candidates += Path(spec.origin).parents[:3]
    for root in candidates:
        if (root / "run_train.py").is_file():
            return root.resolve()
    raise InputError(
        f"trainer `nanotron` needs a clone of github.com/huggingface/nanotron at commit {COMMIT}: clone it, install it "
        "with `pip install --no-deps -e <clone>` (and flash-attn), and set NANOTRON_ROOT to the clone; or set the "
        "config key train.trainer to transformers."
    )


class Checkpoints:
    """The checkpoints of one training: a folder each, named by its step, and latest.txt, the step of the newest whole.

    Args:
        folder: of the checkpoints; need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.newest = self._latest()
        self._first = self.newest
        self._since = -SETTLED
        self._remove_older()

    def look(self) -> None:
        """Notes a new checkpoint, and removes those before the newest two."""
        found = self._latest()
        if found != self.newest:
            self._since = time.monotonic()
        if found is not None and found != self.newest:
            self.newest = found
            self._remove_older()

    def settled(self) -> bool:
        """Whether the newest checkpoint is on disk in all its parts."""
        return time.monotonic() - self._since >= SETTLED

    def further(self) -> bool:
        """Whether there is a new checkpoint since the beginning."""
        return self.newest != self._first

    def _latest(self) -> int | None:
        """The step in latest.txt; None: there is none, or it is just being written."""
        try:
            return int((self._folder / "latest.txt").read_text())
        except (OSError, ValueError):
            return None

    def _remove_older(self) -> None:
        """Removes all but the newest two up to the one that latest.txt names; a later one is being written."""
        if self.newest is None or not (self._folder / str(self.newest)).is_dir():
            return
        steps = sorted(int(path.name) for path in self._folder.iterdir() if path.name.isdecimal())
        for step in [step for step in steps if step <= self.newest][:-KEPT]:
            log.info("removing the checkpoint of step %d", step)
            shutil.rmtree(self._folder / str(step), ignore_errors=True)


def check_devices(experiment: Mapping[str, Any], nodes: int, gpus: int) -> None:
    """Raises InputError when the experiment's parallelism does not use exactly the GPUs asked for."""
    parallelism = experiment["parallelism"]
    wanted = parallelism["dp"] * parallelism["tp"] * parallelism["pp"]
    if wanted != nodes * gpus:
        raise InputError(
            f"the experiment runs on dp × tp × pp = {wanted} GPUs, but train.nodes × train.gpus = {nodes * gpus}. "
            "Change one of them; a smaller dp needs a larger batch_accumulation_per_replica for the same batch."
        )


def prepare(experiment: Mapping[str, Any], work: Path) -> Path:
    """Writes the configuration that nanotron gets, with links to the data and the place of its checkpoints."""
    result = json.loads(json.dumps(experiment))
    links = work / "s3"
    shutil.rmtree(links, ignore_errors=True)
    links.mkdir(parents=True)
    folders = []
    for number, folder in enumerate(dataset(result)["dataset_folder"]):
        link = links / f"{number:02d}-{Path(folder).name}"
        link.symlink_to(Path(folder).resolve(), target_is_directory=True)
        folders.append(str(link))
    dataset(result)["dataset_folder"] = folders
    checkpoints = work / "checkpoints"
    result["checkpoints"]["checkpoints_path"] = str(checkpoints)
    if (checkpoints / "latest.txt").exists():
        log.warning("resuming from %s: check the learning rate in the log (nanotron's pull request 243)", checkpoints)
        result["checkpoints"]["resume_checkpoint_path"] = str(checkpoints)
    write_text(work / "nanotron.yaml", dump(result))
    return work / "nanotron.yaml"


def train_command(root: Path, config: Path, nodes: int, gpus: int, threads: int) -> list[str]:
    """The command that trains; over several nodes one launcher a node, started by srun inside the job."""
    launcher = [sys.executable, "-m", "torch.distributed.run", f"--nnodes={nodes}", f"--nproc-per-node={gpus}"]
    if nodes == 1:
        launcher += ["--standalone"]
    else:
        endpoint = f"--rdzv-endpoint={socket.gethostname()}:{PORT}"
        each = ["srun", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1"]
        each += [f"--gpus-per-node={gpus}", f"--cpus-per-gpu={threads}"]
        launcher = [*each, *launcher, "--rdzv-backend=c10d", "--rdzv-id=train", endpoint]
    return [*launcher, str(root / "run_train.py"), "--config-file", str(config)]


def convert_command(checkpoint: Path, model_folder: Path, tokenizer: str) -> list[str]:
    """The command that converts a checkpoint; needs one GPU."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=1"]
    paths = ["--checkpoint_path", str(checkpoint), "--save_path", str(model_folder), "--tokenizer_name", tokenizer]
    return [*launcher, "-m", "examples.llama.convert_nanotron_to_hf", *paths]


def read_log(lines: Iterable[str], step_tokens: int) -> str:
    """The log of nanotron as JSON lines with step, loss, lr, tokens; a step done again after a resume counts once."""
    rows = {}
    for line in lines:
        if found := STEP.search(line):
            step, loss, suffix, lr = found.groups()
            row = {"step": int(step), "loss": float(loss) * SUFFIX[suffix], "lr": float(lr)}
            rows[int(step)] = row | {"tokens": int(step) * step_tokens}
    return "".join(json.dumps(rows[step]) + "\n" for step in sorted(rows))


def train(
    experiment: Mapping[str, Any],
    model_folder: Path,
    log_path: Path,
    work: Path,
    nodes: int,
    gpus: int,
    threads: int,
) -> None:
    """Trains, or resumes, converts the last checkpoint, and writes the log; ends the program near its time limit.

    Args:
        experiment: a rendered experiment (see `scripts.train.config`).
        model_folder: where the finished model goes.
        log_path: JSON lines with step, loss, lr, tokens.
        work: folder of the checkpoints and of nanotron's own log.
        nodes: machines.
        gpus: GPUs of each.
        threads: CPU threads for each GPU.

    Raises:
        InputError: nanotron is missing or failed, or came near the time limit without a new checkpoint.
    """
    check_devices(experiment, nodes, gpus)
    root = find_root()
    environment = {
        **os.environ,
        "CUDA_DEVICE_MAX_CONNECTIONS": "1",
        "PYTHONPATH": os.pathsep.join([str(root), str(root / "src"), os.environ.get("PYTHONPATH", "")]),
    }
    checkpoints, limit = Checkpoints(work / "checkpoints"), TimeLimit()

    def ends() -> bool:
        checkpoints.look()
        return limit.near() and checkpoints.settled()

    if checkpoints.newest != experiment["tokens"]["train_steps"]:  # nanotron refuses to resume what is finished
        command = train_command(root, prepare(experiment, work), nodes, gpus, threads)
        finished = run_logged(command, environment, work / "nanotron.log", ends)
        checkpoints.look()
        if not finished:
            leave(checkpoints, limit)
    if checkpoints.newest is None:
        raise InputError("nanotron wrote no checkpoint: checkpoint_interval must divide train_steps in the experiment.")
    tokenizer = experiment["tokenizer"]["tokenizer_name_or_path"]
    command = convert_command(work / "checkpoints" / str(checkpoints.newest), model_folder, tokenizer)
    if not run_logged(command, environment, work / "convert.log", limit.near):
        leave(checkpoints, limit)
    with (work / "nanotron.log").open(encoding="utf-8", errors="replace") as lines:
        write_text(log_path, read_log(lines, tokens_per_step(experiment)))


def leave(checkpoints: Checkpoints, limit: TimeLimit) -> NoReturn:
    """Ends the program near its time limit.

    Raises:
        InputError: there is no new checkpoint, so that the next start would not get further either.
    """
    if not checkpoints.further():
        raise InputError(
            f"the training came near its time limit without a new checkpoint (the newest: {checkpoints.newest}). Give "
            "it more time (train.runtime), or lower checkpoints.checkpoint_interval in the experiment."
        )
    next_run = limit.next_run(further=True)
    sys.exit(
        f"error: the training has come near its time limit; {next_run} goes on from the checkpoint of step "
        f"{checkpoints.newest}"
    )
