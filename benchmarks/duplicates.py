"""How many near-duplicates are found and how many texts are removed wrongly: this stage against datatrove's own steps.

    .venv/bin/python -m benchmarks.duplicates                     # 20,000 made documents
    COSMOPEDIA_REAL_DATA=<folder> .venv/bin/python -m benchmarks.duplicates    # … and the real texts of that folder

The truth is the Jaccard similarity of all pairs of documents. A pair is resolved when not both are kept: recall is the
share of resolved pairs among those of a similarity, with its 95 % Wilson interval. A removed document is wrong when no
kept one is at least 0.7 similar to it; of ours none may be. The programs run as Snakemake calls them, on four parts;
the published way is datatrove's MinHash in its four steps, its filter included, with its defaults. Each document that
only one of the two removes is put down to one cause. benchmarks/similar_texts.py tells how documents are made.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.similar_texts import make_texts
from scripts.common.files import read_json
from scripts.common.ids import content_id
from scripts.common.schemas import DECISIONS, GENERATIONS, NEAR_DUPLICATES, PROMPTS
from scripts.common.tables import read_table, write_table
from scripts.decontaminate.control import wilson
from scripts.deduplicate import buckets, clusters, members, signatures, verify
from scripts.deduplicate.shingles import Shingles

if TYPE_CHECKING:
    import numpy as np

BUCKETS, PARTS = 14, 4
ROUNDS = (1, 2, 4)
MINIMUM = 0.7

Similar = dict[int, dict[int, float]]
"""Document → document that shares a shingle with it → their similarity."""


def similarities(documents: Sequence["np.ndarray"]) -> Similar:
    """The true similarity of all pairs that have anything in common.

    Args:
        documents: the different shingles of each.
    """
    import numpy as np
    from scipy.sparse import csr_array

    sizes = np.array([len(document) for document in documents])
    _, numbers, counts = np.unique(np.concatenate(documents), return_inverse=True, return_counts=True)
    rows = np.repeat(np.arange(len(documents)), sizes)
    shared = counts[numbers] > 1
    ones = np.ones(shared.sum(), np.int32)
    matrix = csr_array((ones, (rows[shared], numbers[shared])), shape=(len(documents), len(counts)))
    common = (matrix @ matrix.T).tocoo()
    found: Similar = {place: {} for place in range(len(documents))}
    for one, other, number in zip(*(index.tolist() for index in common.coords), common.data.tolist(), strict=True):
        if one != other:
            found[one][other] = number / (int(sizes[one] + sizes[other]) - number)
    return found


def write_parts(texts: Sequence[str], folder: Path) -> dict[str, int]:
    """Seals the texts in parts, all kept by clean; returns prompt id → document."""
    ids = [content_id("benchmark", text, str(place)) for place, text in enumerate(texts)]
    for part in range(PARTS):
        rows = [
            {"prompt_id": ids[place], "seed_id": ids[place], "text": texts[place], "format": "made", "decision": "kept"}
            for place in range(part, len(texts), PARTS)
        ]
        for kind, schema in (("generations", GENERATIONS), ("decisions", DECISIONS), ("prompts", PROMPTS)):
            own = [{name: row[name] for name in schema.names if name in row} for row in rows]
            for row in own if kind == "decisions" else []:
                row["text"] = None
            write_table(folder / kind / f"part-{part:03d}.parquet", own, schema)
    return {prompt_id: place for place, prompt_id in enumerate(ids)}


def ours(texts: Sequence[str], folder: Path) -> Iterator[tuple[int, set[int]]]:
    """Yields rounds and the documents that the workflow removes with them."""
    places = write_parts(texts, folder)
    parts = {kind: sorted((folder / kind).glob("*.parquet")) for kind in ("generations", "decisions", "prompts")}
    folders = [folder / "signatures" / path.stem for path in parts["generations"]]
    for generations, decisions, output in zip(parts["generations"], parts["decisions"], folders, strict=True):
        _run(signatures, generations=generations, decisions=decisions, rounds=ROUNDS[-1], output=output)
    pairs = [folder / f"{bucket:03d}.dups" for bucket in range(BUCKETS * ROUNDS[-1])]
    for bucket, output in enumerate(pairs):
        _run(buckets, signatures=folders, bucket=bucket, rounds=ROUNDS[-1], output=output)
    table, minhash = folder / "clusters.parquet", folder / "minhash.json"
    found = [folder / "members" / path.name for path in parts["generations"]]
    counts = [path.with_suffix(".counts.json") for path in found]
    for rounds in ROUNDS:
        _run(clusters, pairs=pairs[: BUCKETS * rounds], rounds=rounds, output=table, minhash=minhash)
        for rank, files in enumerate(zip(*parts.values(), found, counts, strict=True)):
            names = [*parts, "output", "counts"]
            _run(members, clusters=table, rank=rank, **dict(zip(names, files, strict=True)))
        results = {name: folder / f"{name}-{rounds}" for name in ("output", "summary", "counts")}
        _run(
            verify,
            generations=parts["generations"],
            members=found,
            documents=counts,
            minhash=minhash,
            rounds=rounds,
            minimum_jaccard=MINIMUM,
            **results,
        )
        removed = read_table(results["output"], NEAR_DUPLICATES, ["removed_id"])["removed_id"].to_pylist()
        yield rounds, {places[name] for name in removed}


def published(texts: Sequence[str], folder: Path) -> set[int]:
    """The documents that datatrove's MinHash removes, by its own four steps."""
    from datatrove.data import Document
    from datatrove.pipeline.dedup.minhash import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )

    def documents() -> Iterator[Document]:
        return (Document(text=text, id=str(place)) for place, text in enumerate(texts))

    paths = [str(folder / name) for name in ("signatures", "buckets", "clusters")]
    MinhashDedupSignature(paths[0]).run(documents(), rank=0, world_size=1)
    for bucket in range(BUCKETS):
        MinhashDedupBuckets(paths[0], paths[1]).run(rank=bucket, world_size=BUCKETS)
    MinhashDedupCluster(paths[1], paths[2]).run()
    kept = MinhashDedupFilter(paths[2]).run(documents(), rank=0, world_size=1)
    return set(range(len(texts))) - {int(document.id) for document in kept}


