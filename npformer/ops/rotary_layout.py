r"""From one layout of rotary columns to the other: the same head with its columns in another order.

Shapes      weight : (N H, ...)    order : (H,)

Forward     The layout "half" pairs columns i and i + R/2, "interleaved" 2 i and 2 i + 1. If

                order = 0, R/2, 1, R/2 + 1, ...       then x[..., order] is interleaved

            where x is of halves, and the rows of a projection that makes queries or keys are
            reordered so, head by head, with its bias and with the weight of a norm over the head.

Reading     Turned by its own layout's rotation, a reordered query is the reordering of the turned
            query. Queries and keys are reordered alike, and their products do not change. Values
            are not turned, and keep their order. Weights that are loaded without it and turned in
            the wrong layout give fluent nonsense: at position 0 all angles are 0, and all is right.

Chapter     walkthroughs/16_positions_that_rotate.md
"""

from __future__ import annotations

import numpy as np

from npformer.errors import ConfigError
from npformer.ops.array import Array
from npformer.ops.checks import check_choice
from npformer.ops.rotary import ROTARY_LAYOUTS


def rotary_order(head: int, width: int, layout: str) -> Array:
    """order (head,): ``x[..., order]`` is x in ``layout``, where x has the other one.

    ``width`` columns turn; the others keep their places. Raises ConfigError for a width that is
    odd, negative or above ``head``, and for an unknown layout.
    """
    check_choice("layout", layout, ROTARY_LAYOUTS)
    if width % 2 or not 0 <= width <= head:
        raise ConfigError(f"the rotary width is {width}; it must be even, from 0 to {head}")
    turning = np.arange(width)
    pairs = (2, width // 2) if layout == "interleaved" else (width // 2, 2)
    return np.concatenate([turning.reshape(pairs).T.reshape(-1), np.arange(width, head)])


def reordered_heads(weight: Array, heads: int, width: int, layout: str) -> Array:
    """weight (N H, ...), a projection's or its bias's -> that of the same model in ``layout``.

    Raises ConfigError as ``rotary_order`` does, and where ``heads`` does not divide the rows.
    """
    if heads < 1 or len(weight) % heads:
        raise ConfigError(f"heads is {heads}, which does not divide the {len(weight)} rows")
    head = len(weight) // heads
    rows = weight.reshape(heads, head, *weight.shape[1:])  # (N, H, ...)
    return rows[:, rotary_order(head, width, layout)].reshape(weight.shape)
