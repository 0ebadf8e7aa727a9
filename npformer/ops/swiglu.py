r"""SwiGLU: a SiLU gates another projection of the same input (Shazeer, 2020, arXiv:2002.05202).

Shapes      gate, up, s, h, slope, y, dy, dgate, dup : any, all the same

Forward     s = logistic(gate) = 1 / (1 + exp(-gate))
            h = gate * s                               SiLU, see silu.py
            y = h * up

Backward    A product gives each of its factors the other one:

                dup = dy * h
                dh  = dy * up

            and h = gate s depends on gate twice, as SiLU does, with slope = logistic'(gate):

                dgate = dh * (s + gate * slope)

Reading     Each half is the other's gradient: where h is shut, up learns nothing, and where up is
            0, the gate learns nothing. Doubling up doubles y and dgate and leaves dup alone. The
            two halves are not exchangeable: only gate bends.

            The order of the halves in a fused projection is a convention of the file that it came
            from: gate before up, or after, in blocks or alternating. No shape tells them apart.

Chapter     walkthroughs/18_gates.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.ops.array import Array
from npformer.ops.silu import SHUT, logistic, logistic_slope
from npformer.seam import op


class SwigluCache(NamedTuple):
    gate: Array  # (...)
    up: Array  # (...)
    s: Array  # (...)


@op
def swiglu_forward(gate: Array, up: Array) -> tuple[Array, SwigluCache]:
    """gate (...), up (...) -> y (...), cache."""
    s = logistic(gate)
    h = np.maximum(gate, -SHUT) * s
    return h * up, SwigluCache(gate, up, s)


@op
def swiglu_backward(dy: Array, cache: SwigluCache) -> tuple[Array, Array]:
    """dy (...) -> dgate (...), dup (...)."""
    gate, up, s = cache
    h = np.maximum(gate, -SHUT) * s
    dup = dy * h
    dh = dy * up
    gate = np.clip(gate, -SHUT, SHUT)  # the limits at -inf and inf, not NaN
    dgate = dh * (s + gate * logistic_slope(gate))
    return dgate, dup
