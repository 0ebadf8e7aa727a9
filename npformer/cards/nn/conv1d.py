"""The card of the convolution's module."""

from __future__ import annotations

from typing import Any

from npformer.cards.module_card import ModuleCard
from npformer.cards.strategies import Source, draw_sizes
from npformer.nn.conv1d import Conv1d
from npformer.ops.conv1d import conv1d_backward, sides

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


@card.wrong_method("bias-not-accumulated", "dbias is computed and dropped", Conv1d.backward)
def _no_bias(self, dy, cache):
    dx, dweight, _ = conv1d_backward(dy, cache)
    self.weight.accumulate(dweight)
    return dx


@card.wrong_method("weight-turned-in-training", "dweight is turned round in time", Conv1d.backward)
def _turned(self, dy, cache):
    dx, dweight, dbias = conv1d_backward(dy, cache)
    self.weight.accumulate(dweight[:, :, ::-1])
    if self.bias is not None:
        self.bias.accumulate(dbias)
    return dx
