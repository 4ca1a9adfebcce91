"""Training with transformers' Trainer from the same experiment file as nanotron's, in one process.

What the file says means the same here: the model and its initial weights, AdamW, clipping, the linear warm-up and the
cosine to `min_decay_lr`, steps, batch, mixture and `dtype` (float32, or bfloat16 for mixed precision). One process
takes the place of all data-parallel replicas, so `dp` must be 1. On a CPU with a fixed number of threads the same
input gives the same bytes, also when a run is killed and resumed: checkpoints lie in a work folder that belongs to this
input alone, and resuming restores the optimiser, the schedule and the place in the data. Near its time limit a job
writes a checkpoint, ends and goes on from there (scripts/common/limit.py).
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.common.errors import InputError
from scripts.common.files import read_json, write_text
from scripts.common.limit import TimeLimit
from scripts.common.logging import get_logger
from scripts.train.data import Mixture
from scripts.train.experiment import dataset, tokens_per_step

log = get_logger("train_model")

MARGIN = 600.0
"""Seconds before a time limit, at most, for the step under way and its checkpoint: 24 GB for 1.7 B parameters."""
NANOTRON_ONLY = (
    "is_llama_config",
    "initializer_range",
    "rope_interleaved",
    "pretraining_tp",
    "z_loss_enabled",
    "z_loss_coefficient",
)
"""Keys of nanotron's model_config that transformers does not know, or that are given in another way here."""


def build_model(experiment: Mapping[str, Any]) -> Any:
    """A Llama with random weights (`std`), or that of a Hugging Face folder (`path`).

    The names of nanotron for the shape of a model are those of transformers.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    start = experiment["model"]["init_method"]
    if "path" in start:
        return LlamaForCausalLM.from_pretrained(start["path"], dtype="float32")
    shape = dict(experiment["model"]["model_config"])
    for name in NANOTRON_ONLY:
        shape.pop(name, None)
    rope = {"rope_type": "default", "rope_theta": shape.pop("rope_theta", 10000.0)}
    config = LlamaConfig(**shape, initializer_range=start["std"], rope_parameters=rope, dtype="float32")
    return LlamaForCausalLM(config)


def arguments(experiment: Mapping[str, Any], work: Path, device: str) -> Any:
    """The Trainer's settings for an experiment."""
    from transformers import TrainingArguments

    tokens, optimizer = experiment["tokens"], experiment["optimizer"]
    schedule, factory = optimizer["learning_rate_scheduler"], optimizer["optimizer_factory"]
    if experiment["parallelism"]["dp"] != 1:
        raise InputError("trainer `transformers` runs one process: set parallelism.dp to 1 in the experiment.")
    if (schedule["lr_warmup_style"], schedule["lr_decay_style"]) != ("linear", "cosine"):
        raise InputError("trainer `transformers` knows lr_warmup_style: linear with lr_decay_style: cosine only.")
    return TrainingArguments(
        output_dir=str(work),
        max_steps=tokens["train_steps"],
        per_device_train_batch_size=tokens["micro_batch_size"],
        gradient_accumulation_steps=tokens["batch_accumulation_per_replica"],
        learning_rate=schedule["learning_rate"],
        warmup_steps=schedule["lr_warmup_steps"],
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr": schedule["min_decay_lr"]},
        optim="adamw_torch_fused" if factory["torch_adam_is_fused"] else "adamw_torch",
        adam_beta1=factory["adam_beta1"],
        adam_beta2=factory["adam_beta2"],
        adam_epsilon=factory["adam_eps"],
        weight_decay=optimizer["weight_decay"],
        max_grad_norm=optimizer["clip_grad"],
        seed=experiment["general"]["seed"],
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        use_cpu=device == "cpu",
        bf16=experiment["model"]["dtype"] == "bfloat16",
        logging_steps=experiment["logging"]["iteration_step_info_interval"],
        save_steps=experiment["checkpoints"]["checkpoint_interval"],
        save_total_limit=2,
        dataloader_pin_memory=device != "cpu",
        report_to="none",
        disable_tqdm=True,
    )


