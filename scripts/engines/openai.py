"""Any OpenAI-compatible chat-completions endpoint (vLLM, SGLang, TGI, llama.cpp, a hosted service).

Requests run at the same time in one thread, at most `max_in_flight` of them and fewer while the endpoint is busy
(pace.py). replies.py tells what an answer means. What becomes of a request:

* An endpoint that is busy or down (429, 502 to 504, a connection refused) makes everybody wait and costs a request
  nothing: a server may be restarted in the middle of a job. Only when nothing at all was answered for `patience`
  minutes does the job end. A request that alone is put off for as long, over `retries` times, is an error.
* An exchange that went wrong (500, a time-out, a connection lost, something that is not a chat completion) is asked
  for again `retries` times, with the same seed, after `backoff` seconds, doubled each time up to a minute; then it is
  an error. A time-out also halves the number of requests at once.
* A prompt that leaves the context no room for max_tokens is asked again without that limit, which then is what room
  there is; one that does not fit at all is refused.
* A refused key, an unknown model or host, a bad certificate ends the job at once.

The key comes from the environment variable OPENAI_API_KEY alone and is in no message (exchange.py).

Endpoints ignore fields that they do not know: llama.cpp calls the repetition penalty repeat_penalty, TGI's chat has
none and no top_k. A stop string that is a special token of the model but not its end never shows in vLLM's text: give
its id as well, {"body": {"stop_token_ids": [...]}}.

Options: `timeout` (seconds for a whole answer, 600), `retries` (5), `backoff` (1), `patience` (minutes, 30), `omit`
(request fields that the endpoint refuses, e.g. ["top_k", "repetition_penalty"]), `body` (further request fields).
"""

import asyncio
import contextlib
import dataclasses
import heapq
import math
import random
import time
from typing import Any
from urllib.parse import urlsplit

from scripts.common.errors import InputError
from scripts.common.logging import get_logger
from scripts.engines import Completion, EngineSettings, Request, Sampling, exchange, replies
from scripts.engines.pace import LONGEST_WAIT, Pace

DEFAULTS = {"timeout": 600.0, "retries": 5, "backoff": 1.0, "patience": 30.0, "omit": [], "body": {}}
SECONDS_BETWEEN_WARNINGS = 30.0
LIMITS = {"max_tokens", "max_completion_tokens"}

log = get_logger(__name__)


