"""The card of the stack of layers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np

from npformer.cards.altered import altered
from npformer.cards.attention_draws import BIASES
from npformer.cards.case import Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_invariants import product
from npformer.cards.nn.layer import MEMORY, draw_layers, named
from npformer.cards.strategies import Source
from npformer.nn.residual import PLACEMENTS
from npformer.nn.stack import Stack

card = ModuleCard.of(Stack)
card.inputs, card.output = {"x": "BTD", "memory": "BSD"}, "BTD"
card.inputs |= {"values": "BTJC", "rows": "BTLP"}
card.causal = lambda static: static["settings"]["causal"]
card.words = {
    "dmemory": "the sum of the memory's gradient over the layers",
    "dvalues": "of each table the sum over the layers that read it",
    "drows": "of each layer the gradient of its rows",
}


def _call(module: Any, inputs: list[Any], keywords: dict[str, Any]) -> Any:
    y, cache = module.forward(**named(module.layers[0], inputs), **keywords)
    return y, lambda dy: module.backward(dy, cache)


card.call = _call
card.call_twin = lambda module, inputs, keywords: module(
    **named(module.layers[0], inputs), **keywords
)


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """One layer to three, of every placement of the norms; now and then with a bias for all."""
    sizes, static = draw_layers(source, 1, 2, 3)
    settings = static["settings"]
    settings["norm"] = source.choice(PLACEMENTS)
    if "C" in sizes:
        tables = source.choice(((0, 0, 0), (0, 1, 0)))[: static["build"][0]]
        settings["value_tables"], sizes["J"] = tables, max(tables) + 1
    own = settings.get("attention", {}).get("positions") or {}
    if own.get("name") not in BIASES and source.choice((False, True)):
        kind = source.choice(BIASES)
        few = {"buckets": 4, "max_distance": 5, "bidirectional": not settings["causal"]}
        few = few if kind == "t5" else {}
        settings["positions"] = {"name": kind, "max_length": 64, "heads": sizes["N"], **few}
    return sizes, static


@card.invariant("<dmemory, memory> is the sum of all layers' keys' and values' products",
                broken_by="memory-averaged")  # fmt: skip
def _memory(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    if "memory" not in case.inputs:
        return
    readers = [f"layers.{i}.{name}" for i in range(case.static["build"][0]) for name in MEMORY]
    left, size = product(case, result, scales, ("memory",))
    right, other = product(case, result, scales, readers)
    yield Finding(left, right, size + other)


@card.invariant("behind a last layer norm, the gradient of every row sums to 0",
                broken_by="last-norm-skipped")  # fmt: skip
def _last(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """So that of the last bias before it does, where nothing is dropped between them."""
    settings, last = case.static["settings"], f"layers.{case.static['build'][0] - 1}"
    if settings["norm_type"] != "layer_norm" or (
        case.static["rng"] is not None and settings["dropout"]
    ):
        return
    names = LAST.get(settings["norm"], ())
    for name in ("per_layer_residual.norm",) if names and "per_layer" in settings else names:
        key = f"grad {last}.{name}.bias"
        if key in result:
            yield Finding(result[key].astype(np.float64).sum(), 0.0, scales[key].sum())


LAST = {
    "pre": ("feed_forward.linear2", "feed_forward.down_proj"),
    "sandwich": ("feed_forward_residual.norm_after",),
    "branch": ("feed_forward_residual.norm",),
}
"""By placement of the norms, what a layer without rows adds last to its input has the bias of."""


@card.wrong_method("mask-in-first-layer-only", "later layers attend to padding", Stack.forward)
def _first_mask(self, x, *args, **options):
    def unmasked(right):
        return lambda x, memory, mask, memory_mask, *others: right(x, memory, None, None, *others)

    with ExitStack() as stack:
        for layer in self.layers[1:]:
            stack.enter_context(altered(layer, forward=unmasked(layer.forward)))
        return self.forward(x, *args, **options)


def _walked_back(memory=sum, bias=sum, norm=True):
    """A stack that makes something else of its layers' shares, or whose norm is left out.

    The last layer's share comes first.
    """

    def backward(self, dy, cache):
        dx = self.norm.backward(dy, cache.norm) if self.norm is not None and norm else dy
        each, rows = [], []
        values: dict[int, Any] = {}
        of = zip(self.layers, cache.layers, self.value_tables, strict=True)
        for layer, layer_cache, table in reversed(list(of)):
            dx = layer.backward(dx, layer_cache)
            dx, *shares = dx if isinstance(dx, tuple) else (dx,)
            if layer.per_layer is not None:
                rows.append(shares.pop())
            if table is not None:
                values[table] = values.get(table, 0) + shares.pop()
            each.append(shares)
        shared = list(zip(*each, strict=True))
        if self.positions is not None:
            self.positions.bias_backward(bias(shared.pop()), cache.bias)
        others = [memory(shared.pop())] if shared else []
        others += [np.stack([values[n] for n in sorted(values)], axis=-2)] if values else []
        others += [np.stack(rows[::-1], axis=-2)] if rows else []
        return (dx, *others) if others else dx

    return backward


for _name, _text, _function in (
    ("last-norm-skipped", "the last norm is not walked back", _walked_back(sum, norm=False)),
    ("shared-bias-of-first-layer",
     "the bias that the layers share has the gradient of the first layer alone",
     _walked_back(bias=lambda shares: shares[-1])),
    ("memory-of-last-layer", "dmemory comes from the last layer alone",
     _walked_back(lambda shares: shares[0])),
    ("memory-of-first-layer", "dmemory comes from the first layer alone",
     _walked_back(lambda shares: shares[-1])),
    ("memory-averaged", "dmemory is the mean over the layers",
     _walked_back(lambda shares: sum(shares) / len(shares))),
):  # fmt: skip
    card.wrong_method(_name, _text, Stack.backward)(_function)


@card.wrong_method("row-of-first-layer", "every layer reads the first one's rows", Stack.forward)
def _first_row(self, x, *args, rows=None, **options):
    first = None if rows is None else np.repeat(rows[:, :, :1], len(self.layers), axis=2)
    return self.forward(x, *args, rows=first, **options)


@card.wrong_method("rows-from-the-last", "the gradients of the layers' rows come in the order of "
                   "the backward, the last one's first", Stack.backward)  # fmt: skip
def _from_the_last(self, dy, cache):
    gradients = self.backward(dy, cache)
    if self.layers[0].per_layer is None:
        return gradients
    *others, drows = gradients
    return (*others, drows[:, :, ::-1])


@card.wrong_method(
    "first-table-for-all", "every layer reads the first of the tables", Stack.forward
)
def _first_table(self, x, *args, values=None, **options):
    first = None if values is None else np.repeat(values[:, :, :1], values.shape[2], axis=2)
    return self.forward(x, *args, values=first, **options)


@card.wrong_method("table-of-one-reader", "a table that several layers read gets the gradient of "
                   "the last of them alone", Stack.backward)  # fmt: skip
def _one_reader(self, dy, cache):
    with ExitStack() as stack:
        seen: set[int] = set()
        for layer, table in zip(reversed(self.layers), reversed(self.value_tables), strict=True):
            if table in seen:
                stack.enter_context(altered(layer, backward=_without_values(layer)))
            seen |= {table} - {None}
        return self.backward(dy, cache)


def _without_values(layer):
    right, place = layer.backward, -1 if layer.per_layer is None else -2

    def backward(dy, cache):
        gradients = list(right(dy, cache))
        gradients[place] = np.zeros_like(gradients[place])
        return tuple(gradients)

    return backward