def train(experiment: Mapping[str, Any], model_folder: Path, log_path: Path, work: Path, device: str) -> None:
    """Trains, or resumes, and writes the model with its tokenizer (Hugging Face format) and the log.

    Ends the program, with a checkpoint, when its time limit comes near.

    Args:
        experiment: a rendered experiment (see `scripts.train.config`).
        model_folder: where the finished model goes.
        log_path: JSON lines with step, loss, lr, tokens.
        work: folder of the checkpoints; the newest whole one is resumed from.
        device: cpu or cuda.
    """
    import torch
    import transformers

    limit = TimeLimit(MARGIN)
    settings = arguments(experiment, work, device)
    transformers.set_seed(settings.seed)
    data, tokens = dataset(experiment), experiment["tokens"]
    samples = tokens_per_step(experiment) // tokens["sequence_length"] * tokens["train_steps"]
    mixture = Mixture(
        folders=[Path(folder) for folder in data["dataset_folder"]],
        weights=data["dataset_weights"],
        length=tokens["sequence_length"],
        samples=samples,
        seed=experiment["data_stages"][0]["data"]["seed"],
    )
    shape = experiment["model"]["model_config"]
    z_loss = shape.get("z_loss_coefficient", 1e-4) if shape.get("z_loss_enabled") else 0.0
    callbacks = [progress(tokens_per_step(experiment)), ending(limit)]
    trainer = trainer_class(z_loss)(build_model(experiment), settings, train_dataset=mixture, callbacks=callbacks)
    trainer.remove_callback(transformers.trainer_callback.PrinterCallback)
    with torch.enable_grad():  # lighteval, where it was imported before, turns gradients off for the whole process
        trainer.train(resume_from_checkpoint=newest_checkpoint(work))
    if (step := trainer.state.global_step) < settings.max_steps:
        next_run = limit.next_run(further=True)  # by a step at least, which its checkpoint holds
        sys.exit(
            f"error: the training has come near its time limit; {next_run} goes on from the checkpoint of step {step}"
        )
    trainer.model.save_pretrained(model_folder)
    transformers.AutoTokenizer.from_pretrained(experiment["tokenizer"]["tokenizer_name_or_path"]).save_pretrained(
        model_folder
    )
    write_text(log_path, log_lines(trainer.state.log_history, tokens_per_step(experiment)))


def newest_checkpoint(work: Path) -> str | None:
    """The newest whole checkpoint; one whose writing was interrupted lacks the trainer's state, which comes last."""
    for path in sorted(work.glob("checkpoint-*"), key=lambda path: -int(path.name.rpartition("-")[2])):
        try:
            read_json(path / "trainer_state.json")
        except (OSError, ValueError):
            log.warning("%s is not whole: left aside", path)
        else:
            return str(path)
    return None


def trainer_class(z_loss: float) -> type:
    """A Trainer with nanotron's loss: cross-entropy plus `z_loss` times the squared log of the partition function.

    The second part keeps the logits near log-probabilities (PaLM, Chowdhery et al. 2022).
    """
    import torch
    from transformers import Trainer

    class LanguageModelTrainer(Trainer):
        """Takes samples of `scripts.train.data.Mixture`."""

        def compute_loss(
            self, model: Any, inputs: Mapping[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            outputs = model(input_ids=inputs["input_ids"])
            logits, targets = outputs.logits.float().flatten(0, 1), inputs["shift_labels"].flatten()
            loss = torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
            if z_loss:
                loss = loss + z_loss * logits.logsumexp(-1).square().sum()
            loss = loss / num_items_in_batch
            return (loss, outputs) if return_outputs else loss

    return LanguageModelTrainer


def progress(step_tokens: int) -> Any:
    """A Trainer callback that logs step, loss, speed and the time left."""
    import time

    from transformers import TrainerCallback

    class Progress(TrainerCallback):
        """Counts from the step at which this process began, which is not 0 after a resume."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.start, self.first = time.monotonic(), state.global_step

        def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, float], **kwargs: Any) -> None:
            if "loss" in logs:
                speed = (state.global_step - self.first) / (time.monotonic() - self.start)
                left = (state.max_steps - state.global_step) / speed / 60
                message = "step %d of %d: loss %.3f, %.0f tokens/s, %.1f minutes left"
                log.info(message, state.global_step, state.max_steps, logs["loss"], speed * step_tokens, left)

    return Progress()


def ending(limit: TimeLimit) -> Any:
    """A Trainer callback that writes a checkpoint and stops near the time limit, at a step that is logged.

    Between two of them the loss that the next one averages would be lost.
    """
    from transformers import TrainerCallback

    class Ending(TrainerCallback):
        """Looks at the end of each step."""

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step % args.logging_steps == 0 and limit.near():
                control.should_save = control.should_training_stop = True

    return Ending()


def log_lines(history: list[Mapping[str, Any]], step_tokens: int) -> str:
    """The Trainer's history as JSON lines without anything that depends on the clock."""
    rows = [
        {"step": row["step"], "loss": row["loss"], "lr": row["learning_rate"], "tokens": row["step"] * step_tokens}
        for row in history
        if "loss" in row
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)
