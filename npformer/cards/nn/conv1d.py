"""The card of the convolution's module."""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.cards.altered import altered
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_invariants import adds_up, gathers, same_product
from npformer.cards.strategies import Source, draw_sizes
from npformer.nn.conv1d import Conv1d
from npformer.ops.conv1d import conv1d_backward, conv1d_forward, sides

card = ModuleCard.of(Conv1d)
card.inputs, card.output = {"x": "BTI"}, "BLO"
card.parameters = {"weight": "OIK", "bias": "O"}
card.causal = lambda static: None


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """Whisper's two, a causal one, and others."""
    z = draw_sizes(source, "BTIO", {"I": 1, "O": 1})
    width, stride = source.choice((3, 1, 2)), source.choice((1, 2))
    options: tuple[int | tuple[int, int], ...] = (1, 0, (width - 1, 0))
    padding = source.choice(options)
    t = max(z["T"], width - sum(sides(padding)))
    count = (t + sum(sides(padding)) - width) // stride + 1
    sizes = {**z, "T": t, "L": count, "K": width}
    build = (z["I"], z["O"], width, stride, padding, source.choice((True, False)))
    return sizes, {"build": build}


card.invariant("<dx, x> = <dweight, weight>", broken_by="first-sentence")(
    same_product(("x",), ("weight",))
)
card.invariant("two parts of a batch add up to the whole", broken_by="bias-averaged")(adds_up())
card.invariant("a second backward adds to the first", broken_by="replaced")(gathers)


@card.wrong_method("bias-not-accumulated", "dbias is computed and dropped", Conv1d.backward)
def _no_bias(self, dy, cache):
    dx, dweight, _ = conv1d_backward(dy, cache)
    self.weight.accumulate(dweight)
    return dx


@card.wrong_method("weight-turned-in-training", "dweight is turned round in time", Conv1d.backward)
def _turned(self, dy, cache):
    dx, dweight, dbias = conv1d_backward(dy, cache)
    assert dweight is not None
    self.weight.accumulate(dweight[:, :, ::-1])
    if self.bias is not None:
        self.bias.accumulate(dbias)
    return dx


@card.wrong_method("bias-ignored", "the bias is left out of the forward", Conv1d.forward)
def _ignored(self, x):
    y, cache = self.forward(x)
    return (y if self.bias is None else y - self.bias.data), cache


@card.wrong_method("bias-averaged", "dbias is averaged over batch and windows", Conv1d.backward)
def _averaged(self, dy, cache):
    dx, dweight, dbias = conv1d_backward(dy, cache)
    self.weight.accumulate(dweight)
    if self.bias is not None:
        self.bias.accumulate(dbias / max(dy[..., 0].size, 1))
    return dx


@card.wrong_method("replaced", "a gradient takes the place of what the weight has gathered",
                   Conv1d.backward)  # fmt: skip
def _replaced(self, dy, cache):
    dx = self.backward(dy, cache)
    self.weight.grad = np.array(conv1d_backward(dy, cache)[1])
    return dx


@card.wrong_method("first-sentence", "dweight is the first sentence's", Conv1d.backward)
def _first(self, dy, cache):
    dx, _, dbias = conv1d_backward(dy, cache)
    own = conv1d_backward(dy[:1], cache._replace(windows=cache.windows[:1]))
    self.weight.accumulate(own[1])
    if self.bias is not None:
        self.bias.accumulate(dbias)
    return dx


@card.wrong_method("stride-not-handed-on", "windows are one position apart, and as many are kept "
                   "as there should be", Conv1d.forward)  # fmt: skip
def _one_apart(self, x):
    y, cache = self.forward(x)
    bias = None if self.bias is None else self.bias.data
    every, _ = conv1d_forward(x, self.weight.data, bias, padding=self.padding)
    return every[:, : y.shape[1]], cache


@card.wrong_method("padding-before", "all padding is put before the first position",
                   Conv1d.forward)  # fmt: skip
def _before(self, x):
    with altered(self, padding=(sum(self.padding), 0)):
        return self.forward(x)


@card.wrong_method("width-first", "a weight (width, in, out), as Keras keeps it, is reshaped and "
                   "not transposed", Conv1d.forward)  # fmt: skip
def _width_first(self, x):
    weight = self.weight.data
    weight = weight.reshape(weight.shape[::-1]).transpose(2, 1, 0)
    bias = None if self.bias is None else self.bias.data
    y, _ = conv1d_forward(x, weight, bias, stride=self.stride, padding=self.padding)
    return y, self.forward(x)[1]
