"""A web server for tests that misbehaves as it is told: one action for each request, in order."""

import contextlib
import http.server
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

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
        start = int(asked.removeprefix("bytes=").rstrip("-") or 0) if asked else 0
        if handler.headers.get("If-Range", etag) != etag:
            start, asked = 0, ""
        if asked and start >= len(data):
            handler.send(416, Content_Range=f"bytes */{len(data)}")
            return
        headers = {"Content-Length": str(len(data) - start)} | ({"ETag": etag} if etag else {})
        if asked:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        handler.send(206 if asked else 200, data[start:until], **headers)

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
    """The address of a file on such a server, and the headers of the requests it has had."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.actions, server.requests, server.over = actions, [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{Path(name)}", server.requests
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
