r"""A linear map with a frozen weight and an update of low rank (Hu et al., 2021, arXiv:2106.09685).

Shapes      x : (..., I)    down : (Q, I)    up : (O, Q)    y : (..., O)    h : (..., Q)
            weight : (O, I) and bias : (O,), frozen    scale : a number

            Q is the rank, far below I and O. down and up are often called A and B.

Forward     h = x down^T
            y = x weight^T + scale h up^T + bias

            which is x times the transpose of weight + scale up down.

Backward    weight and bias are constants, so nothing is computed for them: of the three products
            of a linear backward the largest, dy^T x, is never made. The rest is the linear map
            (linear.py) three times, with u = scale dy for what arrives at h up^T:

                dup   = u^T h
                dh    = u up
                ddown = dh^T x
                dx    = dy weight + dh down

Reading     The cache holds x, which ddown needs, and h, which is Q numbers a row: an adapter adds
            that to the activations, and Q (I + O) numbers to what the optimizer keeps, in place of
            the I O of the frozen weight. It does not spare the products by weight, in either
            direction: of the arithmetic, no more than the third that is dy^T x is saved.

            y depends on up down alone, so stretching up and shrinking down by as much changes
            nothing, and <up, dup> = <down, ddown>, for each of the Q ranks by itself. With up = 0,
            where training starts, ddown is 0 too: the first step moves up alone. If both started
            at 0, neither would ever move.

            scale is alpha / Q in most libraries.

Chapter     walkthroughs/21_memory_against_arithmetic.md
"""

from __future__ import annotations

from typing import NamedTuple

from npformer.ops.array import Array, rows
from npformer.seam import op


class LoraCache(NamedTuple):
    x: Array  # (..., I)
    h: Array  # (R, Q)
    down: Array  # (Q, I)
    up: Array  # (O, Q)
    weight: Array  # (O, I)
    scale: float


@op
def lora_forward(
    x: Array,
    down: Array,
    up: Array,
    *,
    weight: Array,
    bias: Array | None = None,
    scale: float = 1.0,
) -> tuple[Array, LoraCache]:
    """x (..., I), down (Q, I), up (O, Q) -> y (..., O), cache."""
    h = rows(x) @ down.T  # (R, Q)
    y = rows(x) @ weight.T  # (R, O)
    y += scale * (h @ up.T)
    if bias is not None:
        y += bias
    return y.reshape(*x.shape[:-1], len(weight)), LoraCache(x, h, down, up, weight, scale)


@op
def lora_backward(dy: Array, cache: LoraCache) -> tuple[Array, Array, Array]:
    """dy (..., O) -> dx (..., I), ddown (Q, I), dup (O, Q)."""
    x, h, down, up, weight, scale = cache
    dy = rows(dy)  # (R, O)
    u = scale * dy
    dup = u.T @ h
    dh = u @ up  # (R, Q)
    ddown = dh.T @ rows(x)
    dx = dy @ weight + dh @ down
    return dx.reshape(x.shape), ddown, dup
