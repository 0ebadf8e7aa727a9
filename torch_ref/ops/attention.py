"""Scaled dot-product attention, by PyTorch's kernels."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from torch_ref.ops.masks import causal_mask
from torch_ref.seam import op


@op
def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    *,
    causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """q (B, T, N, H), k (B, S, N, H), v (B, S, N, Hv), mask to (B, N, T, S) -> (B, T, N, Hv).

    A hidden key or value that is NaN or inf makes this NaN, for PyTorch multiplies it by 0.
    """
    if causal and (mask is not None or q.shape[1] != k.shape[1]):
        # PyTorch takes a mask or is_causal, and aligns the latter's triangle with the first key.
        triangle = causal_mask(q.shape[1], k.shape[1], device=q.device)
        mask = triangle if mask is None else mask & triangle
    with _kernels(q, mask):
        y = F.scaled_dot_product_attention(
            q.transpose(1, 2),
            k.transpose(1, 2),
            v.transpose(1, 2),
            attn_mask=mask,
            is_causal=causal and mask is None,
            scale=scale,
        )
    return y.transpose(1, 2)


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
