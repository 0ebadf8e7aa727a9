"""Gradients in arrays of another engine, right and wrong: nothing here says NumPy."""

from __future__ import annotations

import array_api_strict as xp


def swish(x):
    s = 1 / (1 + xp.exp(-x))
    return x * s, (x, s)


def swish_backward(dy, cache):
    x, s = cache
    return dy * (s + x * s * (1 - s))


def without_the_gate(dy, cache):
    return dy * cache[1]


def silu(x):
    return x / (1 + xp.exp(-x))


def silu_vjp(dy, x):
    return swish_backward(dy, swish(x)[1])


def two(x, ids):
    return {"rows": xp.take(x, ids, axis=0), "sum": xp.sum(x), "ids": ids}, (x, ids)


def two_backward(dy, cache):
    x, ids = cache
    assert dy["ids"] is None
    hits = xp.astype(xp.arange(x.shape[0])[:, None] == ids[None, :], x.dtype)
    return hits @ dy["rows"] + dy["sum"]


class Scale:
    """y = x * weight, and a backward that is told what the forward has kept."""

    def __init__(self, size: int, wrong: bool = False) -> None:
        self.weight = xp.asarray([0.5 + i for i in range(size)], dtype=xp.float64)
        self.wrong = wrong

    def forward(self, x):
        weight = xp.astype(self.weight, x.dtype)
        return x * weight, weight

    def backward(self, dy, weight):
        return dy * weight * (1.5 if self.wrong else 1)


class Remembering(Scale):
    """The same with what it has kept on itself."""

    def forward(self, x):
        y, self.kept = super().forward(x)
        return y

    def backward(self, dy):
        return super().backward(dy, self.kept)


scale, too_large, remembering = Scale(4), Scale(4, wrong=True), Remembering(4)
