"""How long a download keeps trying: back-off with jitter, or as long as the server's Retry-After says."""

import dataclasses
import email.utils
import time
from collections.abc import Callable, Mapping
from typing import Any

from scripts.common.logging import get_logger

RETRY_STATUS = (408, 425, 429, 500, 502, 503, 504)
LONGEST_RETRY_AFTER = 3600.0


@dataclasses.dataclass(frozen=True)
class Patience:
    """Args:
    attempts: failures in a row after which a download gives up; bytes or rows that arrive start the count again.
    first_wait: seconds before the second attempt; doubles from there.
    longest_wait: where the doubling ends.
    timeout: seconds in which a server must answer, and send something.
    """

    attempts: int = 8
    first_wait: float = 2.0
    longest_wait: float = 120.0
    timeout: float = 60.0


PATIENCE = Patience()


class Transient(Exception):
    """A failure that may be over soon; `retry_after` is the server's own word, in seconds."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def retrying(patience: Patience) -> Callable[..., Any]:
    """A caller that repeats a function while it raises `Transient`, and raises the last one in the end."""
    import tenacity

    backoff = tenacity.wait_exponential_jitter(
        multiplier=patience.first_wait, max=patience.longest_wait, jitter=patience.first_wait
    )
    log = get_logger("download")

    def wait(state: tenacity.RetryCallState) -> float:
        asked = state.outcome.exception().retry_after
        return backoff(state) if asked is None else min(asked, LONGEST_RETRY_AFTER)

    def tell(state: tenacity.RetryCallState) -> None:
        log.warning("%s; trying again in %.0f s", state.outcome.exception(), state.next_action.sleep)

    return tenacity.Retrying(
        stop=tenacity.stop_after_attempt(patience.attempts),
        wait=wait,
        retry=tenacity.retry_if_exception_type(Transient),
        before_sleep=tell,
        reraise=True,
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by the header Retry-After, which holds seconds or a date; None without a readable one."""
    value = headers.get("Retry-After", "").strip()
    try:
        seconds = (
            float(value) if value[:1].isdigit() else email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        )
    except (TypeError, ValueError):
        return None
    return max(0.0, seconds)
