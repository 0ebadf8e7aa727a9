"""Arrays to tensors and back, memory layout included."""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.cards.pytorch import torch
from npformer.verify.reference.autograd import to_tensor

Array = np.ndarray


def to_tensor_as_laid_out(array: Array) -> torch.Tensor:
    """A tensor of its own memory with the array's strides: a kernel may rely on them unawares.

    PyTorch takes no negative strides, and of an array that overlaps itself there is no copy; those
    become contiguous.
    """
    if array.flags.c_contiguous or any(
        stride <= 0 or stride % array.itemsize for stride in array.strides
    ):
        return to_tensor(array)
    strides = [stride // array.itemsize for stride in array.strides]
    tensor = torch.empty_strided(array.shape, strides, dtype=to_tensor(array[:0]).dtype)
    return tensor.copy_(to_tensor(array))


def to_value(value: Any) -> Any:
    """A tensor for an array; anything else stays."""
    return to_tensor_as_laid_out(value) if isinstance(value, np.ndarray) else value


def to_array(tensor: torch.Tensor) -> Array:
    """The tensor's numbers on the CPU."""
    return np.asarray(tensor.detach().cpu().numpy())
