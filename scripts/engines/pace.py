"""How many requests may be at an endpoint at once: more with every answer, half as many when it is busy (AIMD).

It begins with `FIRST` requests. While nothing was ever busy an answer makes room for one more, which doubles the
number every round; above half of what was too much it grows by 1/32 of the maximum a round. Being busy halves it,
once for all requests that were under way together. It never grows to more than twice what was really used.

Being busy also is a pause for everybody: as long as the endpoint asks for (Retry-After, at most `LONGEST_ASKED`), or
else `backoff` seconds, doubled each time that nothing was answered in between, up to `LONGEST_WAIT`; a random half of
a wait is left out, so that several jobs do not come back together. The x-ratelimit-* headers of hosted services are
not read: their units differ between services, and all of them also send 429 with Retry-After.

The class knows no clock and never waits: its caller gives the time, in seconds of any clock.
"""

import math
import random
from collections.abc import Callable

FIRST = 8
STEPS = 32
LONGEST_WAIT = 60.0
LONGEST_ASKED = 600.0


class Pace:
    """See the module's docstring.

    Args:
        most: requests at once that are never exceeded.
        backoff: the first wait, in seconds.
        jitter: gives a number from 0.5 to 1 that a wait is multiplied by.
    """

    def __init__(self, most: int, backoff: float, jitter: Callable[[], float] = lambda: random.uniform(0.5, 1)) -> None:
        self.most = most
        self.allowed = float(min(FIRST, most))
        self.active = 0
        self._backoff = backoff
        self._jitter = jitter
        self._threshold = float(most)
        self._resume = self._halved = -math.inf
        self._strikes = self._peak = 0

    def wait(self, now: float) -> float:
        """Seconds until a request may start: 0 at once, infinity when another one has to end first."""
        if self.active >= int(self.allowed):
            return math.inf
        return max(0.0, self._resume - now)

    def start(self) -> None:
        """A request starts."""
        self.active += 1
        self._peak = max(self._peak, self.active)

    def answered(self) -> None:
        """A request has its answer."""
        if self.allowed < 2 * self._peak:
            step = 1.0 if self.allowed < self._threshold else max(1.0, self.most / STEPS) / self.allowed
            self.allowed = min(float(self.most), self.allowed + step)
        self.active -= 1
        self._strikes = 0

    def failed(self) -> None:
        """A request failed in a way that tells nothing about the number at once."""
        self.active -= 1

    def slow(self, started: float, now: float) -> bool:
        """A request that began at `started` took too long; whether this halved the number."""
        self.active -= 1
        if started < self._halved:
            return False
        half = max(1.0, self.allowed / 2)
        if self._strikes == 0:
            self._threshold = half
        self.allowed, self._halved = half, now
        self._peak = min(self._peak, math.ceil(half))
        self._strikes += 1
        return True

    def busy(self, started: float, now: float, asked: float | None = None) -> float:
        """The endpoint was too busy for a request that began at `started` and asked for this wait, if any.

        Returns:
            Seconds until anybody may ask again.
        """
        first = self.slow(started, now)
        if asked is not None:
            self._pause(now, min(asked, LONGEST_ASKED) + self._backoff * self._jitter())
        elif first:
            wait = self._backoff * 2.0 ** min(self._strikes - 1, 64)
            self._pause(now, min(wait, LONGEST_WAIT) * self._jitter())
        return max(0.0, self._resume - now)

    def _pause(self, now: float, seconds: float) -> None:
        self._resume = max(self._resume, now + seconds)
