"""Where a text comes from: its seed, the seed's cluster and topic, and the prompt.

Each function reads the tables of one step for one row and tells what they say, or that they are not there yet.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scripts.common.counts import Counts
from scripts.common.files import read_json
from scripts.common.schemas import (
    ASSIGNMENTS,
    CANDIDATES,
    CLUSTER_SAMPLE,
    PROMPTS,
    REJECTED,
    SEEDS,
    TOPIC_ANSWERS,
    TOPICS,
)
from scripts.common.tables import find_rows, iterate_rows
from scripts.dataset.lookup import PASSED, REMOVED, SKIPPED, WAITING, Place, Run, Step, beginning, one

Row = Mapping[str, Any]


def raw_row(run: Run, name: str, places: Sequence[Place]) -> Step:
    """A row of a source that gave no seed."""
    facts: dict[str, Any] = {}
    for place in places:
        for _, row in find_rows(run.table("seeds", place, "rejected"), REJECTED, "id", name):
            facts |= {
                "source": place[0],
                "part": place[1],
                "row": name,
                "reason": row["reason"],
                "detail": row["detail"],
            }
    return Step("seed", REMOVED, f"kept aside at loading: {_because(facts)}", facts)


def seed(run: Run, seed_id: str, places: Sequence[Place]) -> tuple[Step, Place]:
    """The seed, and the part whose prompts are made from it: the first where it occurs."""
    duplicates, kept = run.folder / "seeds/duplicates.parquet", places[0]
    if duplicates.exists():
        for _, row in find_rows(duplicates, REJECTED, "id", seed_id):
            source, _, part = row["detail"].partition("/part-")
            kept = source, part
    number, row = one(run.table("seeds", kept), SEEDS, "seed_id", seed_id)
    outline = row["outline"] or {}
    again = [f"{source} part {part} (duplicate_seed)" for source, part in places if (source, part) != kept]
    for place in places:
        rejected = run.table("seeds", place, "rejected")
        rows = find_rows(rejected, REJECTED, "detail", seed_id) if rejected.exists() else ()
        again += [f"{found['id']} ({found['reason']})" for _, found in rows]
    facts = {
        "seed id": seed_id,
        "source": kept[0],
        "part": kept[1],
        "row": number,
        "kind": row["kind"],
        "title": row["title"],
        "outline": " › ".join(outline[key] for key in ("book", "chapter", "section") if outline.get(key)),
        "licence": row["license"],
        "origin": row["origin"],
        "language": row["language"],
        "characters": len(row["text"] or ""),
        "text": beginning(row["text"]),
        "occurs again": again,
    }
    return Step("seed", PASSED, f"{row['kind']} of {kept[0]}, part {kept[1]}, row {number}", facts), kept


def topic(run: Run, seed_id: str, place: Place) -> Step:
    """Cluster and topic of a seed: the model's votes, the decision, and who made it."""
    assignments = run.table("clusters/assignments", place)
    if not assignments.exists():
        if run.table("embeddings", place).exists():
            return Step("topic", WAITING, "embedded, but in no cluster yet")
        here = run.table("prompts", place).exists()
        return Step("topic", SKIPPED, f"{place[0]} is not clustered" + ("" if here else ", or not yet"))
    _, row = one(assignments, ASSIGNMENTS, "seed_id", seed_id)
    cluster = row["cluster_id"]
    facts = {"cluster": cluster, "distance": row["distance"], "noise put into the nearest cluster": row["rescued"]}
    sample = run.folder / "clusters/sample.parquet"
    facts["in the clustered sample"] = sample.exists() and any(find_rows(sample, CLUSTER_SAMPLE, "seed_id", seed_id))
    if cluster < 0:
        return Step("topic", PASSED, "on noise: in no cluster", facts)
    topics = run.folder / "topics/topics.parquet"
    if not topics.exists():
        return Step("topic", WAITING, f"cluster {cluster}, not named yet", facts)
    named = next(row for row in iterate_rows(topics, TOPICS) if row["cluster_id"] == cluster)
    facts |= {
        "topic": named["topic"],
        "named by": named["label_source"],
        "educational score": named["educational_score"],
        "usable answers": named["n_answers"],
        "agreement on the topic": named["agreement"],
        "votes": list(_votes(run, cluster)),
        "documents": named["n_documents"],
        "decision": named["decision"],
        "decided by": named["decided_by"],
        "reason": named["reason"],
    }
    summary = f"cluster {cluster}, {named['topic']}: {named['decision']} by {named['decided_by']}"
    return Step("topic", PASSED, summary, facts)


def _votes(run: Run, cluster: int) -> Iterator[str]:
    """The model's answers about the cluster; equal ones once, with their number."""
    answers = run.folder / "topics/answers.parquet"
    if not answers.exists():
        return
    rows = [row for row in iterate_rows(answers, TOPIC_ANSWERS) if row["cluster_id"] == cluster]
    votes = Counter(
        f"{row['topic']}, score {row['educational_score']}" if not row["problem"] else f"not used: {row['problem']}"
        for row in rows
    )
    for vote, number in votes.items():
        yield f"{vote} (× {number})" if number > 1 else vote


