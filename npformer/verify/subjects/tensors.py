"""Arrays to tensors and back, memory layout included."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from npformer.cards.pytorch import torch
from npformer.cards.values import offset_of, stored
from npformer.errors import VerifyError
from npformer.verify.reference.autograd import to_tensor

Array = np.ndarray


class Part(NamedTuple):
    """Of which entries of a buffer an array is made up."""

    length: int
    """Of the buffer."""
    strides: tuple[int, ...]
    offset: int


ALIGNED = 64
"""Buffers are aligned to so many entries at most: further offsets tell nothing more."""


def part_of(array: Array) -> Part | None:
    """How the array lies in its buffer; None for a contiguous one, or one that no tensor can be.

    PyTorch takes no negative strides, and of an array that overlaps itself there is no copy.
    """
    offset = max(0, offset_of(array)) % ALIGNED
    whole = not array.size or (array.flags.c_contiguous and not offset)
    if whole or any(stride < 0 or stride % array.itemsize for stride in array.strides):
        return None
    strides = tuple(stride // array.itemsize for stride in array.strides)
    span = 1 + sum((n - 1) * stride for n, stride in zip(array.shape, strides, strict=True))
    return None if span < array.size else Part(offset + span + bool(offset), strides, offset)


def usable(name: str) -> str:
    """The name of a device that holds tensors here; raises ``VerifyError`` if it does not."""
    try:
        device = torch.device(name)
        torch.zeros((), device=device).cpu()
    except Exception as error:
        kind = getattr(torch.accelerator.current_accelerator(), "type", None)
        there = "cpu" if kind is None or not torch.accelerator.is_available() else f"cpu and {kind}"
        said = str(error).partition("\n")[0].partition(". ")[0]
        raise VerifyError(
            f"device {name!r} holds no tensors here ({said}); there is {there}"
        ) from None
    return str(device)


def to_tensor_as_laid_out(
    array: Array, bfloat16: bool = False, device: str = "cpu"
) -> torch.Tensor:
    """A tensor of its own memory with the array's strides: a kernel may rely on them unawares.

    An axis that repeats one number does so in the tensor, and a part of a larger buffer starts
    where it did, with NaN around it.
    """
    whole = array.base is None and array.flags.c_contiguous
    if not whole and (once := stored(array)).size < array.size:
        return to_tensor_as_laid_out(once, bfloat16, device).expand(array.shape)
    part = None if whole else part_of(array)
    plain = to_tensor(array).to(device)
    if bfloat16 and plain.is_floating_point():
        plain = plain.bfloat16()
    if part is None:
        return plain
    gap = float("nan") if array.dtype.kind == "f" else 0
    buffer = torch.full((part.length,), gap, dtype=plain.dtype, device=device)
    return buffer.as_strided(array.shape, part.strides, part.offset).copy_(plain)


def to_value(value: Any, bfloat16: bool = False, device: str = "cpu") -> Any:
    """A tensor for an array, of bfloat16 if so asked and not of integers; anything else stays."""
    if not isinstance(value, np.ndarray):
        return value
    return to_tensor_as_laid_out(value, bfloat16, device)


def to_array(tensor: torch.Tensor) -> Array:
    """The tensor's numbers on the CPU."""
    return np.asarray(tensor.detach().cpu().numpy())
