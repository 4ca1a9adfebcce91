"""The flow figure: rows of each split through the steps, what joins them, and what is kept aside by reason.

A Sankey diagram, written as SVG by hand so that every band can say what it is (a `title`, which browsers show as a
tooltip). All heights are to one scale; what is too thin to see is drawn as a hairline. Bands of kept rows lie over
those of lost ones, which fall into a lane below; rows that a step adds fade in from the left. Prompts that were made
and left out again, because the mix did not ask for them, are told (±) and not drawn: there may be many for each seed.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from scripts.common.counts import Counts
from scripts.report import style
from scripts.report.flow import START, STEPS, Flow, without_unused
from scripts.report.page import words

WIDTH, LEFT, RIGHT = 1064, 44, 200
TOP, STACK, LANE = 66, 270, 34
"""Where the stacks begin, how high the highest is without gaps, and the way from them down to the lost rows."""
BAR, GAP, LINE = 11, 3, 17
REASONS, LETTERS = 5, 19
"""At most so many reasons are named below a step, with counts made short where one takes more letters."""
ADDED = {"seeds_load": "one row gives several seeds", "prompts_seal": "one seed gives several prompts"}


class Sankey:
    """The drawing of one flow.

    Args:
        flow: what `scripts.report.flow.follow` gives; not empty.
    """

    def __init__(self, flow: Flow) -> None:
        self.order = list(flow)
        both = {
            step: {split: without_unused(each) for split, each in by_split.items()} for step, by_split in flow.items()
        }
        self.drawn = {step: {split: each for split, (each, _) in by_split.items()} for step, by_split in both.items()}
        self.unused = {step: [reasons for _, reasons in by_split.values()] for step, by_split in both.items()}
        first = flow[self.order[0]]
        rows = [{split: each.rows_in for split, each in first.items()}]
        rows += [{split: each.rows_out for split, each in by_split.items()} for by_split in flow.values()]
        self.splits = sorted(first, key=lambda split: -max(column[split] for column in rows))
        self.columns = [{split: column[split] for split in self.splits} for column in rows]
        self.highest = max(sum(column.values()) for column in rows)
        self.scale = STACK / self.highest if self.highest else 0
        self.pitch = (WIDTH - LEFT - RIGHT - BAR) / len(self.order)
        self.lane = TOP + STACK + GAP * (len(self.splits) - 1) + LANE
        self.bottom = float(self.lane)
        self.tops = [self._tops(column) for column in self.columns]

    def svg(self) -> str:
        """The whole figure."""
        under, over = [], [self._column(place) for place in range(len(self.columns))]
        for place, step in enumerate(self.order):
            losses, kept = self._step(place, step)
            under += losses
            over += kept
        over.append(self._labels())
        height = round(self.bottom + 12)
        names = [START, *(STEPS[step][0] for step in self.order)]
        told = ", ".join(f"{name} {sum(rows.values()):,}" for name, rows in zip(names, self.columns, strict=True))
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}"'
                f' height="{height}" style="font-family: {style.FONTS}" font-size="12" role="img">',
                f"<title>{style.escape(f'Rows through the pipeline: {told}')}</title>",
                *self._fades(),
                *under,
                *over,
                "</svg>\n",
            ]
        )

    def colour(self, split: str) -> str:
        """The colour of a split, the same in all columns."""
        return style.CATEGORIES[self.splits.index(split) % len(style.CATEGORIES)]

    def _tops(self, column: Mapping[str, int]) -> dict[str, float]:
        top, tops = float(TOP), {}
        for split, rows in column.items():
            tops[split] = top
            top += rows * self.scale + GAP
        return tops

    def _x(self, place: int) -> float:
        return LEFT + place * self.pitch

    def _column(self, place: int) -> str:
        """Head and bars of one column."""
        rows, x = self.columns[place], self._x(place)
        name = STEPS[self.order[place - 1]][0] if place else START
        parts = [
            text(x + BAR / 2, 22, f"{sum(rows.values()):,}", size=14, weight=600, anchor="middle"),
            text(x + BAR / 2, 40, name, fill=style.QUIET, anchor="middle"),
        ]
        for split, top in self.tops[place].items():
            height = max(rows[split] * self.scale, 0.8 if rows[split] else 0)
            bar = f'<rect x="{x:.1f}" y="{top:.2f}" width="{BAR}" height="{height:.2f}" fill="{self.colour(split)}">'
            parts.append(f"{bar}{title(f'{words(split)}: {rows[split]:,} {name}')}</rect>")
        return "\n".join(parts)

    def _step(self, place: int, step: str) -> tuple[list[str], list[str]]:
        """The bands of one step: those of lost rows, and those of kept and added ones."""
        by_split = {split: self.drawn[step][split] for split in self.splits}
        left, right = self._x(place) + BAR, self._x(place + 1)
        before, after = (STEPS[self.order[place - 1]][0] if place else START), STEPS[step][0]
        kept = []
        for split, counts in by_split.items():
            stays = straight(counts)
            starts, ends = self.tops[place][split], self.tops[place + 1][split]
            if stays:
                told_of = f"{words(split)}: {stays:,} of {counts.rows_in:,} {before} go on to {after}"
                note = f"{told_of}{share(stays, counts.rows_in)}"
                fill = style.tint(self.colour(split), 0.38)
                kept.append(band(left, starts, right, ends, stays * self.scale, fill, note))
            if joins := counts.rows_out - stays:
                note = f"{words(split)}: {counts.added:,} rows added: {ADDED.get(step, 'one row gives several')}"
                top = ends + stays * self.scale
                kept.append(self._fade(split, right, top, joins, note))
        if added := sum(counts.added for counts in by_split.values()):
            kept.append(text(right - 6, TOP - 9, f"+ {added:,}", size=11.5, fill=style.OURS, anchor="end"))
        return self._losses(place, by_split, before), kept

    def _losses(self, place: int, by_split: Mapping[str, Counts], before: str) -> list[str]:
        """The lost rows of one step: bands down to blocks, one for each reason, named below."""
        reasons = _sum(counts.rejected for counts in by_split.values())
        unused = _sum(self.unused[self.order[place]])
        left = self._x(place) + BAR
        end, middle = left + 0.6 * self.pitch, left + 0.3 * self.pitch
        parts, y = [], float(self.lane)
        for split, counts in by_split.items():
            if not (rejected := sum(counts.rejected.values())):
                continue
            named = ", ".join(
                f"{words(reason)} {counts.rejected[reason]:,}" for reason in reasons if reason in counts.rejected
            )
            added = f" and {counts.added:,} added" if counts.added else ""
            note = f"{words(split)}: {rejected:,} of {counts.rows_in:,} {before}{added} kept aside: {named}"
            known = min(rejected, counts.rows_in)  # the rest was added in this step and has no band from the left
            if known:
                start = self.tops[place][split] + straight(counts) * self.scale
                parts.append(band(left, start, end, y, known * self.scale, style.tint(style.LOST, 0.6), note))
            if rejected > known:
                parts.append(self._fade("", end, y + known * self.scale, rejected - known, note))
            y += rejected * self.scale
        return [*parts, *self._blocks(end, reasons), *self._named(middle, y + 20, reasons, unused)]

    def _blocks(self, x: float, reasons: Mapping[str, int]) -> Iterator[str]:
        """What the bands of lost rows end in: one block for each reason."""
        top, lost = float(self.lane), sum(reasons.values())
        for reason, n in reasons.items():
            note = f"{words(reason)}: {n:,} of the {lost:,} kept aside here"
            height = max(n * self.scale - 0.8, 0.8)
            block = f'<rect x="{x:.1f}" y="{top:.2f}" width="7" height="{height:.2f}" fill="{style.LOST}">'
            yield f"{block}{title(note)}</rect>"
            top += n * self.scale

    def _named(self, x: float, y: float, reasons: Mapping[str, int], unused: Mapping[str, int]) -> Iterator[str]:
        """The sum of the lost rows, the most frequent reasons, and what was made and left out again."""
        if reasons:
            yield text(x, y, f"− {sum(reasons.values()):,}", size=13, weight=600, fill=style.LOST_INK, anchor="middle")
        else:
            yield text(x, y, "none lost", size=11, fill=style.QUIET, anchor="middle")
        counts = [(words(reason), n) for reason, n in reasons.items()]
        if len(counts) > REASONS:
            rest = counts[REASONS - 1 :]
            counts[REASONS - 1 :] = [(f"{len(rest)} more", sum(n for _, n in rest))]
        brief = any(len(f"{name} {n:,}") > LETTERS for name, n in counts)
        for name, n in counts:
            y += 15
            line = f"{name} {style.short(n) if brief else f'{n:,}'}" if len(counts) > 1 else name
            yield text(x, y, line, size=11, fill=style.QUIET, anchor="middle")
        if unused:
            y += 22
            named = ", ".join(f"{words(reason)} {n:,}" for reason, n in unused.items())
            note = title(f"Made and left out again, so in no band: {named}")
            line = f"± {sum(unused.values()):,} not used"
            yield text(x, y, line, size=11, fill=style.QUIET, anchor="middle", more=note)
        self.bottom = max(self.bottom, y)

    def _labels(self) -> str:
        """The splits beside the last column, moved apart where they would touch."""
        rows, tops, x = self.columns[-1], self.tops[-1], self._x(len(self.order)) + BAR
        parts, free = [], TOP - LINE / 2
        for split in self.splits:
            middle = tops[split] + rows[split] * self.scale / 2
            y = max(middle, free + LINE / 2)
            free = y + LINE / 2
            parts.append(
                f'<path d="M{x + 3:.1f} {middle:.1f} L{x + 13:.1f} {y:.1f}" stroke="{self.colour(split)}" fill="none"/>'
            )
            name = words(split) if len(split) <= 20 else f"{words(split)[:19]}…"
            count = f'<tspan dx="6" fill="{style.QUIET}">{rows[split]:,}</tspan>'
            parts.append(text(x + 17, y + 4, name, more=count))
        self.bottom = max(self.bottom, free)
        return "\n".join(parts)

    def _fades(self) -> Iterator[str]:
        """A gradient for each split, and one for lost rows (the last), in which added rows appear."""
        yield "<defs>"
        for number, colour in enumerate([*(style.tint(self.colour(each), 0.38) for each in self.splits), style.LOST]):
            stops = f'<stop stop-color="{colour}" stop-opacity="0"/><stop offset="1" stop-color="{colour}"/>'
            yield f'<linearGradient id="flow-fade-{number}">{stops}</linearGradient>'
        yield "</defs>"

    def _fade(self, split: str, end: float, top: float, rows: int, note: str) -> str:
        number = self.splits.index(split) if split else len(self.splits)
        width, height = 0.3 * self.pitch, max(rows * self.scale, 0.8)
        return (
            f'<rect x="{end - width:.1f}" y="{top:.2f}" width="{width:.1f}" height="{height:.2f}"'
            f' fill="url(#flow-fade-{number})">{title(note)}</rect>'
        )


def draw(flow: Flow) -> str:
    """The figure, or a message where no row was read."""
    if not any(each.rows_in + each.rows_out for by_split in flow.values() for each in by_split.values()):
        return style.message("No row was read.", WIDTH)
    return Sankey(flow).svg()


def _sum(each: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Reason → rows over all splits, most rows first."""
    whole = Counter()
    for reasons in each:
        whole.update(reasons)
    return dict(sorted(whole.items(), key=lambda item: (-item[1], item[0])))