def load(settings: EngineSettings, sampling: Sampling) -> "OpenAIEngine":
    """Checks the settings; nothing is sent before the first request."""
    parts = urlsplit(settings.endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(
            f"llm.endpoint is {settings.endpoint!r}; the openai engine needs a base URL such as http://localhost:8000/v1"
        )
    if parts.username or parts.password or parts.query:
        raise InputError("llm.endpoint holds a user, a password or a query; the key belongs in OPENAI_API_KEY")
    unknown = set(settings.options) - set(DEFAULTS)
    if unknown:
        raise InputError(f"llm.options: the openai engine does not know {', '.join(sorted(unknown))}; see its module")
    for name, default in DEFAULTS.items():
        value = settings.options.get(name, default)
        number = isinstance(default, int | float)
        if isinstance(value, bool) or not isinstance(value, int | float if number else type(default)):
            raise InputError(f"llm.options.{name} is {value!r}; it has to be like {default!r}")
        if number and not 0 <= value < math.inf:
            raise InputError(f"llm.options.{name} is {value!r}; it has to be 0 or more")
    return OpenAIEngine(settings, sampling, exchange.secret())


@dataclasses.dataclass(order=True)
class _Asked:
    """A request at work: when it may be sent, and what has happened to it."""

    ready: float
    number: int
    request: Request = dataclasses.field(compare=False)
    broken: int = dataclasses.field(default=0, compare=False)
    busy: int = dataclasses.field(default=0, compare=False)
    busy_since: float = dataclasses.field(default=math.inf, compare=False)
    limited: bool = dataclasses.field(default=True, compare=False)


class OpenAIEngine:
    """See the module's docstring; use `load` to make one."""

    def __init__(self, settings: EngineSettings, sampling: Sampling, secret: exchange.Secret) -> None:
        self._settings = settings
        self._sampling = sampling
        self._options = DEFAULTS | dict(settings.options)
        self._url = settings.endpoint.rstrip("/") + "/chat/completions"
        self._secret = secret
        self._line = exchange.Line(self._url, secret.headers, self._options["timeout"])
        self._pace = Pace(settings.max_in_flight, self._options["backoff"])
        self._loop = asyncio.new_event_loop()
        self._news = asyncio.Event()
        self._waiting: list[_Asked] = []
        self._tasks: set[asyncio.Task] = set()
        self._finished: list[Completion] = []
        self._failure: InputError | None = None
        self._submitted = self.in_flight = 0
        self._answered, self._silent_since = False, math.inf
        self._last_warning = -math.inf

    def submit(self, request: Request) -> None:
        """Takes a request, which waits for its turn."""
        self.in_flight += 1
        self._submitted += 1
        heapq.heappush(self._waiting, _Asked(time.monotonic(), self._submitted, request))

    def step(self) -> list[Completion]:
        """Works up to a second or until something finished, and returns that; a failure is raised after it."""
        if self._failure is not None:
            raise self._failure
        finished = self._loop.run_until_complete(self._round())
        self.in_flight -= len(finished)
        return finished

    def close(self) -> None:
        """Breaks off what is in flight, which a good endpoint notices and stops working on."""
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(self._hang_up(tasks))
        self._loop.close()

    async def _hang_up(self, tasks: set[asyncio.Task]) -> None:
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._line.close()

    async def _round(self) -> list[Completion]:
        """Starts what may start, and waits for news."""
        now = time.monotonic()
        while self._waiting and self._waiting[0].ready <= now and not self._pace.wait(now):
            self._pace.start()
            task = self._loop.create_task(self._exchange(heapq.heappop(self._waiting)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        due = max(self._waiting[0].ready - now, self._pace.wait(now)) if self._waiting else 1.0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(due, 1.0)):
                await self._news.wait()
        self._news.clear()
        finished, self._finished = self._finished, []
        return finished

    async def _exchange(self, asked: _Asked) -> None:
        """Sends a request once; then it is finished, or waits for its next turn, or the job has failed."""
        started = time.monotonic()
        try:
            completion = await self._ask(asked)
        except replies.Busy as busy:
            self._put_off(asked, started, busy)
        except replies.Broken as broken:
            self._pace.failed()
            self._ask_again(asked, str(broken))
        except TimeoutError:
            self._pace.slow(started, time.monotonic())
            self._ask_again(asked, f"no whole answer within {self._options['timeout']:g} seconds")
        except replies.Hopeless as error:
            if error.at_first and self._answered:
                self._put_off(asked, started, replies.Busy(str(error)))
            else:
                self._fail(str(error))
        except Exception as error:
            self._pace.failed()
            self._finish(asked, repr(error))
        else:
            self._pace.answered()
            self._answered, self._silent_since = True, math.inf
            self._finished.append(completion)
        finally:
            self._news.set()

    def _put_off(self, asked: _Asked, started: float, busy: replies.Busy) -> None:
        """A request waits, with all others, until the endpoint can answer, and goes behind them."""
        now = time.monotonic()
        wait = self._pace.busy(started, now, busy.retry_after)
        asked.busy += 1
        asked.busy_since = min(asked.busy_since, started)
        self._silent_since = min(self._silent_since, started)
        patience = 60 * self._options["patience"]
        if now - self._silent_since >= patience:
            self._fail(
                f"has answered nothing for {self._options['patience']:g} minutes ({busy}). Run again when it answers: "
                "what was finished is kept. llm.options.patience is how long to wait"
            )
        elif asked.busy > self._options["retries"] and now - asked.busy_since >= patience:
            self._finish(asked, f"{busy}; put off {asked.busy} times, while other requests were answered")
        else:
            asked.ready = now
            heapq.heappush(self._waiting, asked)
            if now - self._last_warning > SECONDS_BETWEEN_WARNINGS:
                self._last_warning = now
                log.warning(
                    "the endpoint is busy or down (%s): asking again in %.0f s, then %d at once; the job ends when "
                    "nothing is answered for %g minutes",
                    self._secret.hide(str(busy)),
                    wait,
                    self._pace.allowed,
                    self._options["patience"],
                )

    def _ask_again(self, asked: _Asked, message: str) -> None:
        """A request whose exchange went wrong waits by itself, unless that was its last retry."""
        asked.broken += 1
        if asked.broken > self._options["retries"]:
            self._finish(asked, f"{message}; asked {asked.broken} times")
        else:
            wait = min(self._options["backoff"] * 2.0 ** min(asked.broken - 1, 64), LONGEST_WAIT)
            asked.ready = time.monotonic() + wait * random.uniform(0.5, 1)
            heapq.heappush(self._waiting, asked)

    def _finish(self, asked: _Asked, error: str) -> None:
        self._finished.append(Completion(asked.request.request_id, self._secret.hide(error), 0, "error"))

    def _fail(self, message: str) -> None:
        self._failure = InputError(self._secret.hide(f"{self._url} {message} (model {self._settings.model})"))

    async def _ask(self, asked: _Asked) -> Completion:
        """One exchange, and another one without a limit when the prompt leaves no room for that many tokens."""
        try:
            return await self._post(asked)
        except replies.TooLong as error:
            if asked.limited and LIMITS & set(self._body(asked)):
                asked.limited = False
                return await self._ask(asked)
            return Completion(asked.request.request_id, str(error), 0, "refused")

    async def _post(self, asked: _Asked) -> Completion:
        status, headers, answer = await self._line.post(self._body(asked))
        completion = replies.read(asked.request.request_id, status, headers, answer, self._secret.hide)
        return dataclasses.replace(completion, text=self._secret.hide_in_text(completion.text))

    def _body(self, asked: _Asked) -> dict[str, Any]:
        sampling, request = self._sampling, asked.request
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
        left_out = set(self._options["omit"]) | (set() if asked.limited else LIMITS)
        return {name: value for name, value in (body | self._options["body"]).items() if name not in left_out}
