"""An engine for tests of what stands around engines: it repeats the prompt, one request a step, oldest first."""

from collections import deque
from collections.abc import Callable

from scripts.engines import Completion, Request


class Echo:
    """Answers with the prompt and the seed.

    Args:
        fails: request → whether this one gets no text.
        before_step: called with the number of steps so far; for what happens in the middle of a job.
        reason: finish reason of the answers that are no text.
    """

    def __init__(
        self,
        fails: Callable[[Request], bool] = lambda request: False,
        before_step: Callable[[int], None] = lambda step: None,
        reason: str = "error",
    ) -> None:
        self.load: list[int] = []
        self.asked: list[Request] = []
        self._fails = fails
        self._before_step = before_step
        self._reason = reason
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
            return [Completion(request.request_id, "out of order", 0, self._reason)]
        return [Completion(request.request_id, f"{request.prompt} ({request.seed})", 3, "stop")]

    def close(self) -> None:
        self._requests.clear()
