"""A local endpoint for the openai engine, and requests to it."""

import contextlib
import json
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from scripts import engines
from scripts.engines import EngineSettings, Request, Sampling

SAMPLING = Sampling(0.6, 0.95, 50, 1.2, 100, ("<|endoftext|>",))
KEY = "sk-a-secret-key"


def chat(text, reason="stop", tokens=5):
    """The body of a good answer."""
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": reason}
    return json.dumps({"choices": [choice], "usage": {"completion_tokens": tokens}})


class Endpoint:
    """A local server; each prompt is answered by its script of (status, body, headers), the last entry again and again.

    A prompt without a script is answered with itself. An entry may also be a function of the handler, which then has
    the connection.
    """

    def __init__(self):
        self.scripts = {}
        self.asked = []
        self.busiest = 0
        self.together = None
        self._busy = 0
        self._lock = threading.Lock()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                entry = endpoint.answer(self.path, dict(self.headers), body)
                if callable(entry):
                    entry(self)
                    self.close_connection = True
                    return
                status, answer, headers = entry
                data = answer if isinstance(answer, bytes) else answer.encode()
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(data))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)
                self.close_connection = "Content-Length" in headers

            def log_message(self, *arguments):
                pass

        self.over = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, path, headers, body):
        with self._lock:
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
            self.asked.append((path, headers, body))
            prompt = body["messages"][0]["content"]
            script = self.scripts.get(prompt, [(200, chat(prompt), {})])
            entry = script.pop(0) if len(script) > 1 else script[0]
        if self.together:
            self.together.wait(timeout=60)
        with self._lock:
            self._busy -= 1
        return entry


def answers(endpoint, prompts, schema=None, url=None, in_flight=4, **options):
    quick = {"backoff": 0.001, "retries": 3} | options
    settings = EngineSettings("openai", "a-model", endpoint=url or endpoint.url, max_in_flight=in_flight, options=quick)
    requests = [Request(prompt, prompt, number, schema) for number, prompt in enumerate(prompts)]
    with contextlib.closing(engines.create(settings, SAMPLING)) as engine:
        return {answer.request_id: answer for answer in engines.complete(engine, requests, in_flight)}


def seeds(endpoint, prompt):
    """The seed of every request for a prompt."""
    return [body["seed"] for _, _, body in endpoint.asked if body["messages"][0]["content"] == prompt]


def stream(endpoint, prompts, received, url=None, **options):
    """As `answers`; what arrives goes to a list, so that it is there after a failure."""
    settings = EngineSettings(
        "openai", "m", endpoint=url or endpoint.url, max_in_flight=2, options={"backoff": 0.001} | options
    )
    with contextlib.closing(engines.create(settings, SAMPLING)) as engine:
        received.extend(engines.complete(engine, [Request(prompt, prompt, 1) for prompt in prompts], 2))


def reset(handler):
    """Breaks the connection off in the middle of an answer."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [{"mess')
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
