"""The condition scale of a whole module: how far its results move when every op is a little off.

A composition has no formula for S short of carrying error bounds through every layer by hand. So
it is measured: the module runs in float64 with every op's result, and every gradient that an
op's backward returns, disturbed at random in proportion to that op's own S (``scales``). S of the
module is the root mean square of what comes out, per unit of disturbance. So an error of 1 is what
one rounding unit at every op does, and gradients that cancel to zero, such as a key bias's, get
the scale of the terms that cancel.

The NumPy module serves to measure here, not to judge: a wrong backward changes what S is by as
little as it is wrong by in proportion, while its error is measured against PyTorch's autograd.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.discovery import op_cards
from npformer.cards.scales import FloatInfo, Scales, float_info
from npformer.seam import Call, watching
from npformer.verify.component import Component

K = TypeVar("K")

DELTA = 1e-8
TRIALS = 4
FEW = 300
"""Entries in all, up to which there are four times as many trials: of four alone, one entry in ten
or so has half its true S by chance, and in a large array the mean square of all makes up for it."""


def noise_scales(component: Component, case: Case) -> Result:
    """S of every entry of the module's result on this case, at least its root mean square."""
    wide = case.cast(np.float64)
    return measured_scales(lambda: component.extended(wide), float_info(case.dy.dtype))


def sum_scales(component: Component, case: Case) -> Result:
    """S of a module that only adds: the largest that its sums get, whatever the terms' signs."""
    wide = case.cast(np.float64)
    tiny = float_info(case.dy.dtype).tiny
    found = [
        component.extended(
            Case(
                {n: sign * np.abs(a) for n, a in wide.inputs.items()}, wide.static, np.abs(wide.dy)
            )
        )
        for sign in (1, -1)
    ]
    return {n: np.maximum(np.abs(found[0][n]), np.abs(found[1][n])) + tiny for n in found[0]}


def measured_scales(run: Callable[[], dict[K, Array]], fp: FloatInfo) -> dict[K, Array]:
    """S of every entry of every array that ``run`` gives, at least the array's root mean square.

    ``run`` calls modules, in float64, and gives the same result each time but for the disturbance.
    ``fp`` is the dtype whose rounding is to be measured in S.
    """
    exact = run()
    squares = {name: np.zeros(np.shape(a)) for name, a in exact.items()}
    trials = TRIALS if sum(map(np.size, exact.values())) > FEW else 4 * TRIALS
    for trial in range(trials):
        with watching(_Disturber(np.random.default_rng(trial), fp)):
            result = run()
        for name, a in result.items():
            squares[name] += ((a - exact[name]) / DELTA) ** 2 / trials
    return {
        name: np.sqrt(np.maximum(square, square.mean() if square.size else 0.0)) + fp.tiny
        for name, square in squares.items()
    }


@functools.cache
def _ops() -> dict[str, tuple[Callable[..., Scales], inspect.Signature]]:
    """The scale and the arguments of every op."""
    return {card.name: (card.scales, inspect.signature(card.pair[0])) for card in op_cards()}


class _Disturber:
    """Moves what every op gives, by noise in proportion to the op's own S."""

    def __init__(self, rng: np.random.Generator, fp: FloatInfo) -> None:
        self._rng, self._fp = rng, fp
        self._ops = _ops()  # before anything is watched: to load the cards may itself call an op
        # Of each cache, by its id: the cache itself, which so stays alive, and the arguments.
        self._arguments: dict[int, tuple[Any, dict[str, Any]]] = {}

    def __call__(self, call: Call, run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if call.owner is not None or call.pair not in self._ops:
            return run(*args, **kwargs)
        scale, signature = self._ops[call.pair]
        if call.is_backward:
            dy, cache = args
            return self._gradients(run(dy, cache), scale, self._arguments[id(cache)][1], dy)
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        y, cache = run(*args, **kwargs)
        arguments = dict(bound.arguments)
        self._arguments[id(cache)] = cache, arguments
        return y + self._noise(self._scales(scale, arguments, np.zeros_like(y))["y"]), cache

    def _gradients(self, gradients: Any, scale: Any, arguments: dict[str, Any], dy: Any) -> Any:
        s = self._scales(scale, arguments, dy)
        several = gradients if isinstance(gradients, tuple) else (gradients,)
        names = [name for name in arguments if f"d{name}" in s]
        moved = tuple(
            g + self._noise(s[f"d{name}"]) for name, g in zip(names, several, strict=False)
        )
        if not isinstance(gradients, tuple):
            return moved[0]
        return (*moved, *(None,) * (len(gradients) - len(moved)))

    def _noise(self, scale: Any) -> Any:
        return DELTA * scale * self._rng.standard_normal(np.shape(scale))

    def _scales(self, scale: Any, arguments: dict[str, Any], dy: Any) -> Scales:
        with np.errstate(all="ignore"):
            found: Scales = scale(**arguments, dy=dy, fp=self._fp)
        return found
