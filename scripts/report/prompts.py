"""The prompts page: what each source asks for, in which format and for whom, and how long the prompts are.

The counts are those of the run's prompt manifest; lengths are measured here, in characters.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.common.files import read_json, write_text
from scripts.common.logging import run
from scripts.common.schemas import PROMPTS
from scripts.common.tables import iterate_batches
from scripts.report import page, style
from scripts.report.distribution import Distribution

WIDTH = 1064

GROUPS = {
    "web": ("web", "fineweb"),
    "mathematics": ("auto_math_text", "openwebmath"),
    "stories": ("ultrachat", "openhermes"),
}
"""Group of sources → its sources; every other source counts as curated (courses, textbooks, encyclopedias, titles)."""

CURATED = "curated"

Cell = Mapping[str, Any]
"""Prompts of one source, format and audience, as the manifest lists them."""


def measure(paths: Iterable[Path]) -> dict[str, Distribution]:
    """Source → lengths of its prompts in characters; a part's source is the name of its folder."""
    import pyarrow.compute as pc

    lengths: dict[str, Distribution] = {}
    for path in paths:
        for batch in iterate_batches(path, PROMPTS, ["prompt"]):
            lengths.setdefault(path.parent.name, Distribution()).add(pc.utf8_length(batch["prompt"]))
    return lengths


def totals(cells: Iterable[Cell], key: str) -> dict[str, int]:
    """Prompts by source, format or audience, largest first."""
    result: dict[str, int] = {}
    for cell in cells:
        result[cell[key]] = result.get(cell[key], 0) + cell["prompts"]
    return dict(sorted(result.items(), key=lambda item: (-item[1], item[0])))


def group_of(source: str) -> str:
    """The group that a source counts to; that of a published split is told by its name.

    >>> group_of("fineweb"), group_of("stanford"), group_of("cosmopedia_web_samples_v2")
    ('web', 'curated', 'web')
    """
    name = source.removeprefix("cosmopedia_")
    if name.startswith("web_samples"):
        return "web"
    return next((group for group, sources in GROUPS.items() if name in (group, *sources)), CURATED)


def shares(cells: Iterable[Cell]) -> tuple[dict[str, float], dict[str, float]]:
    """(group → its share of all prompts, curated source → its share of the curated ones), largest first."""
    groups: dict[str, int] = {}
    curated: dict[str, int] = {}
    for source, prompts in totals(cells, "source").items():
        group = group_of(source)
        groups[group] = groups.get(group, 0) + prompts
        if group == CURATED:
            curated[source] = prompts
    return _normalised(groups), _normalised(curated)


def variety(cells: Iterable[Cell], key: str) -> dict[str, int]:
    """Source → how many different formats or audiences its prompts have."""
    found: dict[str, set[str]] = {}
    for cell in cells:
        found.setdefault(cell["source"], set()).add(cell[key])
    return {source: len(names) for source, names in sorted(found.items())}


def draw_matrix(cells: Sequence[Cell]) -> str:
    """Heat map of formats, and below of audiences, against sources; the colour is logarithmic, the number exact."""
    if not cells:
        return style.message("No prompt was built.", WIDTH)
    from matplotlib.colors import LinearSegmentedColormap, LogNorm

    sources = list(totals(cells, "source"))
    panels = ["format", "audience"]
    rows = [list(totals(cells, key)) for key in panels]
    grids = [_pairs(cells, key) for key in panels]
    colours = LinearSegmentedColormap.from_list("calm", ["#e8f1f6", "#8fbbd3", style.OURS, "#143d56"])
    norm = LogNorm(1, max(10, *(max(grid.values()) for grid in grids)))
    with style.figure(WIDTH, 140 + 31 * sum(map(len, rows))) as figure:
        figure.get_layout_engine().set(hspace=0.06)
        axes = figure.subplots(2, 1, sharex=True, height_ratios=[len(names) for names in rows])
        for axis, title, grid, names in zip(axes, panels, grids, rows, strict=True):
            for (source, name), n in grid.items():
                x, y, shade = sources.index(source), names.index(name), norm(n)
                axis.add_patch(_cell(x, y, colours(shade)))
                ink = "#ffffff" if shade > 0.5 else style.INK
                axis.text(x, y, style.short(n), ha="center", va="center", color=ink, fontsize=12)
            axis.set(xlim=(-0.5, len(sources) - 0.5), ylim=(len(names) - 0.5, -0.5))
            axis.set_yticks(range(len(names)), [name.replace("_", " ") for name in names], color=style.INK)
            axis.spines[:].set_visible(False)
            axis.annotate(
                title.capitalize(), (0, 1), xycoords="axes fraction", xytext=(-4, 6), textcoords="offset points",
                ha="right", fontweight="bold", fontsize=12, color=style.QUIET,
            )  # fmt: skip
        axes[0].xaxis.set_ticks_position("top")
        axes[0].set_xticks(range(len(sources)), [source.replace("_", " ") for source in sources], color=style.INK)
        axes[1].tick_params(labelbottom=False)
        return style.to_svg(figure, "Prompts by format and source, and by audience and source")


