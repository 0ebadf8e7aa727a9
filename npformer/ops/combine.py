r"""Combine: a token gets the weighted sum of what its experts made of it.

Shapes      h : (P, D)    weights : (R, k)    y : (R, D)
            slots : (R, k) integers below P, -1 of a dropped choice

Forward     y_r = sum over j of weights_rj h_p,  p = slots_rj         dropped choices left out

Backward    y is linear in each of the two, and every row p is of one choice (r, j):

                dh_p        = weights_rj dy_r
                dweights_rj = sum_d dy_rd h_pd                        0 of a dropped choice

Reading     The gradient of a weight is how well that expert's output fits what the loss asked of
            the token. It is the only way by which the loss tells the router anything. Where a
            backward leaves it out, the experts still learn and the loss still falls, and the router
            stays as it was drawn.

            With weights of 1 it is dispatch.py turned round: <dispatch(x), h> = <x, combine(h, 1)>.

Chapter     walkthroughs/25_choosing_experts.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.ops.array import Array
from npformer.ops.dispatch import check_slots, rows_of_choices
from npformer.seam import op


class CombineCache(NamedTuple):
    h: Array  # (P, D)
    weights: Array  # (R, k)
    slots: Array  # (R, k)


@op
def combine_forward(h: Array, weights: Array, slots: Array) -> tuple[Array, CombineCache]:
    """h (P, D), weights (R, k), slots (R, k) -> y (R, D), cache; ``slots`` as of the dispatch.

    Raises ``ShapeError`` for slots that are not of so many rows.
    """
    check_slots(slots, len(weights))
    y = np.zeros((len(weights), h.shape[1]), h.dtype)
    for j, r, p in rows_of_choices(slots):
        y[r] += weights[r, j, None] * h[p]
    return y, CombineCache(h, weights, slots)


@op
def combine_backward(dy: Array, cache: CombineCache) -> tuple[Array, Array]:
    """dy (R, D) -> dh (P, D), dweights (R, k)."""
    h, weights, slots = cache
    dh, dweights = np.empty_like(h, order="C"), np.zeros_like(weights, order="C")
    for j, r, p in rows_of_choices(slots):
        dh[p] = weights[r, j, None] * dy[r]
        dweights[r, j] = np.einsum("rd,rd->r", dy[r], h[p])
    return dh, dweights
