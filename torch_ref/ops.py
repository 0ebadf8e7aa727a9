"""Which PyTorch function answers to which op of ``npformer.ops``.

Each takes the arguments of the op's forward, as tensors, and returns its result; the backward is
autograd's.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from npformer.errors import ConfigError
from torch_ref.seam import op


@op
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x (..., I), weight (O, I), bias (O,) -> (..., O)."""
    return F.linear(x, weight, bias)


@op
def embedding(ids: Tensor, weight: Tensor, *, padding_idx: int | None = None) -> Tensor:
    """ids (...), weight (V, D) -> (..., D); IndexError for an id out of range, on the CPU."""
    return F.embedding(ids, weight, padding_idx)


@op
def softmax(x: Tensor, *, axis: int = -1) -> Tensor:
    """x (...) -> (...)."""
    return F.softmax(x, axis)


@op
def log_softmax(x: Tensor, *, axis: int = -1) -> Tensor:
    """x (...) -> (...)."""
    return F.log_softmax(x, axis)


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


@op
def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, *, eps: float = 1e-5) -> Tensor:
    """x (..., D), weight (D,), bias (D,) -> (..., D)."""
    return F.layer_norm(x, weight.shape, weight, bias, eps)


@op
def relu(x: Tensor) -> Tensor:
    """x (...) -> (...)."""
    return F.relu(x)


@op
def gelu(x: Tensor, *, approximate: str = "none") -> Tensor:
    """x (...) -> (...); ``approximate`` is "none" or "tanh"."""
    return F.gelu(x, approximate=approximate)


@op
def silu(x: Tensor) -> Tensor:
    """x (...) -> (...)."""
    return F.silu(x)


@op
def dropout(x: Tensor, p: float, rng: np.random.Generator | None) -> Tensor:
    """x (...) -> (...), through the mask that the NumPy op would draw from ``rng``."""
    if rng is None or p == 0.0:
        return x
    keep = torch.from_numpy(rng.random(x.shape, dtype=np.float32) >= p).to(x.device)
    return x * keep * (1.0 / (1.0 - p) if p < 1.0 else 0.0)


@op
def cross_entropy(
    logits: Tensor,
    targets: Tensor,
    *,
    label_smoothing: float = 0.0,
    ignore_index: int | None = -100,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """logits (..., V), targets (...) -> (), or (...) if ``reduction`` is "none".

    With every target ignored and ``reduction="mean"`` this is PyTorch's 0 / 0, NaN.
    """
    loss = F.cross_entropy(
        logits.reshape(-1, logits.shape[-1]),
        targets.reshape(-1),
        weight,
        # PyTorch must have one: a number that no vocabulary reaches ignores nothing.
        ignore_index=-(2**62) if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
    return loss.reshape(targets.shape) if reduction == "none" else loss


def sinusoidal_positions(
    length: int,
    d_model: int,
    *,
    layout: str = "interleaved",
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    """The paper's position table (length, d_model): sines in even columns, cosines in odd ones.

    Or, with the ``layout`` "half", all sines before all cosines; raises ConfigError for another.
    """
    if layout not in ("interleaved", "half"):
        raise ConfigError(f"layout is {layout!r}; choose one of interleaved, half")
    column = torch.arange(d_model, dtype=torch.float64, device=device)
    wave = 10_000.0 ** (-(column - column % 2) / d_model)
    angle = torch.outer(torch.arange(length, dtype=torch.float64, device=device), wave)
    table = torch.where(column % 2 == 0, angle.sin(), angle.cos()).to(dtype)
    return torch.cat([table[:, 0::2], table[:, 1::2]], 1) if layout == "half" else table


def padding_mask(ids: Tensor, padding_id: int) -> Tensor:
    """ids (B, S) -> (B, 1, 1, S), True where there is a token to attend to."""
    return (ids != padding_id)[:, None, None, :]


def causal_mask(t: int, s: int | None = None, *, device: torch.device | None = None) -> Tensor:
    """(t, s), True where the key is not after the query; the last query sees every key."""
    s = t if s is None else s
    return torch.ones(t, s, dtype=torch.bool, device=device).tril(s - t)
