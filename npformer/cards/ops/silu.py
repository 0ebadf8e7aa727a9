"""The card of the SiLU."""

from __future__ import annotations

import numpy as np

from npformer.cards.case import Array
from npformer.cards.elementwise import GATED, WORDS, draw_elementwise, gated
from npformer.cards.op_card import Library, OpCard
from npformer.cards.ordinary import only
from npformer.cards.pytorch import F
from npformer.cards.scales import FloatInfo, Scales, logistic
from npformer.ops import silu
from npformer.ops.silu import silu_backward

card = OpCard.of(silu)
card.owner = "Activation"
# Beneath -800, where exp(x) is 0 in float64, PyTorch's derivative is 0 times inf.
card.precise = lambda x: F.silu(x.clamp(min=-800.0))
card.draw(draw_elementwise)
card.invariant(GATED, broken_by="sigmoid-derivative")(gated)
card.words = WORDS
card.library = Library("silu", lambda input, inplace=False: {"x": input}, lambda f, a: f(a["x"]))
card.edge("the tails", {"x": [-80.0, -30, -5, 5, 30, 80]})


@card.scale
def scale(x: Array, *, dy: Array, fp: FloatInfo) -> Scales:
    """y = x s with s the logistic function, whose tail is conditioned like exp(x): c = 1 + |x|.

    dx = dy s (1 + x (1 - s)), where 1 - s is off by as much as s is.
    """
    s = logistic(x)
    c = 1 + np.where(x < 0, np.minimum(np.abs(x), 1e4), 0.0)
    near, flush = np.minimum(np.abs(x), 1e4), fp.tiny / fp.eps
    return {
        "y": np.abs(x) * (s * c + flush) + fp.tiny,
        "dx": np.abs(dy) * (s * c * (1 + near) + flush * (1 + near)) + fp.tiny * (1 + near),
    }


@card.wrong_backward("gate-alone", "the gate's own derivative is left out")
def _gate(dy, cache):
    return dy * cache.gate


@card.wrong_backward("sigmoid-derivative", "the derivative is the logistic function's, s (1 - s)")
def _logistic(dy, cache):
    return dy * cache.gate * (1 - cache.gate)


@card.wrong_backward("y-for-x", "y stands where x belongs in s + x s (1 - s)")
def _y_for_x(dy, cache):
    y = cache.x * cache.gate
    return silu_backward(dy, cache._replace(x=y))


@card.wrong_backward(
    "derivative-overflows",
    "the derivative is made of exp(-x), whose square overflows where x is far below 0",
    beyond_forward=True,
    seen="Lightning-AI/lightning-thunder#2624",
    smallest="x (1,)",
    missed_by=only("inputs above -20", lambda case: np.all(case.inputs["x"] > -20)),
)
def _overflows(dy, cache):
    e = np.exp(-cache.x)
    return dy * (1 + e + cache.x * e) / (1 + e) ** 2
