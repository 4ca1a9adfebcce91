"""What the Hugging Face Hub says of a model or dataset: there, gated, open to this token; and how large it is.

Three addresses of its public interface are used: /api/whoami-v2, /api/{kind}s/{name}/auth-check and
/api/models/{name}/revision/{revision}?blobs=true. Nothing is downloaded. The standard library does, because this
program runs under the Python of Snakemake, whose environment need not have the Hub's client.
"""

import dataclasses
import json
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

SECONDS = 8.0
WEIGHTS = (".json", ".txt", ".model", ".jinja", ".safetensors")
"""What scripts/downloads/models.py fetches of a model."""


@dataclasses.dataclass(frozen=True)
class Reply:
    """An answer over HTTP; status 0: there was none, and `text` says why. `code` is the Hub's word for an error."""

    status: int
    text: str
    code: str = ""

    def json(self) -> Any:
        """The answer, or an empty mapping when it is no JSON."""
        try:
            return json.loads(self.text)
        except ValueError:
            return {}


def ask(url: str, headers: Mapping[str, str] | None = None, seconds: float = SECONDS) -> Reply:
    """GET an address."""
    request = urllib.request.Request(url, headers={"User-Agent": "cosmopedia-preflight", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=seconds) as response:
            return Reply(response.status, response.read(20_000_000).decode(errors="replace"))
    except urllib.error.HTTPError as error:
        code = error.headers.get("X-Error-Code", "")
        return Reply(error.code, error.read(2_000).decode(errors="replace"), code)
    except urllib.error.URLError as error:
        return Reply(0, str(error.reason))
    except (OSError, ValueError, ssl.SSLError) as error:
        return Reply(0, str(error) or type(error).__name__)


@dataclasses.dataclass(frozen=True)
class Hub:
    """The Hub as this user reaches it."""

    address: str
    token: str
    cache: Path

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> "Hub":
        """With the variables that the Hub's client reads; a token of `hf auth login` lies in a file."""
        caches = Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        home = Path(environment.get("HF_HOME") or caches / "huggingface").expanduser()
        path = Path(environment.get("HF_TOKEN_PATH") or home / "token")
        token = environment.get("HF_TOKEN") or environment.get("HUGGING_FACE_HUB_TOKEN") or ""
        if not token and path.is_file():
            token = path.read_text().strip()
        cache = environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE") or home / "hub"
        return cls((environment.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/"), token.strip(), Path(cache))

    def ask(self, path: str) -> Reply:
        """GET a path of the Hub, with the token."""
        return ask(self.address + path, {"Authorization": f"Bearer {self.token}"} if self.token else {})

    def access(self, kind: str, name: str) -> Reply:
        """Whether this user may download it: 200, or 401, 403, 404 and why."""
        return self.ask(f"/api/{kind}s/{quote(name)}/auth-check")

    def size(self, name: str, revision: str) -> int:
        """Bytes that a download of the model fetches; 0: the Hub does not say."""
        reply = self.ask(f"/api/models/{quote(name)}/revision/{quote(revision, safe='')}?blobs=true")
        files = reply.json().get("siblings", []) if reply.status == 200 else []
        return sum(file.get("size") or 0 for file in files if file.get("rfilename", "").endswith(WEIGHTS))

    def cached(self, name: str, revision: str) -> Path | None:
        """The folder of a model in the cache; None when it is not there."""
        folder = self.cache / f"models--{name.replace('/', '--')}"
        reference = folder / "refs" / revision
        commit = reference.read_text().strip() if reference.is_file() else revision
        snapshot = folder / "snapshots" / commit
        there = any((snapshot / name).exists() for name in ("config.json", "tokenizer_config.json", "tokenizer.json"))
        return snapshot if there else None
