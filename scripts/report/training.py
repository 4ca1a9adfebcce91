"""The training page: loss and learning rate against the tokens seen, and what was trained.

Published settings of cosmo-1b come from the claims; no loss curve was published.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.common.errors import InputError
from scripts.common.files import write_text
from scripts.common.logging import run
from scripts.report import page, style
from scripts.report.claims import Claims, compare

WIDTH = 1064
DRAWN = 2000
FEW = 40
"""So few logged steps are drawn with a dot each."""


def read_log(path: Path) -> list[dict[str, float]]:
    """The rows of a training log, one JSON object a line: step, loss, lr, tokens."""
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            rows.append({key: json.loads(line)[key] for key in ("step", "loss", "lr", "tokens")})
        except (json.JSONDecodeError, KeyError) as error:
            raise InputError(f"{path}, line {number}: {error!r} in a training log. Train again.") from error
    return rows


def summarize(log: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """The page's numbers; the first and last loss are those logged."""
    if not log:
        return dict.fromkeys(
            ("steps", "tokens", "tokens_per_step", "first_loss", "final_loss", "perplexity", "peak_lr")
        )
    last = log[-1]
    return {
        "steps": last["step"],
        "tokens": last["tokens"],
        "tokens_per_step": last["tokens"] / last["step"],
        "first_loss": log[0]["loss"],
        "final_loss": last["loss"],
        "perplexity": math.exp(min(last["loss"], 700)),
        "peak_lr": max(row["lr"] for row in log),
        "final_lr": last["lr"],
    }


def parameters(shape: Mapping[str, Any]) -> int:
    """Weights of a Llama model, from its nanotron settings."""
    hidden, heads, key_value_heads = (
        shape[key] for key in ("hidden_size", "num_attention_heads", "num_key_value_heads")
    )
    attention = 2 * hidden * hidden * (heads + key_value_heads) // heads
    layer = attention + 3 * hidden * shape["intermediate_size"] + 2 * hidden
    embeddings = shape["vocab_size"] * hidden * (1 if shape["tie_word_embeddings"] else 2)
    return embeddings + shape["num_hidden_layers"] * layer + hidden


def draw_curves(log: Sequence[Mapping[str, float]]) -> str:
    """Loss above, learning rate below; at most 2,000 points, evenly spaced, the last one always."""
    if not log:
        return style.message("The log holds no step.", WIDTH)
    stride = math.ceil(len(log) / DRAWN)
    drawn = log[::-1][::stride][::-1]
    tokens = [row["tokens"] for row in drawn]
    with style.figure(WIDTH, 520) as figure:
        loss, rate = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        dots = {"marker": "o", "markersize": 4} if len(drawn) <= FEW else {}
        loss.plot(tokens, [row["loss"] for row in drawn], color=style.OURS, linewidth=2, **dots)
        loss.plot(tokens[-1], drawn[-1]["loss"], "o", color=style.OURS)
        loss.annotate(
            f"{drawn[-1]['loss']:.2f}", (tokens[-1], drawn[-1]["loss"]), (8, 0), textcoords="offset points",
            va="center", color=style.OURS, fontweight="bold", annotation_clip=False,
        )  # fmt: skip
        loss.set(ylabel="loss (nats per token)")
        rate.plot(tokens, [row["lr"] for row in drawn], color=style.QUIET, linewidth=1.5)
        rate.set(ylabel="learning rate", xlabel="tokens seen", ylim=(0, None))
        rate.yaxis.set_major_formatter("{x:g}")
        style.thousands(rate, "x")
        for axis in (loss, rate):
            axis.grid(axis="y")
            axis.margins(x=0.03)
        return style.to_svg(figure, "Training loss and learning rate against tokens seen")


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the page, the curves and the numbers."""
    parser = page.parser(__doc__.split("\n")[0])
    parser.add_argument("--log", type=Path, required=True, help="train/<experiment>/log.jsonl")
    parser.add_argument("--config", type=Path, required=True, help="train/<experiment>/config.yaml")
    parser.add_argument("--experiment", required=True)
    parser.add_argument("--figure", type=Path, required=True, help="SVG file of the curves to write")
    args = parser.parse_args(argv)
    import yaml

    log = read_log(args.log)
    settings = yaml.safe_load(args.config.read_text(encoding="utf-8"))
    numbers = summarize(log) | {"parameters": parameters(settings["model"]["model_config"])}
    place = {"training": numbers | {"settings": settings}}
    rows = [row for row in compare(Claims.read(args.claims), place, args.scale)["train"] if row["verdict"] != "absent"]
    figure = draw_curves(log)
    write_text(args.figure, figure)
    page.write_numbers(args.numbers, numbers | {"settings": settings})
    page.write_page(args, numbers=numbers, rows=rows, figure=figure, experiment=args.experiment)


if __name__ == "__main__":
    run(main)
