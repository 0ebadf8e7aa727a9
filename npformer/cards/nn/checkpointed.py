"""The card of activation checkpointing: a layer of any kind, run again in the backward."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from npformer.cards.case import Case, Result, live
from npformer.cards.invariant import Finding
from npformer.cards.module_card import BUILDING, ModuleCard
from npformer.cards.module_invariants import gathers
from npformer.cards.nn.layer import card as layer_card
from npformer.cards.nn.layer import draw_layers, named
from npformer.cards.ordinary import option
from npformer.cards.strategies import Source
from npformer.nn.checkpointed import Checkpointed, checkpointed_backward


class _Wrapping(ModuleCard):
    """Its module is built around a layer of the case."""

    def build(self, static: Mapping[str, Any], dtype: Any) -> Any:
        return Checkpointed(layer_card.build(static, dtype))

    def build_twin(self, static: Mapping[str, Any], dtype: Any) -> Any:
        return self.twin(layer_card.build_twin(static, dtype)).eval()


card = _Wrapping.of(Checkpointed)
card.inputs, card.output = layer_card.inputs, "BTD"
card.causal = lambda static: static["settings"]["causal"]


def _call(module: Any, inputs: list[Any], keywords: dict[str, Any]) -> Any:
    """x by position, for the wrong versions, and the others by name."""
    x, others = inputs[0], named(module.inner, inputs) | keywords
    others.pop("x")
    y, cache = module.forward(x, **others)
    return y, lambda dy: module.backward(dy, cache)


card.call = _call
card.call_twin = lambda module, inputs, keywords: module(**named(module.inner, inputs), **keywords)


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """A layer of an encoder or a decoder, with dropout and masks."""
    return draw_layers(source)


@card.invariant("all results are those of the layer itself, to the last bit", "fresh-dropout")
def _same_bits(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """The second run is the first one again, so nothing is rounded in another way."""
    inner = layer_card.build(case.static, case.dy.dtype)
    for path, parameter in inner.named_parameters():
        parameter.data = case.inputs[f"inner.{path}"]
    inputs = [case.inputs[name] for name in card.inputs if name in case.inputs]
    keywords = {n: a for n, a in live(case.static).items() if n not in BUILDING}
    y, cache = inner.forward(**named(inner, inputs), **keywords)
    found = inner.backward(case.dy, cache)
    yield Finding(result["y"], y, 0.0)
    yield Finding(result["dx"], found[0] if isinstance(found, tuple) else found, 0.0)
    for path, parameter in inner.named_parameters():
        if parameter.grad is not None:
            yield Finding(result[f"grad inner.{path}"], parameter.grad, 0.0)


card.invariant("a second backward of the call is the first one again", "replay-used-up")(gathers)


def _again(change: Any) -> Any:
    """A backward whose second run has other arguments: change(arguments, keywords)."""

    def backward(self, dy, cache):
        arguments, keywords = change(cache.arguments, dict(cache.keywords))
        return checkpointed_backward(
            self.inner, dy, cache._replace(arguments=arguments, keywords=keywords)
        )

    return backward


def _with(arguments, keywords, **changes):
    return arguments, {n: changes.get(n, a) for n, a in keywords.items()}


def _advanced(arguments, keywords):
    rng = copy.deepcopy(keywords.get("rng"))
    if rng is not None:
        rng.random()
    return arguments, {**keywords, "rng": rng}


card.wrong_method(
    "fresh-dropout",
    "the second run draws masks of its own",
    Checkpointed.backward,
    seen="allenai/OLMo-core#828",
    smallest="x (1, 1, 2)",
    missed_by=option("no dropout", rng=None),
)(_again(_advanced))
card.wrong_method(
    "no-dropout-in-the-second-run",
    "the second run is made as for inference, without dropout",
    Checkpointed.backward,
)(_again(lambda arguments, keywords: _with(arguments, keywords, rng=None)))
card.wrong_method("mask-forgotten", "the second run is not given the mask", Checkpointed.backward)(
    _again(lambda arguments, keywords: _with(arguments, keywords, mask=None, memory_mask=None))
)
card.wrong_method(
    "input-of-zeros", "the second run begins with an input that was freed", Checkpointed.backward
)(_again(lambda arguments, kw: ((np.zeros_like(arguments[0]), *arguments[1:]), kw)))


@card.wrong_method(
    "output-for-input", "the second run begins with what the first one gave", Checkpointed.backward
)
def _output(self, dy, cache):
    first, *others = cache.arguments
    y, _ = self.inner.forward(first, *others, **{**cache.keywords, "rng": None})
    return checkpointed_backward(self.inner, dy, cache._replace(arguments=(y, *others)))


@card.wrong_method("backward-twice", "parameters get the gradient of both runs",
                   Checkpointed.backward)  # fmt: skip
def _twice(self, dy, cache):
    checkpointed_backward(self.inner, dy, cache)
    return checkpointed_backward(self.inner, dy, cache)


@card.wrong_method(
    "parameters-lost", "the second run is of a copy, whose parameters gather the gradients",
    Checkpointed.backward,
)  # fmt: skip
def _copy(self, dy, cache):
    return checkpointed_backward(self.inner.replica(), dy, cache)


@card.wrong_method("memory-s-gradient-lost", "of several inputs, the first alone gets a gradient",
                   Checkpointed.backward)  # fmt: skip
def _first_only(self, dy, cache):
    found = checkpointed_backward(self.inner, dy, cache)
    if not isinstance(found, tuple):
        return found
    return (found[0], *(np.zeros_like(other) for other in found[1:]))


@card.wrong_method("straight-through", "the layer is left out of the backward: dx is dy",
                   Checkpointed.backward)  # fmt: skip
def _straight(self, dy, cache):
    found = checkpointed_backward(self.inner, dy, cache)
    return (dy, *found[1:]) if isinstance(found, tuple) else dy


@card.wrong_method("replay-used-up", "the second run draws from the generator that the call keeps, "
                   "and not from a copy: right once", Checkpointed.backward)  # fmt: skip
def _used_up(self, dy, cache):
    _, inner = self.inner.forward(*cache.arguments, **cache.keywords)
    return self.inner.backward(dy, inner)
