"""What scaled_dot_product_attention does not show: its probabilities, and what flows into them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from torch_ref.ops.masks import near_mask


@torch.enable_grad()
def attention_inside(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
    sink: Tensor | None = None,
    *,
    causal: bool = False,
    window: int | None = None,
    scale: float | None = None,
    softcap: float | None = None,
    dy: Tensor,
) -> dict[str, Tensor]:
    """q (B, T, N, H), k (B, S, G, H), v (B, S, G, Hv), dy (B, T, N, Hv) -> scores, probs, dprobs,
    dscores.

    All are (B, N, T, S). ``scores`` are what the softmax reads, scale, cap and bias included, and
    -inf where a key is hidden. A row that may attend to nothing is 0 in the others.
    """
    q, k, v = (x.detach().transpose(1, 2) for x in (q, k, v))
    k, v = (x.repeat_interleave(q.shape[1] // max(x.shape[1], 1), 1) for x in (k, v))
    scores = q @ k.mT * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    scores = (scores if bias is None else scores + bias.detach()).requires_grad_()
    allowed = near_mask(q.shape[2], k.shape[2], causal, window, device=q.device)
    allowed = (allowed if mask is None else allowed & mask).broadcast_to(scores.shape)
    some = allowed.any(dim=-1, keepdim=True)
    # A row of nothing but -inf would be NaN: it keeps its scores, and its result is made 0.
    hidden = scores.masked_fill(some & ~allowed, -math.inf)
    if sink is None:
        probs = hidden.softmax(dim=-1) * some
    else:
        last = sink.detach()[:, None, None].expand(*scores.shape[:-1], 1)
        probs = torch.cat([hidden, last], -1).softmax(dim=-1)[..., :-1] * some
    dprobs, dscores = torch.autograd.grad(probs @ v, (probs, scores), dy.transpose(1, 2))
    shown = scores.detach().masked_fill(~allowed, -math.inf)
    return {"scores": shown, "probs": probs, "dprobs": dprobs, "dscores": dscores}


INSIDE = {"attention": attention_inside}
"""What to show of an op besides its results: from its arguments and ``dy``, by its name."""