def draw_sources(cells: Sequence[Cell]) -> str:
    """The two pies of the Cosmopedia blog post: where all prompts come from, and where the curated ones do."""
    pies = zip(("All prompts", "Curated sources"), shares(cells), (0, len(GROUPS) + 1), strict=True)
    filled = [pie for pie in pies if pie[1]]
    if not filled:
        return style.message("No prompt was built.", WIDTH)
    with style.figure(WIDTH, 340) as figure:
        for axis, (title, parts, first) in zip(figure.subplots(1, len(filled), squeeze=False)[0], filled, strict=True):
            colours = [style.CATEGORIES[(first + place) % len(style.CATEGORIES)] for place in range(len(parts))]
            ring = {"width": 0.42, "edgecolor": "#ffffff", "linewidth": 2}
            slices, _ = axis.pie(parts.values(), colors=colours, startangle=90, counterclock=False, wedgeprops=ring)
            labels = [f"{name.replace('_', ' ')} {100 * share:.1f} %" for name, share in parts.items()]
            axis.legend(slices, labels, loc="center left", bbox_to_anchor=(1.02, 0.5), labelcolor=style.INK)
            axis.set_title(title, loc="center")
        return style.to_svg(figure, "Sources of all prompts, and of the curated ones")


def draw_lengths(lengths: Mapping[str, Distribution]) -> str:
    """For every source a line from the 5th to the 95th percentile of characters, with a dot at the median."""
    filled = [item for item in lengths.items() if item[1].total]
    rows = sorted(filled, key=lambda item: -item[1].quantile(0.5))
    if not rows:
        return style.message("No prompt was built.", WIDTH)
    with style.figure(WIDTH, 90 + 32 * len(rows)) as figure:
        axis = figure.add_subplot()
        for y, (_, distribution) in enumerate(rows):
            low, middle, high = (distribution.quantile(q) for q in (0.05, 0.5, 0.95))
            axis.plot([low, high], [y, y], color=style.OURS_LIGHT, linewidth=7, solid_capstyle="round")
            axis.plot(middle, y, "o", color=style.OURS, markersize=9)
            axis.annotate(f"{middle:,}", (middle, y), (0, 9), textcoords="offset points", ha="center", fontsize=11)
        axis.set_yticks(range(len(rows)), [source.replace("_", " ") for source, _ in rows], color=style.INK)
        axis.set(xlabel="characters in a prompt", ylim=(len(rows) - 0.5, -0.7), xlim=(0, None))
        axis.grid(axis="x")
        axis.spines["left"].set_visible(False)
        return style.to_svg(figure, "Prompt lengths by source")


def _normalised(counts: Mapping[str, int]) -> dict[str, float]:
    whole = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {name: n / whole for name, n in ordered if n}


def _pairs(cells: Iterable[Cell], key: str) -> dict[tuple[str, str], int]:
    """(source, format or audience) → prompts."""
    pairs: dict[tuple[str, str], int] = {}
    for cell in cells:
        pair = (cell["source"], cell[key])
        pairs[pair] = pairs.get(pair, 0) + cell["prompts"]
    return pairs


def _cell(x: float, y: float, colour: Any) -> Any:
    from matplotlib.patches import FancyBboxPatch

    return FancyBboxPatch(
        (x - 0.44, y - 0.4), 0.88, 0.8, boxstyle="round,pad=0,rounding_size=0.08", color=colour, linewidth=0
    )  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the page, its figures and the numbers."""
    parser = page.parser(__doc__.split("\n")[0])
    parser.add_argument("--manifest", type=Path, required=True, help="prompts/manifest.json")
    parser.add_argument("--prompts", type=Path, nargs="+", required=True, help="prompts/<source>/part-*.parquet")
    parser.add_argument("--pies", type=Path, required=True, help="SVG file of the sources to write")
    parser.add_argument("--matrix", type=Path, required=True, help="SVG file of formats and audiences to write")
    parser.add_argument("--lengths", type=Path, required=True, help="SVG file of prompt lengths to write")
    args = parser.parse_args(argv)
    manifest = read_json(args.manifest)
    lengths = measure(args.prompts)
    cells = sorted(manifest["by_source_format_audience"], key=lambda cell: -cell["prompts"])
    figures = {"pies": draw_sources(cells), "matrix": draw_matrix(cells), "lengths": draw_lengths(lengths)}
    write_text(args.pies, figures["pies"])
    write_text(args.matrix, figures["matrix"])
    write_text(args.lengths, figures["lengths"])
    groups, curated = shares(cells)
    numbers = {
        "groups": groups,
        "curated": curated,
        "characters": {source: distribution.summary() for source, distribution in lengths.items()},
        "formats": variety(cells, "format"),
        "audiences": variety(cells, "audience"),
    }
    page.write_numbers(args.numbers, manifest | numbers)
    page.write_page(args, manifest=manifest, cells=cells, figures=figures)


if __name__ == "__main__":
    run(main)
