r"""Writing to streams: they are mixed, and each gets its share of a sub-layer's output.

Shapes      streams, y, dstreams, dy : (..., J, D)    h : (..., D)    mix : (J, J)    weight : (J,)

Forward     y_i = sum_j mix_ij streams_j + weight_i h

            mix is the transpose of A_r in Zhu et al. (2024), and H_res in mHC (arXiv:2512.24880);
            weight is their B, and H_post.

Backward    y is linear in each of the four:

                dstreams_j = sum_i mix_ij dy_i
                dh         = sum_i weight_i dy_i
                dmix_ij    = sum of dy_i * streams_j over every axis but J
                dweight_i  = sum of dy_i * h         over every axis but J

Reading     With one stream, mix = 1 and weight = 1 it is the residual connection, y = x + h.

            A gradient goes down through L layers by mix^T of the last, the one before it, and so
            on: a product of L matrices that grows or fades as a recurrent network's does. If all
            are doubly stochastic (sinkhorn.py), so is the product. Columns that sum to 1 hand the
            sum of the streams on unchanged; rows that sum to 1 hand down the sum of their
            gradients; and no singular value exceeds 1, so neither can grow.

Chapter     walkthroughs/28_streams.md
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from npformer.ops.array import Array, summed_rows
from npformer.seam import op


class WriteStreamsCache(NamedTuple):
    streams: Array  # (..., J, D)
    h: Array  # (..., D)
    mix: Array  # (J, J)
    weight: Array  # (J,)


@op
def write_streams_forward(
    streams: Array, h: Array, mix: Array, weight: Array
) -> tuple[Array, WriteStreamsCache]:
    """streams (..., J, D), h (..., D), mix (J, J), weight (J,) -> y (..., J, D), cache."""
    y = mix @ streams
    y += weight[:, None] * h[..., None, :]  # (..., J, D)
    return y, WriteStreamsCache(streams, h, mix, weight)


@op
def write_streams_backward(
    dy: Array, cache: WriteStreamsCache
) -> tuple[Array, Array, Array, Array]:
    """dy (..., J, D) -> dstreams (..., J, D), dh (..., D), dmix (J, J), dweight (J,)."""
    streams, h, mix, weight = cache
    dstreams = mix.T @ dy
    dh = weight @ dy
    fits = dy @ np.swapaxes(streams, -1, -2)  # (..., J, J)
    dmix = summed_rows(fits.reshape(_rows(h), mix.size)).reshape(mix.shape)
    shares = np.vecdot(dy, h[..., None, :])  # (..., J)
    return dstreams, dh, dmix, summed_rows(shares.reshape(_rows(h), len(weight)))


def _rows(h: Array) -> int:
    """h (..., D) -> how many rows it has, where D may be 0."""
    return math.prod(h.shape[:-1])
