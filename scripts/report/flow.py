"""The flow figure: rows through the steps, what each step adds and what it keeps aside, by reason."""

from collections.abc import Sequence
from typing import Any

from scripts.common.counts import Counts
from scripts.report import style

WIDTH, HEIGHT = 1064, 420
REASONS = 4
BAR = 0.09
"""Half the width of a bar; the bars stand at whole numbers."""


def draw_flow(start: tuple[str, int], steps: Sequence[tuple[str, Counts]]) -> str:
    """Bars for the rows before and after every step, bands between them, rejected rows falling out below.

    Args:
        start: what goes in, and how many rows.
        steps: what each step leaves, and its counts; each step takes what the one before left.
    """
    heights = [start[1], *(counts.rows_out for _, counts in steps)]
    top = max(heights, default=0)
    if not top:
        return style.message("No row was read.", WIDTH)
    with style.figure(WIDTH, HEIGHT) as figure:
        axis = figure.add_subplot()
        axis.set_axis_off()
        for x, (name, rows) in enumerate(zip([start[0], *(name for name, _ in steps)], heights, strict=True)):
            height = rows / top
            last = x == len(steps)
            axis.add_patch(_bar(x, height, style.OURS if not last else style.INK))
            axis.annotate(
                f"{rows:,}",
                (x, height),
                (0, 22),
                textcoords="offset points",
                ha="center",
                fontweight="bold",
                fontsize=14,
            )
            axis.annotate(
                name, (x, height), (0, 7), textcoords="offset points", ha="center", fontsize=11.5, color=style.QUIET
            )
        for x, (_, counts) in enumerate(steps):
            _draw_step(axis, x, counts, top)
        axis.set(xlim=(-0.45, len(steps) + 0.45), ylim=(-0.62, 1.24))
        return style.to_svg(figure, "Rows through the pipeline: " + ", ".join(f"{n:,}" for n in heights))


def _draw_step(axis: Any, x: int, counts: Counts, top: int) -> None:
    """The band that goes on, the band that joins from above, and the one that falls out."""
    rejected = sum(counts.rejected.values())
    from_input = min(rejected, counts.rows_in)
    fallen, out, kept = from_input / top, counts.rows_out / top, (counts.rows_in - from_input) / top
    left, right = x + BAR, x + 1 - BAR
    axis.add_patch(_band(left, right, (fallen, fallen + kept), (0, kept), style.OURS_LIGHT, 0.75))
    if counts.added:
        rise = min(out - kept, 0.14)
        axis.add_patch(_band(x + 0.5, right, (1.07, 1.07 + rise), (kept, out), style.OURS_LIGHT, 0.45))
        axis.text(
            x + 0.47, 1.07 + rise / 2, f"+ {counts.added:,}", ha="right", va="center", fontsize=11.5, color=style.OURS
        )
    if not rejected:
        axis.text(x + 0.5, -0.2, "none lost", ha="center", fontsize=11, color=style.NOISE)
        return
    width = max(fallen, 0.006)
    axis.add_patch(_fall(left, x + 0.5, (fallen - width, fallen), width))
    axis.text(x + 0.5, -0.2, f"− {rejected:,}", ha="center", fontsize=13, fontweight="bold", color=style.LOST_INK)
    reasons = sorted(counts.rejected.items(), key=lambda item: (-item[1], item[0]))
    lines = [f"{reason.replace('_', ' ')} {n:,}" for reason, n in reasons[:REASONS]]
    if len(reasons) > REASONS:
        lines.append(f"{len(reasons) - REASONS} more")
    axis.text(x + 0.5, -0.25, "\n".join(lines), ha="center", va="top", fontsize=11, color=style.QUIET, linespacing=1.4)


def _bar(x: float, height: float, colour: str) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x - BAR, 0), 2 * BAR, max(height, 0.004), color=colour, linewidth=0)


def _band(
    left: float, right: float, start: tuple[float, float], end: tuple[float, float], colour: str, alpha: float
) -> Any:
    """A band between two vertical edges, horizontal at both ends."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    middle = (left + right) / 2
    vertices = [
        (left, start[0]), (middle, start[0]), (middle, end[0]), (right, end[0]),
        (right, end[1]), (middle, end[1]), (middle, start[1]), (left, start[1]),
    ]  # fmt: skip
    codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3]
    return PathPatch(Path(vertices, codes), facecolor=colour, alpha=alpha, linewidth=0)


def _fall(left: float, middle: float, start: tuple[float, float], width: float) -> Any:
    """A band that leaves a bar horizontally and ends below it, pointing down."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    half, bottom = min(width, 0.5) / 4, -0.12
    near, far = middle - half, middle + half
    vertices = [
        (left, start[0]), (near, start[0]), (near, start[0]), (near, bottom),
        (far, bottom), (far, start[1]), (far, start[1]), (left, start[1]),
    ]  # fmt: skip
    codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3]
    return PathPatch(Path(vertices, codes), facecolor=style.LOST, alpha=0.6, linewidth=0)
