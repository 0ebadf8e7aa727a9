"""The card of the per-layer embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.altered import altered
from npformer.cards.case import Array, Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_invariants import zeros_elsewhere
from npformer.cards.strategies import Source, draw_rng, draw_sizes
from npformer.nn.per_layer_embedding import PerLayerEmbedding

card = ModuleCard.of(PerLayerEmbedding)
card.inputs, card.output = {"x": "BTD"}, "BTLP"
card.frozen = lambda case: {"table.weight": case.static["build"][4]}
card.words = {"y": "the sum of the token's rows and the context's"}


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """Ids (B, T), of which some are beyond the table, with and without a padding row."""
    z = draw_sizes(source, "BTLPDV", {"L": 1, "P": 2, "D": 1, "V": 1})
    padding = source.choice((None, 0, z["V"] - 1))
    ids = draw_rng(source).integers(0, z["V"] + source.choice((0, 2)), (z["B"], z["T"]))
    settings = {"norm_type": source.choice(("rms_norm", "layer_norm")), "eps": 0.1}
    build = (z["V"], z["L"], z["P"], z["D"], padding)
    return z, {"build": build, "settings": settings, "ids": ids}


def _known(case: Case) -> Array:
    """The rows that the ids (B, T) read."""
    ids = case.static["ids"]
    return np.where(ids < case.static["build"][0], ids, 0)


def _trained(case: Case) -> Array:
    return np.setdiff1d(_known(case), [case.static["build"][4]]).astype(np.int64)


card.invariant("what is not in the text, and padding, gets 0", broken_by="padding-trained")(
    zeros_elsewhere("table.weight", _trained)
)


@card.invariant("the table's gradients sum to sqrt(P / 2) times those of the tokens",
                broken_by="repeats-lost")  # fmt: skip
def _total(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    _, layers, size, *_ = case.static["build"]
    dy = case.dy.reshape(*case.dy.shape[:2], layers * size)
    dy = dy[np.isin(_known(case), _trained(case))].astype(np.float64)  # (tokens, L P)
    total = result["grad table.weight"].astype(np.float64).sum(axis=0)
    bound = scales["grad table.weight"].sum(axis=0) + np.sqrt(size / 2) * np.abs(dy).sum(axis=0)
    yield Finding(total, np.sqrt(size / 2) * dy.sum(axis=0), bound)


def _scaled(place):
    """The module without one of its three factors."""

    def forward(self, x, ids):
        scale = list(self.scale)
        scale[place] = 1.0
        with altered(self, scale=tuple(scale)):
            return self.forward(x, ids)

    return forward


for _name, _text, _place in (
    ("rows-unscaled", "the table's rows are added without their factor sqrt(P)", 0),
    ("sum-of-both", "the two halves are added, and their sum is not divided by sqrt(2)", 2),
):
    card.wrong_method(_name, _text, PerLayerEmbedding.forward)(_scaled(_place))


@card.wrong_method("beyond-reads-the-last", "an id that the table lacks reads its last row",
                   PerLayerEmbedding.forward)  # fmt: skip
def _clipped(self, x, ids):
    return self.forward(x, np.minimum(ids, len(self.table.weight.data) - 1))


@card.wrong_method("cut-the-other-way", "rows are cut as P times L columns, not as L times P",
                   PerLayerEmbedding.forward)  # fmt: skip
def _cut(self, x, ids):
    def split(a):
        return a.reshape(*a.shape[:-1], self.size, self.layers).swapaxes(-1, -2)

    with altered(self, _split=split):
        return self.forward(x, ids)


@card.wrong_method("context-left-out", "rows are by the token alone", PerLayerEmbedding.forward)
def _no_context(self, x, ids):
    return self.forward(np.zeros_like(x), ids)


@card.wrong_method("context-detached", "x gets no gradient by its projection",
                   PerLayerEmbedding.backward)  # fmt: skip
def _detached(self, dy, cache):
    return np.zeros_like(self.backward(dy, cache))


@card.wrong_method("table-frozen", "the table does not learn", PerLayerEmbedding.backward)
def _frozen(self, dy, cache):
    with altered(self.table, backward=lambda *_: None):
        dx = self.backward(dy, cache)
    self.table.weight.accumulate(np.zeros_like(self.table.weight.data))
    return dx


@card.wrong_method("repeats-lost", "of a token's places only the last one's gradient counts",
                   PerLayerEmbedding.backward)  # fmt: skip
def _last_place(self, dy, cache):
    def backward(dy, cache):
        dweight = np.zeros_like(self.table.weight.data)
        dweight[cache.ids] = dy
        if cache.padding_idx is not None:
            dweight[cache.padding_idx] = 0
        self.table.weight.accumulate(dweight)

    with altered(self.table, backward=backward):
        return self.backward(dy, cache)


@card.wrong_method("padding-trained", "the padding row is trained too", PerLayerEmbedding.backward)
def _padding(self, dy, cache):
    return self.backward(dy, cache._replace(table=cache.table._replace(padding_idx=None)))
