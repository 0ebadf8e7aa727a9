r"""GeGLU: a GELU gates another projection of the same input (Shazeer, 2020, arXiv:2002.05202).

Shapes      gate, up, p, h, slope, y, dy, dgate, dup : any, all the same

Forward     p = cdf(gate), or close to it              GELU's gate, exact or by tanh: see gelu.py
            h = gate * p                               GELU
            y = h * up

Backward    A product gives each of its factors the other one:

                dup = dy * h
                dh  = dy * up

            and h = gate p depends on gate twice, as GELU does, with slope = p'(gate):

                dgate = dh * (p + gate * slope)

Reading     As swiglu.py, with the normal distribution's integral in place of the logistic function.
            The two forms differ by less than 5e-4 in h, so that one in place of the other passes
            every test with a loose tolerance; T5 v1.1 and Gemma take the one by tanh.

Chapter     walkthroughs/18_gates.md
"""

from __future__ import annotations

from typing import NamedTuple, get_args

import numpy as np

from npformer.ops.array import Array
from npformer.ops.checks import check_choice
from npformer.ops.gelu import Approximate, gelu_gate, gelu_slope
from npformer.ops.normal import FAR
from npformer.seam import op


class GegluCache(NamedTuple):
    gate: Array  # (...)
    up: Array  # (...)
    p: Array  # (...)
    approximate: str


@op
def geglu_forward(
    gate: Array, up: Array, *, approximate: Approximate = "none"
) -> tuple[Array, GegluCache]:
    """gate (...), up (...) -> y (...), cache.

    Raises ``ConfigError`` for another ``approximate``.
    """
    check_choice("approximate", approximate, get_args(Approximate))
    p = gelu_gate(gate, approximate)
    h = np.maximum(gate, -FAR) * p
    return h * up, GegluCache(gate, up, p, approximate)


@op
def geglu_backward(dy: Array, cache: GegluCache) -> tuple[Array, Array]:
    """dy (...) -> dgate (...), dup (...)."""
    gate, up, p, approximate = cache
    h = np.maximum(gate, -FAR) * p
    dup = dy * h
    dh = dy * up
    gate = np.clip(gate, -FAR, FAR)  # the limits at -inf and inf, not NaN
    dgate = dh * (p + gate * gelu_slope(gate, approximate))
    return dgate, dup
