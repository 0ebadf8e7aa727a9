r"""ALiBi (Press et al., 2022, arXiv:2108.12409): a score falls linearly with distance.

Shapes      slopes : (N,)    y : (N, T, S)

Forward     y_nij = -slopes_n |p_i - j|          p_i = at + i, query i's position among the keys

            is added to the scores of head n. By default at = S - T: the last query and the last
            key are the same token.

Backward    y is linear in slopes, and one slope is used for every query and key:

                dslopes_n = - sum over i and j of dy_nij |p_i - j|

            The sizes T and S have no gradient. The paper's slopes are constants; learned ones
            need this sum.

Reading     A broadcast forward is a sum backward, as of any bias. Where attention is causal,
            -slopes |p_i - j| is slopes j less a constant of row i, which the softmax does not
            see: some write slopes j alone.

Chapter     walkthroughs/16_positions_that_rotate.md
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from npformer.errors import ConfigError
from npformer.ops.array import Array
from npformer.seam import op


class AlibiCache(NamedTuple):
    distance: Array  # (T, S), in the slopes' dtype


@op
def alibi_forward(
    slopes: Array, *, t: int, s: int, at: int | None = None
) -> tuple[Array, AlibiCache]:
    """slopes (N,) -> y (N, T, S), cache."""
    distance = np.abs(relative_positions(t, s, at)).astype(slopes.dtype)  # (T, S)
    return -slopes[:, None, None] * distance, AlibiCache(distance)


@op
def alibi_backward(dy: Array, cache: AlibiCache) -> Array:
    """dy (N, T, S) -> dslopes (N,)."""
    return -(dy.reshape(len(dy), cache.distance.size) @ cache.distance.reshape(-1))


def relative_positions(t: int, s: int, at: int | None = None) -> Array:
    """(t, s): how far each of s keys is after each of t queries, of which the first is at ``at``.

    By default the last query and the last key are the same token.
    """
    first = s - t if at is None else at
    return np.arange(s) - (first + np.arange(t))[:, None]


@op
def alibi_slopes(heads: int) -> Array:
    """The paper's slopes (heads,), float64: 2^(-8 / heads), its square, its cube and so on.

    That is for a power of two. For another number, as the paper's own code has it: the slopes of
    the power below, and then as many as are missing of those between, of twice that power. Raises
    ConfigError for a number below 1.
    """
    if heads < 1:
        raise ConfigError(f"heads is {heads}; it must be 1 or more")
    power = 2 ** int(math.log2(heads))
    own = 2.0 ** (-8 / power * np.arange(1, power + 1))
    between = 2.0 ** (-8 / (2 * power) * np.arange(1, 2 * power, 2))
    return np.concatenate([own, between[: heads - power]])
