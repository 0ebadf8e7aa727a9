"""The card of the experts."""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.cards.case import Case
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_draws import draw_settings
from npformer.cards.module_invariants import same_product
from npformer.cards.strategies import Source, draw_rng, draw_sizes
from npformer.nn.activation import ACTIVATIONS
from npformer.nn.experts import Experts, ExpertsCache
from npformer.nn.gated_activation import GATED_ACTIVATIONS

card = ModuleCard.of(Experts)
card.inputs, card.output = {"x": "PD"}, "PD"
card.words = {"dx": "the sum of what gate_proj and up_proj return"}


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """Every activation, gated and not, with biases and without; experts without rows."""
    c = draw_settings(source)
    sizes = draw_sizes(source, "PE", {"E": 1})
    share = draw_rng(source).dirichlet(np.full(sizes["E"], 0.5))
    rows = draw_rng(source).multinomial(sizes["P"], share)
    every = (*GATED_ACTIVATIONS, *ACTIVATIONS)
    build = (sizes["E"], c["d_model"], c["d_ff"], source.choice(every))
    settings = {"bias": source.choice((True, False))}
    sizes = {"P": sizes["P"], "D": c["d_model"]}
    return sizes, {"build": build, "settings": settings, "group_sizes": rows}


def _gated(case: Case) -> bool:
    return case.static["build"][3] in GATED_ACTIVATIONS


def _unclamped(case: Case) -> bool:
    return _gated(case) and case.static["build"][3] != "swiglu_clamped"


card.invariant("<dx, x> is the sum of both projections' products", broken_by="up-path-dropped")(
    same_product(("x",), ("gate_proj.weight", "up_proj.weight"))
)
card.invariant("what goes up and what goes down have the same product with their gradients",
               broken_by="down-of-the-gate-alone")(
    same_product(("up_proj.weight", "up_proj.bias"), ("down_proj.weight",), when=_unclamped)
)  # fmt: skip


def _back(self, dy, cache):
    """dgate or None, dup."""
    dh = self.down_proj.backward(dy, cache.down_proj)
    found = self.activation.backward(dh, cache.activation)
    return (None, found) if self.gate_proj is None else found


@card.wrong_method("up-path-dropped", "x does not get what up_proj returns", Experts.backward)
def _up_dropped(self, dy, cache):
    dgate, dup = _back(self, dy, cache)
    dx = self.up_proj.backward(dup, cache.up_proj)
    return 0 * dx if dgate is None else self.gate_proj.backward(dgate, cache.gate_proj)


@card.wrong_method("gate-path-dropped", "x does not get what gate_proj returns", Experts.backward)
def _gate_dropped(self, dy, cache):
    dgate, dup = _back(self, dy, cache)
    if dgate is not None:
        self.gate_proj.backward(dgate, cache.gate_proj)
    return self.up_proj.backward(dup, cache.up_proj)


@card.wrong_method("gradients-exchanged", "dgate goes through up_proj", Experts.backward)
def _back_exchanged(self, dy, cache):
    dgate, dup = _back(self, dy, cache)
    if dgate is None:
        return self.up_proj.backward(dup, cache.up_proj)
    dx = self.gate_proj.backward(dup, cache.gate_proj)
    return dx + self.up_proj.backward(dgate, cache.up_proj)


@card.wrong_method("activation-skipped", "dh goes on to the projections as it is", Experts.backward)
def _skipped(self, dy, cache):
    dh = self.down_proj.backward(dy, cache.down_proj)
    dx = self.up_proj.backward(dh, cache.up_proj)
    if self.gate_proj is None:
        return dx
    return dx + self.gate_proj.backward(dh, cache.gate_proj)


@card.wrong_method(
    "down-of-the-gate-alone",
    "what down_proj read is computed anew without up: the gradient of its weight is wrong",
    Experts.backward,
)
def _before_up(self, dy, cache):
    if self.gate_proj is None:
        return self.backward(dy, cache)
    gate, up = cache.activation.gate, cache.activation.up
    h, _ = self.activation.forward(gate, np.ones_like(up))
    return self.backward(dy, cache._replace(down_proj=cache.down_proj._replace(x=h)))


@card.wrong_method("up-frozen", "up_proj's backward is never run", Experts.backward)
def _frozen(self, dy, cache):
    dgate, dup = _back(self, dy, cache)
    dx = np.concatenate(
        [
            part @ weight
            for part, weight in zip(
                np.split(dup, np.cumsum(cache.up_proj.group_sizes)[:-1]),
                self.up_proj.weight.data,
                strict=True,
            )
        ]
    )
    return dx if dgate is None else dx + self.gate_proj.backward(dgate, cache.gate_proj)


@card.wrong_method("halves-exchanged", "up is activated, and gate is not", Experts.forward)
def _exchanged(self, x, group_sizes):
    if self.gate_proj is None:
        return self.forward(x, group_sizes)
    up, first = self.gate_proj.forward(x, group_sizes)
    gate, second = self.up_proj.forward(x, group_sizes)
    h, activation = self.activation.forward(gate, up)
    y, down_proj = self.down_proj.forward(h, group_sizes)
    return y, ExpertsCache(first, second, activation, down_proj)


@card.wrong_method("first-expert-down", "the first expert's down_proj serves all", Experts.forward)
def _first_down(self, x, group_sizes):
    y, cache = self.forward(x, group_sizes)
    every = np.zeros_like(group_sizes)
    every[0] = len(x)
    return self.down_proj.forward(cache.down_proj.x, every)[0], cache
