r"""Expert weights: how much each of a token's chosen experts counts.

Shapes      scores, dscores : (..., E)    chosen : (..., k) integers in [0, E), all different
            y, dy, w, g, a, slope : (..., k)    p : (..., E)

Forward     With x_j the score of the j-th chosen expert, g_j says how well it fits, by one of

                softmax          g_j = exp(x_j) / sum_e exp(score_e)        over all E experts
                sigmoid          g_j = 1 / (1 + exp(-x_j))
                sqrt_softplus    g_j = sqrt(log(1 + exp(x_j)))

            and the weights are these, or their shares of what was chosen:

                w_j = g_j                  or, with normalize,   w_j = g_j / sum_i g_i
                y   = scale * w

            Shares are the softmax of a = log g, which cannot become 0 / 0. In softmax the
            denominator over all experts cancels in them, and a = x does:

                softmax over all, the best k, divided by their sum  =  softmax over the best k

Backward    Which experts are chosen is a constant: no small step of a score changes it. With

                slope_j = da_j/dx_j = 1,  1 / (1 + exp(x_j)),  logistic(x_j) / (2 log(1 + exp(x_j)))

            for the three, and dw = scale dy, the gradient of a = log g is

                da_j = dw_j * w_j                                    as w = exp(a)
                da_j = w_j * (dw_j - sum_i dw_i w_i)                 of shares, see softmax.py

            and then

                dscores_e = sum over the j with chosen_j = e of  da_j * slope_j

            A softmax over all experts has one path more, its denominator, on which every expert
            lies, chosen or not. It cancels in shares, for these da sum to 0:

                dscores -= p * sum_j da_j                            softmax without normalize

Reading     An expert that was not chosen learns nothing about itself, but for the last line, by
            which it falls when one that was chosen rises. One share of one expert is 1 whatever its
            score: with k = 1 and normalize the router's gradient is 0, exactly, and it never
            learns. Switch (k = 1) therefore does not normalise.

            A bias that balances the experts takes part in the choice and is in no formula here.

Chapter     walkthroughs/25_choosing_experts.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.errors import ShapeError
from npformer.ops.array import Array
from npformer.ops.checks import check_choice, check_ids
from npformer.ops.silu import logistic
from npformer.ops.softmax import softmax_forward
from npformer.seam import op

SCORINGS = ("softmax", "sigmoid", "sqrt_softplus")
FLAT = -40.0  # below it log(log(1 + exp(x))) is x, in float64


class ExpertWeightsCache(NamedTuple):
    w: Array  # (..., k)
    slope: Array | None  # (..., k), None where it is 1
    p: Array | None  # (..., E), of a softmax without normalize
    chosen: Array  # (..., k)
    experts: int  # E
    normalize: bool
    scale: float


@op
def expert_weights_forward(
    scores: Array,
    chosen: Array,
    *,
    scoring: str = "softmax",
    normalize: bool = True,
    scale: float = 1.0,
) -> tuple[Array, ExpertWeightsCache]:
    """scores (..., E), chosen (..., k) -> y (..., k), cache.

    Raises ``ShapeError`` and ``IndexError`` for what are no experts, ``ConfigError`` for another
    scoring than ``SCORINGS``.
    """
    check_choice("scoring", scoring, SCORINGS)
    experts = scores.shape[-1]
    check_ids(chosen, experts, "expert")
    if chosen.shape[:-1] != scores.shape[:-1]:
        raise ShapeError(f"chosen {chosen.shape} do not fit scores {scores.shape}")
    x = np.take_along_axis(scores, chosen, -1)  # (..., k)
    p = None
    if normalize:
        w = softmax_forward(log_affinity(x, scoring))[0]
    elif scoring == "softmax":
        p, _ = softmax_forward(scores)
        w = np.take_along_axis(p, chosen, -1)
    else:
        w = affinity(x, scoring)
    slope = None if scoring == "softmax" else log_slope(x, scoring)
    return scale * w, ExpertWeightsCache(w, slope, p, chosen, experts, normalize, scale)


@op
def expert_weights_backward(dy: Array, cache: ExpertWeightsCache) -> Array:
    """dy (..., k) -> dscores (..., E)."""
    w, slope, p, chosen, experts, normalize, scale = cache
    dw = scale * dy
    if normalize:
        dw = dw - (dw * w).sum(-1, keepdims=True)
    da = dw * w
    dscores = np.zeros((*w.shape[:-1], experts), w.dtype)
    np.put_along_axis(dscores, chosen, da if slope is None else da * slope, -1)
    if p is not None:
        dscores -= p * da.sum(-1, keepdims=True)
    return dscores


def affinity(x: Array, scoring: str) -> Array:
    """How well experts fit, (..., E): the softmax of their scores, or a function of each."""
    if scoring == "softmax":
        return softmax_forward(x)[0]
    return logistic(x) if scoring == "sigmoid" else np.sqrt(softplus(x))


def log_affinity(x: Array, scoring: str) -> Array:
    """Its logarithm, up to what is common to a row."""
    if scoring == "softmax":
        return x
    if scoring == "sigmoid":
        return -softplus(-x)
    return np.where(x < FLAT, x, np.log(softplus(np.maximum(x, FLAT)))) / 2


def log_slope(x: Array, scoring: str) -> Array:
    """The derivative of ``log_affinity``, of one of the functions of a single score."""
    if scoring == "sigmoid":
        return logistic(-x)
    held = np.maximum(x, FLAT)
    return np.where(x < FLAT, 1, logistic(held) / softplus(held)) / 2


def softplus(x: Array) -> Array:
    """x (...) -> log(1 + exp(x)), without overflow."""
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)
