"""Functions of a user's with one mistake each, and a word that the right diagnosis contains.

A few are of a catalogue's operation under other names; most are of none.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from npformer.verify import WithVJP


@dataclass(frozen=True)
class Planted:
    """What ``check`` is given, and what its first diagnosis must and must not say."""

    subject: Any
    inputs: str
    against: Any
    says: tuple[str, ...]
    """All of these."""
    never: tuple[str, ...] = ()


class _Of(torch.autograd.Function):
    """A function of tensors whose gradients go through ``spoil(gradients, inputs, dy)``."""

    @staticmethod
    def forward(ctx, function, spoil, *inputs):
        ctx.function, ctx.spoil = function, spoil
        ctx.save_for_backward(*inputs)
        return function(*inputs)

    @staticmethod
    def backward(ctx, dy):
        leaves = [a.detach().requires_grad_() for a in ctx.saved_tensors]
        with torch.enable_grad():
            right = torch.autograd.grad(ctx.function(*leaves), leaves, dy)
        return None, None, *ctx.spoil([g.clone() for g in right], list(ctx.saved_tensors), dy)


def spoilt(function, spoil):
    """The same function with a wrong gradient."""

    @functools.wraps(function)
    def wrong(*inputs):
        return _Of.apply(function, spoil, *inputs)

    return wrong


def first(change):
    """Only the first gradient is changed, by ``change(dx, inputs, dy)``."""

    def spoil(gradients, inputs, dy):
        return [change(gradients[0], inputs, dy), *gradients[1:]]

    return spoil


def linear(x, w):
    return x @ w


def scaled(x, w):
    return x * w


def swish(x):
    return x * torch.sigmoid(x)


def gated(a, b):
    return torch.sigmoid(a) * b


def rotate(x):
    """Each pair of x turned by its position's angle; x (B, T, 4)."""
    angle = torch.arange(x.shape[1], dtype=x.dtype)[:, None] * torch.tensor([0.7, 0.3]).to(x.dtype)
    a, b = x[..., :2], x[..., 2:]
    cos, sin = torch.cos(angle), torch.sin(angle)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


def forwards(dx, inputs, dy):
    return rotate(dy)


def running(x):
    """Each entry plus half the one before it: its matrix is not symmetric."""
    return x + 0.5 * F.pad(x, (1, 0))[..., :-1]


def zeroed(index):
    def change(dx, inputs, dy):
        dx[index] = 0
        return dx

    return change


def another_order(dx, inputs, dy):
    """Takes dy's rows in another order unless dy is contiguous, as a walk by fixed strides does."""
    return (dy if dy.is_contiguous() else dy.flip(-1)) * inputs[1]


def only_if(condition):
    """The first gradient is lost where the condition holds."""
    return lambda dx, x, dy: dx * 0 if condition(x) else dx


def last_rows_lost(dx, inputs, dy):
    """Rows in blocks of 4, of which the last, unless it is full, is never summed."""
    rows = dy.reshape(-1, dy.shape[-1])
    kept = rows.shape[0] // 4 * 4
    return (rows[:kept] * inputs[0].reshape(rows.shape)[:kept]).sum(0)


def softmax(x):
    return torch.softmax(x, -1)


def noisy(dx, inputs, dy):
    """Doubled, with the last bits of another order of summation."""
    return 2 * dx * (1 + 1e-7 * torch.sin(1e4 * dx))


def numpy_softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def of(function, inputs, change, *says, never=()):
    """``change`` is of the first gradient."""
    return of_all(function, inputs, first(change), *says, never=never)


def of_all(function, inputs, spoil, *says, never=()):
    """``spoil`` gets all gradients."""
    return Planted(spoilt(function, spoil), inputs, function, says, never)


