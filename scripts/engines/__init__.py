"""Language-model engines behind one small interface: submit requests, step, receive completions as they finish.

An engine holds many requests at once and gives each back when it is done; `complete()` hands it the next request as
soon as one finishes, so that it is always full and nothing ever waits for the slowest text of a batch. A request
carries its own seed. One that was not answered comes back as a completion with finish reason `error` and the message as
its text, and may be asked again; one that this model can never answer (it is longer than the context) comes back as
`refused`. What no request could survive (a missing model, a refused key) is raised.

An engine is one module of this folder with a function `load(settings, sampling)`, and a line in `ENGINES`.
"""

import argparse
import contextlib
import dataclasses
import importlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from scripts.common.errors import InputError
from scripts.common.logging import get_logger

ENGINES = {"vllm": True, "transformers": True, "openai": False}
"""Name of the module → whether the engine reads the model's files itself, so that they have to be on this machine."""

WAITING = ("timeout", "retries", "backoff", "patience")
"""Options that only tell how long an engine waits for an endpoint; the workflow hands them over by themselves."""


class Refused(ValueError):
    """A request that can never be answered, with the reason; engines give it back with finish reason `refused`."""


class EngineDied(InputError):
    """An engine that raised what it should not, with its last words."""


@dataclasses.dataclass(frozen=True)
class Request:
    """One prompt (the user's turn, without chat markup), its seed, and the JSON Schema its answer must follow."""

    request_id: str
    prompt: str
    seed: int
    json_schema: Mapping[str, Any] | None = None


@dataclasses.dataclass(frozen=True)
class Completion:
    """One answer; `finish_reason` is stop, length, error or refused (for these two, `text` is the message)."""

    request_id: str
    text: str
    n_tokens: int
    finish_reason: str


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How tokens are drawn; temperature 0 is greedy, top_k 0 and top_p 1 keep all, repetition penalty 1 is none."""

    temperature: float
    top_p: float
    top_k: int
    repetition_penalty: float
    max_new_tokens: int
    stop: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class EngineSettings:
    """Which engine runs which model, and how; `options` are the engine's own, see its module."""

    engine: str
    model: str
    revision: str = "main"
    dtype: str = "bfloat16"
    max_model_len: int = 4096
    max_in_flight: int = 256
    tensor_parallel: int = 1
    threads: int = 1
    gpus: int = 0
    endpoint: str = ""
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class Engine(Protocol):
    """What every engine can do."""

    @property
    def in_flight(self) -> int:
        """Requests submitted and not yet given back."""

    def submit(self, request: Request) -> None:
        """Takes a request; never fails because of what is in it."""

    def step(self) -> list[Completion]:
        """Works for a moment and returns what finished, perhaps nothing."""

    def close(self) -> None:
        """Drops what is in flight and frees the engine."""


def create(settings: EngineSettings, sampling: Sampling) -> Engine:
    """Loads an engine; only its own libraries are imported.

    Raises:
        InputError: a library is missing, or the settings do not fit the engine, the model or the machine.
        EngineDied: the engine cannot start for another reason.
    """
    try:
        return importlib.import_module(f"scripts.engines.{settings.engine}").load(settings, sampling)
    except ModuleNotFoundError as error:
        raise InputError(
            f"the {settings.engine} engine needs {error.name}, which {sys.executable} does not have. Name a Python "
            f"that has it in the configuration (interpreters: {{{settings.engine}: /path/to/python}}) or run with "
            "--sdm conda"
        ) from error
    except InputError:
        raise
    except Exception as error:
        raise _died(error, "cannot start") from error


def complete(
    engine: Engine, requests: Iterable[Request], max_in_flight: int, stopped: Callable[[], bool] = lambda: False
) -> Iterator[Completion]:
    """Yields completions in the order they finish, and takes the next request whenever there is room for it.

    `stopped` is asked before every step; once it is true the rest stays in flight and nothing more is yielded.

    Raises:
        InputError: the engine found something that no request can survive.
        EngineDied: it raised anything else.
    """
    waiting = iter(requests)
    exhausted = False
    asked: set[str] = set()
    while not stopped():
        while not exhausted and engine.in_flight < max_in_flight:
            request = next(waiting, None)
            if request is None:
                exhausted = True
            else:
                asked.add(request.request_id)
                with _alive():
                    engine.submit(request)
        if not engine.in_flight:
            return
        with _alive():
            completions = engine.step()
        for completion in completions:
            if completion.request_id not in asked:
                raise EngineDied(f"the engine gave an answer to {completion.request_id}, which it was not asked for")
            asked.remove(completion.request_id)
            yield completion


@contextlib.contextmanager
def _alive() -> Iterator[None]:
    """What an engine at work raises, but for `InputError`, is its end."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise _died(error, "died") from error


def _died(error: Exception, how: str) -> EngineDied:
    """An engine's last words; the traceback goes into the log, since they alone seldom tell where it broke."""
    get_logger(__name__).error("the engine %s", how, exc_info=error)
    return EngineDied(
        f"the engine {how} ({type(error).__name__}: {error}); what it logged before is above. Finished texts are kept: "
        "mend the cause and run again"
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `EngineSettings`, spelt alike in every program that uses an engine."""
    group = parser.add_argument_group("engine")
    group.add_argument("--engine", required=True, choices=tuple(ENGINES))
    group.add_argument("--model", required=True, help="Hub id or folder; for openai the name the endpoint knows")
    group.add_argument("--revision", default="main", help="commit, tag or branch of a Hub model")
    group.add_argument("--dtype", default="bfloat16")
    group.add_argument("--max-model-len", type=int, default=4096, help="tokens of prompt and answer together")
    group.add_argument("--max-in-flight", type=int, default=256, help="requests in the engine at once")
    group.add_argument("--tensor-parallel", type=int, default=1, help="GPUs that share one model")
    group.add_argument("--threads", type=int, default=1, help="CPU threads")
    group.add_argument("--gpus", type=int, default=0, help="GPUs that the job asked for")
    group.add_argument("--endpoint", default="", help="base URL for openai, e.g. http://localhost:8000/v1")
    group.add_argument(
        "--options",
        type=json.loads,
        action=_Merge,
        default={},
        help="JSON object of the engine's own settings; those of several such flags are taken together",
    )


class _Merge(argparse.Action):
    """Takes the mappings of a flag that is given several times together."""

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: Any = None) -> None:
        setattr(namespace, self.dest, getattr(namespace, self.dest) | values)


def settings_from(args: argparse.Namespace) -> EngineSettings:
    """The settings that the flags of `add_arguments` gave."""
    return EngineSettings(**{field.name: getattr(args, field.name) for field in dataclasses.fields(EngineSettings)})
