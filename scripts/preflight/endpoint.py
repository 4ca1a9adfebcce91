"""The endpoint of the openai engine: does it answer, does it take the key, does it know the model."""

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from scripts.preflight.findings import Finding, fails, ok, warning
from scripts.preflight.hub import ask

HERE = ("localhost", "127.0.0.1", "::1", "0.0.0.0")
SHOWN = 5


def check_endpoint(llm: Mapping[str, Any], executor: str, environment: Mapping[str, str] = os.environ) -> list[Finding]:
    """Asks for the list of models, which costs nothing."""
    check, url = "endpoint", llm["endpoint"].rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        found = f"llm.endpoint is {llm['endpoint']!r}"
        return [fails(check, found, "Give a base URL such as http://localhost:8000/v1")]
    key = environment.get("OPENAI_API_KEY", "").strip()
    findings = []
    if parts.hostname in HERE and executor != "local":
        found = f"{url} is another machine on each compute node"
        findings.append(warning(check, found, "Give the name of the server's node in llm.endpoint"))
    reply = ask(f"{url}/models", {"Authorization": f"Bearer {key}"} if key else {})
    if reply.status in (401, 403):
        what = "refuses the key of OPENAI_API_KEY" if key else "wants a key, and OPENAI_API_KEY is not set"
        advice = "Set OPENAI_API_KEY to a key that it accepts"
        return [*findings, fails(check, f"{url} {what} ({reply.status})", advice)]
    if reply.status in (404, 405, 501):
        return [*findings, ok(check, f"{url} answers, but lists no models, so that {llm['model']} was not looked for")]
    if reply.status != 200:
        found = f"{url} does not answer: {reply.text if not reply.status else f'status {reply.status}'}"
        return [*findings, fails(check, found, "Start the server, or correct llm.endpoint")]
    known = [str(model.get("id")) for model in _models(reply.json())]
    if known and llm["model"] not in known:
        found = f"{url} does not know {llm['model']}, only {', '.join(known[:SHOWN])}"
        return [*findings, fails(check, found, "Set llm.model to the name that the endpoint knows")]
    return [*findings, ok(check, f"{url} answers" + (f" and has {llm['model']}" if known else ""))]


def _models(listing: Any) -> list[Mapping[str, Any]]:
    models = listing.get("data", []) if isinstance(listing, Mapping) else listing
    return [model for model in models if isinstance(model, Mapping)] if isinstance(models, list) else []
