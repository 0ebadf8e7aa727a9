r"""Dispatch: a row for each of a token's experts, sorted by expert.

Shapes      x : (R, D)    slots : (R, k) integers below P, -1 of a dropped choice    y : (P, D)

Forward     y_p = x_r                  where slots_rj = p; every p stands in slots once

            Each token has as many copies as it has experts.

Backward    What is copied gets the sum of its copies' gradients:

                dx_r = sum over j of dy_p,  p = slots_rj              dropped choices left out

Reading     Sorting makes an expert's rows one slice, so that its product is one product. A token
            all of whose choices are dropped has dx = 0: it passes the experts by. combine.py is
            the same map turned round, with a weight at each copy.

Chapter     walkthroughs/25_choosing_experts.md
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from npformer.errors import ShapeError
from npformer.ops.array import Array
from npformer.seam import op


class DispatchCache(NamedTuple):
    slots: Array  # (R, k)


@op
def dispatch_forward(x: Array, slots: Array) -> tuple[Array, DispatchCache]:
    """x (R, D), slots (R, k) -> y (P, D), cache; ``slots`` as ``routing.Places`` has them.

    Raises ``ShapeError`` for slots that are not of so many rows.
    """
    check_slots(slots, len(x))
    y = np.empty((int(slots.max(initial=-1)) + 1, x.shape[1]), x.dtype)
    for _, r, p in rows_of_choices(slots):
        y[p] = x[r]
    return y, DispatchCache(slots)


@op
def dispatch_backward(dy: Array, cache: DispatchCache) -> Array:
    """dy (P, D) -> dx (R, D)."""
    dx = np.zeros((len(cache.slots), dy.shape[1]), dy.dtype)
    for _, r, p in rows_of_choices(cache.slots):
        dx[r] += dy[p]
    return dx


def rows_of_choices(slots: Array) -> Iterator[tuple[int, Any, Array]]:
    """j, the tokens whose j-th choice is not dropped, and the rows where these stand."""
    for j, p in enumerate(slots.T):
        kept = p >= 0
        yield (j, slice(None), p) if kept.all() else (j, np.flatnonzero(kept), p[kept])


def check_slots(slots: Array, count: int) -> None:
    """Raises ``ShapeError`` for slots that are not integers (R, k) of ``count`` rows."""
    if slots.ndim != 2 or len(slots) != count or slots.dtype.kind != "i":
        raise ShapeError(
            f"slots of {slots.dtype} and shape {slots.shape}; they must be integers, one row for "
            f"each of {count} tokens"
        )