def prompt(run: Run, row: Row, number: int, place: Place) -> Step:
    """A prompt that is in the run."""
    facts = {
        "prompt id": row["prompt_id"],
        "source": place[0],
        "part": place[1],
        "row": number,
        "template": row["template_id"],
        "format": row["format"],
        "audience": row["audience"],
        "language": row["language"],
        "topic": row["topic"],
        "topic in prompt": row["topic_in_prompt"],
        "seed_data": row["seed_data"],
        "prompt": beginning(row["prompt"]),
    }
    manifest = run.folder / "prompts/manifest.json"
    if manifest.exists():
        template = read_json(manifest)["templates"].get(row["template_id"], {})
        facts["template version and hash"] = [template[key] for key in ("version", "hash") if key in template]
    return Step("prompt", PASSED, f"{row['format']} for {row['audience']}, template {row['template_id']}", facts)


def repeated_prompt(run: Run, prompt_id: str, place: Place) -> list[str]:
    """What a part says of further occurrences of a prompt: from which seed, and where the first one is."""
    rejected = run.table("prompts", place, "rejected")
    rows = find_rows(rejected, REJECTED, "id", prompt_id) if rejected.exists() else ()
    return [f"{place[0]} part {place[1]}: {row['detail']}" for _, row in rows if row["reason"] == "duplicate_prompt"]


def candidate(run: Run, prompt_id: str, place: Place) -> tuple[Step, str] | None:
    """A prompt that was made and is not in the run, and its seed; candidates are deleted when the prompts are final."""
    built = run.table("prompts/built", place)
    found = next(find_rows(built, CANDIDATES, "prompt_id", prompt_id), None) if built.exists() else None
    if found is None:
        return None
    step, row = prompt(run, found[1], found[0], place), found[1]
    facts = {**step.facts, "cell of the mix": row["cell"], "rank in it": row["rank"]}
    bounds = run.folder / f"prompts/selection/{place[0]}.json"
    if not bounds.exists():
        return Step("prompt", WAITING, "made, and not yet chosen or left out", facts), row["seed_id"]
    cell = read_json(bounds)[row["cell"]]
    if row["rank"] > cell["mix_bound"]:
        return Step("prompt", REMOVED, f"outside_mix: {_cell(row['cell'], cell)}", facts), row["seed_id"]
    if row["rank"] > cell["fraction_bound"]:
        return Step("prompt", REMOVED, f"outside_fraction: {_cell(row['cell'], cell)}", facts), row["seed_id"]
    if again := repeated_prompt(run, prompt_id, place):
        return Step("prompt", REMOVED, f"duplicate_prompt: {again[0]}", facts), row["seed_id"]
    return Step("prompt", WAITING, "chosen; the part's prompts are not final yet", facts), row["seed_id"]


def no_prompt(run: Run, seed_id: str, place: Place) -> Step:
    """Why a seed has no prompt in the run."""
    if not run.table("prompts", place).exists():
        return Step("prompt", WAITING, "the prompts of this part are not made yet")
    reasons = [row for _, row in find_rows(run.table("prompts", place, "rejected"), REJECTED, "id", seed_id)]
    if reasons:
        facts = {"reason": reasons[0]["reason"], "detail": reasons[0]["detail"]}
        return Step("prompt", REMOVED, f"not used: {_because(facts)}", facts)
    rejected = iterate_rows(run.table("prompts", place, "rejected"), REJECTED, ["reason", "detail"])
    repeated = [row["detail"] for row in rejected if (row["detail"] or "").startswith(f"seed {seed_id}, ")]
    counts = Counts.read(run.table("prompts", place).with_suffix(".counts.json")).rejected
    facts = {f"of this part {key}": counts[key] for key in ("outside_mix", "outside_fraction") if key in counts}
    facts["repeated prompts"] = repeated
    bounds = run.folder / f"prompts/selection/{place[0]}.json"
    if bounds.exists():
        facts["cells of the mix"] = [_cell(name, cell) for name, cell in sorted(read_json(bounds).items())]
    why = "duplicate_prompt" if repeated and not counts.keys() & {"outside_mix", "outside_fraction"} else "not chosen"
    summary = {"duplicate_prompt": "duplicate_prompt: all its prompts occur before"}.get(
        why, "used, but none of its prompts was chosen by the mix or fraction (they are counted, not listed)"
    )
    return Step("prompt", REMOVED, summary, facts)


def prompts_of(run: Run, seed_id: str, place: Place) -> list[tuple[int, Row]]:
    """The prompts made from a seed: row number and row."""
    path = run.table("prompts", place)
    return list(find_rows(path, PROMPTS, "seed_id", seed_id)) if path.exists() else []


def _cell(name: str, cell: Mapping[str, int]) -> str:
    return f"{name}: {cell['asked']} asked for, {cell['candidates']} candidates, {cell['taken']} taken"


def _because(facts: Mapping[str, Any]) -> str:
    return f"{facts['reason']} ({facts['detail']})" if facts.get("detail") else facts["reason"]
