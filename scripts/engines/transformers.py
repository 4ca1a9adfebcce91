"""Engine for small models on a CPU (or one GPU): continuous batching on the plain forward of a transformers model.

The text of a request must not depend on what else is in the batch, or a run that was killed and resumed would differ
from one that was not. Matrix products round differently for different shapes, so: every prompt is read alone; a
decoding step passes the layers in tiles of one fixed shape (`tile` rows, missing ones padded); attention is computed
for each row by itself (lanes.py); and each token is drawn from its own request alone (sampling.py). What remains is a
row's place in the tile: whether it matters is found out when the model is loaded (equal rows in, equal rows out?), and
where it does, sequences are decoded one by one. In float64, at about 60 % of the speed of float32, no rounding is large
enough to change the choice of a token, so that texts are the same on every machine too.
The continuous batching that comes with transformers mixes the rows of a step into one sequence of varying length, so it
does not have this property; vLLM has it in float32 on a CPU as far as was seen, and not in bfloat16.

Options: `device` (cpu, cuda; default: cuda where there is one), `tile` (rows decoded together, default 8).
"""

import dataclasses
from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np

from scripts.common.errors import InputError
from scripts.common.logging import get_logger
from scripts.engines import Completion, EngineSettings, Refused, Request, Sampling, chat, checks, lanes, machine
from scripts.engines.grammar import Grammars, Matcher
from scripts.engines.sampling import next_token

TILE = 8

log = get_logger(__name__)


def load(settings: EngineSettings, sampling: Sampling) -> "TransformersEngine":
    """Checks that model, machine and settings fit, and loads model and tokenizer."""
    unknown = set(settings.options) - {"device", "tile"}
    if unknown:
        names = ", ".join(sorted(unknown))
        raise InputError(f"llm.options: the transformers engine knows device and tile, not {names}")
    device = settings.options.get("device") or ("cuda" if settings.gpus or machine.gpu_memory() else "cpu")
    checks.check(settings, n_gpus=0 if device == "cpu" else 1, windows=False)
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging as library_logging

    if device != "cpu" and not torch.cuda.is_available():
        if settings.gpus or "device" in settings.options:
            raise InputError(f"a GPU is asked for (llm.gpus, llm.options), but torch {torch.__version__} can use none")
        device = "cpu"
    library_logging.disable_progress_bar()
    torch.set_num_threads(settings.threads)
    lanes.register()
    tokenizer = chat.load_tokenizer(settings.model, settings.revision)
    model = AutoModelForCausalLM.from_pretrained(
        settings.model, revision=settings.revision, dtype=settings.dtype, attn_implementation=lanes.NAME
    )
    engine = TransformersEngine(model.to(device).eval(), tokenizer, settings, sampling)
    engine.check_rows()
    return engine


@dataclasses.dataclass
class _Sequence:
    """A request at work: its prompt's length, its answer so far and its lane (None once it is finished)."""

    request: Request
    n_prompt: int
    limit: int
    seen: np.ndarray
    matcher: Matcher | None
    lane: int | None
    answer: list[int] = dataclasses.field(default_factory=list)

    @property
    def stored(self) -> int:
        """Tokens in the lane: all but the newest."""
        return self.n_prompt + len(self.answer) - 1


