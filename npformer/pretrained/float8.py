"""Weights of 8 bits, each block of 128 by 128 with a scale (DeepSeek-AI, 2024, arXiv:2412.19437).

    weight[i, j] = stored[i, j] * weight_scale_inv[i // 128, j // 128]

The name notwithstanding, what is stored is multiplied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from npformer.errors import CheckpointError, ConfigError
from npformer.ops.array import Array
from npformer.pretrained.fields import Fields

BLOCK = 128
SCALE = "_scale_inv"
"""How the name of a weight's scales goes on after the weight's own."""


def check_stored(fields: Fields) -> None:
    """Raise ConfigError where a config says that its weights are stored in another way."""
    if fields.take("quantization_config", None) is None:
        return
    how = fields.inside("quantization_config")
    how.choose("quant_method", {"fp8": "fp8", "mxfp4": "mxfp4"})
    block = how.given("weight_block_size", [BLOCK, BLOCK])
    if block != [BLOCK, BLOCK]:
        raise ConfigError(
            f"weight_block_size is {block}; npformer has blocks of {BLOCK} by {BLOCK}"
        )


def _scales(name: str, tensors: Mapping[str, Array]) -> bool:
    return name.endswith(SCALE) and name.removesuffix(SCALE) in tensors


class Float8Blocks(Mapping[str, Array]):
    """``tensors`` with those that have scales multiplied by them; the scales are not listed."""

    def __init__(self, tensors: Mapping[str, Array]) -> None:
        self._tensors = tensors
        self._names = [name for name in tensors if not _scales(name, tensors)]

    def __getitem__(self, name: str) -> Array:
        """The weight in float32. Raises CheckpointError where the scales do not cover it."""
        tensor = self._tensors[name]
        if f"{name}{SCALE}" not in self._tensors:
            return tensor
        scales = self._tensors[f"{name}{SCALE}"].astype(np.float32)
        blocks = tuple(-(-size // BLOCK) for size in tensor.shape)
        if scales.shape != blocks or tensor.ndim != 2:
            raise CheckpointError(
                f"{name!r} is {tensor.shape} and its scales are {scales.shape}; blocks of {BLOCK} "
                f"by {BLOCK} need {blocks}"
            )
        rows = np.repeat(scales, BLOCK, axis=0)[: len(tensor)]
        wide = np.array(tensor, np.float32)
        for column in range(blocks[1]):
            wide[:, column * BLOCK : (column + 1) * BLOCK] *= rows[:, column, None]
        return wide

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
