r"""Dropout (Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov, 2014), inverted.

Shapes      x, y, dy, dx, keep : any, all the same

Forward     keep  = true with probability 1 - p, drawn anew for every entry
            scale = 1 / (1 - p)
            y     = x * keep * scale

Backward    keep and scale do not depend on x, so y is linear in x, entry by entry:

                dx = dy * keep * scale

Reading     The same units that were silent in the forward learn nothing in the backward, so the
            mask must be the same one: it is in the cache. Because of scale the mean of y over
            masks is x, and inference is the identity. Dropped is multiplied by 0, as in PyTorch:
            a dropped inf gives NaN.

Chapter     walkthroughs/08_dropout_residuals.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.ops.array import Array
from npformer.seam import op


class DropoutCache(NamedTuple):
    keep: Array | None  # (...) bool; None where nothing is dropped
    scale: float


def keep_mask(shape: tuple[int, ...], p: float, rng: np.random.Generator) -> Array:
    """bool (shape), True with probability 1 - p.

    The draws are float32 whatever the model's dtype is, so that the same generator gives the
    same mask in float32, in float64, and in PyTorch.
    """
    return rng.random(shape, dtype=np.float32) >= p


@op
def dropout_forward(
    x: Array, p: float, rng: np.random.Generator | None
) -> tuple[Array, DropoutCache]:
    """x (...) -> y (...), cache. With rng None or p = 0 (inference), y is x itself."""
    if rng is None or p == 0:
        return x, DropoutCache(None, 1.0)
    keep = keep_mask(x.shape, p, rng)
    scale = 1 / (1 - p) if p < 1 else 0.0
    return _drop(x, keep, scale), DropoutCache(keep, scale)


@op
def dropout_backward(dy: Array, cache: DropoutCache) -> Array:
    """dy (...) -> dx (...)."""
    return dy if cache.keep is None else _drop(dy, cache.keep, cache.scale)


def _drop(x: Array, keep: Array, scale: float) -> Array:
    y = x * keep  # np.where would guess a branch for every entry
    y *= scale
    return y
