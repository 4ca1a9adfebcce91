"""A model's weights, judged by their headers: whether every file is there and whole, and how much memory they need.

A safetensors file is 8 bytes (the header's length, little-endian), the header (JSON: name → dtype, shape, the tensor's
place in the data that follows) and the data, so that a file that was cut short is known by its size. Weights in several
files have an index, which names the file of every tensor. Files of torch (.bin) are only looked for.
Format: https://github.com/huggingface/safetensors, section Format.
"""

import json
import math
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from scripts.common.errors import InputError

LONGEST_HEADER = 100 * 10**6
BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16}
"""The formats that an engine converts to the data type that it was asked for; others (quantised) it keeps."""
INDICES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")


def weight_files(folder: Path) -> list[Path]:
    """The files that hold a model's weights.

    Raises:
        InputError: there are none, or an index names files that are not there.
    """
    for index in map(folder.joinpath, INDICES):
        if index.is_file():
            try:
                names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                raise InputError(f"{index} is no index of weights ({error!r}). {REMEDY}") from error
            missing = [name for name in names if not (folder / name).is_file()]
            if missing:
                shown = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
                raise InputError(
                    f"{len(missing)} of {len(names)} files of weights of {index} are missing: {shown}. {REMEDY}"
                )
            return [folder / name for name in names]
    for pattern in ("*.safetensors", "pytorch_model*.bin"):
        if files := sorted(path for path in folder.glob(pattern) if path.is_file()):
            return files
    raise InputError(f"{folder} has no weights (*.safetensors). {REMEDY}")


def tensors(path: Path) -> Iterator[tuple[str, int, int]]:
    """Yields (format, number of values, bytes in the file) of every tensor of a safetensors file.

    Raises:
        InputError: it is none, or not whole.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= min(LONGEST_HEADER, size):
            raise InputError(f"{path} ({size} bytes) is no safetensors file, or only the beginning of one. {REMEDY}")
        raw = file.read(length)
    try:
        header = json.loads(raw)
        header.pop("__metadata__", None)
        found = [(entry["dtype"], math.prod(entry["shape"]), entry["data_offsets"]) for entry in header.values()]
        whole = 8 + length + max((end for _, _, (_, end) in found), default=0)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: the header is damaged ({error!r}). {REMEDY}") from error
    if size != whole:
        raise InputError(f"{path} has {size} bytes and should have {whole}: it was cut short or damaged. {REMEDY}")
    for kind, values, (first, end) in found:
        yield kind, values, end - first


def memory(files: Iterable[Path], dtype: str) -> int:
    """Bytes that the weights take once they are loaded: the sum over all tensors of values × bytes of a value.

    That is the data type asked for where the file holds floats of 16 bits or more, else the file's own (auto: always
    the file's own). It is a lower bound: key-value cache, activations and what the libraries take come on top.
    """
    asked = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}.get(dtype)
    total = 0
    for path in files:
        if path.suffix != ".safetensors":
            total += path.stat().st_size
            continue
        for kind, values, size in tensors(path):
            total += values * asked if asked and kind in BITS else size
    return total


REMEDY = "Copy or download the model again"
