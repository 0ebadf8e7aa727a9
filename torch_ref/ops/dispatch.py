"""Dispatch: one index into the tokens, of which autograd makes a sum."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_ref.seam import op


@op
def dispatch(x: Tensor, slots: Tensor) -> Tensor:
    """x (R, D), slots (R, k) -> (P, D)."""
    return x[_tokens_of(slots)]


def _tokens_of(slots: Tensor) -> Tensor:
    """The token of each row, (P,), in the order of the rows."""
    flat = slots.flatten()
    order = torch.argsort(flat, stable=True)
    if _dropped(flat):
        order = order[int((flat < 0).sum()) :]  # they are first
    return order // slots.shape[1]


def _dropped(slots: Tensor) -> bool:
    """Whether a choice is dropped; a plan's tensors, which have no values, drop none."""
    return not hasattr(slots, "fake_mode") and bool((slots < 0).any())
