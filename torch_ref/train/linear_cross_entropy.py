r"""Output projection and cross-entropy in one, over a few rows at a time.

The logits of a batch are its largest array: R rows (target positions) times V classes. Here only
``chunk`` rows of them exist at one time. Each chunk's gradient is made while its logits are there,
in the forward, so that nothing of that size is kept.

The formulas are those of ``npformer/ops/linear_cross_entropy.py``, where they are derived, with two
choices of another kind. All V classes of a row are there at once, for a GPU has room for some rows
of them; so nothing need be rescaled. And since dloss is one number, by which all is linear, the
gradients are made beside the forward for dloss = 1, and multiplied by it in the backward: three
products, where to make the logits again takes four. A loss for each row could not be had so, which
is why there is none here.

Shapes      hidden, dhidden : (R, D)    weight, dweight : (V, D)    targets : (R,) integers
            bias, dbias : (V,)
            loss : ()    of a chunk of C rows:    h, dh : (C, D)    logits, exps, dlogits : (C, V)

Reading     A row needs no other row's logits, so rows can be taken a few at a time; only dweight
            sums over them, and a sum can be carried along. What is kept is dhidden and dweight,
            (R + V) D numbers instead of R V, at not one product more than otherwise.

            Under autocast the three products are made in its dtype, all else in float32.

Chapter     walkthroughs/20_loss_without_logits.md
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

OfChunk = Callable[..., tuple[Tensor, Tensor]]
"""As ``cross_entropy_and_gradient``."""


def linear_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    bias: Tensor | None = None,
    *,
    chunk: int,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    of_chunk: OfChunk | None = None,
) -> Tensor:
    """hidden (R, D), weight (V, D), targets (R,), bias (V,) -> (), the sum of losses in nats.

    ``chunk`` rows of logits exist at one time; ``of_chunk`` is what makes their loss and gradient,
    ``cross_entropy_and_gradient`` unless given.
    On the CPU raises IndexError for a target that is neither ignore_index nor in [0, V). It can be
    differentiated once.
    """
    of_chunk = partial(
        of_chunk or cross_entropy_and_gradient,
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
        z_loss=z_loss,
    )
    with_gradient = torch.is_grad_enabled()
    loss: Tensor = _LinearCrossEntropy.apply(
        hidden, weight, bias, targets, chunk, of_chunk, with_gradient
    )
    return loss


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        chunk: int,
        of_chunk: OfChunk,
        with_gradient: bool,
    ) -> Tensor:
        kind = hidden.device.type
        mixed = torch.is_autocast_enabled(kind)
        products = torch.get_autocast_dtype(kind) if mixed else weight.dtype
        sums = torch.promote_types(weight.dtype, torch.float32)
        w = weight.to(products)
        loss = weight.new_zeros((), dtype=sums)
        with_gradient &= any(ctx.needs_input_grad)
        dweight = torch.zeros_like(weight, dtype=sums) if with_gradient else None
        dbias = None if bias is None else torch.zeros_like(bias, dtype=sums)
        dhidden = []
        for h, t in zip(hidden.split(chunk), targets.split(chunk), strict=True):
            h = h.to(products)
            logits = (h @ w.T).to(sums)
            if bias is not None:
                logits += bias
            chunk_loss, dlogits = of_chunk(logits, t)
            loss += chunk_loss
            if dweight is not None:
                if dbias is not None:
                    dbias += dlogits.sum(0)
                dlogits = dlogits.to(products)
                dhidden.append((dlogits @ w).to(hidden.dtype))
                dweight += dlogits.T @ h
        if dweight is not None:
            ctx.save_for_backward(
                *(d for d in (torch.cat(dhidden), dweight, dbias) if d is not None)
            )
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dloss: Tensor) -> tuple[Tensor | None, ...]:
        dhidden, dweight, *dbias = (dloss * gradient for gradient in ctx.saved_tensors)
        return dhidden, dweight, dbias[0] if dbias else None, None, None, None, None


def cross_entropy_and_gradient(
    logits: Tensor,
    targets: Tensor,
    *,
    ignore_index: int,
    label_smoothing: float,
    z_loss: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """logits (C, V), targets (C,) -> the summed loss () and dlogits (C, V), which is ``logits``.

    In place throughout: it is memory that takes the time here, not arithmetic.
    """
    a, s = 1 - label_smoothing, label_smoothing / logits.shape[-1]
    counts = targets != ignore_index  # (C,) bool
    top = logits.amax(-1, keepdim=True)
    z = logits.sub_(top)
    loss = a * F.nll_loss(z, targets, ignore_index=ignore_index, reduction="sum")  # -a z_t, summed
    smoothing = s * z.sum(-1) if s else 0
    exps = z.exp_()
    total = exps.sum(-1)
    loss = loss + torch.where(counts, total.log() - smoothing, 0).sum()

    one = counts.to(logits.dtype)[:, None]  # (C, 1), 0 in a row that is ignored
    share = one / total[:, None]
    if z_loss:
        log_total = top + total.log()[:, None]  # (C, 1)
        loss = loss + z_loss * torch.where(counts[:, None], log_total.square(), 0).sum()
        share = share * (1 + 2 * z_loss * torch.where(counts[:, None], log_total, 0))
    dlogits = exps.mul_(share)
    if s:
        dlogits.sub_(s * one)
    dlogits.scatter_add_(1, torch.where(counts, targets, 0)[:, None], -a * one)
    return loss, dlogits


def capped(of_chunk: OfChunk, cap: float) -> OfChunk:
    """The same of logits that are first held within a cap, by tanh."""

    def of_capped(logits: Tensor, targets: Tensor, **options: Any) -> tuple[Tensor, Tensor]:
        tanh = torch.tanh(logits / cap)
        loss, dlogits = of_chunk(cap * tanh, targets, **options)
        return loss, dlogits * (1 - tanh * tanh)

    return of_capped


@functools.cache
def compiled_cross_entropy() -> OfChunk:
    """``cross_entropy_and_gradient`` through torch.compile: fewer passes over the memory."""
    return torch.compile(cross_entropy_and_gradient, dynamic=True)
