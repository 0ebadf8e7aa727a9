"""Scaled dot-product attention, by PyTorch's kernels."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from torch_ref.ops.masks import causal_mask, near_mask
from torch_ref.seam import op


@op
def attention(
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
) -> Tensor:
    """q (B, T, N, H), k (B, S, G, H), v (B, S, G, Hv), mask to (B, N, T, S) -> (B, T, N, Hv).

    A hidden key or value that is NaN or inf makes this NaN, for PyTorch multiplies it by 0.
    """
    t, s = q.shape[1], k.shape[1]
    alone = mask is None and bias is None and window is None and t == s
    # PyTorch takes a mask or is_causal, and aligns the latter's triangle with the first key.
    if (causal and not alone) or window is not None:
        near = near_mask(t, s, causal, window, device=q.device)
        mask = near if mask is None else mask & near
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))  # (B, N or G, T or S, H or Hv)
    grouped = q.shape[1] != k.shape[1]
    if sink is not None or softcap is not None:
        if causal and mask is None:
            mask = causal_mask(t, s, device=q.device)
        return _composed(q, k, v, mask, bias, sink, scale, softcap).transpose(1, 2)
    if bias is not None:
        mask = bias if mask is None else torch.where(mask, bias, -math.inf)
    if grouped and mask is not None:  # the kernels that take a mask take no groups
        k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], 1) for x in (k, v))
        grouped = False
    with _kernels(q, mask):
        y = F.scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=mask,
            is_causal=causal and mask is None,
            scale=scale,
            enable_gqa=grouped,
        )
    return y.transpose(1, 2)


def _composed(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    sink: Tensor | None,
    scale: float | None,
    softcap: float | None,
) -> Tensor:
    """What no kernel of PyTorch's has: q (B, N, T, H), k, v (B, G, S, H) -> (B, N, T, Hv)."""
    k, v = (x.repeat_interleave(q.shape[1] // max(x.shape[1], 1), 1) for x in (k, v))
    scores = q @ k.mT * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    if bias is not None:
        scores = scores + bias
    some = torch.ones((), dtype=torch.bool, device=q.device)
    if mask is not None:
        some = mask.any(-1, keepdim=True)
        scores = scores.masked_fill(~mask, -math.inf)
    if sink is None:  # a row of nothing but -inf would be NaN: it is made 0
        return scores.masked_fill(~some, 0).softmax(-1).masked_fill(~some, 0) @ v
    last = sink[:, None, None].expand(*scores.shape[:-1], 1)
    return torch.cat([scores, last], -1).softmax(-1)[..., :-1] @ v


ALL_BUT_CUDNN = [
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
    SDPBackend.OVERRIDEABLE,
]


def _kernels(q: Tensor, mask: Tensor | None) -> AbstractContextManager[None]:
    """Which of PyTorch's ways to compute attention may be taken: all, with two exceptions.

    On a CPU in bf16 the fused one's backward takes many times as long as that of the plain products
    and soft-max, for which sequences of a sentence's length leave room. Elsewhere, the backward of
    cuDNN's gives NaN for a mask at lengths of 64 modulo 128 where a query's scores are all below
    -88 (pytorch#196678, PyTorch 2.11 to 2.13).
    """
    if q.is_cpu:
        plain = q.dtype == torch.bfloat16
        return sdpa_kernel(SDPBackend.MATH) if plain else nullcontext()
    guarded = mask is not None and torch.is_grad_enabled()
    return sdpa_kernel(ALL_BUT_CUDNN) if guarded else nullcontext()