def straight(counts: Counts) -> int:
    """Rows that come from the step before and go on; a step may also reject rows that it has added itself."""
    return counts.rows_in - min(sum(counts.rejected.values()), counts.rows_in)


def band(left: float, start: float, right: float, end: float, size: float, fill: str, note: str) -> str:
    """A band of one height between two upright edges, level at both ends."""
    middle, low, high = (left + right) / 2, start + size, end + size
    path = (
        f"M{left:.1f} {start:.2f} C{middle:.1f} {start:.2f} {middle:.1f} {end:.2f} {right:.1f} {end:.2f}"
        f" V{high:.2f} C{middle:.1f} {high:.2f} {middle:.1f} {low:.2f} {left:.1f} {low:.2f} Z"
    )
    hairline = f' stroke="{fill}" stroke-width="0.7"' if size < 1 else ""
    return f'<path d="{path}" fill="{fill}"{hairline}>{title(note)}</path>'


def text(
    x: float, y: float, line: str, size: float = 12, weight: int = 400, fill: str = style.INK, anchor: str = "start",
    more: str = "",
) -> str:  # fmt: skip
    """A line of text."""
    look = "" if size == 12 else f' font-size="{size}"'
    look += "" if weight == 400 else f' font-weight="{weight}"'
    look += "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}"{look}>{style.escape(line)}{more}</text>'


def title(note: str) -> str:
    """The tooltip of the element that it stands in."""
    return f"<title>{style.escape(note)}</title>"


def share(part: int, whole: int) -> str:
    """A part as per cent of the whole, in brackets."""
    return f" ({100 * part / whole:.3g} %)" if whole else ""
