"""What scaled_dot_product_attention does not show: its probabilities, and what flows into them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from torch_ref.ops.masks import causal_mask


@torch.enable_grad()
def attention_inside(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    *,
    causal: bool,
    scale: float | None,
    dy: Tensor,
) -> dict[str, Tensor]:
    """q (B, T, N, H), k (B, S, N, H), v (B, S, N, Hv), dy (B, T, N, Hv) -> probs, dprobs, dscores.

    All three are (B, N, T, S); ``scores`` is what the softmax reads, scale included. A row that
    may attend to nothing is 0 in each.
    """
    q, k, v = q.detach(), k.detach(), v.detach()
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    scores = (torch.einsum("btnh,bsnh->bnts", q, k) * scale).requires_grad_()
    allowed = torch.ones_like(scores, dtype=torch.bool) if mask is None else mask
    if causal:
        allowed = allowed & causal_mask(q.shape[1], k.shape[1], device=q.device)
    some = allowed.any(dim=-1, keepdim=True)
    # A row of nothing but -inf would be NaN: it keeps its scores, and its result is made 0.
    probs = scores.masked_fill(some & ~allowed, -math.inf).softmax(dim=-1) * some
    y = torch.einsum("bnts,bsnv->btnv", probs, v)
    dprobs, dscores = torch.autograd.grad(y, (probs, scores), dy)
    return {"probs": probs, "dprobs": dprobs, "dscores": dscores}


INSIDE = {"attention": attention_inside}
"""What to show of an op besides its results: from its arguments and ``dy``, by its name."""
