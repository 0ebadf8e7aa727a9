"""PyTorch's answer to the same question, for the tests of the edges."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch


def autograd(function: Callable, dy: np.ndarray, *arrays: np.ndarray) -> list[np.ndarray]:
    """[y, gradient of each array] of a PyTorch function, with upstream gradient dy."""
    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    y = function(*tensors)
    y.backward(torch.tensor(dy))
    return [y.detach().numpy(), *(tensor.grad.numpy() for tensor in tensors)]


def assert_same(ours: object, theirs: object, *, eps: float = 8.0) -> None:
    """Equal to eps rounding units of the largest finite entry; inf and NaN where they have it."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    finite = np.abs(theirs[np.isfinite(theirs)])
    unit = np.finfo(theirs.dtype).eps * finite.max(initial=0.0)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=eps * unit)
