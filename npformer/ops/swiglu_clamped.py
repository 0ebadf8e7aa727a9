r"""The clamped SwiGLU of gpt-oss (OpenAI, 2025, arXiv:2508.10925): sharper, bounded, plus one.

Shapes      gate, up, g, u, s, h, slope, y, dy, dgate, dup : any, all the same

Forward     g = min(gate, limit)                       clamped above alone
            u = up clamped to [-limit, limit]
            s = logistic(alpha g)                      alpha = 1.702
            h = g * s
            y = h * (u + 1)

Backward    As swiglu.py, with alpha inside the gate's derivative, slope = logistic'(alpha g), and
            with a mask for each clamp, through which nothing flows where the clamp holds:

                dup   = dy * h                                        and 0 where |up| > limit
                dgate = dy * (u + 1) * (s + g * alpha * slope)        and 0 where gate > limit

            At a bound itself any number between 0 and 1 would do. It is 1 here, as in PyTorch's
            clamp up to 2.13; from 2.14 on it is 0 there, and it is a half in jnp.clip.

Reading     With alpha = 1.702 the gate g s is GELU's quick form, x logistic(1.702 x). Below, it
            needs no clamp: g s is never less than -0.17. u + 1 keeps a path open where up is 0:
            the layer begins as an ungated one. A unit beyond its bound is constant, and gets no
            gradient until the weights that it shares with other inputs move it back.

Chapter     walkthroughs/18_gates.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.errors import ConfigError
from npformer.ops.array import Array
from npformer.ops.silu import SHUT, logistic, logistic_slope
from npformer.seam import op


class SwigluClampedCache(NamedTuple):
    gate: Array  # (...)
    up: Array  # (...)
    alpha: float
    limit: float


@op
def swiglu_clamped_forward(
    gate: Array, up: Array, *, alpha: float = 1.702, limit: float = 7.0
) -> tuple[Array, SwigluClampedCache]:
    """gate (...), up (...) -> y (...), cache.

    Raises ``ConfigError`` for an ``alpha`` or a ``limit`` that is not above 0.
    """
    for name, value in (("alpha", alpha), ("limit", limit)):
        if not value > 0:
            raise ConfigError(f"{name} is {value}; it must be above 0")
    g, u = np.minimum(gate, limit), np.clip(up, -limit, limit)
    return _activated(_held(g, alpha), alpha) * (u + 1), SwigluClampedCache(gate, up, alpha, limit)


@op
def swiglu_clamped_backward(dy: Array, cache: SwigluClampedCache) -> tuple[Array, Array]:
    """dy (...) -> dgate (...), dup (...)."""
    gate, up, alpha, limit = cache
    g, u = _held(np.minimum(gate, limit), alpha), np.clip(up, -limit, limit)
    h, s = _activated(g, alpha), logistic(alpha * g)
    dup = np.where(np.abs(up) > limit, 0, dy * h)
    dgate = dy * (u + 1) * (s + g * (alpha * logistic_slope(alpha * g)))
    return np.where(gate > limit, 0, dgate), dup


def _activated(g: Array, alpha: float) -> Array:
    """g (...) -> h (...), by a division: one rounding less than g * s."""
    return g / (1 + np.exp(-alpha * g))


def _held(g: Array, alpha: float) -> Array:
    """g (...) -> (...), held where its gate is shut to the last bit: -inf gives 0, not NaN."""
    return np.maximum(g, -SHUT / alpha)