def differences(one: set[int], other: set[int], similar: Similar) -> Counter[str]:
    """Why the published way (one) and ours (other) do not remove the same documents."""
    causes: Counter[str] = Counter()
    for place in one - other:
        value = best(place, one, similar)
        if value >= MINIMUM:
            causes["only published: another of the group is kept here"] += 1
        else:
            limit = next(text for text, low in (("0.5–0.7", 0.5), ("0.3–0.5", 0.3), ("under 0.3", -1)) if value >= low)
            causes[f"only published: wrong, its best kept partner is {limit}"] += 1
    for place in other - one:
        partners = [partner for partner, value in similar[place].items() if value >= MINIMUM and partner not in other]
        if all(partner in one for partner in partners):
            causes["only ours: another of the group is kept there"] += 1
        else:
            causes["only ours: a true pair that the published way keeps"] += 1
    return causes


def best(place: int, removed: set[int], similar: Similar) -> float:
    """The similarity of a document to the kept one that is most like it."""
    return max((value for partner, value in similar[place].items() if partner not in removed), default=0.0)


def interval(found: int, total: int) -> str:
    """A share with its 95 % Wilson interval."""
    if not total:
        return "no pair"
    return "{value:.4f} [{low:.4f}, {high:.4f}]".format(**wilson(found, total))


