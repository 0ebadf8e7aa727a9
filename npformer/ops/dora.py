r"""A frozen weight with a new direction and length for each row (DoRA: arXiv:2402.09353).

Shapes      x : (..., I)    down : (Q, I)    up : (O, Q)    magnitude, norm : (O,)
            y, z : (..., O)    weight, v : (O, I)    bias : (O,)    scale : a number
            weight and bias are frozen, as in lora.py

Forward     v    = weight + scale up down              the direction of each row, and a length
            norm = sqrt(sum_i v_oi^2)                  that length, unless it is given
            z    = x v^T
            y    = z * (magnitude / norm) + bias

            At the start up is 0 and magnitude the norm of weight's rows: y is the frozen map's.

Backward    Let g = dL/dz = dy * (magnitude / norm), through the product. By the linear map,

                dx         = g v
                dv         = g^T x
                dmagnitude = (sum of dy * z over the rows) / norm

            A norm that was given is a constant, and dv is whole. One that was computed here depends
            on v too: dnorm/dv_oi = v_oi / norm_o, and norm divides, so dL/dnorm_o =
            -magnitude_o dmagnitude_o / norm_o, and

                dv = g^T x - v * (magnitude * dmagnitude / norm^2)

            Last, v holds scale up down:

                dup   = scale dv down^T
                ddown = scale up^T dv

Reading     The second term of dv takes away its part along v: stretching a row of v changes
            nothing, as in a norm (rms_norm.py), so v and the full dv are orthogonal in every row.

            The paper detaches the norm (its section 4.3), and so do the libraries: the term is left
            out. What training then follows is not the derivative of the function that it runs. A
            module here says so by computing the norm beforehand and *giving* it (row_norms): as
            an argument it is a constant, and the gradient is exact again, of another function. dv
            then also moves v along itself, a step that the next forward's norm undoes. The saving
            is the product by v that the term needs, and v itself, which autograd would keep.

            z and not v is kept; v is O I numbers, made again from weight, down and up. A row of v
            that is 0 has no direction: its output is the bias, its gradients 0 (in PyTorch NaN).

Chapter     walkthroughs/21_memory_against_arithmetic.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.ops.array import Array, rows, summed_rows
from npformer.seam import op


class DoraCache(NamedTuple):
    x: Array  # (..., I)
    z: Array  # (R, O)
    down: Array  # (Q, I)
    up: Array  # (O, Q)
    magnitude: Array  # (O,)
    norm: Array  # (O,)
    weight: Array  # (O, I)
    scale: float
    detached: bool  # whether norm was given


def adapted_weight(weight: Array, down: Array, up: Array, scale: float) -> Array:
    """weight (O, I), down (Q, I), up (O, Q) -> weight + scale up down (O, I)."""
    return weight + scale * (up @ down)


def _ratio(a: Array, norm: Array) -> Array:
    """a / norm, and 0 where the norm is 0."""
    return np.divide(a, norm, out=np.zeros_like(a), where=norm > 0)


def row_norms(v: Array) -> Array:
    """v (O, I) -> the length of each row (O,)."""
    return np.sqrt(np.vecdot(v, v))


@op
def dora_forward(
    x: Array,
    down: Array,
    up: Array,
    magnitude: Array,
    *,
    weight: Array,
    bias: Array | None = None,
    scale: float = 1.0,
    norm: Array | None = None,
) -> tuple[Array, DoraCache]:
    """x (..., I), down (Q, I), up (O, Q), magnitude (O,) -> y (..., O), cache."""
    v = adapted_weight(weight, down, up, scale)
    detached = norm is not None
    if norm is None:
        norm = row_norms(v)
    z = rows(x) @ v.T  # (R, O)
    y = z * _ratio(magnitude, norm)
    if bias is not None:
        y += bias
    y = y.reshape(*x.shape[:-1], len(weight))
    return y, DoraCache(x, z, down, up, magnitude, norm, weight, scale, detached)


@op
def dora_backward(dy: Array, cache: DoraCache) -> tuple[Array, Array, Array, Array]:
    """dy (..., O) -> dx (..., I), ddown (Q, I), dup (O, Q), dmagnitude (O,)."""
    x, z, down, up, magnitude, norm, weight, scale, detached = cache
    v = adapted_weight(weight, down, up, scale)
    dy = rows(dy)  # (R, O)
    g = dy * _ratio(magnitude, norm)
    dx = g @ v
    dv = g.T @ rows(x)
    dmagnitude = _ratio(summed_rows(dy * z), norm)
    if not detached:
        dv -= v * _ratio(magnitude * dmagnitude, norm * norm)[:, None]
    dup = scale * (dv @ down.T)
    ddown = scale * (up.T @ dv)
    return dx.reshape(x.shape), ddown, dup, dmagnitude
