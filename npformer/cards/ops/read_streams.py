"""The card of reading from streams."""

from __future__ import annotations

import math

import numpy as np

from npformer.cards.case import Array
from npformer.cards.degrees import same_degree
from npformer.cards.op_card import OpCard
from npformer.cards.scales import FloatInfo, Scales, walk
from npformer.ops import read_streams
from npformer.ops.read_streams import (
    ReadStreamsCache,
    read_streams_backward,
    read_streams_forward,
)

card = OpCard.of(read_streams)
card.owner = "StreamResidual"
card.words = {
    "y": "the weighted sum of the streams",
    "dstreams": "the weight times dy",
    "dweight": "the product of dy and the stream, over all tokens",
}
card.edge("one stream", {"streams": [[[1.0, 2]]], "weight": [3.0]})
card.edge("no rows", {"streams": np.zeros((0, 2, 3)), "weight": [1.0, 2]})
card.edge("no streams", {"streams": np.zeros((2, 0, 3)), "weight": np.zeros(0)})
card.edge("no width", {"streams": np.zeros((2, 2, 0)), "weight": [1.0, 2]})


@card.scale
def scale(streams: Array, weight: Array, *, dy: Array, fp: FloatInfo) -> Scales:
    """Sums of absolute products."""
    j, d = streams.shape[-2:]
    size = np.abs(streams)
    fits = (size * np.abs(dy)[..., None, :]).sum(-1).reshape(-1, j) if j else np.zeros((0, 0))
    return {
        "y": walk(j) * ((size * np.abs(weight)[:, None]).sum(-2) + fp.tiny * (1 + j)),
        "dstreams": np.abs(weight)[:, None] * np.abs(dy)[..., None, :] + fp.tiny,
        "dweight": walk(d) * walk(len(fits)) * (fits.sum(0) + fp.tiny * (1 + len(fits) * d)),
    }


card.invariant("<dstreams, streams> = <dweight, weight>", broken_by="mean-over-tokens")(
    same_degree("streams", "weight")
)


def _backward(name, wrong, of, **more):
    """A wrong backward, of(dy, cache, dstreams, dweight)."""

    def backward(dy, cache):
        return of(dy, cache, *read_streams_backward(dy, cache))

    card.wrong_backward(name, wrong, **more)(backward)


_backward("mean-over-tokens", "dweight is the mean over the tokens",
          lambda dy, c, ds, dw: (ds, dw / max(math.prod(dy.shape[:-1]), 1)))  # fmt: skip
_backward("last-token-alone", "dweight holds the last row's share alone",
          lambda dy, c, ds, dw: (ds, np.vecdot(
              c.streams.reshape(-1, *c.streams.shape[-2:])[-1],
              dy.reshape(-1, dy.shape[-1])[-1]) if dy.size else dw))  # fmt: skip
_backward("unweighted", "every stream gets the whole of dy",
          lambda dy, c, ds, dw: (np.zeros_like(ds) + dy[..., None, :], dw))  # fmt: skip
_backward("streams-shared", "dy is shared out among the streams",
          lambda dy, c, ds, dw: (ds / max(len(c.weight), 1), dw))  # fmt: skip
_backward("weight-reversed", "dstreams has the weights in the opposite order",
          lambda dy, c, ds, dw: (c.weight[::-1, None] * dy[..., None, :], dw))  # fmt: skip
_backward("weight-constant", "dweight is 0: the weights are taken for constants",
          lambda dy, c, ds, dw: (ds, 0 * dw))  # fmt: skip


@card.wrong_backward("single-precision", "both are computed in float32", beyond_forward=True)
def _float32(dy, cache):
    narrow = ReadStreamsCache(cache.streams.astype("f"), cache.weight.astype("f"))
    return tuple(g.astype(dy.dtype) for g in read_streams_backward(dy.astype("f"), narrow))


@card.wrong_forward("first-stream", "the sub-layer reads the first stream alone")
def _first(streams, weight):
    y, cache = read_streams_forward(streams, weight)
    return (streams[..., 0, :] * weight[0] if len(weight) else y), cache


@card.wrong_forward("averaged", "y is divided by the number of streams")
def _averaged(streams, weight):
    y, cache = read_streams_forward(streams, weight)
    return y / max(len(weight), 1), cache


@card.wrong_forward("weights-sum-to-one", "the weights are divided by their sum")
def _normalised(streams, weight):
    y, cache = read_streams_forward(streams, weight)
    total = weight.sum()
    return (y / total if total else y), cache
