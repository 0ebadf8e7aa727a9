"""The natural scale of a whole module: how far its results move when every op is a little off.

A composition has no formula for S short of carrying error bounds through every layer by hand. So
it is measured: the module runs in float64 with every op's result, and every gradient that an
op's backward returns, disturbed at random in proportion to that op's own S (``scales``). S of the
module is the root mean square of what comes out, per unit of disturbance. So an error of 1 is what
one natural unit at every op does, and gradients that cancel to zero, such as a key bias's, get
the scale of the terms that cancel.

The NumPy module serves to measure here, not to judge: a wrong backward changes what S is by as
little as it is wrong by in proportion, while its error is measured against PyTorch's autograd.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from unittest import mock

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.discovery import op_cards
from npformer.cards.op_card import OpCard
from npformer.cards.scales import Precision, Scales, precision
from npformer.nn.feed_forward import ACTIVATIONS
from npformer.verify.component import Component

K = TypeVar("K")

DELTA = 1e-8
TRIALS = 4
USERS = ("npformer.nn.", "npformer.models.", "npformer.inspect.recorder")
"""The files that call ops, by how their modules' names begin."""


def noise_scales(component: Component, case: Case) -> Result:
    """S of every entry of the module's result on this case, at least its root mean square."""
    wide = case.cast(np.float64)
    return measured_scales(lambda: component.extended(wide), precision(case.dy.dtype))


def measured_scales(run: Callable[[], dict[K, Array]], fp: Precision) -> dict[K, Array]:
    """S of every entry of every array that ``run`` gives, at least the array's root mean square.

    ``run`` calls modules, in float64, and gives the same result each time but for the disturbance.
    ``fp`` is the dtype whose rounding is to be measured in S.
    """
    exact = run()
    squares = {name: np.zeros(np.shape(a)) for name, a in exact.items()}
    for trial in range(TRIALS):
        with _noisy_ops(np.random.default_rng(trial), fp):
            result = run()
        for name, a in result.items():
            squares[name] += ((a - exact[name]) / DELTA) ** 2 / TRIALS
    return {
        name: np.sqrt(np.maximum(square, square.mean() if square.size else 0.0)) + fp.tiny
        for name, square in squares.items()
    }


@contextlib.contextmanager
def _noisy_ops(rng: np.random.Generator, fp: Precision) -> Iterator[None]:
    """Every op that a module of ``nn`` or ``models``, or the recorder's loss, calls, disturbed."""
    noisy: dict[Any, Any] = {}
    for card in op_cards():
        noisy.update(zip(card.pair, _disturbed(card, card.pair, rng, fp), strict=True))
    activations = {
        name: (
            functools.partial(noisy[f.func], **f.keywords)
            if isinstance(f, functools.partial)
            else noisy[f],
            noisy[b],
        )
        for name, (f, b) in ACTIVATIONS.items()
    }
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.dict(ACTIVATIONS, activations))
        for module in _users():
            found = {n: noisy[v] for n, v in vars(module).items() if _hashable(v) and v in noisy}
            stack.enter_context(mock.patch.dict(vars(module), found))
        yield


def _users() -> list[Any]:
    return [
        module
        for name, module in list(sys.modules.items())
        if name.startswith(USERS) and module is not None
    ]


def _hashable(value: Any) -> bool:
    return callable(value) and type(value).__hash__ is not None


def _disturbed(
    op: OpCard,
    pair: tuple[Callable[..., Any], Callable[..., Any]],
    rng: np.random.Generator,
    fp: Precision,
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    signature = inspect.signature(pair[0])

    def noise(scale: Any) -> Any:
        return DELTA * scale * rng.standard_normal(np.shape(scale))

    def scales(arguments: dict[str, Any], dy: Any) -> Scales:
        with np.errstate(all="ignore"):
            return op.scales(**arguments, dy=dy, fp=fp)

    @functools.wraps(pair[0])  # a recording names the inputs by the signature
    def forward(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        y, cache = pair[0](*args, **kwargs)
        arguments = dict(bound.arguments)
        return y + noise(scales(arguments, np.zeros_like(y))["y"]), (cache, arguments)

    def backward(dy: Any, cache: Any) -> Any:
        inner, arguments = cache
        gradients = pair[1](dy, inner)
        several = isinstance(gradients, tuple)
        s = scales(arguments, dy)
        names = [name for name in arguments if f"d{name}" in s]
        moved = tuple(
            g + noise(s[f"d{name}"])
            for name, g in zip(names, gradients if several else (gradients,), strict=False)
        )
        missing = (None,) * (len(gradients) - len(moved)) if several else ()
        return (*moved, *missing) if several else moved[0]

    return forward, backward
