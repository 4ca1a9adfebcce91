"""Web servers for tests: one that misbehaves as it is told, and one that answers as the Hugging Face Hub does."""

import contextlib
import hashlib
import http.server
import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Action = Callable[["Handler"], None]


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the next action of the server, and with the last one from then on."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        requests = self.server.requests
        requests.append(dict(self.headers))
        actions = self.server.actions
        actions[min(len(requests), len(actions)) - 1](self)
        self.close_connection = True

    def log_message(self, *arguments: Any) -> None:
        """Says nothing."""

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Sends a whole answer."""
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


def status(code: int, **headers: str) -> Action:
    """An answer without a body."""
    return lambda handler: handler.send(code, **headers)


def file(data: bytes, etag: str = '"one"', until: int | None = None, ranges: bool = True) -> Action:
    """A file of one version; `until` breaks the connection off before that byte, `ranges` keeps to Range headers."""

    def answer(handler: Handler) -> None:
        asked = handler.headers.get("Range", "") if ranges else ""
        if handler.headers.get("If-Range", etag) != etag:
            asked = ""
        first, _, last = asked.removeprefix("bytes=").partition("-")
        start, stop = int(first or 0), min(int(last or len(data)) + 1, len(data))
        if asked and start >= len(data):
            handler.send(416, Content_Range=f"bytes */{len(data)}")
            return
        headers = {"Content-Length": str(stop - start)} | ({"ETag": etag} if etag else {})
        if asked:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
        handler.send(206 if asked else 200, data[start : stop if until is None else until], **headers)

    return answer


def stall(handler: Handler) -> None:
    """Sends the beginning of an answer and then nothing until the test is over."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"x")
    handler.server.over.wait()


@contextlib.contextmanager
def serve(*actions: Action, name: str = "data.jsonl") -> Iterator[tuple[str, Sequence[dict[str, str]]]]:
    """The address of a file on a server with these actions, and the headers of the requests it has had."""
    with running(Handler) as (address, server):
        server.actions, server.requests = actions, []
        yield f"{address}/{name}", server.requests


class HubHandler(Handler):
    """The part of the Hub's interface that reading one dataset or model needs; it is a folder."""

    def do_GET(self) -> None:
        self.answer()

    do_HEAD = do_POST = do_GET

    def answer(self) -> None:
        """Answers a request, unless the server's next disturbance does."""
        server, path = self.server, unquote(urlsplit(self.path).path)
        server.paths.append(path)
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        if "/resolve/" in path and self.command == "GET" and server.disturbances:
            server.disturbances.pop(0)(self)
            self.close_connection = True
        elif refusal := server.refusal:
            self.send(refusal[0], X_Error_Code=refusal[1])
        elif match := re.fullmatch(r"/api/(?:datasets|models)/pages/web(?:/revision/([^/]+))?", path):
            files = [{"rfilename": name} for name in server.files]
            commit = match[1] if match[1] and len(match[1]) == 40 else server.commit
            self.reply({"id": "pages/web", "sha": commit, "siblings": files, "private": False, "tags": []})
        elif match := re.fullmatch(r"/api/(?:datasets|models)/pages/web/tree/[^/]+/?(.*)", path):
            self.reply([info for info in server.infos() if info["path"].startswith(match[1])])
        elif re.fullmatch(r"/api/(?:datasets|models)/pages/web/paths-info/[^/]+", path):
            asked = json.loads(body)["paths"] if body.startswith("{") else parse_qs(body)["paths"]
            self.reply([info for info in server.infos() if info["path"] in asked])
        elif (match := re.fullmatch(r"(?:/datasets)?/pages/web/resolve/([^/]+)/(.+)", path)) and match[
            2
        ] in server.files:
            data = (server.folder / match[2]).read_bytes()
            file(data, etag=f'"{hashlib.sha256(data).hexdigest()}"')(self)
        else:
            self.send(404, X_Error_Code="EntryNotFound" if "/web" in path else "RepoNotFound")

    def reply(self, value: Any) -> None:
        """Sends JSON."""
        self.send(200, json.dumps(value).encode(), Content_Type="application/json")

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        """As a file server, with the commit that the answer is of."""
        commit = re.search(r"/resolve/(\w+)/", self.path)
        headers = {"X-Repo-Commit": commit[1] if commit else self.server.commit} | headers
        super().send(status, b"" if self.command == "HEAD" else body, **headers)


class Hub:
    """A Hub with one dataset or model, `pages/web`.

    Args:
        server: the running server; `refusal` (status, error code) answers everything, `disturbances` answer the next
            requests for bytes of a file.
        address: for HF_ENDPOINT.
    """

    def __init__(self, server: Any, address: str, folder: Path) -> None:
        self.server, self.address = server, address
        server.folder, server.commit, server.paths = folder, "1" * 40, []
        server.refusal, server.disturbances = None, []
        server.files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
        server.infos = self.infos

    def infos(self) -> list[dict[str, Any]]:
        """What the Hub knows of the files and folders."""
        infos = [{"type": "directory", "path": name, "oid": "0" * 40, "size": 0} for name in self.folders()]
        for name in self.server.files:
            data = (self.server.folder / name).read_bytes()
            lfs = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
            infos.append({"type": "file", "path": name, "oid": "0" * 40, "size": len(data), "lfs": lfs})
        return infos

    def folders(self) -> list[str]:
        """All folders with files in them."""
        return sorted({str(parent) for name in self.server.files for parent in Path(name).parents} - {"."})

    def environment(self, home: Path) -> dict[str, str]:
        """Environment variables of a program that is to use this Hub and nothing else."""
        return {"HF_ENDPOINT": self.address, "HF_HUB_OFFLINE": "0", "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}


@contextlib.contextmanager
def serve_hub(folder: Path) -> Iterator[Hub]:
    """A Hub whose dataset lies in a folder."""
    with running(HubHandler) as (address, server):
        yield Hub(server, address, folder)


@contextlib.contextmanager
def running(handler: type[Handler]) -> Iterator[tuple[str, Any]]:
    """The address and the server, with a handler of its own kind."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.over = threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
