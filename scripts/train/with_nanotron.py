"""Training with nanotron on many GPUs, and conversion of its last checkpoint to the Hugging Face format.

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
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from scripts.common.errors import InputError
from scripts.common.files import write_text
from scripts.common.logging import get_logger
from scripts.train.experiment import dataset, dump, tokens_per_step

log = get_logger("train_model")

COMMIT = "d22eb809"
PORT = 29500
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
    """Trains, or resumes, converts the last checkpoint, and writes the log.

    Args:
        experiment: a rendered experiment (see `scripts.train.config`).
        model_folder: where the finished model goes.
        log_path: JSON lines with step, loss, lr, tokens.
        work: folder of the checkpoints and of nanotron's own log.
        nodes: machines.
        gpus: GPUs of each.
        threads: CPU threads for each GPU.
    """
    check_devices(experiment, nodes, gpus)
    root = find_root()
    environment = {
        **os.environ,
        "CUDA_DEVICE_MAX_CONNECTIONS": "1",
        "PYTHONPATH": os.pathsep.join([str(root), str(root / "src"), os.environ.get("PYTHONPATH", "")]),
    }
    config = prepare(experiment, work)
    run_logged(train_command(root, config, nodes, gpus, threads), environment, work / "nanotron.log")
    last = (work / "checkpoints" / "latest.txt").read_text().strip()
    tokenizer = experiment["tokenizer"]["tokenizer_name_or_path"]
    command = convert_command(work / "checkpoints" / last, model_folder, tokenizer)
    run_logged(command, environment, work / "convert.log")
    with (work / "nanotron.log").open(encoding="utf-8", errors="replace") as lines:
        write_text(log_path, read_log(lines, tokens_per_step(experiment)))


def run_logged(command: Sequence[str], environment: Mapping[str, str], path: Path) -> None:
    """Runs a command, sends its output to our log and appends it to a file.

    Raises:
        InputError: the command failed.
    """
    log.info("running %s", " ".join(command))
    with path.open("a", encoding="utf-8") as kept:
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        for line in process.stdout:
            kept.write(line)
            sys.stderr.write(line)
    if code := process.wait():
        raise InputError(f"nanotron ended with status {code}; its output is in {path}. Mend the cause and run again.")
