"""The card of the linear layer that learns directions and lengths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.altered import altered
from npformer.cards.case import Case, Frozen, Result
from npformer.cards.invariant import Finding
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_invariants import same_product
from npformer.cards.strategies import Source, draw_sizes
from npformer.nn.dora import DoRALinear
from npformer.ops.array import rows
from npformer.ops.dora import dora_backward, row_norms

card = ModuleCard.of(DoRALinear)
card.inputs, card.output = {"x": "BTI"}, "BTO"


def _frozen(case: Case) -> Frozen:
    """The layer inside; and the factors, as a detached norm does not move with them."""
    detached = ("down", "up") if case.static["build"][5] else ()
    return {n: ... for n in case.inputs if n.startswith("linear.") or n in detached}


card.frozen = _frozen


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """The norm detached and not; ranks 1 to 3, with and without an alpha and a bias."""
    z = draw_sizes(source, "BTIO", {"I": 2, "O": 1})
    alpha = source.choice((None, 4.0, 0.5))
    bias, detach = source.choice((True, False)), source.choice((True, False))
    return z, {"build": (z["I"], z["O"], source.choice((1, 2, 3)), alpha, bias, detach)}


card.invariant("<dx, x> = <dmagnitude, magnitude>", broken_by="magnitude-not-accumulated")(
    same_product(("x",), ("magnitude",))
)
card.invariant("both factors have the same product with their gradients", "down-unscaled")(
    same_product(("down",), ("up",))
)


@card.invariant("the rows of the map are as long as the magnitudes say", "norm-of-the-start")
def _lengths(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """With the axes as x, y is the map's columns, and the bias."""
    magnitude, bias = case.inputs["magnitude"], case.inputs.get("linear.bias", 0)
    axes = np.eye(case.inputs["x"].shape[-1], dtype=case.dy.dtype)[None]  # (1, I, I)
    columns = component.forward(case.with_inputs({"x": axes}))[0].astype(np.float64) - bias
    size = len(axes[0]) * (np.abs(magnitude) + np.abs(bias))
    yield Finding(np.sqrt((columns**2).sum(axis=0)), np.abs(magnitude), size)


@card.wrong_method("norm-always-detached", "the norm is a constant though it should not be",
                   DoRALinear.backward)  # fmt: skip
def _detached(self, dy, cache):
    return self.backward(dy, cache._replace(detached=True))


@card.wrong_method("norm-never-detached", "the norm is differentiated though it is detached",
                   DoRALinear.backward)  # fmt: skip
def _attached(self, dy, cache):
    return self.backward(dy, cache._replace(detached=False))


@card.wrong_method("norm-of-the-start", "the norm is the frozen weight's, as at the start",
                   DoRALinear.forward)  # fmt: skip
def _start(self, x):
    y, cache = self.forward(x)
    bias = 0 if self.linear.bias is None else self.linear.bias.data
    norm = row_norms(cache.weight)
    return (y - bias) * (cache.norm / norm) + bias, cache._replace(norm=norm)


@card.wrong_method("magnitude-not-accumulated", "dmagnitude is computed and dropped",
                   DoRALinear.backward)  # fmt: skip
def _no_magnitude(self, dy, cache):
    dx, ddown, dup, _ = dora_backward(dy, cache)
    self.down.accumulate(ddown)
    self.up.accumulate(dup)
    return dx


@card.wrong_method("frozen-weight-trained", "the frozen weight gets its gradient",
                   DoRALinear.backward)  # fmt: skip
def _trained(self, dy, cache):
    self.linear.weight.trainable = True
    g = rows(dy) * (cache.magnitude / cache.norm)
    self.linear.weight.accumulate(g.T @ rows(cache.x))
    return self.backward(dy, cache)


@card.wrong_method("magnitude-per-input", "the magnitudes' gradient is averaged over the rows",
                   DoRALinear.backward)  # fmt: skip
def _averaged(self, dy, cache):
    dx, ddown, dup, dmagnitude = dora_backward(dy, cache)
    self.down.accumulate(ddown)
    self.up.accumulate(dup)
    self.magnitude.accumulate(dmagnitude / max(len(rows(dy)), 1))
    return dx


@card.wrong_method("alpha-alone", "the update is scaled by alpha, not by alpha / rank",
                   DoRALinear.forward)  # fmt: skip
def _alpha(self, x):
    with altered(self, scale=self.scale * len(self.down.data)):
        return self.forward(x)


@card.wrong_method("bias-normed", "the bias is divided by the norm too", DoRALinear.forward)
def _bias(self, x):
    y, cache = self.forward(x)
    if self.linear.bias is None:
        return y, cache
    bias = self.linear.bias.data
    return y - bias + bias / cache.norm, cache


@card.wrong_method("down-unscaled", "ddown lacks the factor alpha / rank", DoRALinear.backward)
def _unscaled(self, dy, cache):
    dx, ddown, dup, dmagnitude = dora_backward(dy, cache)
    self.down.accumulate(ddown / cache.scale)
    self.up.accumulate(dup)
    self.magnitude.accumulate(dmagnitude)
    return dx
