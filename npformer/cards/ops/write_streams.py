"""The card of writing to streams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.degrees import overflows, same_degree
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.scales import FloatInfo, Scales, walk
from npformer.ops import write_streams
from npformer.ops.write_streams import (
    WriteStreamsCache,
    write_streams_backward,
    write_streams_forward,
)

card = OpCard.of(write_streams)
card.owner = "StreamResidual"
card.words = {
    "y": "the mixed streams, and their shares of the sub-layer's output",
    "dstreams": "the transpose of mix, times dy",
    "dh": "the streams' gradients by their weights",
    "dmix": "the products of dy and the streams, over all tokens",
    "dweight": "the product of dy and h, over all tokens",
}
card.edge("one stream is a residual connection",
          {"streams": [[[1.0, 2]]], "h": [[3.0, 4]], "mix": [[1.0]], "weight": [1.0]})  # fmt: skip
card.edge("no rows", {"streams": np.zeros((0, 2, 3)), "h": np.zeros((0, 3)),
                      "mix": np.eye(2), "weight": [1.0, 2]})  # fmt: skip
card.edge("no streams", {"streams": np.zeros((2, 0, 3)), "h": np.ones((2, 3)),
                         "mix": np.zeros((0, 0)), "weight": np.zeros(0)})  # fmt: skip
card.edge("no width", {"streams": np.zeros((2, 2, 0)), "h": np.zeros((2, 0)),
                       "mix": np.eye(2), "weight": [1.0, 2]})  # fmt: skip


@card.scale
def scale(
    streams: Array, h: Array, mix: Array, weight: Array, *, dy: Array, fp: FloatInfo
) -> Scales:
    """Sums of absolute products."""
    j, d = streams.shape[-2:]
    rows = int(np.prod(h.shape[:-1]))
    s, a, m, w, g = map(np.abs, (streams, h, mix, weight, dy))
    lead = tuple(range(h.ndim - 1))
    few, many = fp.tiny * (1 + j), fp.tiny * (1 + rows * d)
    each = walk(rows) * walk(d)
    return {
        "y": walk(j) * (m @ s + w[:, None] * a[..., None, :] + few),
        "dstreams": walk(j) * (m.T @ g + few),
        "dh": walk(j) * (w @ g + few),
        "dmix": each * ((g @ np.swapaxes(s, -1, -2)).sum(lead) + many),
        "dweight": each * ((g * a[..., None, :]).sum(-1).sum(lead) + many),
    }


card.invariant("<dstreams, streams> = <dmix, mix>", broken_by="mean-over-the-width")(
    same_degree("streams", "mix")
)
card.invariant("<dh, h> = <dweight, weight>", broken_by="weight-constant")(
    same_degree("h", "weight")
)


@card.invariant("a mix whose columns sum to 1 keeps the streams' sum", broken_by="mix-transposed")
def _sum(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """With the identity's columns rotated and halved, and no output of the sub-layer."""
    if overflows(case):
        return
    j = len(case.inputs["weight"])
    mix = np.zeros((j, j))
    if j:
        mix[0] = 0.5
        mix += 0.5 * np.roll(np.eye(j), 1, axis=0)
    kind = case.inputs["mix"].dtype
    none = {"mix": mix.astype(kind), "h": np.zeros_like(case.inputs["h"])}
    y = component.run(case.with_inputs(none))["y"].astype(np.float64)
    streams = case.inputs["streams"].astype(np.float64)
    yield Finding(y.sum(-2), streams.sum(-2), 2 * walk(j) * np.abs(streams).sum(-2) + 1e-30)


def _backward(name, wrong, of, **more):
    """A wrong backward: what of(dy, cache, right) says differs from right, by name."""

    def backward(dy, cache):
        names = ("streams", "h", "mix", "weight")
        right = dict(zip(names, write_streams_backward(dy, cache), strict=True))
        return tuple({**right, **of(dy, cache, right)}.values())

    card.wrong_backward(name, wrong, **more)(backward)


_backward("not-transposed", "dstreams is mix dy, without the transpose",
          lambda dy, c, r: {"streams": c.mix @ dy})  # fmt: skip
_backward("mix-gradient-transposed", "dmix is transposed",
          lambda dy, c, r: {"mix": r["mix"].T.copy()})  # fmt: skip
_backward("mean-over-the-width", "dmix is the mean over the width",
          lambda dy, c, r: {"mix": r["mix"] / max(dy.shape[-1], 1)})  # fmt: skip
_backward("weight-constant", "dweight is 0: the shares are taken for constants",
          lambda dy, c, r: {"weight": 0 * r["weight"]})  # fmt: skip
_backward("identity-path", "dy also goes past the mix, as past a residual connection",
          lambda dy, c, r: {"streams": r["streams"] + dy})  # fmt: skip
_backward("shares-forgotten", "dh is the plain sum of dy over the streams",
          lambda dy, c, r: {"h": dy.sum(-2)})  # fmt: skip
_backward("one-stream-only", "dh comes from the first stream alone",
          lambda dy, c, r: {"h": (c.weight[:1] @ dy[..., :1, :])})  # fmt: skip
_backward("mix-of-the-output", "dmix is made of h in the place of the streams",
          lambda dy, c, r: {"mix": np.repeat(r["weight"][:, None], len(c.weight), 1)})  # fmt: skip


@card.wrong_backward("single-precision", "all are computed in float32", beyond_forward=True)
def _float32(dy, cache):
    narrow = WriteStreamsCache(*(a.astype("f") for a in cache))
    return tuple(g.astype(dy.dtype) for g in write_streams_backward(dy.astype("f"), narrow))


@card.wrong_forward("mix-transposed", "the mix is read by its columns")
def _transposed(streams, h, mix, weight):
    y, _ = write_streams_forward(streams, h, mix.T, weight)
    return y, WriteStreamsCache(streams, h, mix, weight)


@card.wrong_forward("every-stream-the-whole", "every stream gets the whole of h")
def _whole(streams, h, mix, weight):
    y, _ = write_streams_forward(streams, h, mix, np.ones_like(weight))
    return y, WriteStreamsCache(streams, h, mix, weight)


@card.wrong_forward("mixed-after-writing", "the output is written first, and mixed with the rest")
def _after(streams, h, mix, weight):
    y = mix @ (streams + weight[:, None] * h[..., None, :])
    return y, WriteStreamsCache(streams, h, mix, weight)
