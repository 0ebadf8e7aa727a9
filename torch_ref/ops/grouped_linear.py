"""Grouped linear map: PyTorch's linear map of each expert's rows."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

from torch_ref.seam import op


@op
def grouped_linear(
    x: Tensor, weight: Tensor, group_sizes: Tensor, bias: Tensor | None = None
) -> Tensor:
    """x (P, I), weight (E, O, I), bias (E, O) or None, group_sizes (E,) -> (P, O)."""
    groups = x.split(_lengths(group_sizes, len(x)))
    biases = [None] * len(weight) if bias is None else bias
    return torch.cat([F.linear(*one) for one in zip(groups, weight, biases, strict=True)])


def _lengths(group_sizes: Tensor, rows: int) -> list[int]:
    """The group_sizes as numbers; even ones where a plan has tensors without values."""
    if not isinstance(group_sizes, FakeTensor):
        return group_sizes.tolist()
    count = len(group_sizes)
    return [rows // count + (e < rows % count) for e in range(count)]