def measure(name: str, texts: Sequence[str], folder: Path, gold: Sequence[tuple[int, int]] = ()) -> bool:
    """Prints the figures of some texts; returns whether ours, with most rounds, removes nothing wrongly."""
    import numpy as np

    shingles = Shingles(5)
    similar = similarities([np.unique(shingles(text)) for text in texts])
    pairs = [(a, b, value) for a, partners in similar.items() for b, value in partners.items() if a < b]
    print(f"\n{name}: {len(texts):,} documents")
    print(
        f"{'':12}{'removed':>8}{'J ≥ 0.8 resolved':>40}{'0.7 ≤ J < 0.8 resolved':>40}   no kept partner ≥ 0.8, 0.7, 0.5"
    )
    start = time.process_time()
    removals = {"published": published(texts, folder / "published")}
    seconds = time.process_time() - start
    removals |= {f"ours, {rounds} ×": removed for rounds, removed in ours(texts, folder / "ours")}
    for way, removed in removals.items():
        cells = []
        for low, high in ((0.8, 2), (MINIMUM, 0.8)):
            band = [not removed.isdisjoint((a, b)) for a, b, value in pairs if low <= value < high]
            cells.append(f"{sum(band):,}/{len(band):,}  {interval(sum(band), len(band))}")
        alone = [sum(best(place, removed, similar) < limit for place in removed) for limit in (0.8, MINIMUM, 0.5)]
        shares = ", ".join(f"{number} ({number / max(1, len(removed)):.1%})" for number in alone)
        print(f"{way:12}{len(removed):8,}{cells[0]:>40}{cells[1]:>40}   {shares}")
        if gold:
            print(f"{'':12}gold pairs resolved: {sum(not removed.isdisjoint(pair) for pair in gold)} of {len(gold)}")
    alone = read_json(folder / "ours" / "minhash.json")["removed"]
    print(f"removed by our first round alone, one document a cluster kept: {alone:,}")
    print(f"CPU seconds: published {seconds:.0f}, ours for all rounds {time.process_time() - start - seconds:.0f}")
    final = removals[f"ours, {ROUNDS[-1]} ×"]
    print(f"published against ours, {ROUNDS[-1]} ×: both {len(removals['published'] & final):,}")
    for cause, number in sorted(differences(removals["published"], final, similar).items()):
        print(f"    {number:6,}  {cause}")
    return all(best(place, final, similar) >= MINIMUM for place in final)


def real_texts(folder: Path) -> tuple[list[str], list[tuple[int, int]]]:
    """The longest text of each row of the folder's files, and the gold pairs among them."""
    texts, places = [], {}
    articles = folder / "dedup_minhash_articles_100.jsonl"
    for path in [*sorted(folder.glob("*_mini.jsonl")), articles]:
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if path == articles:
                places[row["id"]] = len(texts)
            texts.append(max(_strings(row), key=len))
    truth = [json.loads(line) for line in articles.with_suffix(".truth.jsonl").read_text().splitlines()]
    return texts, [(places[pair["id1"]], places[pair["id2"]]) for pair in truth]


def quiet() -> None:
    """Silences the logs and bars of the programs."""
    os.environ["TQDM_DISABLE"] = "1"
    from datatrove.utils.logging import logger

    logger.remove()
    logging.disable(logging.INFO)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


def _run(program: Any, **flags: Any) -> None:
    words: list[str] = []
    for name, value in flags.items():
        words += [f"--{name.replace('_', '-')}", *map(str, value if isinstance(value, list) else [value])]
    program.main(words)


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the tables; fails if a document was removed wrongly."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--documents", type=int, default=20_000)
    args = parser.parse_args(argv)
    quiet()
    right = []
    with tempfile.TemporaryDirectory() as name:
        right.append(measure("made", make_texts(args.documents), Path(name) / "made"))
        if real := os.environ.get("COSMOPEDIA_REAL_DATA"):
            texts, gold = real_texts(Path(real))
            right.append(measure("real", texts, Path(name) / "real", gold))
    if not all(right):
        sys.exit("a document was removed that no kept one is like")


if __name__ == "__main__":
    main()
