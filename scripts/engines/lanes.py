"""Attention for sequences of different lengths in one batch, each computed by itself.

Every sequence owns a lane of the key-value cache. The layers of the model work on all rows of a batch at once, but
attention is called once for each row, over that row's own lane up to its own length: no padding, and nothing of one
sequence ever enters the arithmetic of another. Registered as an attention implementation of transformers, so that any
decoder written for its attention interface runs on it unchanged.
"""

from collections.abc import Sequence
from typing import Any

NAME = "lanes"


class Lanes:
    """The key-value cache: one lane for each sequence, all of the same capacity."""

    def __init__(self, config: Any, lanes: int, capacity: int, dtype: Any, device: Any) -> None:
        import torch

        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        shape = (config.num_hidden_layers, lanes, heads, capacity, size)
        self.keys = torch.empty(shape, dtype=dtype, device=device)
        self.values = torch.empty(shape, dtype=dtype, device=device)


class Rows:
    """Which lane each row of a batch belongs to, and how many tokens the lane holds already; lane None is padding."""

    def __init__(self, lanes: Lanes, rows: Sequence[tuple[int | None, int]]) -> None:
        self.lanes = lanes
        self.rows = rows

    def attend(self, layer: int, query: Any, key: Any, value: Any, scaling: float) -> Any:
        """Attention of new tokens to their own lane.

        Args:
            layer: number of the layer.
            query: shape (rows, heads, new tokens, size); rotary positions applied.
            key: shape (rows, key-value heads, new tokens, size); stored into the lanes, as is `value`.
            value: shape (rows, key-value heads, new tokens, size).
            scaling: factor of the scores.

        Returns:
            Shape (rows, new tokens, heads, size); zeros for padding rows.
        """
        import torch
        from torch.nn.functional import scaled_dot_product_attention

        new = query.shape[2]
        output = torch.zeros_like(query)
        for row, (lane, start) in enumerate(self.rows):
            if lane is None:
                continue
            keys, values = self.lanes.keys[layer, lane], self.lanes.values[layer, lane]
            keys[:, start : start + new] = key[row]
            values[:, start : start + new] = value[row]
            output[row] = scaled_dot_product_attention(
                query[row : row + 1],
                keys[None, :, : start + new],
                values[None, :, : start + new],
                is_causal=new > 1,
                scale=scaling,
                enable_gqa=keys.shape[0] != query.shape[1],
            )[0]
        return output.transpose(1, 2)


def register() -> None:
    """Makes `attn_implementation="lanes"` known to transformers; the model is then called with `lane_rows=Rows(…)`."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, _attention)


def _attention(module: Any, query: Any, key: Any, value: Any, attention_mask: Any, scaling: float, **kwargs: Any):
    if kwargs.get("softcap") is not None or kwargs.get("s_aux") is not None:
        raise NotImplementedError("this model's attention has soft caps or sinks; run it with the vllm engine")
    return kwargs["lane_rows"].attend(module.layer_idx, query, key, value, scaling), None
