"""A server that takes datasets as the Hugging Face Hub does: repositories, large files, commits; for tests of uploads.

It speaks the Hub's interface as its client (huggingface_hub, without Xet) uses it: create, info, tree, preupload, the
batch interface of Git LFS, and commits of NDJSON lines.
"""

import base64
import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.unit.webserver import Handler, running

TOKEN = "hf_" + "w" * 34
READER = "hf_" + "r" * 34
NAME = "reader/book"


class WritableHub:
    """What the server knows.

    Args:
        address: for HF_ENDPOINT.
        files: path → bytes of the one repository, or None before it is made.
        private: whether it is.
        stored: checksum → bytes of large files, in a commit or not.
        requests: method and path of all requests, in their order.
        accepts: how many large files are taken before some are refused.
        refusals: how many are.
        breaks: the path of a file whose bytes get lost after the commit.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.files: dict[str, bytes] | None = None
        self.private = True
        self.stored: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.commits: list[dict[str, Any]] = []
        self.accepts = self.refusals = 0
        self.breaks = ""

    @property
    def sha(self) -> str:
        """The latest commit."""
        return f"{len(self.commits) + 1:040x}"

    def writes(self) -> list[str]:
        """Paths of all requests that could have changed something."""
        return [path for method, path in self.requests if method not in ("GET", "HEAD")]

    def environment(self, home: Path, token: str = TOKEN) -> dict[str, str]:
        """Environment variables of a program that is to use this Hub and nothing else."""
        variables = {"HF_ENDPOINT": self.address, "HF_HUB_OFFLINE": "0", "HF_HOME": str(home)}
        return variables | {"HF_TOKEN": token, "HF_HUB_DISABLE_XET": "1"}


class WriterHandler(Handler):
    """Answers for `WritableHub`."""

    def do_GET(self) -> None:
        hub: WritableHub = self.server.hub
        path = unquote(urlsplit(self.path).path)
        hub.requests.append((self.command, path))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token not in ("", TOKEN, READER):
            self.refuse(401, "Invalid credentials in Authorization header")
        elif path.startswith("/store/"):
            self.store(hub, path.removeprefix("/store/"), body)
        elif self.command == "POST" and token != TOKEN and path != "/api/validate-yaml":
            self.refuse(403, "You don't have the rights to create or change a dataset under this namespace")
        else:
            self.route(hub, path, body, bool(token))

    do_HEAD = do_POST = do_PUT = do_GET

    def route(self, hub: WritableHub, path: str, body: bytes, logged_in: bool) -> None:
        """All but the bytes of large files."""
        api = f"/api/datasets/{NAME}"
        if path == "/api/validate-yaml":
            self.reply({"errors": [], "warnings": []})
        elif path == "/api/repos/create":
            self.create(hub, json.loads(body))
        elif hub.files is None or (hub.private and not logged_in):
            self.send(404 if logged_in else 401, X_Error_Code="RepoNotFound")
        elif path == api:
            self.reply({"id": NAME, "sha": hub.sha, "private": hub.private, "siblings": [], "tags": []})
        elif path.startswith(f"{api}/tree/"):
            self.reply([info(name, data) for name, data in sorted(hub.files.items())])
        elif path.startswith(f"{api}/preupload/"):
            modes = [
                {"path": file["path"], "uploadMode": mode(file["path"]), "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            self.reply({"files": modes})
        elif path == f"/datasets/{NAME}.git/info/lfs/objects/batch":
            objects = [wanted(hub, each) for each in json.loads(body)["objects"]]
            self.reply({"transfer": "basic", "objects": objects})
        elif path.startswith(f"{api}/commit/"):
            self.commit(hub, [json.loads(line) for line in body.splitlines()])
        else:
            self.send(404, X_Error_Code="EntryNotFound")

    def create(self, hub: WritableHub, asked: dict[str, Any]) -> None:
        """Makes the repository."""
        if f"{asked['organization']}/{asked['name']}" != NAME:
            self.refuse(403, "You don't have the rights to create a dataset under this namespace")
        elif hub.files is not None:
            url = f"{hub.address}/datasets/{NAME}"
            self.send(409, json.dumps({"error": "You already created this dataset repo", "url": url}).encode())
        else:
            hub.files, hub.private = {".gitattributes": b"*.parquet filter=lfs\n"}, asked["visibility"] == "private"
            self.reply({"url": f"{hub.address}/datasets/{NAME}", "name": NAME})

    def store(self, hub: WritableHub, checksum: str, body: bytes) -> None:
        """Takes the bytes of a large file."""
        if hub.refusals and len(hub.stored) >= hub.accepts:
            hub.refusals -= 1
            self.send(400)
        else:
            assert hashlib.sha256(body).hexdigest() == checksum
            hub.stored[checksum] = body
            self.send(200)

    def commit(self, hub: WritableHub, lines: list[dict[str, Any]]) -> None:
        """Changes the repository, if nobody else did meanwhile."""
        header = lines[0]["value"]
        if header.get("parentCommit", hub.sha) != hub.sha:
            self.refuse(412, "A commit has happened since")
            return
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "deletedFile":
                del hub.files[value["path"]]
            elif line["key"] == "lfsFile":
                hub.files[value["path"]] = hub.stored[value["oid"]]
            else:
                hub.files[value["path"]] = base64.b64decode(value["content"])
        if hub.breaks in hub.files:
            hub.files[hub.breaks] = b""
        hub.commits.append(header)
        self.reply(
            {"success": True, "commitUrl": f"{hub.address}/datasets/{NAME}/commit/{hub.sha}", "commitOid": hub.sha}
        )

    def reply(self, value: Any) -> None:
        """Sends JSON."""
        self.send(200, json.dumps(value).encode(), Content_Type="application/json")

    def refuse(self, code: int, message: str) -> None:
        """Sends an error as the Hub words it."""
        self.send(code, json.dumps({"error": message}).encode(), X_Error_Message=message)

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        """As a web server."""
        super().send(status, b"" if self.command == "HEAD" else body, **headers)


def mode(name: str) -> str:
    """How a file travels."""
    return "lfs" if name.endswith(".parquet") else "regular"


def info(name: str, data: bytes) -> dict[str, Any]:
    """What the Hub tells of a file."""
    found = {"type": "file", "path": name, "size": len(data), "oid": "0" * 40}
    if mode(name) == "lfs":
        return found | {"lfs": {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}}
    return found | {"oid": hashlib.sha1(b"blob %d\0%b" % (len(data), data), usedforsecurity=False).hexdigest()}


def wanted(hub: WritableHub, asked: dict[str, Any]) -> dict[str, Any]:
    """Where to send a large file; nothing when it is there."""
    found = {"oid": asked["oid"], "size": asked["size"]}
    if asked["oid"] in hub.stored:
        return found
    return found | {"actions": {"upload": {"href": f"{hub.address}/store/{asked['oid']}"}}}


@contextlib.contextmanager
def serve_writable_hub() -> Iterator[WritableHub]:
    """A Hub without any repository."""
    with running(WriterHandler) as (address, server):
        server.hub = WritableHub(address)
        yield server.hub
