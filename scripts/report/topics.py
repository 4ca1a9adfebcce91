"""The topics page: the map of the clustered sample and the table of topics that it was cut into.

The map is a UMAP plane made for the picture. Axes have no unit and only near distances mean anything.
At most 8,000 documents are drawn, chosen by id (ids are content hashes, so this is a random sample that is the same in
every run); labels are placed largest cluster first and left out where they would overlap.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.common.files import read_json, write_text
from scripts.common.logging import run
from scripts.common.schemas import CLUSTER_SAMPLE, EMBEDDING_DIMENSION, TOPICS
from scripts.common.tables import read_table
from scripts.report import page, style

DRAWN = 8000
WIDTH, HEIGHT = 1064, 720
LABEL_CHARACTERS = 30
KEYWORDS = 3
CROWDED = 40
"""A map with more clusters than this has smaller labels and no keywords."""
NOISE_CLUSTER = -1
BARS = 40
"""Topics in the picture of sizes; the table has all."""


def summarize(sample: Sequence[Mapping], topics: Sequence[Mapping]) -> dict[str, Any]:
    """The page's numbers: clusters, noise, topics kept and removed, where the labels came from."""
    noise = sum(point["cluster_id"] == NOISE_CLUSTER for point in sample)
    sizes: dict[int, int] = {}
    for point in sample:
        if point["cluster_id"] != NOISE_CLUSTER:
            sizes[point["cluster_id"]] = sizes.get(point["cluster_id"], 0) + 1
    documents = sum(topic["n_documents"] for topic in topics)
    kept = [topic for topic in topics if topic["decision"] == "kept"]
    return {
        "sample": len(sample),
        "embedding_dimension": EMBEDDING_DIMENSION,
        "clusters": len(sizes),
        "noise_share": noise / len(sample) if sample else None,
        "largest_share": max(sizes.values(), default=0) / len(sample) if sample else None,
        "topics": len(topics),
        "kept": len(kept),
        "removed": len(topics) - len(kept),
        "documents": documents,
        "documents_kept": sum(topic["n_documents"] for topic in kept),
        "answered": sum(bool(topic["n_answers"]) for topic in topics),
        "agreement": _mean(topics, "agreement"),
        "score_agreement": _mean(topics, "score_agreement"),
        "corrected": sum("override" in (topic["label_source"], topic["decided_by"]) for topic in topics),
        "labels": {
            source: sum(topic["label_source"] == source for topic in topics)
            for source in ("llm", "keywords", "override")
        },
    }


