"""Gradients as a user would hand them in: right ones of every kind, and the same with a mistake."""

from __future__ import annotations

import numpy as np
import torch

from npformer.ops import layer_norm_backward, layer_norm_forward
from npformer.verify import WithVJP


def weight_too_late(dy, cache):
    """A layer norm's backward that applies the weight outside the means."""
    xhat, rstd, weight = cache
    mean = dy.mean(-1, keepdims=True) + xhat * (dy * xhat).mean(-1, keepdims=True)
    _, dweight, dbias = layer_norm_backward(dy, cache)
    return rstd * (dy - mean) * weight, dweight, dbias


class Swish(torch.autograd.Function):
    """x times its logistic function, in the older style."""

    @staticmethod
    def forward(ctx, x):
        s = torch.sigmoid(x)
        ctx.save_for_backward(x, s)
        return x * s

    @staticmethod
    def backward(ctx, dy):
        x, s = ctx.saved_tensors
        return dy * (s + x * s * (1 - s))


class WrongSwish(Swish):
    """Without the derivative of the gate's own tail."""

    @staticmethod
    def backward(ctx, dy):
        x, s = ctx.saved_tensors
        return dy * (s + x * s)


class Scaled(torch.autograd.Function):
    """x * weight * by, in the newer style, with an argument that is no tensor."""

    @staticmethod
    def forward(x, weight, by=2.0):
        return x * weight * by

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, weight, ctx.by = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx, dy):
        x, weight = ctx.saved_tensors
        dweight = (dy * x * ctx.by).sum(tuple(range(x.ndim - 1)))
        return dy * weight * ctx.by, dweight, None


class Gated(torch.nn.Module):
    """A module around one of the functions above."""

    def __init__(self, function, width):
        super().__init__()
        self.linear = torch.nn.Linear(width, 3)
        self.function = function

    def forward(self, x):
        return self.function.apply(self.linear(x))


def linear(x, w):
    return x @ w.T


def linear_vjp(dy, x, w):
    return dy @ w, dy.T @ x


def linear_vjp_swapped(dy, x, w):
    """A right gradient, divided by the number of rows."""
    return dy @ w, dy.T @ x / max(len(x), 1)


def product_forward(x, w):
    return x * w, (x, w)


def product_backward(dy, cache):
    x, w = cache
    return dy * w, dy * x


def product_backward_doubled(dy, cache):
    x, w = cache
    return dy * w, 2 * dy * x


RIGHT = {
    "pair": ((product_forward, product_backward), "bt, bt"),
    "pair of functions of tensors": (
        (lambda x: (torch.tanh(x), x), lambda dy, x: dy / torch.cosh(x) ** 2),
        "bt",
    ),
    "vjp": (WithVJP(linear, linear_vjp), "bi, oi"),
    "vjp of tensors": (
        WithVJP(lambda x: torch.tanh(x), lambda dy, x: dy / torch.cosh(x) ** 2),
        "bt",
    ),
    "autograd.Function": (Swish, "btd"),
    "autograd.Function, newer style": (Scaled, "btd, d"),
    "module": (Gated(Swish, 4), "bt4"),
    "function of tensors": (torch.nn.functional.softplus, "btd"),
}
WRONG = {
    "pair": ((product_forward, product_backward_doubled), "bt, bt", "dw"),
    "pair of functions of tensors": (
        (lambda x: (torch.tanh(x), x), lambda dy, x: dy / torch.cosh(x)),
        "bt",
        "dx",
    ),
    "vjp": (WithVJP(linear, linear_vjp_swapped), "bi, oi", "dw"),
    "vjp of tensors": (WithVJP(lambda x: torch.tanh(x), lambda dy, x: dy), "bt", "dx"),
    "autograd.Function": (WrongSwish, "btd", "dx"),
    "module": (Gated(WrongSwish, 4), "bt4", "dx|grad linear.(weight|bias)"),
    "function of tensors": (lambda x: WrongSwish.apply(x) + x.detach(), "btd", "dx"),
}
LAYER_NORM = (layer_norm_forward, layer_norm_backward)
LATE = (layer_norm_forward, weight_too_late)


def reference_layer_norm(x, weight, bias):
    return torch.nn.functional.layer_norm(x, weight.shape, weight, bias)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)
