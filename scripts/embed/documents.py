"""Sentence embeddings of one part of seeds, unit length, in the order of the seeds.

The model and the cut at 512 tokens are those of the text-clustering repository. An embedding depends on its own text
only, never on its neighbours: texts are sorted by length, padded to the next multiple of 32 tokens, and every forward
pass has the same number of rows (the last one is filled up with empty texts), so each text always goes through the
same arithmetic. Plain padded batches change one float16 value in 250, and with it the clusters that follow.
Cost: on a CPU about 10 texts a second; on a GPU a part of 250,000 texts takes some minutes.
"""

import argparse
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from scripts.common.errors import InputError
from scripts.common.logging import get_logger, run
from scripts.common.schemas import EMBEDDING_DIMENSION, EMBEDDINGS, SEEDS
from scripts.common.tables import count_rows, iterate_rows, write_table

LENGTH_STEP = 32
"""Texts are padded to a multiple of this many tokens."""

CHARACTERS_PER_TOKEN = 100
"""More characters than any token of a WordPiece vocabulary covers: the rest of a huge text need not be tokenised."""


def model_path(model: str) -> str:
    """Where to load a model from: `package:<name>` is the folder model/ inside an installed Python package.

    Raises:
        InputError: the package is not installed or carries no model.
    """
    if not model.startswith("package:"):
        return model
    name = model.removeprefix("package:")
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    folder = Path(spec.origin).parent / "model" if spec and spec.origin else None
    if folder is None or not folder.is_dir():
        raise InputError(
            f"embed.model={model}: the Python package {name} is not installed or has no folder model/. "
            f"Install it (pip install {name.replace('_', '-')}), or set embed.model to a folder or a Hub id."
        )
    return str(folder)


def load_model(model: str, device: str, max_seq_length: int) -> Any:
    """The sentence-transformers model.

    Raises:
        InputError: it cannot be found, or does not give embeddings of the expected size.
    """
    from sentence_transformers import SentenceTransformer

    path = model_path(model)
    try:
        loaded = SentenceTransformer(path, device=device).eval()
    except (OSError, ValueError, RuntimeError, AssertionError) as error:
        raise InputError(
            f"embed.model={model} cannot be loaded on {device} ({type(error).__name__}: {error}). "
            "Give a Hub id that can be reached, a folder, or package:<name>; without a GPU set embed.device=cpu."
        ) from error
    if (size := loaded.get_embedding_dimension()) != EMBEDDING_DIMENSION:
        raise InputError(f"embed.model={model} gives {size} dimensions; the workflow needs {EMBEDDING_DIMENSION}.")
    loaded.max_seq_length = min(max_seq_length, loaded.tokenizer.model_max_length)
    return loaded


def tokenize(model: Any, texts: Iterator[str]) -> list[np.ndarray]:
    """Token ids of each text, cut at the model's maximum length; special tokens included."""
    limit = model.max_seq_length
    cut = (text[: limit * CHARACTERS_PER_TOKEN] for text in texts)
    encode = model.tokenizer
    return [np.asarray(encode(text, truncation=True, max_length=limit)["input_ids"], dtype=np.int32) for text in cut]


def plan_batches(lengths: Sequence[int], batch_size: int, limit: int) -> list[tuple[int, list[int]]]:
    """Cuts texts into forward passes.

    Args:
        lengths: tokens of each text.
        batch_size: rows of a pass.
        limit: longest length; longer multiples of the step are cut to it.

    Returns:
        (padded length, indices) with at most `batch_size` indices each, longest texts first.
    """
    groups: dict[int, list[int]] = {}
    for index, length in enumerate(lengths):
        groups.setdefault(min(-(-length // LENGTH_STEP) * LENGTH_STEP, limit), []).append(index)
    return [
        (padded, groups[padded][start : start + batch_size])
        for padded in sorted(groups, reverse=True)
        for start in range(0, len(groups[padded]), batch_size)
    ]


def embed(model: Any, texts: Iterator[str], batch_size: int) -> np.ndarray:
    """Unit-length embeddings, float16, shape (texts, EMBEDDING_DIMENSION), in the order of the texts."""
    import torch
    from tqdm import tqdm

    tokens = tokenize(model, texts)
    filler = tokenize(model, iter([""]))[0]
    result = np.zeros((len(tokens), EMBEDDING_DIMENSION), dtype=np.float16)
    passes = plan_batches([len(ids) for ids in tokens], batch_size, model.max_seq_length)
    with torch.inference_mode():
        for length, indices in tqdm(passes, desc="embed", unit="batch", mininterval=5):
            rows = [tokens[index] for index in indices] + [filler] * (batch_size - len(indices))
            ids = np.full((batch_size, length), model.tokenizer.pad_token_id, dtype=np.int64)
            mask = np.zeros((batch_size, length), dtype=np.int64)
            for row, values in enumerate(rows):
                ids[row, : len(values)], mask[row, : len(values)] = values, 1
            features = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
            output = model({name: tensor.to(model.device) for name, tensor in features.items()})
            vectors = torch.nn.functional.normalize(output["sentence_embedding"].float(), dim=1)
            result[indices] = vectors[: len(indices)].half().cpu().numpy()
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Embeds one part."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=Path, required=True, help="part of seeds")
    parser.add_argument("--output", type=Path, required=True, help="its embeddings")
    parser.add_argument("--model", required=True, help="Hub id, folder, or package:<name>")
    parser.add_argument("--max-seq-length", type=int, required=True, help="tokens read of each text")
    parser.add_argument("--batch-size", type=int, required=True, help="texts per forward pass")
    parser.add_argument("--device", required=True, help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch")
    args = parser.parse_args(argv)
    ids = [row["seed_id"] for row in iterate_rows(args.seeds, SEEDS, ["seed_id"])]
    vectors = np.zeros((0, EMBEDDING_DIMENSION), dtype=np.float16)
    if count_rows(args.seeds):
        import torch

        torch.set_num_threads(args.threads)
        model = load_model(args.model, args.device, args.max_seq_length)
        rows = iterate_rows(args.seeds, SEEDS, ["title", "text"])
        vectors = embed(model, (f"{row['title']}\n{row['text']}".strip() for row in rows), args.batch_size)
    values = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), EMBEDDING_DIMENSION)
    write_table(args.output, pa.table({"seed_id": pa.array(ids, pa.string()), "embedding": values}), EMBEDDINGS)
    get_logger("embed_documents").info("%d texts", len(ids))


if __name__ == "__main__":
    run(main)
