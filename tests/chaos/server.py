"""A chat endpoint that keeps account of what it was asked, and misbehaves as it is told.

Its texts are a function of prompt and seed. It knows how often each prompt was asked and how often an answer left it,
so a test can tell what a killed job had in flight and that nothing else is ever asked again. It can be stopped and
started again at the same address, as a server that crashed is.
"""

import hashlib
import http.server
import json
import random
import select
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

DEADLINE = 300.0
"""Seconds after which something that should have happened is a failure; long, for machines with much else to do."""
WORDS = ("amber", "basalt", "cedar", "delta", "ember", "fjord", "granite", "heather", "island", "juniper", "kelp")


def text_of(prompt: str, seed: int) -> str:
    """20 to 120 words that depend on prompt and seed alone."""
    words = random.Random(hashlib.sha256(f"{seed} {prompt}".encode()).digest())
    return f"{prompt} {' '.join(words.choices(WORDS, k=words.randint(20, 120)))}."


def completion(text: Any, reason: Any = "stop", tokens: Any = 30) -> bytes:
    """The body of an answer; json.dumps keeps lone surrogates as escapes."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason}
    return json.dumps(
        {"object": "chat.completion", "choices": [choice], "usage": {"completion_tokens": tokens}}
    ).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        endpoint = self.server.endpoint
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt, seed = body["messages"][0]["content"], body["seed"]
        time_asked = endpoint.note_asked(prompt)
        try:
            endpoint.behave(self, prompt, seed, time_asked)
        except OSError:
            self.close_connection = True
        else:
            endpoint.note_delivered(prompt)

    def answer(self, body: bytes, status: int = 200, kind: str = "application/json", length: int | None = None) -> None:
        """Sends a whole answer, or one that promises more bytes than it has."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = length is not None

    def reset(self) -> None:
        """Breaks the connection off so that the client sees a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        raise ConnectionError

    def log_message(self, *arguments: Any) -> None:
        """Says nothing."""


Behaviour = Callable[[Handler, str, int, int], None]


def well(handler: Handler, prompt: str, seed: int, time_asked: int) -> None:
    """Answers at once."""
    handler.answer(completion(text_of(prompt, seed)))


class _HTTPServer(http.server.ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no error here."""


class Endpoint:
    """See the module's docstring.

    Attributes:
        asked, delivered: prompt → how often.
        behave: what it does with a request; called with the handler, prompt, seed and how often it was asked, from 1.
        watch: called with the number of answers that left, after each.
    """

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.delivered: Counter[str] = Counter()
        self.behave: Behaviour = well
        self.watch: Callable[[int], None] = lambda number: None
        self.released = threading.Event()
        self._lock = threading.Lock()
        self._connections: set[Any] = set()
        self._server: _HTTPServer | None = None
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        """For --endpoint."""
        return f"http://127.0.0.1:{self._port}/v1"

    def start(self) -> None:
        """Listens, at the same port as before."""
        endpoint = self

        class Connection(Handler):
            def setup(self) -> None:
                super().setup()
                endpoint._connections.add(self.connection)

            def finish(self) -> None:
                try:
                    super().finish()
                finally:
                    endpoint._connections.discard(self.connection)

        self._server = _HTTPServer(("127.0.0.1", self._port), Connection)
        self._server.endpoint = self
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.005,), daemon=True).start()

    def stop(self) -> None:
        """Dies: listens no more, and every open connection is broken off."""
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._connections):
            try:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self) -> None:
        """Lets go of everything."""
        self.released.set()
        self.stop()

    def quiet(self) -> "Endpoint":
        """Waits until no client is connected any more, so that the accounts are complete."""
        with socket.create_connection(("127.0.0.1", self._port)):
            pass  # whoever was in the queue before this connection has been let in when it is
        end = time.monotonic() + DEADLINE
        while self._connections:
            assert time.monotonic() < end, "a client of the endpoint does not go away"
            time.sleep(0.001)
        return self

    def hang(self, handler: Handler, prompt: str, seed: int, time_asked: int) -> None:
        """A behaviour: says nothing until the client goes away or `released` is set, then breaks off."""
        while not self.released.is_set() and not select.select([handler.connection], [], [], 0.02)[0]:
            pass
        handler.reset()

    def note_asked(self, prompt: str) -> int:
        with self._lock:
            self.asked[prompt] += 1
            return self.asked[prompt]

    def note_delivered(self, prompt: str) -> None:
        with self._lock:
            self.delivered[prompt] += 1
            number = self.delivered.total()
        self.watch(number)
