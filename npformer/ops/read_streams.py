r"""Reading from streams: a sub-layer's input is a weighted sum of them (Zhu et al., 2024).

Shapes      streams, dstreams : (..., J, D)    weight : (J,)    y, dy : (..., D)

Forward     y = sum_j weight_j streams_j

Backward    y is linear in each of the two:

                dstreams_j = weight_j dy
                dweight_j  = sum of dy * streams_j over every axis but J

Reading     A residual connection has one stream and reads it with the weight 1. In a
            hyper-connection the residual is J streams of the model's width, which begin as J copies
            of the embedding. The sub-layer stays as wide as it was: it sees y, and what it makes of
            it goes back by write_streams.py.

            Static weights are parameters, the same for every token, so their gradient is a sum over
            tokens. Dynamic ones are made from the token, and have the terms of that sum.

Chapter     walkthroughs/28_streams.md
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from npformer.ops.array import Array, summed_rows
from npformer.seam import op


class ReadStreamsCache(NamedTuple):
    streams: Array  # (..., J, D)
    weight: Array  # (J,)


@op
def read_streams_forward(streams: Array, weight: Array) -> tuple[Array, ReadStreamsCache]:
    """streams (..., J, D), weight (J,) -> y (..., D), cache."""
    return weight @ streams, ReadStreamsCache(streams, weight)


@op
def read_streams_backward(dy: Array, cache: ReadStreamsCache) -> tuple[Array, Array]:
    """dy (..., D) -> dstreams (..., J, D), dweight (J,)."""
    streams, weight = cache
    dstreams = weight[:, None] * dy[..., None, :]  # (..., J, D)
    fits = np.vecdot(streams, dy[..., None, :])  # (..., J)
    return dstreams, summed_rows(fits.reshape(math.prod(dy.shape[:-1]), len(weight)))