class TransformersEngine:
    """See the module's docstring; use `load` to make one."""

    def __init__(self, model: Any, tokenizer: Any, settings: EngineSettings, sampling: Sampling) -> None:
        config = model.config.get_text_config()
        self._model = model
        self._tokenizer = tokenizer
        self._settings = settings
        self._sampling = sampling
        self._tile = settings.options.get("tile", TILE)
        self._vocabulary = config.vocab_size
        self._ends = chat.end_tokens(tokenizer, model.generation_config, sampling.stop)
        self._stops = [text for text in sampling.stop if text not in chat.special_tokens(tokenizer)]
        self._tail = 4 + max((len(text.encode()) for text in self._stops), default=0)
        self._grammars = Grammars(tokenizer, self._vocabulary, self._ends)
        self._lanes = lanes.Lanes(config, settings.max_in_flight, settings.max_model_len, model.dtype, model.device)
        self._free = list(range(settings.max_in_flight))[::-1]
        self._waiting: deque[Request] = deque()
        self._active: list[_Sequence] = []
        self._finished: list[Completion] = []

    @property
    def in_flight(self) -> int:
        """Requests submitted and not yet given back."""
        return len(self._waiting) + len(self._active) + len(self._finished)

    def submit(self, request: Request) -> None:
        """Takes a request."""
        self._waiting.append(request)

    def step(self) -> list[Completion]:
        """Starts what there are lanes for, adds a token to every active sequence, returns what finished."""
        while self._waiting and self._free:
            self._start(self._waiting.popleft())
        for first in range(0, len(self._active), self._tile):
            tile = self._active[first : first + self._tile]
            rows = [(sequence.answer[-1], sequence.lane, sequence.stored) for sequence in tile]
            for sequence, logits in zip(tile, self._decode(rows), strict=False):
                self._advance(sequence, logits)
        self._active = [sequence for sequence in self._active if sequence.lane is not None]
        finished, self._finished = self._finished, []
        return finished

    def close(self) -> None:
        """Drops everything in flight and the model."""
        self._waiting.clear()
        self._active.clear()
        self._finished.clear()
        self._model = self._lanes = None

    def check_rows(self) -> None:
        """Decodes one by one from now on if the result of a row depends on its place in the tile."""
        logits = self._decode([(min(self._ends), 0, 0)] * self._tile)
        if self._settings.dtype != "float64" and not (logits == logits[0]).all():
            log.warning(
                "matrix products in %s on this machine depend on a row's place in the batch: decoding one text at a "
                "time, so that texts do not depend on each other (float64 is not affected)",
                self._settings.dtype,
            )
            self._tile = 1

    def _start(self, request: Request) -> None:
        lane = self._free.pop()
        try:
            tokens = chat.prompt_tokens(self._tokenizer, request.prompt)
            limit = chat.room(len(tokens), self._settings.max_model_len, self._sampling.max_new_tokens)
            matcher = self._grammars.matcher(request.json_schema) if request.json_schema is not None else None
        except (ValueError, TypeError) as error:
            self._free.append(lane)
            reason = "refused" if isinstance(error, Refused) else "error"
            self._finished.append(Completion(request.request_id, str(error), 0, reason))
            return
        seen = np.zeros(self._vocabulary, dtype=bool)
        seen[tokens] = True
        sequence = _Sequence(request, len(tokens), limit, seen, matcher, lane)
        self._advance(sequence, self._forward([tokens], [list(range(len(tokens)))], [(lane, 0)])[0])
        if sequence.lane is not None:
            self._active.append(sequence)

    def _decode(self, rows: list[tuple[int, int, int]]) -> np.ndarray:
        """Logits of one tile from (newest token, lane, tokens stored) of each row; padding rows follow."""
        missing = self._tile - len(rows)
        tokens = [[token] for token, _, _ in rows] + [[0]] * missing
        positions = [[stored] for _, _, stored in rows] + [[0]] * missing
        return self._forward(tokens, positions, [(lane, stored) for _, lane, stored in rows] + [(None, 0)] * missing)

    def _forward(
        self, tokens: list[list[int]], positions: list[list[int]], rows: list[tuple[int | None, int]]
    ) -> np.ndarray:
        """Logits of each row's last token, shape (rows, vocabulary)."""
        import torch

        with torch.inference_mode():
            output = self._model(
                input_ids=torch.tensor(tokens, device=self._model.device),
                position_ids=torch.tensor(positions, device=self._model.device),
                use_cache=False,
                logits_to_keep=1,
                lane_rows=lanes.Rows(self._lanes, rows),
            )
            return output.logits[:, -1].to("cpu", torch.float64).numpy()

    def _advance(self, sequence: _Sequence, logits: np.ndarray) -> None:
        """Draws the next token of a sequence and finishes it when it is complete."""
        try:
            allowed = sequence.matcher.allowed() if sequence.matcher else None
            seed, position = sequence.request.seed, len(sequence.answer)
            token = next_token(logits, sequence.seen, allowed, self._sampling, seed, position)
            sequence.answer.append(token)
            sequence.seen[token] = True
            if token in self._ends:
                self._finish(sequence, "stop", sequence.answer[:-1])
            elif (sequence.matcher and sequence.matcher.consume(token)) or self._stops_here(sequence.answer):
                self._finish(sequence, "stop", sequence.answer)
            elif len(sequence.answer) == sequence.limit:
                self._finish(sequence, "length", sequence.answer)
        except ValueError as error:
            self._end(sequence, Completion(sequence.request.request_id, str(error), 0, "error"))

    def _stops_here(self, answer: list[int]) -> bool:
        return bool(self._stops) and _cut(self._decode_text(answer[-self._tail :]), self._stops) is not None

    def _decode_text(self, tokens: Iterable[int]) -> str:
        return self._tokenizer.decode(list(tokens), skip_special_tokens=True)

    def _finish(self, sequence: _Sequence, reason: str, tokens: list[int]) -> None:
        text = self._decode_text(tokens)
        cut = _cut(text, self._stops)
        text = text if cut is None else text[:cut]
        self._end(sequence, Completion(sequence.request.request_id, text, len(sequence.answer), reason))

    def _end(self, sequence: _Sequence, completion: Completion) -> None:
        self._finished.append(completion)
        self._free.append(sequence.lane)
        sequence.lane = None


def _cut(text: str, stops: Iterable[str]) -> int | None:
    """Where the first stop string begins, if there is one."""
    return min((place for place in map(text.find, stops) if place >= 0), default=None)
