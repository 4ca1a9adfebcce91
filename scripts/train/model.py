"""Trains one experiment and writes the model in Hugging Face format with its log.

Checkpoints lie in a work folder outside the rule's outputs, in a subfolder that belongs to this input alone (the hash
of the configuration and of the token files), so that a killed run resumes and a changed one starts afresh. Near its
time limit a job ends, and its next start goes on (scripts/common/limit.py). The newest two checkpoints are kept; those
of the transformers trainer are removed when the model is written, those of nanotron stay.
"""

import argparse
import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.common.files import atomic_path
from scripts.common.ids import content_id
from scripts.common.logging import get_logger, run
from scripts.train import with_nanotron, with_transformers
from scripts.train.experiment import dataset, dump, read_experiment

log = get_logger("train_model")


def input_id(experiment: Mapping[str, Any], full: bool) -> str:
    """An id of everything that training reads: the experiment, the token files and the weights it starts from.

    Args:
        experiment: a rendered experiment.
        full: hash the files themselves; otherwise their names and sizes.
    """
    parts = [dump(experiment)]
    start = experiment["model"]["init_method"].get("path")
    files = [path for folder in dataset(experiment)["dataset_folder"] for path in sorted(Path(folder).glob("*.ds"))]
    for path in files + (sorted(Path(start).glob("*.safetensors")) if start else []):
        parts += [path.name, str(path.stat().st_size)]
        if full:
            with path.open("rb") as handle:
                parts.append(hashlib.file_digest(handle, "blake2b").hexdigest())
    return content_id(*parts)


def train_model(
    experiment: Mapping[str, Any],
    model: Path,
    log_path: Path,
    work: Path,
    trainer: str = "transformers",
    device: str = "cuda",
    nodes: int = 1,
    gpus: int = 1,
    threads: int = 1,
) -> None:
    """Trains, or resumes, and writes the model and its log.

    Args:
        experiment: a rendered experiment.
        model: folder of the finished model.
        log_path: JSON lines with step, loss, lr, tokens.
        work: folder of the checkpoints.
        trainer: transformers or nanotron.
        device: cpu or cuda; nanotron knows cuda only.
        nodes: machines, for nanotron.
        gpus: GPUs of each, for nanotron.
        threads: CPU threads of the process, or for each GPU; fixed, because their number changes the last digits.
    """
    own = work / input_id(experiment, full=trainer == "transformers")
    finished = own / "model"
    shutil.rmtree(finished, ignore_errors=True)
    own.mkdir(parents=True, exist_ok=True)
    log.info("checkpoints in %s", own)
    if trainer == "nanotron":
        with_nanotron.train(experiment, finished, log_path, own, nodes, gpus, threads)
    else:
        import torch

        torch.set_num_threads(threads)
        with_transformers.train(experiment, finished, log_path, own, device)
    for path in finished.iterdir():
        with atomic_path(model / path.name) as temporary:
            shutil.copyfile(path, temporary)
    if trainer == "transformers":
        shutil.rmtree(work)


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags, trains."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--config", type=Path, required=True, help="what scripts.train.config wrote")
    parser.add_argument("--trainer", choices=("transformers", "nanotron"), required=True)
    parser.add_argument("--model", type=Path, required=True, help="folder of the finished model")
    parser.add_argument("--log", type=Path, required=True, help="JSON lines: step, loss, lr, tokens")
    parser.add_argument("--work", type=Path, required=True, help="folder of the checkpoints")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--gpus", type=int, default=1, help="on each node")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; for nanotron those of each GPU")
    args = parser.parse_args(argv)
    train_model(
        read_experiment(args.config),
        args.model,
        args.log,
        args.work,
        args.trainer,
        args.device,
        args.nodes,
        args.gpus,
        args.threads,
    )


if __name__ == "__main__":
    run(main)
