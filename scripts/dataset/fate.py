"""What became of a prompt: its attempts and its text, the filters, and where the text is in dataset and training.

Each function reads the tables of one step for one row and tells what they say, or that they are not there yet. Nothing
is written, and the ledger is read as it is: what is damaged in it is named and stays where it is.
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from scripts.common.files import read_json
from scripts.common.schemas import (
    BENCHMARK_ROWS,
    CLUSTER_MEMBERS,
    CONTAMINATION,
    DATASET,
    DECISIONS,
    GENERATIONS,
    NEAR_DUPLICATES,
    REJECTED,
)
from scripts.common.tables import find_rows
from scripts.dataset.lookup import PASSED, REMOVED, SKIPPED, WAITING, Place, Run, Step, beginning, one
from scripts.generate import journal, segment

PARTNERS = 20
"""Near-duplicates of a kept document that are listed."""

ATTEMPT = ("attempt", "finish_reason", "text_token_length", "sampling_seed", "model", "revision", "recipe", "engine")


def generation(run: Run, prompt_id: str, place: Place) -> Step:
    """The attempts in the ledger and the sealed text."""
    facts: dict[str, Any] = {"attempts in the ledger": list(_attempts(run, prompt_id, place))}
    sealed, rejected = run.table("generations", place), run.table("generations", place, "rejected")
    if not sealed.exists():
        return Step("generation", WAITING, "the texts of this part are not sealed yet", facts)
    found = next(find_rows(sealed, GENERATIONS, "prompt_id", prompt_id), None)
    if found is None:
        for _, row in find_rows(rejected, REJECTED, "id", prompt_id):
            facts |= {"reason": row["reason"], "detail": row["detail"]}
            return Step("generation", REMOVED, f"not_generated: {row['reason']} ({beginning(row['detail'])})", facts)
        return Step("generation", WAITING, "the sealed part does not have it: it was sealed from other prompts", facts)
    number, row = found
    facts |= {"row": number, **{name: row[name] for name in ATTEMPT}, "text": beginning(row["text"])}
    summary = f"{row['text_token_length']} tokens by {row['model']}, ended by {row['finish_reason']}"
    return Step("generation", PASSED, summary, facts)


def _attempts(run: Run, prompt_id: str, place: Place) -> Iterator[str]:
    """Every different row of the ledger about a prompt, by attempt and job."""
    folder = run.folder / f"generations/ledger/{place[0]}/part-{place[1]}"
    rows: dict[tuple, str] = {}
    for path in sorted(folder.glob("*.parquet")) + sorted(folder.glob("*.journal")):
        try:
            for row in _read(path, prompt_id):
                text = f", {beginning(row['text'], 80)}" if row["finish_reason"] in ("error", "refused") else ""
                rows[row["attempt"], row["job"], row["recipe"]] = (
                    f"attempt {row['attempt']}: {row['finish_reason']}, {row['text_token_length']} tokens, seed "
                    f"{row['sampling_seed']}, recipe {row['recipe']}, {row['model']} at {row['revision']}, "
                    f"{row['engine']}, job {row['job']}{text}"
                )
        except (segment.Gone, FileNotFoundError):
            continue  # merged into another one, which the next call meets
        except segment.Damaged as error:
            rows[-1, path.name, ""] = f"{path.name} is damaged ({error}) and may hold others"
    yield from (text for _, text in sorted(rows.items()))


def _read(path: Path, prompt_id: str) -> list[dict[str, Any]]:
    """The rows of one file of a ledger about a prompt; of a segment the texts are read only where it has some."""
    if path.suffix == ".journal":
        return [row for row in journal.read(path.read_bytes())[0] if row.get("prompt_id") == prompt_id]
    if not pc.any(pc.equal(segment.read(path, ["prompt_id"])["prompt_id"], prompt_id), min_count=0).as_py():
        return []
    table = segment.read(path)
    return table.filter(pc.equal(table["prompt_id"], prompt_id)).to_pylist()


def quality(run: Run, prompt_id: str, place: Place) -> Step:
    """The decision of the quality filter, with its evidence."""
    decisions = run.table("clean", place)
    if not decisions.exists():
        return Step("quality", WAITING, "not filtered yet")
    _, row = one(decisions, DECISIONS, "prompt_id", prompt_id)
    flags = [f"{flag['rule']}: {flag['detail']}" if flag["detail"] else flag["rule"] for flag in row["flags"] or ()]
    facts = {"decision": row["decision"], "rule": row["reason"], "detail": row["detail"], "flags": flags}
    if row["text"] is not None:
        _, sealed = one(run.table("generations", place), GENERATIONS, "prompt_id", prompt_id)
        facts["characters cut from the beginning"] = len(sealed["text"]) - len(row["text"])
        facts["tokens left"] = row["text_token_length"]
        facts["begins now"] = beginning(row["text"])
    if row["decision"] == "removed":
        detail = f" ({beginning(row['detail'])})" if row["detail"] else ""
        return Step("quality", REMOVED, f"{row['reason']}{detail}", facts)
    rules = ", ".join(flag["rule"] for flag in row["flags"] or ())
    return Step("quality", PASSED, f"kept, flagged: {rules}" if rules else "kept", facts)


def duplicates(run: Run, prompt_id: str, place: Place) -> Step:
    """Whether the text repeats another one, or others repeat it, and the cluster of candidates that it is in."""
    removed = run.folder / "deduplicate/removed.parquet"
    if not removed.exists():
        return Step("duplicates", WAITING, "not compared yet")
    facts = _cluster(run, prompt_id, place)
    for _, row in find_rows(removed, NEAR_DUPLICATES, "removed_id", prompt_id):
        facts |= {
            "kept instead": f"{row['kept_id']} of {row['kept_source']}, {row['kept_format']}",
            "Jaccard similarity": row["jaccard"],
            "cluster": row["cluster"],
            "of the same seed": row["same_seed"],
        }
        summary = f"near_duplicate of {row['kept_id']}, Jaccard {row['jaccard']:.3f}"
        return Step("duplicates", REMOVED, summary, facts)
    partners = [row for _, row in find_rows(removed, NEAR_DUPLICATES, "kept_id", prompt_id)]
    facts["removed because they repeat it"] = [
        f"{row['removed_id']} of {row['removed_source']}, {row['removed_format']}: Jaccard {row['jaccard']:.3f}"
        for row in partners[:PARTNERS]
    ]
    many = f"kept; {len(partners)} others repeat it and were removed" if partners else "kept; no other repeats it"
    return Step(
        "duplicates", PASSED, f"{many}{', in a cluster that was not compared' if 'alarm' in facts else ''}", facts
    )


def _cluster(run: Run, prompt_id: str, place: Place) -> dict[str, Any]:
    """The cluster of candidates that MinHash put the document into, and the alarm about it."""
    members = run.table("deduplicate/members", place)
    if not members.exists():
        return {}
    for _, row in find_rows(members, CLUSTER_MEMBERS, "prompt_id", prompt_id, ["size"]):
        facts: dict[str, Any] = {"candidates in its cluster": row["size"]}
        summary = read_json(run.folder / "deduplicate/summary.json")
        if row["size"] > summary["maximum_cluster"]:
            alarms = [alarm for alarm in summary["alarms"] if alarm["size"] == row["size"]]
            examples = [example for alarm in alarms for example in alarm["examples"]]
            facts["alarm"] = f"more than {summary['maximum_cluster']} candidates: nothing of the cluster was removed"
            facts["others of such a cluster"] = examples
        return facts
    return {}


def contamination(run: Run, prompt_id: str, place: Place) -> Step:
    """The benchmark rows that share words with the text, and the decision on each."""
    scanned = run.table("decontaminate", place)
    if not scanned.exists():
        return Step("contamination", WAITING, "not compared with the benchmarks yet")
    pairs = [row for _, row in find_rows(scanned, CONTAMINATION, "prompt_id", prompt_id)]
    facts = {
        f"{row['benchmark']} {row['row']}": {
            "decision": row["decision"],
            "ratio": row["ratio"],
            "rule": row["rule"],
            "longest span": row["span"],
            "benchmark row": beginning(_benchmark_row(run, row["benchmark"], row["row"])),
        }
        for row in pairs
    }
    worst = [row for row in pairs if row["decision"] == "removed"]
    if worst:
        names = ", ".join(f"{row['benchmark']} {row['row']} (ratio {row['ratio']:.2f})" for row in worst)
        return Step("contamination", REMOVED, f"contaminated: {names}", facts)
    return Step("contamination", PASSED, f"kept; {len(pairs)} benchmark rows share words with it", facts)


def _benchmark_row(run: Run, benchmark: str, name: str) -> str:
    index = run.folder / "decontaminate/index/rows.parquet"
    rows = find_rows(index, BENCHMARK_ROWS, "row", name, ["benchmark", "text"]) if index.exists() else ()
    return next((row["text"] for _, row in rows if row["benchmark"] == benchmark), "")


def dataset(run: Run, prompt_id: str, likely: Collection[str]) -> tuple[Step, Path | None]:
    """File and row of the dataset, or why there is none; splits with these names are read first."""
    splits = sorted(path for path in run.folder.glob("dataset/*/") if path.is_dir())
    if not splits:
        return Step("dataset", WAITING, "not written yet"), None
    for split in sorted(splits, key=lambda path: path.name not in likely):
        for path in sorted(split.glob("train-*.parquet")):
            for number, row in find_rows(path, DATASET, "prompt_id", prompt_id, ["license", "text_token_length"]):
                place = path.relative_to(run.folder / "dataset").as_posix()
                facts = {"split": split.name, "file": place, "row": number, "licence": row["license"]}
                return Step("dataset", PASSED, f"{place}, row {number}", facts), path
    counts = [read_json(path)["rejected"] for path in sorted(run.folder.glob("dataset/*.counts.json"))]
    if any("licence" in rejected for rejected in counts):
        return Step("dataset", REMOVED, "licence: that of its seed is not permissive (dataset.permissive)"), None
    return Step(
        "dataset", WAITING, "in none of the splits there are: its own is not written yet, or of another run"
    ), None


def training(run: Run, path: Path) -> Step:
    """The token file that holds the text, and the experiments whose mix reads it."""
    import yaml

    split, tokens = path.parent.name, run.folder / "tokens" / path.parent.name
    if not tokens.exists():
        return Step("training", WAITING, f"{split} is not tokenised yet")
    number = sorted(path.parent.glob("*.parquet")).index(path)
    files = [file.name for file in sorted(tokens.glob(f"{number:05d}_*.ds"))]
    facts: dict[str, Any] = {"token file": [f"tokens/{split}/{name}" for name in files]}
    mixes = []
    for config in sorted(run.folder.glob("train/*/config.yaml")):
        experiment = yaml.safe_load(config.read_text(encoding="utf-8"))
        data = experiment["data_stages"][0]["data"]["dataset"]
        weights = dict(zip(data["dataset_folder"], data["dataset_weights"], strict=True))
        mixed = [weight for folder, weight in weights.items() if Path(folder).name == split]
        name = config.parent.name
        facts[f"experiment {name}"] = f"{split} is {mixed[0]:.2%} of its mix" if mixed else f"{split} is not in its mix"
        mixes += [name] * bool(mixed)
    if not any(run.folder.glob("train/*/config.yaml")):
        return Step("training", WAITING, "tokenised; no experiment of this run has its mix yet", facts)
    state = PASSED if mixes else SKIPPED
    return Step(
        "training", state, f"in the mix of {', '.join(mixes)}" if mixes else "in the mix of no experiment", facts
    )
