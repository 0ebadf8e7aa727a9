"""The card of patch embedding's module."""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.cards.module_card import ModuleCard
from npformer.cards.module_invariants import adds_up, gathers, same_product
from npformer.cards.strategies import Source, draw_sizes
from npformer.nn.patch_embedding import PatchEmbedding
from npformer.ops.patch_embedding import patch_embedding_backward, patch_embedding_forward

card = ModuleCard.of(PatchEmbedding)
card.inputs, card.output = {"x": "BCYX"}, "BLD"
card.parameters = {"weight": "DCPP", "bias": "D"}
card.causal = lambda static: None


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """With and without a bias; of more rows than columns, and fewer."""
    z = draw_sizes(source, "BCDYX", {"C": 1, "D": 1, "Y": 1, "X": 1})
    side = source.choice((2, 1, 3))
    sizes = {**z, "Y": z["Y"] * side, "X": z["X"] * side, "L": z["Y"] * z["X"], "P": side}
    return sizes, {"build": (z["C"], z["D"], side, source.choice((True, False)))}


card.invariant("<dx, x> = <dweight, weight>", broken_by="first-image")(
    same_product(("x",), ("weight",))
)
card.invariant("two parts of a batch add up to the whole", broken_by="bias-averaged")(adds_up())
card.invariant("a second backward adds to the first", broken_by="replaced")(gathers)


@card.wrong_method("bias-not-accumulated", "dbias is computed and dropped", PatchEmbedding.backward)
def _no_bias(self, dy, cache):
    dx, dweight, _ = patch_embedding_backward(dy, cache)
    self.weight.accumulate(dweight)
    return dx


@card.wrong_method(
    "weight-turned-in-training", "dweight's rows and columns change places", PatchEmbedding.backward
)
def _turned(self, dy, cache):
    dx, dweight, dbias = patch_embedding_backward(dy, cache)
    assert dweight is not None
    self.weight.accumulate(dweight.swapaxes(2, 3))
    if self.bias is not None:
        self.bias.accumulate(dbias)
    return dx


@card.wrong_method(
    "bias-averaged", "dbias is averaged over batch and patches", PatchEmbedding.backward
)
def _averaged(self, dy, cache):
    dx, dweight, dbias = patch_embedding_backward(dy, cache)
    self.weight.accumulate(dweight)
    if self.bias is not None:
        self.bias.accumulate(dbias / max(dy[..., 0].size, 1))
    return dx


@card.wrong_method("replaced", "a gradient takes the place of what the weight has gathered",
                   PatchEmbedding.backward)  # fmt: skip
def _replaced(self, dy, cache):
    dx = self.backward(dy, cache)
    self.weight.grad = np.array(patch_embedding_backward(dy, cache)[1])
    return dx


@card.wrong_method("first-image", "dweight is the first image's", PatchEmbedding.backward)
def _first(self, dy, cache):
    dx, dweight, dbias = patch_embedding_backward(dy, cache)
    own = dy[:1].reshape(-1, dy.shape[2]).T @ cache.patches[: dy.shape[1]]
    self.weight.accumulate(own.reshape(cache.weight.shape) if len(dy) else dweight)
    if self.bias is not None:
        self.bias.accumulate(dbias)
    return dx


@card.wrong_method("not-put-together", "dx is the squares' gradients one after the other, reshaped",
                   PatchEmbedding.backward)  # fmt: skip
def _reshaped(self, dy, cache):
    dx = self.backward(dy, cache)
    squares = np.einsum("bld,dcyx->blcyx", dy, self.weight.data)
    return squares.reshape(dx.shape)


def _computed(change: Any) -> Any:
    """A forward of other arguments: change(x, weight, bias) -> y."""

    def forward(self, x):
        bias = None if self.bias is None else self.bias.data
        return change(x, self.weight.data, bias), self.forward(x)[1]

    return forward


def _by_columns(x, weight, bias):
    return patch_embedding_forward(x.swapaxes(2, 3), weight.swapaxes(2, 3), bias)[0]


def _channels_last(weight):
    d, c, side, _ = weight.shape
    return weight.reshape(d, side, side, c).transpose(0, 3, 1, 2)


card.wrong_method(
    "by-columns", "the sequence runs down the columns of the image", PatchEmbedding.forward
)(_computed(_by_columns))
card.wrong_method(
    "channels-last", "a weight with its channels last is reshaped and not transposed",
    PatchEmbedding.forward,
)(_computed(lambda x, w, b: patch_embedding_forward(x, _channels_last(w), b)[0]))  # fmt: skip
card.wrong_method(
    "image-turned", "width and height of the image change places: squares come turned over",
    PatchEmbedding.forward,
)(_computed(lambda x, w, b: patch_embedding_forward(x.swapaxes(2, 3), w, b)[0]))  # fmt: skip
card.wrong_method("bias-ignored", "the bias is left out of the forward", PatchEmbedding.forward)(
    _computed(lambda x, weight, bias: patch_embedding_forward(x, weight)[0])
)
