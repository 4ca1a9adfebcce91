"""How fast the vllm engine is: our requests one by one, against vLLM's own offline batch in the same process.

    VLLM=/path/to/a/python/with/vllm
    $VLLM -m benchmarks.engines                     # 640 prompts, 256 at once
    $VLLM -m benchmarks.engines 1000 --in-flight 64

One vLLM engine (`LLM`, with the arguments of our own) is driven both ways, alternately, on the same prompts with the
same sampling and seeds: by `engines.complete`, as the slice program does it, and by `LLM.generate`, which gets all
prompts at once. Both fill in the chat template and tokenise within the measured time. The model is the shipped tiny
one in float32, whose texts must come out the same both ways; its texts are short, so that places in the batch fall free
far more often than in real use.

Seconds are wall time, and CPU time of all of vLLM's processes. Steps of the engine hardly depend on other load: their
number tells whether the batch was as full one way as the other.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from scripts import engines
from scripts.engines import EngineSettings, Request, Sampling, chat, orphans, vllm

MODEL = "resources/tiny-lm"
WORDS = (Path(MODEL) / "README.md").read_text(encoding="utf-8").split()


def requests(count: int) -> list[Request]:
    """Prompts of 20 to 200 words, none of which names a control token, each with its seed."""
    generator = random.Random(1)
    texts = (" ".join(generator.choices(WORDS, k=generator.randint(20, 200))) for _ in range(count))
    return [Request(str(n), f"Write a short lesson about this page: {text}", n) for n, text in enumerate(texts)]


def cpu_seconds() -> float:
    """CPU time of this process and of those that descend from it."""
    import psutil

    me = psutil.Process()
    times = [process.cpu_times() for process in [me, *me.children(recursive=True)]]
    return sum(spent.user + spent.system for spent in times)


class Ways:
    """One engine and both ways to drive it; each returns request id → text and tokens."""

    def __init__(self, settings: EngineSettings, sampling: Sampling) -> None:
        vllm.set_environment(settings, on_cpu=True)
        from vllm import LLM

        self._sampling = sampling
        self._in_flight = settings.max_in_flight
        self._tokenizer = chat.load_tokenizer(settings.model, settings.revision)
        watcher = orphans.watch()
        self._llm = LLM(**vllm.engine_arguments(settings, on_cpu=True))
        self.engine = vllm.VllmEngine(self._llm.llm_engine, self._tokenizer, settings, sampling, watcher)
        self.steps = 0
        self._step = self._llm.llm_engine.step
        self._llm.llm_engine.step = self._counted

    def _counted(self) -> list[Any]:
        self.steps += 1
        return self._step()

    def ours(self, asked: Sequence[Request]) -> dict[str, tuple[str, int]]:
        """Through the interface of all engines."""
        answers = engines.complete(self.engine, asked, self._in_flight)
        return {answer.request_id: (answer.text, answer.n_tokens) for answer in answers}

    def batch(self, asked: Sequence[Request]) -> dict[str, tuple[str, int]]:
        """Through `LLM.generate`."""
        turns = [[{"role": "user", "content": request.prompt}] for request in asked]
        texts = [
            self._tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False) for turn in turns
        ]
        parameters = [self.engine.parameters(request, self._sampling.max_new_tokens) for request in asked]
        options = {"use_tqdm": False, "tokenization_kwargs": {"add_special_tokens": False}}
        outputs = [output.outputs[0] for output in self._llm.generate(texts, parameters, **options)]
        return {
            request.request_id: (output.text, len(output.token_ids))
            for request, output in zip(asked, outputs, strict=True)
        }


def main() -> None:
    """Prints a line for each run and one for the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prompts", type=int, nargs="?", default=640)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=4)
    args = parser.parse_args()
    options = {"kv_cache_memory_bytes": 3 * 2**30}
    settings = EngineSettings("vllm", MODEL, "main", "float32", 2048, args.in_flight, threads=1, options=options)
    ways = Ways(settings, Sampling(0.6, 0.95, 50, 1.2, args.max_new_tokens, ("<|endoftext|>",)))
    both: dict[str, Callable[[Sequence[Request]], dict[str, tuple[str, int]]]]
    both = {"ours": ways.ours, "LLM.generate": ways.batch}
    asked = requests(args.prompts)
    for way in both.values():
        way(asked[:32])
    runs: dict[str, list[tuple[float, float, int]]] = {name: [] for name in both}
    expected = None
    for number in range(args.rounds):
        for name in list(both)[:: 1 if number % 2 == 0 else -1]:
            ways.steps, cpu, wall = 0, cpu_seconds(), time.perf_counter()
            texts = both[name](asked)
            runs[name].append((time.perf_counter() - wall, cpu_seconds() - cpu, ways.steps))
            expected = expected or texts
            assert texts == expected, "the two ways gave different texts"
            seconds, spent, steps = runs[name][-1]
            print(f"RUN {name:>12} {seconds:6.1f} s wall {spent:6.1f} s CPU {steps} steps", flush=True)
    ways.engine.close()
    tokens = sum(number for _, number in expected.values())
    print(f"{args.prompts} prompts, {tokens} tokens, {args.in_flight} in flight, {args.rounds} rounds; texts are equal")
    medians = {name: [statistics.median(column) for column in zip(*lines, strict=True)] for name, lines in runs.items()}
    for name, (wall, cpu, steps) in medians.items():
        spread = f"{min(line[0] for line in runs[name]):.1f} to {max(line[0] for line in runs[name]):.1f}"
        print(
            f"{name:>12}: {tokens / wall:.0f} tokens/s ({spread} s), {tokens / cpu:.0f} per CPU second, {steps} steps"
        )
    ratios = [theirs / ours for ours, theirs in zip(medians["ours"], medians["LLM.generate"], strict=True)]
    print("ours / LLM.generate: {:.3f} by wall time, {:.3f} by CPU time, {:.3f} by steps".format(*ratios))


if __name__ == "__main__":
    main()
