"""The card of the linear layer that computes with numbers of few bits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.altered import altered
from npformer.cards.case import Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.module_card import ModuleCard
from npformer.cards.strategies import Source, draw_sizes
from npformer.nn.module import Parameter
from npformer.nn.quantized_linear import QuantizedLinear
from npformer.ops.fake_quantize import symmetric_scale
from npformer.ops.linear import linear_backward, linear_forward

card = ModuleCard.of(QuantizedLinear)
card.straight_through = True
card.kinds = ("generic",)
card.inputs, card.output = {"x": "BTI"}, "BTO"
card.parameters = {"weight": "OI", "bias": "O"}


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """Few bits and many, x on a grid or not, with and without bias."""
    z = draw_sizes(source, "BTIO", {"I": 1, "O": 1})
    bits = {"weight_bits": source.choice((8, 4, 3)), "input_bits": source.choice((None, 8, 5))}
    return z, {"build": (z["I"], z["O"], source.choice((True, False))), "settings": bits}


@card.invariant("a row of the product's weight has the row's own largest number", "one-scale")
def _largest(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """For x of ones at one place and zeros elsewhere, which any grid holds, y is a column."""
    weight = case.inputs["weight"]
    still = {name: np.zeros_like(a) for name, a in case.inputs.items() if name == "bias"}
    rows, columns = weight.shape
    x = np.eye(columns, dtype=weight.dtype)[None]  # (1, I, I)
    dy = np.zeros((1, columns, rows), weight.dtype)
    seen = component.run(Case({**case.inputs, **still, "x": x}, case.static, dy))["y"][0]  # (I, O)
    own = np.abs(weight).max(axis=1)
    yield Finding(np.abs(seen).max(axis=0), own, 4 * own)


@card.invariant("many bits are the linear layer, nearly", broken_by="detached-weight")
def _many(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """With 16 bits, the gradient of the weight is off by the rounding of x alone."""
    fine = Case(
        case.inputs,
        {**case.static, "settings": {"weight_bits": 16, "input_bits": None}},
        case.dy,
    )
    x, weight = case.inputs["x"], case.inputs["weight"]
    _, cache = linear_forward(x, weight, case.inputs.get("bias"))
    _, dweight, _ = linear_backward(case.dy, cache)
    assert dweight is not None
    size = np.einsum("bto, bti -> oi", np.abs(case.dy), np.abs(x)).astype(np.float64)
    yield Finding(component.run(fine)["grad weight"], dweight, 4 * size + 1e-30)


@card.wrong_method("one-scale", "all rows of the weight share a scale", QuantizedLinear.forward)
def _one_scale(self, x):
    weight = self.weight.data
    top = 2 ** (self.weight_bits - 1) - 1
    scale = symmetric_scale(weight, self.weight_bits)
    coarse = np.clip(np.rint(weight / scale), -top, top) * scale
    with altered(self, weight=Parameter(coarse)):
        return self.forward(x)


@card.wrong_method("detached-weight", "the rounding of the weight lets no gradient through",
                   QuantizedLinear.backward)  # fmt: skip
def _detached(self, dy, cache):
    nothing = np.zeros_like(cache.weight.inside)
    return self.backward(dy, cache._replace(weight=cache.weight._replace(inside=nothing)))


@card.wrong_method("dx-of-the-float-weight", "dx is made with the weight before its rounding",
                   QuantizedLinear.backward)  # fmt: skip
def _float_weight(self, dy, cache):
    self.backward(dy, cache)
    return linear_backward(dy, cache.linear._replace(weight=self.weight.data))[0]


@card.wrong_method("bias-not-accumulated", "dbias is computed and dropped",
                   QuantizedLinear.backward)  # fmt: skip
def _no_bias(self, dy, cache):
    with altered(self, bias=None):
        return self.backward(dy, cache)


@card.wrong_method("input-not-rounded", "x is left as it is", QuantizedLinear.forward)
def _input(self, x):
    with altered(self, input_bits=None):
        return self.forward(x)


@card.wrong_method("tokens-share-a-scale", "all of x shares a scale, so that a later token changes "
                   "an earlier one's rounding", QuantizedLinear.forward)  # fmt: skip
def _shared(self, x):
    if self.input_bits is None:
        return self.forward(x)
    top = 2 ** (self.input_bits - 1) - 1
    scale = symmetric_scale(x, self.input_bits)
    with altered(self, input_bits=None):
        return self.forward(np.clip(np.rint(x / scale), -top, top) * scale)


@card.wrong_method("bits-of-the-other", "the weight's bits are one less", QuantizedLinear.forward)
def _bits(self, x):
    with altered(self, weight_bits=self.weight_bits - 1):
        return self.forward(x)