def add_up(counts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What became of all documents, from the counts that cluster_assign writes for each part."""
    result: dict[str, Any] = {"documents": 0, "in_clusters": 0, "rescued": 0, "noise": 0}
    for part in counts:
        result |= {name: result[name] + part[name] for name in result if name in part}
    return result


def _mean(topics: Sequence[Mapping], column: str) -> float | None:
    """The mean over the topics that have a value."""
    values = [topic[column] for topic in topics if topic[column] is not None]
    return sum(values) / len(values) if values else None


def draw_map(sample: Sequence[Mapping], topics: Sequence[Mapping]) -> str:
    """The scatter of the plane: noise grey, clusters coloured, removed topics hollow, labels at cluster medians."""
    if not sample:
        return style.message("No document was clustered.", WIDTH)
    drawn = sorted(sample, key=lambda point: point["seed_id"])[:DRAWN]
    known = {topic["cluster_id"]: topic for topic in topics}
    clusters: dict[int, list[Mapping]] = {}
    for point in drawn:
        clusters.setdefault(point["cluster_id"], []).append(point)
    size = 60 if len(drawn) < 1000 else 12
    with style.figure(WIDTH, HEIGHT) as figure:
        axis = figure.add_subplot()
        axis.set_axis_off()
        for cluster, points in sorted(clusters.items()):
            kept = known.get(cluster, {}).get("decision") == "kept"
            colour = cluster_colour(cluster)
            axis.scatter(
                [point["x"] for point in points],
                [point["y"] for point in points],
                s=size * (0.5 if cluster == NOISE_CLUSTER else 1),
                facecolors=colour if kept or cluster == NOISE_CLUSTER else "none",
                edgecolors="none" if kept or cluster == NOISE_CLUSTER else colour,
                linewidths=1,
                alpha=0.75,
                gid=f"cluster-{cluster}",
            )
        figure.draw_without_rendering()
        _place_labels(axis, clusters, known)
        svg = style.to_svg(
            figure, f"Map of {len(drawn)} documents in {len(clusters) - (NOISE_CLUSTER in clusters)} clusters"
        )
    tooltips = {f"cluster-{cluster}": _tooltip(known.get(cluster)) for cluster in clusters}
    return style.halo(style.add_tooltips(svg, tooltips), "label-")


def cluster_colour(cluster: int) -> str:
    """The colour of a cluster on the map and in the table."""
    return style.NOISE if cluster == NOISE_CLUSTER else style.CATEGORIES[cluster % len(style.CATEGORIES)]


def _place_labels(axis: Any, clusters: Mapping[int, Sequence[Mapping]], known: Mapping[int, Mapping]) -> None:
    """Largest cluster first, above its points or else below, with keywords; on a crowded map the name in the middle.

    A label that would touch one already there is left out.
    """
    from statistics import median

    taken: list[Sequence[float]] = []
    crowded = len(known) > CROWDED
    for cluster, points in sorted(clusters.items(), key=lambda item: (-len(item[1]), item[0])):
        topic = known.get(cluster)
        if topic is None:
            continue
        x, heights = median(point["x"] for point in points), sorted(point["y"] for point in points)
        places = [(median(heights), 0)] if crowded else [(heights[-1], 26), (heights[0], -14)]
        for y, offset in places:
            texts = _label(axis, (x, y), offset, topic, crowded)
            boxes = [text.get_window_extent().padded(2).extents for text in texts]
            if not any(_overlap(box, other) for box in boxes for other in taken):
                taken += boxes
                break
            for text in texts:
                text.remove()


def _label(axis: Any, place: tuple[float, float], offset: float, topic: Mapping, crowded: bool) -> list[Any]:
    """The name of a topic and, below it, its first keywords, unless they are its name or the map is crowded."""
    kept = topic["decision"] == "kept"
    common = {"textcoords": "offset points", "ha": "center", "va": "center", "gid": f"label-{topic['cluster_id']}"}
    weight, slant, colour = ("bold", "normal", style.INK) if kept else ("normal", "italic", style.QUIET)
    name = axis.annotate(
        _cut(topic["topic"] or f"cluster {topic['cluster_id']}"), place, (0, offset), color=colour,
        fontsize=11 if crowded else 13, fontweight=weight, fontstyle=slant, **common,
    )  # fmt: skip
    if crowded or topic["label_source"] == "keywords" or not topic["keywords"]:
        return [name]
    words = _cut(", ".join(topic["keywords"][:KEYWORDS]))
    return [name, axis.annotate(words, place, (0, offset - 14), fontsize=11, color=style.QUIET, **common)]


def _overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _cut(text: str) -> str:
    text = style.plain(text)
    return text if len(text) <= LABEL_CHARACTERS else text[: LABEL_CHARACTERS - 1].rstrip() + "…"


def _tooltip(topic: Mapping | None) -> str:
    if topic is None:
        return "noise: no cluster is dense enough here"
    return f"{topic['topic']}: {topic['n_documents']:,} documents, {topic['decision']} {topic['reason'] or ''}".strip()


def draw_sizes(topics: Sequence[Mapping]) -> str:
    """Bars of the largest topics by documents; removed ones are grey."""
    largest = sorted(topics, key=lambda topic: (-topic["n_documents"], topic["cluster_id"]))[:BARS]
    if not largest:
        return style.message("No cluster was found.", WIDTH)
    with style.figure(WIDTH, 70 + 22 * len(largest)) as figure:
        axis = figure.add_subplot()
        colours = [style.OURS if topic["decision"] == "kept" else style.NOISE for topic in largest]
        places = range(len(largest))
        axis.barh(places, [topic["n_documents"] for topic in largest], color=colours, height=0.72)
        axis.set_yticks(places, [_cut(topic["topic"]) for topic in largest], color=style.INK)
        axis.set(xlabel="documents", ylim=(len(largest) - 0.4, -0.6))
        style.whole_numbers(axis, "x")
        style.thousands(axis, "x")
        axis.grid(axis="x")
        axis.spines["left"].set_visible(False)
        return style.to_svg(figure, "Topics by size")


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the page, its figures and the numbers."""
    parser = page.parser(__doc__.split("\n")[0])
    parser.add_argument("--sample", type=Path, required=True, help="clusters/sample.parquet")
    parser.add_argument("--topics", type=Path, required=True, help="topics/topics.parquet")
    parser.add_argument("--fit", type=Path, required=True, help="clusters/fit.json")
    parser.add_argument("--counts", type=Path, nargs="+", required=True, help="counts of all assignments")
    parser.add_argument("--figure", type=Path, required=True, help="SVG file of the map to write")
    parser.add_argument("--sizes", type=Path, required=True, help="SVG file of the sizes to write")
    args = parser.parse_args(argv)
    sample = read_table(args.sample, CLUSTER_SAMPLE).to_pylist()
    topics = read_table(args.topics, TOPICS).to_pylist()
    fit = read_json(args.fit)
    counts = [read_json(path) for path in args.counts]
    numbers = summarize(sample, topics) | {"assigned": add_up(counts)}
    figures = {"map": draw_map(sample, topics), "sizes": draw_sizes(topics)}
    write_text(args.figure, figures["map"])
    write_text(args.sizes, figures["sizes"])
    page.write_numbers(args.numbers, numbers)
    rows = [topic | {"colour": cluster_colour(topic["cluster_id"])} for topic in topics]
    rows.sort(key=lambda topic: (-topic["n_documents"], topic["cluster_id"]))
    context = {"fit": fit, "policy": counts[0]["policy"], "max_distance": counts[0]["max_distance"]}
    page.write_page(
        args, numbers=numbers, figures=figures, topics=rows, drawn=min(len(sample), DRAWN), bars=BARS, **context
    )


if __name__ == "__main__":
    run(main)
