"""Weights of 4 bits, 32 of which share a scale (OCP Microscaling, 2023): gpt-oss's mxfp4.

    weight[e, i, o] = VALUES[nibble] * 2^(scale - 127)

A matrix of an expert is kept by rows of outputs: ``X_blocks`` (E, O, I / 32, 16), of whose bytes
the lower half comes first, and ``X_scales`` (E, O, I / 32), for an X of (E, I, O).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from npformer.errors import CheckpointError
from npformer.ops.array import Array

BLOCKS, SCALES = "_blocks", "_scales"
VALUES = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float32)
VALUES = np.concatenate([VALUES, -VALUES])
"""By the four bits: a sign, two of an exponent, one of a fraction."""


class Mxfp4Blocks(Mapping[str, Array]):
    """``tensors``, of which each that is in blocks is listed by its own name, and is whole."""

    def __init__(self, tensors: Mapping[str, Array]) -> None:
        self._tensors = tensors
        self._packed = {
            name.removesuffix(BLOCKS)
            for name in tensors
            if name.endswith(BLOCKS) and name.removesuffix(BLOCKS) + SCALES in tensors
        }
        parts = {name + part for name in self._packed for part in (BLOCKS, SCALES)}
        self._names = [name for name in tensors if name not in parts] + sorted(self._packed)

    def __getitem__(self, name: str) -> Array:
        """The weight in float32. Raises CheckpointError where blocks and scales do not fit."""
        if name not in self._packed:
            return self._tensors[name]
        blocks, scales = (self._tensors[name + part] for part in (BLOCKS, SCALES))
        if blocks.ndim != 4 or blocks.shape[-1] != 16 or blocks.shape[:-1] != scales.shape:
            raise CheckpointError(
                f"{name + BLOCKS!r} is {blocks.shape} and its scales are {scales.shape}; blocks of "
                "16 bytes with a scale each are (E, O, I / 32, 16) and (E, O, I / 32)"
            )
        pairs = np.stack([blocks & 15, blocks >> 4], axis=-1)  # (E, O, I / 32, 16, 2)
        weights = np.ldexp(VALUES[pairs], scales.astype(np.int32)[..., None, None] - 127)
        return weights.reshape(*blocks.shape[:2], -1).mT  # (E, I, O)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
