r"""Mean pooling: the mean of a text's tokens (Reimers & Gurevych, 2019, arXiv:1908.10084).

Shapes      x, dx : (B, T, D)    mask : bool (B, T), True = a token    y, dy : (B, D)
            share : (B, T)

Forward     share_bt = mask_bt / max(sum_t mask_bt, 1)
            y_b      = sum_t share_bt x_bt             the mean of the rows that the mask has

Backward    y is linear in x, and a row's share is its slope:

                dx_bt = share_bt dy_b

Reading     Every token of a text gets the same gradient, the smaller the longer the text is, and
            padding gets none. A text without a token has y = 0, and sends nothing back.

            What the mask hides may be NaN. 0 times NaN is NaN, so it is made 0 before the sum.

Chapter     walkthroughs/15_norms_without_a_mean.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.errors import ShapeError
from npformer.ops.array import Array
from npformer.ops.checks import check_mask
from npformer.seam import op


class MeanPoolCache(NamedTuple):
    share: Array  # (B, T)


@op
def mean_pool_forward(x: Array, mask: Array | None = None) -> tuple[Array, MeanPoolCache]:
    """x (B, T, D), mask (B, T) -> y (B, D), cache.

    Without a mask every row is a token. Raises ``ShapeError`` for a mask that is not boolean, or
    of another shape.
    """
    if mask is None:
        mask = np.ones(x.shape[:2], bool)
    check_mask(mask)
    if mask.shape != x.shape[:2]:
        raise ShapeError(f"a mask of shape {mask.shape} for rows {x.shape[:2]}; give one for each")
    share = (mask / np.maximum(mask.sum(axis=1, keepdims=True), 1)).astype(x.dtype)  # (B, T)
    seen = x if mask.all() else np.where(mask[..., None], x, 0)
    return (share[:, None] @ seen)[:, 0], MeanPoolCache(share)


@op
def mean_pool_backward(dy: Array, cache: MeanPoolCache) -> Array:
    """dy (B, D) -> dx (B, T, D)."""
    return cache.share[..., None] * dy[:, None]
