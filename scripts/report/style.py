"""One look for every figure: palette, axes and SVG that is the same byte for byte in every run.

Colours are colour-blind safe: "ours" is always blue and "published" always orange (Okabe and Ito), categories take Paul
Tol's muted scheme. Sizes are CSS pixels. Text stays text in the SVG, so it can be searched and takes the page's font;
it is laid out in DejaVu Sans, which ships with matplotlib and is wider than what browsers use, so nothing overlaps.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#22303c"
QUIET = "#66737f"
GRID = "#e4e8eb"
OURS = "#2a6f97"
OURS_LIGHT = "#a9c9dc"
PUBLISHED = "#c8660a"
NOISE = "#c9ced3"
LOST = "#d8a29a"
LOST_INK = "#9c4a3c"
CATEGORIES = (
    "#332288",
    "#44aa99",
    "#cc6677",
    "#88aadd",
    "#117733",
    "#aa4499",
    "#b8a03c",
    "#882255",
    "#66aacc",
    "#997744",
)

FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"

NOT_XML = "[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]"
"""Characters that text from a model may hold and an SVG may not."""

_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "cosmopedia",
    "font.family": "DejaVu Sans",
    "font.size": 13,
    "text.parse_math": False,  # topics and prompts may hold dollar signs
    "text.color": INK,
    "axes.titlesize": 14,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 12,
    "axes.labelsize": 12,
    "axes.labelcolor": QUIET,
    "axes.edgecolor": "#aab3ba",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "figure.facecolor": "none",
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelsize": 12,
    "ytick.labelsize": 12,
    "xtick.major.pad": 7,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 12,
    "figure.dpi": 72,
}


@contextmanager
def figure(width: int, height: int) -> Iterator["Figure"]:
    """An empty figure of so many pixels, in the report's style; draw and call `to_svg` inside the block."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_SETTINGS):
        yield Figure(figsize=(width / 72, height / 72), layout="constrained")


def to_svg(figure: "Figure", description: str) -> str:
    """The figure as an SVG document that scales with its frame, carries no date and is read out as `description`."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=nothing, dpi=144)
    svg = re.sub(r"^.*?(?=<svg)", "", buffer.getvalue(), count=1, flags=re.DOTALL)
    svg = svg.replace("font-family: 'DejaVu Sans'; ", "").replace("font-family: 'DejaVu Sans'", "")
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups()
    head = f'width="{float(width):g}" height="{float(height):g}" style="font-family: {FONTS}" role="img"'
    svg = re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', head, svg, count=1)
    return re.sub(r"(<svg[^>]*>)", rf"\1\n <title>{escape(description)}</title>", svg, count=1)


def add_tooltips(svg: str, tooltips: dict[str, str]) -> str:
    """Gives the groups with these ids (a matplotlib `gid`) a title that browsers show as a tooltip."""
    for group, text in tooltips.items():
        svg = svg.replace(f'<g id="{group}">', f'<g id="{group}"><title>{escape(text)}</title>', 1)
    return svg


def halo(svg: str, prefix: str) -> str:
    """Sets the text of the groups whose id starts with `prefix` on a white outline, so that it reads on any ground."""
    outline = "paint-order: stroke; stroke: #fff; stroke-width: 3px; stroke-linejoin: round"
    return re.sub(rf'<g id="({re.escape(prefix)}[^"]*)">', rf'<g id="\1" style="{outline}">', svg)


def message(text: str, width: int = 1064, height: int = 110) -> str:
    """A calm figure for where there is nothing to draw."""
    with figure(width, height) as canvas:
        canvas.set_facecolor("#f5f7f8")
        canvas.text(0.5, 0.5, text, ha="center", va="center", color=QUIET, fontsize=15)
        return to_svg(canvas, text)


def thousands(axis: "Axes", which: str = "y") -> None:
    """Axis numbers as 1.2k, 3.4M."""
    from matplotlib.ticker import FuncFormatter

    getattr(axis, f"{which}axis").set_major_formatter(FuncFormatter(lambda value, _: short(value)))


def whole_numbers(axis: "Axes", which: str = "y") -> None:
    """Axis ticks at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    getattr(axis, f"{which}axis").set_major_locator(MaxNLocator(nbins=5, integer=True))


def plain(text: str) -> str:
    """Text of a model on one line, without the characters that an SVG may not hold."""
    return " ".join(re.sub(NOT_XML, " ", text).split())


def short(value: float) -> str:
    """A number for a label: 999, 12.3k, 4.56M, 25.1B.

    >>> [short(number) for number in (0, 7, 0.25, 1234, 31_060_000)]
    ['0', '7', '0.25', '1.23k', '31.1M']
    """
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def reference_line(axis: "Axes", x: float, text: str, left: bool = False) -> None:
    """A dashed vertical line at a published value, labelled at its top on the right or on the left."""
    axis.axvline(x, color=PUBLISHED, linestyle=(0, (4, 3)), linewidth=1.2)
    axis.annotate(
        text, (x, 1), xycoords=("data", "axes fraction"), xytext=(-5 if left else 5, -2), textcoords="offset points",
        color=PUBLISHED, fontsize=11, va="top", ha="right" if left else "left",
    )  # fmt: skip


def tint(colour: str, strength: float) -> str:
    """A colour mixed with white; strength 1 leaves it as it is.

    >>> tint("#2a6f97", 0.5)
    '#94b7cb'
    """
    parts = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return "#" + "".join(f"{round(255 - strength * (255 - part)):02x}" for part in parts)


def escape(text: str) -> str:
    """Text as it may stand in an SVG."""
    return plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
