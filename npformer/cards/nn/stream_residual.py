"""The card of the residual of several streams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.altered import altered
from npformer.cards.around_a_branch import call, call_twin
from npformer.cards.case import Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_draws import draw_lengths, draw_seed, draw_settings
from npformer.cards.strategies import Source
from npformer.nn.module import Parameter
from npformer.nn.stream_residual import MIXINGS, StreamResidual
from npformer.ops.read_streams import read_streams_backward
from npformer.ops.sinkhorn import sinkhorn_backward
from npformer.ops.write_streams import write_streams_backward

card = ModuleCard.of(StreamResidual)
card.inputs, card.output = {"x": "BTJD", "h": "BTD"}, "BTJD"
card.words = {
    "y": "the mixed streams, and each one's share of the branch",
    "dsublayer": "what the sub-layer's backward returns besides",
}


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """One stream and several, mixed freely or not, around e -> e + h."""
    c = draw_settings(source)
    b, t, _ = draw_lengths(source)
    streams = source.choice((3, 2, 1))
    sizes = {"B": b, "T": t, "J": streams, "D": c["d_model"]}
    settings = {
        "mixing": source.choice(MIXINGS),
        "first": source.choice((0, 1)),
        "norm_type": source.choice(("layer_norm", "rms_norm")),
        "scale": source.choice((1.0, 0.5)),
    }
    static = {"build": (c["d_model"], c["dropout"], streams), "settings": settings}
    return sizes, {**static, "rng": draw_seed(source)}


card.call, card.call_twin = call, call_twin


@card.invariant("shares of nothing leave mixed streams alone", broken_by="mixed-the-other-way")
def _mixed(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """With write = 0, stream i is sum_j M_ij of them: for J copies, M's row sums times one."""
    if case.static["settings"]["mixing"] != "free":
        return
    streams = case.static["build"][2]
    x, mix = case.inputs["x"], case.inputs["mix"].reshape(streams, streams)
    still = case.with_inputs({"write": np.zeros_like(case.inputs["write"])})
    y = component.run(still)["y"].astype(np.float64)
    expected = np.einsum("ij,btjd->btid", mix.astype(np.float64), x)
    size = np.einsum("ij,btjd->btid", np.abs(mix).astype(np.float64), np.abs(x))
    yield Finding(y, expected, 4 * size + 1e-30)


def _parts(self, dy, cache, sublayer_backward, written):
    """The backward after the writing."""
    dx, dh, dmix, dwrite = written
    self.mix.accumulate(dmix.reshape(-1))
    self.write.accumulate(dwrite)
    dh = self.dropout.backward(self.scale * dh, cache.dropout)
    dh, *others = sublayer_backward(dh, cache.sublayer)
    dh = self.norm.backward(dh, cache.norm)
    dstreams, dread = read_streams_backward(dh, cache.read)
    self.read.accumulate(dread)
    return (dx + dstreams, *others)


def _written(dy, cache):
    dx, dh, dmix, dwrite = write_streams_backward(dy, cache.write)
    if cache.sinkhorn is not None:
        dmix = sinkhorn_backward(dmix, cache.sinkhorn)
    return dx, dh, dmix, dwrite


@card.wrong_method("mixed-the-other-way", "stream j goes to i where i should go to j",
                   StreamResidual.forward)  # fmt: skip
def _transposed(self, x, sublayer, rng=None):
    turned = self.mix.data.reshape(self.streams, self.streams).T.reshape(-1).copy()
    with altered(self, mix=Parameter(turned)):
        return self.forward(x, sublayer, rng)


@card.wrong_method("read-dropped", "what is read sends no gradient to the streams",
                   StreamResidual.backward)  # fmt: skip
def _unread(self, dy, cache, sublayer_backward):
    dx, *others = self.backward(dy, cache, sublayer_backward)
    return (write_streams_backward(dy, cache.write)[0], *others)


@card.wrong_method("skip-unmixed", "the gradient of the streams goes past the matrix",
                   StreamResidual.backward)  # fmt: skip
def _unmixed(self, dy, cache, sublayer_backward):
    return _parts(self, dy, cache, sublayer_backward, (dy, *_written(dy, cache)[1:]))


@card.wrong_method("logits-as-the-matrix", "the gradient of the matrix is taken for its logits'",
                   StreamResidual.backward)  # fmt: skip
def _logits(self, dy, cache, sublayer_backward):
    written = write_streams_backward(dy, cache.write)
    return _parts(self, dy, cache, sublayer_backward, written)


@card.wrong_method("branch-factor-dropped", "the branch's gradient lacks its factor",
                   StreamResidual.backward)  # fmt: skip
def _factor(self, dy, cache, sublayer_backward):
    with altered(self, scale=1.0):
        return self.backward(dy, cache, sublayer_backward)


@card.wrong_method("write-frozen", "the shares of the branch do not learn",
                   StreamResidual.backward)  # fmt: skip
def _frozen(self, dy, cache, sublayer_backward):
    dx, dh, dmix, dwrite = _written(dy, cache)
    written = dx, dh, dmix, np.zeros_like(dwrite)
    return _parts(self, dy, cache, sublayer_backward, written)