PLANTED = {
    "J dy": of(rotate, "bt4", forwards, "J dy"),
    "J dy of a shift": of(running, "bd", lambda dx, x, dy: running(dy), "J dy"),
    "the sum term of softmax": Planted(
        WithVJP(numpy_softmax, lambda dy, x: dy * numpy_softmax(x)),
        "bd",
        softmax,
        ("plus y * sum(dy * y, axis 1)",),
    ),
    "the sum term of softmax, own forward": Planted(
        WithVJP(numpy_softmax, lambda dy, x: dy * numpy_softmax(x)),
        "bd",
        None,
        ("plus y * sum(dy * y, axis 1)",),
    ),
    "a factor with noise": of(linear, "bd, de", noisy, " 2"),
    "an odd factor": of(linear, "bd, de", lambda dx, x, dy: dx * 0.731, "0.731 times"),
    "off by an input": of(swish, "bd", lambda dx, x, dy: dx + 0.5 * x[0], "plus 0.5 * x"),
    "off by y": of(swish, "bd", lambda dx, x, dy: dx + swish(x[0]), "plus y"),
    "off by dy": of(swish, "bd", lambda dx, x, dy: dx - 0.25 * dy, "minus 0.25 * dy"),
    "off by the mean of dy": of(
        swish, "btd", lambda dx, x, dy: dx - dy.mean(-1, keepdim=True), "minus mean(dy, axis 2)"
    ),
    "off by the mean of dy over rows": of(
        swish, "btd", lambda dx, x, dy: dx + dy.mean(1, keepdim=True), "plus mean(dy, axis 1)"
    ),
    "off by a constant": of(swish, "bd", lambda dx, x, dy: dx + 0.1, "plus 0.1"),
    "a term of dy and x": of(swish, "bd", lambda dx, x, dy: dx + 3 * dy * x[0], "plus 3 * dy * x"),
    "square of dy": of(swish, "bd", lambda dx, x, dy: dx * dy, "by dy once too often"),
    "not linear": of(swish, "bd", lambda dx, x, dy: dx * torch.tanh(dy.abs().sum()), "linear"),
    "clipped": of(swish, "bd", lambda dx, x, dy: dx.clamp(-0.1, 0.1), "linear"),
    "last column never written": of(
        linear, "bd, de", zeroed((..., -1)), "last", "axis 1", "whatever dy"
    ),
    "first row never written": of(linear, "btd, de", zeroed((slice(None), 0)), "axis 1", "first"),
    "dw with its axes exchanged, reshaped": of_all(
        linear, "bd, de", lambda g, x, dy: [g[0], g[1].T.reshape(g[1].shape)], "reshape"
    ),
    "dw not summed over a leading axis": Planted(
        WithVJP(
            lambda x, w: x * w,
            lambda dy, x, w: (dy * w, (dy * x).sum(0)),
        ),
        "btd, d",
        lambda x, w: x * w,
        ("dw", "not summed over axis 0"),
        ("variance",),
    ),
    "a scalar's gradient has a row's shape": Planted(
        WithVJP(lambda x, b: x + b, lambda dy, x, b: (dy, dy.sum(0))),
        "bd, .",
        lambda x, b: x + b,
        ("shape",),
    ),
    "wrong order": of_all(gated, "bd, bd", lambda g, x, dy: g[::-1], "wrong order"),
    "dy is walked with other strides": of(scaled, "btd, d", another_order, "dy is not contiguous"),
    "x not contiguous": of(
        linear, "btd, de", only_if(lambda x: not x[0].is_contiguous()), "x is not contiguous"
    ),
    "one row": of(linear, "btd, de", only_if(lambda x: x[0].shape[1] == 1), "t is 1"),
    "odd": of(linear, "btd, de", only_if(lambda x: x[0].shape[2] % 2 == 1), "d is odd"),
    "above 4": of(linear, "btd, de", only_if(lambda x: x[0].shape[1] > 4), "t is 5 or more"),
    "a multiple of 3": of(
        linear, "btd, de", only_if(lambda x: x[0].shape[1] % 3 == 0), "t is a multiple of 3"
    ),
    "rows in blocks of 4": of_all(
        scaled,
        "btd, d",
        lambda g, x, dy: [g[0], last_rows_lost(g[1], x, dy)],
        "the number of rows is not a multiple of 4",
    ),
    "float32 alone": of(
        linear,
        "bd, de",
        lambda dx, x, dy: 1.5 * dx if dx.dtype == torch.float32 else dx,
        "1.5 times",
        "the dtype is float32",
    ),
    "bfloat16": of(
        linear, "bd, de", lambda dx, x, dy: dx.bfloat16().to(dx.dtype), "computed in bf16"
    ),
    "float16": of(
        linear, "bd, de", lambda dx, x, dy: dx.half().to(dx.dtype), "float16", never=("bf16",)
    ),
    "products of bfloat16": of(
        linear,
        "bd, de",
        lambda dx, x, dy: dy.bfloat16().to(dy.dtype) @ x[1].bfloat16().to(dy.dtype).T,
        "rounded to bf16",
    ),
    "float32 in float64": of(
        linear, "bd, de", lambda dx, x, dy: (dy.float() @ x[1].float().T).to(dy.dtype), "float32"
    ),
    "no pattern": of(
        linear, "bd, de", lambda dx, x, dy: dx + torch.sin(7 * dx) * dx.abs().cumsum(-1), "linear"
    ),
}
