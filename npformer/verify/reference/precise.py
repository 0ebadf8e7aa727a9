"""More exact formulas than PyTorch's own, where its float64 is no reference.

PyTorch computes GELU as x (1 + erf(x / sqrt 2)) / 2 and its tanh form likewise: in the left tail
1 + erf cancels, and at x = -9 no digit is left. SiLU's and the loss's cases are below.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from npformer.ops.gelu import gelu_backward as tanh_backward
from npformer.ops.gelu import gelu_forward as tanh_forward

Array = np.ndarray


def gelu(x: Tensor, *, approximate: str) -> Tensor:
    """x Phi(x) by erfc; the tanh form by the logistic function it equals, (1 + tanh u) / 2."""
    # Beneath -40 both are 0 in float64; the clamp keeps 0 * inf out of the gradient.
    near = x.clamp(min=-40.0)
    if approximate == "tanh":
        return near * torch.sigmoid(2 * math.sqrt(2 / math.pi) * (near + 0.044715 * near**3))
    return near * (0.5 * torch.special.erfc(near * -math.sqrt(0.5)))


def silu(x: Tensor) -> Tensor:
    """PyTorch's SiLU; beneath -800, where exp(x) is 0 in float64, its constant 0."""
    return torch.nn.functional.silu(x.clamp(min=-800.0))


def cross_entropy(logits: Tensor, targets: Tensor, **static: Any) -> Tensor:
    """PyTorch's loss, but 0 where no target is valid: there its mean is 0 / 0 (see the op)."""
    from torch_ref import ops

    ignored = torch.zeros_like(targets, dtype=torch.bool)
    if static["ignore_index"] is not None:
        ignored = targets == static["ignore_index"]
    if static["reduction"] == "mean" and bool(ignored.all()):
        return (logits * 0).sum()
    return ops.cross_entropy(logits, targets, **static)


def gelu_forward(x: Array, *, approximate: str) -> tuple[Array, Any]:
    """GELU in extended precision, for which the op's rational approximation is not made."""
    if approximate == "tanh":
        return tanh_forward(x, approximate="tanh")
    return np.maximum(x, -40) * _phi(x), x


def gelu_backward(dy: Array, cache: Any) -> Array:
    """Its derivative, Phi(x) + x phi(x)."""
    if not isinstance(cache, np.ndarray):
        return tanh_backward(dy, cache)
    x = np.clip(cache, -40, 40)
    pi = 4 * np.arctan(x.dtype.type(1))
    return dy * (_phi(x) + x * np.exp(-x * x / 2) / np.sqrt(2 * pi))


def _phi(x: Array) -> Array:
    """The normal distribution function to the last digits of x's dtype, in both tails.

    With a = |x| and pdf its density, two classical expansions of the tail 1 - Phi(a):

        a < 2     1/2 - pdf (a + a^3 / 3 + a^5 / (3 * 5) + ...)
        a >= 2    pdf / (a + 1 / (a + 2 / (a + 3 / (a + ...))))
    """
    one = x.dtype.type(1)
    a = np.minimum(np.abs(x), 40 * one)
    pdf = np.exp(-a * a / 2) / np.sqrt(8 * np.arctan(one))
    near = np.minimum(a, 2 * one)
    term = near.copy()
    series = near.copy()
    for k in range(3, 81, 2):
        term = term * (near * near / k)
        series = series + term
    far = np.maximum(a, 2 * one)
    fraction = far.copy()
    for k in range(160, 0, -1):
        fraction = far + k / fraction
    # The series cancels against 1/2 as a grows; past 2 the fraction has converged as well.
    tail = np.where(a < 2, one / 2 - pdf * series, pdf / fraction)
    return np.where(x > 0, 1 - tail, tail)
