"""Any OpenAI-compatible chat-completions endpoint (vLLM, TGI, llama.cpp, a hosted service).

One thread for each request in flight, so never more than `max_in_flight` at once. A busy or broken answer (408, 409,
425, 429, 5xx, a time-out, a lost connection, something that is not a chat completion) is asked for again after a wait
that doubles from `backoff` seconds to a minute, with jitter, or as long as the endpoint's Retry-After says. A refused
key or an unknown model ends the program; any other refusal is that request's error.

The key comes from the environment variable OPENAI_API_KEY alone and never appears in a message.

Options: `timeout` (seconds for one answer, default 600), `retries` (default 8), `backoff` (first wait, default 1
second), `omit` (list of request fields that the endpoint does not know, e.g. ["top_k", "repetition_penalty"]), `body`
(further request fields).
"""

import contextlib
import email.utils
import os
import queue
import random
import threading
import time
from typing import Any

from scripts.common.errors import InputError
from scripts.engines import Completion, EngineSettings, Request, Sampling

DEFAULTS = {"timeout": 600.0, "retries": 8, "backoff": 1.0, "omit": [], "body": {}}
LONGEST_WAIT = 60.0
LONGEST_RETRY_AFTER = 600.0
BUSY = {408, 409, 425, 429}
HOPELESS = {401: "refused the key in OPENAI_API_KEY", 403: "refused access", 404: "does not know this path or model"}


def load(settings: EngineSettings, sampling: Sampling) -> "OpenAIEngine":
    """Checks the settings; nothing is sent before the first request."""
    if not settings.endpoint.startswith(("http://", "https://")):
        raise InputError(
            f"llm.endpoint is {settings.endpoint!r}; the openai engine needs a base URL such as http://localhost:8000/v1"
        )
    unknown = set(settings.options) - set(DEFAULTS)
    if unknown:
        raise InputError(f"llm.options: the openai engine does not know {', '.join(sorted(unknown))}; see its module")
    return OpenAIEngine(settings, sampling, os.environ.get("OPENAI_API_KEY", ""))


class _Busy(Exception):
    """An answer worth asking for again, and the wait that the endpoint asked for, if it did."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class OpenAIEngine:
    """See the module's docstring; use `load` to make one."""

    def __init__(self, settings: EngineSettings, sampling: Sampling, key: str) -> None:
        import httpx

        self._settings = settings
        self._sampling = sampling
        self._options = DEFAULTS | dict(settings.options)
        self._url = settings.endpoint.rstrip("/") + "/chat/completions"
        self._key = key
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(self._options["timeout"], connect=30.0, pool=None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=settings.max_in_flight),
        )
        self._requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Completion | InputError] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._failure: InputError | None = None
        self._threads = 0
        self._in_flight = 0

    @property
    def in_flight(self) -> int:
        """Requests submitted and not yet given back, and a failure not yet raised."""
        return self._in_flight + (self._failure is not None)

    def submit(self, request: Request) -> None:
        """Takes a request; a thread is started for it while there are fewer than `max_in_flight`."""
        self._in_flight += 1
        self._requests.put(request)
        if self._threads < min(self._in_flight, self._settings.max_in_flight):
            self._threads += 1
            threading.Thread(target=self._work, daemon=True).start()

    def step(self) -> list[Completion]:
        """Waits up to a second for an answer and returns all that are there; a failure is raised after them."""
        if self._failure is not None:
            raise self._failure
        answers = []
        with contextlib.suppress(queue.Empty):
            answers.append(self._answers.get(timeout=1.0))
            while True:
                answers.append(self._answers.get_nowait())
        self._in_flight -= len(answers)
        self._failure = next((answer for answer in answers if isinstance(answer, InputError)), None)
        return [answer for answer in answers if isinstance(answer, Completion)]

    def close(self) -> None:
        """Drops what is in flight; the threads end with their current exchange and do not hold up the program."""
        self._closed.set()
        self._client.close()

    def _work(self) -> None:
        while not self._closed.is_set():
            request = self._requests.get()
            try:
                self._answers.put(self._complete(request))
            except InputError as error:
                self._answers.put(error)
            except Exception as error:
                self._answers.put(self._error(request, repr(error)))

    def _complete(self, request: Request) -> Completion:
        """Asks until there is an answer or no retry is left."""
        for attempt in range(self._options["retries"] + 1):
            try:
                return self._ask(request)
            except _Busy as busy:
                message = str(busy)
                wait = min(self._options["backoff"] * 2**attempt, LONGEST_WAIT) * random.uniform(0.5, 1.0)
                if busy.retry_after is not None:
                    wait = min(busy.retry_after, LONGEST_RETRY_AFTER)
            if attempt < self._options["retries"] and self._closed.wait(wait):
                break
        return self._error(request, f"{message}; asked {attempt + 1} times")

    def _ask(self, request: Request) -> Completion:
        import httpx

        try:
            response = self._client.post(self._url, json=self._body(request))
        except httpx.TransportError as error:
            raise _Busy(f"{type(error).__name__}: {error}") from error
        status = response.status_code
        if status in HOPELESS:
            raise InputError(f"{self._url} {HOPELESS[status]} (HTTP {status}, model {self._settings.model})")
        if status in BUSY or status >= 500:
            raise _Busy(f"HTTP {status}: {response.text[:300]}", _seconds(response.headers.get("Retry-After")))
        if status != 200:
            return self._error(request, f"HTTP {status}: {response.text[:300]}")
        try:
            answer = response.json()
            choice = answer["choices"][0]
            text, reason = choice["message"]["content"], choice["finish_reason"]
            n_tokens = int(answer["usage"]["completion_tokens"])
        except (ValueError, LookupError, TypeError) as error:
            raise _Busy(f"not a chat completion ({error!r}): {response.text[:300]}") from error
        if reason not in ("stop", "length") or not isinstance(text, str):
            return self._error(request, f"the endpoint gave no text (finish reason {reason})")
        whole = text.encode("utf-8", "replace").decode("utf-8")  # JSON may hold lone surrogates, which no table takes
        return Completion(request.request_id, whole, n_tokens, reason)

    def _body(self, request: Request) -> dict[str, Any]:
        sampling = self._sampling
        body: dict[str, Any] = {
            "model": self._settings.model,
            "messages": [{"role": "user", "content": request.prompt}],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "repetition_penalty": sampling.repetition_penalty,
            "max_tokens": sampling.max_new_tokens,
            "seed": request.seed,
        }
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        if request.json_schema is not None:
            schema = {"name": "answer", "strict": True, "schema": dict(request.json_schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        body |= self._options["body"]
        return {name: value for name, value in body.items() if name not in self._options["omit"]}

    def _error(self, request: Request, message: str) -> Completion:
        safe = message.replace(self._key, "[key]") if self._key else message
        return Completion(request.request_id, safe, 0, "error")


def _seconds(retry_after: str | None) -> float | None:
    """A Retry-After header (seconds, or a date) as a wait from now."""
    if retry_after is None:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None
