"""What an HTTP answer of a chat-completions endpoint means; pure functions of status, headers and body.

A completion with the finish reason stop or length is a text (TGI's eos_token and stop_sequence are stops); another
reason, or none, is the request's error, as is any refusal (4xx) but these:

* the prompt does not fit the context (400, 413 or 422 with one of `CONTEXT`): `TooLong`
* 408, 409, 425, 429, 502, 503, 504 and what Cloudflare has above (520 to 529): `Busy`, as is a connection refused
* another 5xx, or a 200 that is no chat completion (a proxy's page, half an answer): `Broken`
* 401, 402, 404, a redirect, a used-up quota: `Hopeless`; a redirect is never followed, so the key goes nowhere else

Length in tokens: the endpoint's usage, less the reasoning it reports there; without usage the number of entries in
logprobs, if the request asked for those. vLLM, TGI and llama.cpp send usage with every answer.
"""

import email.utils
import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from scripts.engines import Completion

CONTEXT = re.compile(
    r"context_length_exceeded"  # OpenAI's code
    r"|(maximum|model's) context length"  # OpenAI, vLLM, SGLang
    r"|exceed_context_size|exceeds? (the )?(available )?context (size|window|length)"  # llama.cpp and its Python server
    r"|cannot be greater than max_model_len"  # vLLM, of max_tokens alone
    r"|`inputs` (tokens \+ `max_new_tokens` must be|must have less than)"  # TGI
    r"|input token count",  # Gemini
    re.IGNORECASE,
)
BUSY = {408, 409, 425, 429, 502, 503, 504, *range(520, 530)}
REFUSED = {
    401: "refused the key in OPENAI_API_KEY",
    402: "asks for payment",
    404: "does not know this path or model",
}
ENDS = {"stop": "stop", "eos_token": "stop", "stop_sequence": "stop", "length": "length"}
FIELDS = ("top_k", "repetition_penalty", "seed", "stop", "max_tokens", "response_format", "top_p", "temperature")
MOST_TOKENS = 2**31 - 1
EXCERPT = 300


class Busy(Exception):
    """The endpoint answers nobody now; `retry_after` is the wait in seconds that it asked for, if it did."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Broken(Exception):
    """This exchange went wrong; the next one may not."""


class TooLong(Exception):
    """The prompt, perhaps together with max_tokens, does not fit the context."""


class Hopeless(Exception):
    """No request can be answered; with `at_first` only if none ever was (else it is a passing trouble)."""

    def __init__(self, message: str, at_first: bool = False) -> None:
        super().__init__(message)
        self.at_first = at_first


def read(request_id: str, status: int, headers: Mapping[str, str], body: str, hide: Callable[[str], str]) -> Completion:
    """The completion that an HTTP answer is; `hide` removes secrets from what goes into a message.

    Raises:
        Busy, Broken, TooLong, Hopeless: see the module's docstring.
    """
    if status == 200:
        return _completion(request_id, body, hide)
    message = f"HTTP {status}: {_excerpt(hide(body))}"
    if 300 <= status < 400:
        host = urlsplit(headers.get("Location", "")).netloc.rpartition("@")[2] or "another path"
        raise Hopeless(hide(f"redirects to {host}; redirects are not followed: give the final address (HTTP {status})"))
    if status in REFUSED or (status == 429 and "insufficient_quota" in body):
        raise Hopeless(f"{REFUSED.get(status, 'says that the quota is used up')} ({message})", at_first=status == 404)
    if status in BUSY:
        raise Busy(message, wait_asked(headers))
    if status >= 500:
        raise Broken(message)
    if status in (400, 413, 422):
        if CONTEXT.search(body):
            raise TooLong(message)
        named = [field for field in FIELDS if re.search(rf"\b{field}\b", body)]
        if named:
            message += f" (if the endpoint does not know {' or '.join(named)}, name it in llm.options.omit)"
    return Completion(request_id, message, 0, "error")


def _completion(request_id: str, body: str, hide: Callable[[str], str]) -> Completion:
    try:
        answer = json.loads(body)
        choice = answer["choices"][0]
        reason, message = choice.get("finish_reason"), choice["message"]
        text = message.get("content")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise Broken(f"not a chat completion ({type(error).__name__}): {_excerpt(hide(body))}") from error
    if not isinstance(reason, str) or reason not in ENDS or not isinstance(text, str):
        what = "a text" if isinstance(text, str) else "no text"
        if not isinstance(text, str) and (message.get("reasoning_content") or message.get("reasoning")):
            what = "reasoning but no text; turn reasoning off (llm.options.body) or allow for more tokens:"
        return Completion(
            request_id, f"the answer has {what} with finish reason {_excerpt(hide(str(reason)))}", 0, "error"
        )
    n_tokens = _tokens(answer, choice)
    if n_tokens is None or (text and not n_tokens):
        raise Hopeless(
            "does not tell how many tokens its answers have (usage.completion_tokens); if it knows logprobs, set "
            'llm.options to {"body": {"logprobs": true}}, and they are counted',
            at_first=True,
        )
    whole = text.encode("utf-8", "replace").decode("utf-8")  # JSON may hold lone surrogates, which no table takes
    return Completion(request_id, whole, n_tokens, ENDS[reason])


def _tokens(answer: Mapping[str, Any], choice: Mapping[str, Any]) -> int | None:
    """Tokens of the text, or None where the answer does not tell."""
    usage, logprobs = answer.get("usage"), choice.get("logprobs")
    total = usage.get("completion_tokens") if isinstance(usage, dict) else None
    if _is_count(total):
        details = usage.get("completion_tokens_details")
        reasoning = details.get("reasoning_tokens") if isinstance(details, dict) else None
        return total - reasoning if _is_count(reasoning) and reasoning <= total else total
    entries = logprobs.get("content") if isinstance(logprobs, dict) else None
    return len(entries) if isinstance(entries, list) else None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS


def _excerpt(text: str) -> str:
    """The beginning of a text, on one line."""
    return " ".join(text[: 4 * EXCERPT].split())[:EXCERPT]


def wait_asked(headers: Mapping[str, str]) -> float | None:
    """Seconds that retry-after-ms or Retry-After (seconds, or a date) ask for; None without either, or with garbage."""
    milliseconds, after = _number(headers.get("retry-after-ms")), headers.get("Retry-After")
    if milliseconds is not None:
        return milliseconds / 1000
    if after is None or _number(after) is not None:
        return _number(after)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(after).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _number(text: str | None) -> float | None:
    """A decimal number that is not negative."""
    return float(text) if text is not None and re.fullmatch(r"\s*\d{1,12}(\.\d*)?\s*", text, re.ASCII) else None
