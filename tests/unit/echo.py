"""An engine for tests of what stands around engines: it repeats the prompt, one request a step, oldest first."""

from collections import deque
from collections.abc import Callable

from scripts.engines import Completion, Request


class Echo:
    """Answers with the prompt and the seed.

    Args:
        fails: request → whether this one is answered with an error.
        before_step: called with the number of steps so far; for what happens in the middle of a job.
    """

    def __init__(
        self,
        fails: Callable[[Request], bool] = lambda request: False,
        before_step: Callable[[int], None] = lambda step: None,
    ) -> None:
        self.load: list[int] = []
        self.asked: list[Request] = []
        self._fails = fails
        self._before_step = before_step
        self._requests: deque[Request] = deque()

    @property
    def in_flight(self) -> int:
        return len(self._requests)

    def submit(self, request: Request) -> None:
        self.asked.append(request)
        self._requests.append(request)

    def step(self) -> list[Completion]:
        self._before_step(len(self.load))
        self.load.append(len(self._requests))
        request = self._requests.popleft()
        if self._fails(request):
            return [Completion(request.request_id, "out of order", 0, "error")]
        return [Completion(request.request_id, f"{request.prompt} ({request.seed})", 3, "stop")]

    def close(self) -> None:
        self._requests.clear()
