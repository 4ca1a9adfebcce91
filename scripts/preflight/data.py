"""Models, sources and benchmarks: here already, or to be had from where they are published by this user."""

import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from scripts.common.units import readable_size
from scripts.preflight.findings import OK, Finding, fails, nearest_folder, ok, warning
from scripts.preflight.hub import Hub, Reply, ask

PAGE = "https://huggingface.co"
TOKEN = "log in with `hf auth login` or set HF_TOKEN to a token of that account"
NO_NETWORK = "Fetch it where there is a network (`snakemake downloads`), or unset HF_HUB_OFFLINE"

NO_ANSWER = "not here, and no answer"
ELSEWHERE = (
    "Run this where there is a network, set the proxy (https_proxy), or fetch it elsewhere: `snakemake downloads`"
)


def check_data(facts: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> list[Finding]:
    """One line for each model, source and benchmark that the target needs; those that are here share one."""
    hub = Hub.of(environment)
    rules = {request["rule"] for request in facts["rules"]}
    offline = facts["offline"] not in ("0", "")
    wanted: list[tuple[Any, ...]] = []
    if "downloads_models" in rules:
        wanted += [(check_model, hub, place, offline) for place in facts["models"]]
    if rules & {"seeds_download", "seeds_load"}:
        folder = Path(facts["downloads"])
        wanted += [(check_source, hub, source, folder, offline) for source in facts["sources"]]
    if "downloads_benchmarks" in rules:
        folder = Path(facts["downloads"]) / "benchmarks"
        there = {name: (folder / f"{name}.jsonl").exists() for name in facts["benchmarks"]}
        wanted += [(check_benchmark, hub, *item, there[item[0]], offline) for item in facts["benchmarks"].items()]
    with ThreadPoolExecutor(16) as pool:
        findings = [finding for found in pool.map(lambda item: item[0](*item[1:]), wanted) for finding in found]
    needs_token = [finding.check for finding in findings if finding.found.startswith("gated")]
    untold = [finding.check for finding in findings if finding.found.startswith(NO_ANSWER)]
    return [*check_token(hub, needs_token, offline, bool(untold)), *_together(findings)]


def check_token(hub: Hub, wanting: Sequence[str], offline: bool, untold: bool = False) -> list[Finding]:
    """Whether the token that is set is one, or one is missing; `untold` where not all could be asked about."""
    if not hub.token:
        if untold and not wanting:
            return [warning("Hub token", "none is set, and without an answer it cannot be told whether one is needed")]
        if not wanting:
            return [ok("Hub token", "none is set, and nothing needs one")]
        return [fails("Hub token", f"none is set, and gated: {', '.join(wanting)}", f"Accept the terms, then {TOKEN}")]
    if offline:
        return [ok("Hub token", "one is set, not tried (HF_HUB_OFFLINE)")]
    reply = hub.ask("/api/whoami-v2")
    if reply.status == 200:
        return [ok("Hub token", f"of {reply.json().get('name', 'this user')}")]
    if reply.status in (401, 403):
        return [fails("Hub token", f"the Hub refuses it ({reply.status})", "Set HF_TOKEN anew or unset it")]
    problem = f"answer {reply.status}" if reply.status else reply.text
    return [warning("Hub token", f"could not be tried: {problem}", "Check the network")]


def check_model(hub: Hub, place: str, offline: bool) -> list[Finding]:
    """A model, given as name@revision."""
    name, _, revision = place.rpartition("@")
    check = f"model {name}"
    if hub.cached(name, revision):
        return [ok(check, f"here at revision {revision}")]
    if offline:
        found = f"revision {revision} is not in {hub.cache}, and HF_HUB_OFFLINE is set"
        return [fails(check, found, NO_NETWORK)]
    reply = hub.access("model", name)
    if reply.status != 200:
        return [_refused(check, f"{PAGE}/{name}", reply, "choose another model, or give a folder")]
    size = hub.size(name, revision)
    free = shutil.disk_usage(nearest_folder(hub.cache)).free
    needed = readable_size(size) if size else "size unknown"
    found = f"can be downloaded, {needed}, to {hub.cache} ({readable_size(free)} free)"
    if size > free:
        return [fails(check, found, "Set HF_HOME to a folder with more room, which all nodes see")]
    return [ok(check, found)]


def check_source(hub: Hub, source: Mapping[str, Any], downloads: Path, offline: bool) -> list[Finding]:
    """The rows of a source."""
    check = f"source {source['source']}"
    if source["where"] in ("sample", "local"):
        if source["there"]:
            return [ok(check, f"here, {source['location']}")]
        found = f"nothing to read at {source['location']}; it is published nowhere as a dataset"
        advice = f"Collect it (resources/sources.tsv tells its shape), {source['leave_out']}"
        return [fails(check, found, advice)]
    if (downloads / source["source"] / "manifest.json").exists():
        return [ok(check, f"here, {downloads / source['source']}")]
    if offline:
        return [fails(check, "not downloaded, and HF_HUB_OFFLINE is set", NO_NETWORK)]
    if source["where"] == "url":
        reply = ask(source["location"], {"Range": "bytes=0-0"})
        page = source["terms"]
    else:
        reply, page = hub.access("dataset", source["dataset"]), f"{PAGE}/datasets/{source['dataset']}"
    if reply.status in (200, 206):
        return [ok(check, f"can be downloaded, {source['dataset']}")]
    return [_refused(check, page, reply, source["leave_out"].removeprefix("or "))]


def check_benchmark(hub: Hub, name: str, dataset: str, there: bool, offline: bool) -> list[Finding]:
    """The rows of a benchmark."""
    check = f"benchmark {name}"
    if there:
        return [ok(check, "here")]
    if offline:
        return [fails(check, "not downloaded, and HF_HUB_OFFLINE is set", NO_NETWORK)]
    reply = hub.access("dataset", dataset)
    if reply.status == 200:
        return [ok(check, f"can be downloaded, {dataset}")]
    return [_refused(check, f"{PAGE}/datasets/{dataset}", reply, "take it out of decontaminate and evaluate")]


def _refused(check: str, page: str, reply: Reply, otherwise: str) -> Finding:
    """Why it cannot be had: gated, not there, or no answer. The Hub answers 401 to a stranger also where nothing is."""
    if reply.code == "GatedRepo" or (reply.status == 403 and not reply.code):
        found = f"gated: access has to be asked for ({reply.status})"
        return fails(check, found, f"Accept the terms at {page}, {TOKEN}; or {otherwise}")
    if reply.status in (401, 403, 404, 410):
        found = f"there is nothing public at {page} ({reply.status})"
        return fails(check, found, f"Correct its name, or, if it is private, {TOKEN}; or {otherwise}")
    if reply.status:
        return warning(check, f"the server answers {reply.status}", "Try again later")
    return fails(check, f"{NO_ANSWER} from where it is published: {reply.text}", ELSEWHERE)


def _together(findings: Sequence[Finding]) -> list[Finding]:
    """Findings of one kind with the same words in one line; of good ones the words before the first comma count."""
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for finding in findings:
        kind = finding.check.split(" ")[0]
        words = finding.found.split(",")[0] if finding.level == OK and kind != "model" else finding.found
        groups.setdefault((kind, finding.level, words, finding.advice), []).append(finding)
    result = []
    for (kind, level, words, advice), found in groups.items():
        names = ", ".join(finding.check.partition(" ")[2] for finding in found)
        result += found if len(found) == 1 else [Finding(f"{kind}s {names}", level, words, advice)]
    return result
