r"""The logarithm of a decay that a token makes: always below 0, at a rate that a head learns.

Shapes      x, y, z, dz : (..., N)    log_rate, bias : (N,)

Forward     z = x + bias
            y = -exp(log_rate) * log(1 + exp(z))

Backward    d/dz log(1 + exp(z)) = logistic(z), and y is a multiple of exp(log_rate), so

                dz        = -dy * exp(log_rate) * logistic(z)
                dx        = dz
                dlog_rate = sum of dy * y over every axis but N
                dbias     = sum of dz     over every axis but N

Reading     Mamba's (Gu & Dao, 2023, arXiv:2312.00752): log(1 + exp(z)) is the length of a step in
            time, above 0 whatever z is, and -exp(log_rate) what decays in a unit of time. A
            product of decays is a sum of such steps. As logarithms of a logarithm and of an exp,
            neither rate nor step has a border that training could run into.

            With z far below 0 nothing is forgotten, y = -exp(log_rate + z), and the gradient is y's
            own size: a head that keeps everything is slow to learn to forget.

Chapter     walkthroughs/27_memory_as_a_matrix.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.ops.array import Array, rows, summed_rows
from npformer.ops.silu import logistic
from npformer.seam import op


class DecayGateCache(NamedTuple):
    z: Array  # (..., N)
    y: Array  # (..., N)
    log_rate: Array  # (N,)


@op
def decay_gate_forward(x: Array, log_rate: Array, bias: Array) -> tuple[Array, DecayGateCache]:
    """x (..., N), log_rate (N,), bias (N,) -> y (..., N), cache."""
    z = x + bias
    y = -np.exp(log_rate) * np.logaddexp(z, 0, dtype=z.dtype)
    return y, DecayGateCache(z, y, log_rate)


@op
def decay_gate_backward(dy: Array, cache: DecayGateCache) -> tuple[Array, Array, Array]:
    """dy (..., N) -> dx (..., N), dlog_rate (N,), dbias (N,)."""
    z, y, log_rate = cache
    dz = -dy * np.exp(log_rate) * logistic(z)
    return dz, summed_rows(rows(dy * y)), summed_rows(rows(dz))
