"""Mixture of experts (Shazeer et al., 2017): each token chooses a few networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from torch_ref import ops
from torch_ref.nn.experts import Experts
from torch_ref.nn.feed_forward import make_feed_forward
from torch_ref.nn.linear import Linear


class Auxiliary(NamedTuple):
    """What a mixture adds to the loss, and how many tokens each expert had."""

    loss: Tensor  # (), a sum over the tokens that count
    load: Tensor | None  # (..., E), of the tokens that count; leading axis: layers with experts


def summed(each: Sequence[Auxiliary]) -> Auxiliary:
    """The losses added, the loads (layers, E) one after the other."""
    loads = [a.load for a in each if a.load is not None]
    return Auxiliary(torch.stack([a.loss for a in each]).sum(), torch.cat(loads) if loads else None)


class MixtureOfExperts(nn.Module):
    """``experts`` feed-forward networks of which each token has ``experts_per_token``.

    The arguments are those of the NumPy module.
    """

    def __init__(
        self,
        d_model: int,
        d_ff: int,
        activation: str = "swiglu",
        *,
        experts: int,
        experts_per_token: int = 2,
        scoring: str = "softmax",
        normalize: bool = True,
        scale: float = 1.0,
        router_bias: bool = False,
        shared_d_ff: int | None = None,
        shared_gate: bool = False,
        groups: int = 1,
        kept_groups: int | None = None,
        balance_bias: bool = False,
        balance_loss: float = 0.0,
        z_loss: float = 0.0,
        capacity: float | None = None,
        bias: bool = False,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        place: dict[str, Any] = {"dtype": dtype, "device": device}
        self.experts_per_token = experts_per_token
        self.scoring, self.normalize, self.scale = scoring, normalize, scale
        self.groups, self.kept_groups = groups, kept_groups
        self.balance_loss, self.z_loss, self.capacity = balance_loss, z_loss, capacity
        self.router = Linear(d_model, experts, router_bias, **place)
        self.balance_bias: nn.Parameter | None = None
        if balance_bias:
            self.balance_bias = nn.Parameter(torch.zeros(experts, **place), requires_grad=False)
        self.experts = Experts(experts, d_model, d_ff, activation, bias=bias, **place)
        self.shared: nn.Module | None = None
        if shared_d_ff is not None:
            self.shared = make_feed_forward(d_model, shared_d_ff, activation, bias=bias, **place)
        self.shared_gate: nn.Module | None = None
        if shared_d_ff is not None and shared_gate:
            self.shared_gate = Linear(d_model, 1, bias=False, **place)

    def forward(self, x: Tensor, texts: Tensor | None = None, chosen: Tensor | None = None) -> Any:
        """x (..., T, D) -> (..., T, D), and with ``texts`` (..., T) the ``Auxiliary`` after it.

        ``chosen`` (R, k) are the experts of each token where the scores do not choose.
        """
        rows = x.flatten(0, -2)  # (R, D)
        scores = self.router(rows)  # (R, E)
        if chosen is None:
            chosen = self.choose(scores.detach())  # (R, k)
        weights = ops.expert_weights(
            scores,
            chosen=chosen,
            scoring=self.scoring,
            normalize=self.normalize,
            scale=self.scale,
        )
        count = scores.shape[-1]
        sent_to = chosen
        if texts is not None and self.capacity is not None:  # count stands for no expert
            sent_to = torch.where(self.fits(chosen, texts.flatten()), chosen, count)
        order = torch.argsort(sent_to.flatten(), stable=True)
        slots = torch.argsort(order).view_as(chosen)  # the inverse of a permutation
        slots = torch.where(sent_to == count, -1, slots)
        experts = torch.arange(count, device=x.device)
        sizes = (sent_to.flatten()[:, None] == experts).sum(0)
        h = self.experts(ops.dispatch(rows, slots=slots), sizes)
        y = ops.combine(h, weights, slots=slots).view(x.shape)
        if self.shared is not None:
            more = self.shared(x)
            y = y + (more if self.shared_gate is None else ops.sigmoid(self.shared_gate(x)) * more)
        if texts is None:
            return y
        return y, self._auxiliary(scores, chosen, texts.flatten())

    def choose(self, scores: Tensor) -> Tensor:
        """scores (R, E) -> the experts of each token (R, k), of equal ones the first."""
        k, groups = self.experts_per_token, self.groups
        if self.balance_bias is None and groups == 1:
            return _largest(scores, k)
        fit = ops.affinity(scores, self.scoring)
        if self.balance_bias is not None:
            fit = fit + self.balance_bias
        kept = self.kept_groups
        if kept is not None and kept < groups:
            grouped = fit.unflatten(-1, (groups, -1))
            best = grouped.topk(min(2, grouped.shape[-1]), -1).values.sum(-1)
            inside = torch.zeros_like(best, dtype=torch.bool)
            inside.scatter_(-1, _largest(best, kept), True)
            fit = grouped.masked_fill(~inside[..., None], -torch.inf).flatten(-2)
        return _largest(fit, k)

    def fits(self, chosen: Tensor, texts: Tensor) -> Tensor:
        """chosen (R, k), texts (R,) -> which choices find room in their expert and text, (R, k)."""
        assert self.capacity is not None
        experts, k = self.router.weight.shape[0], chosen.shape[1]
        sorted_texts = texts.sort().values
        ends = [torch.searchsorted(sorted_texts, texts, side=side) for side in ("left", "right")]
        room = torch.ceil(self.capacity * (ends[1] - ends[0]).double() * k / experts)
        kind = (texts[:, None] * experts + chosen).flatten()
        in_order, order = kind.sort(stable=True)
        place = torch.arange(kind.numel(), device=kind.device)
        rank = torch.empty_like(kind)
        rank[order] = place - torch.searchsorted(in_order, in_order)  # less where its run begins
        rank = rank.view_as(chosen)
        return (rank < room[:, None]) | (texts < 0)[:, None]

    def _auxiliary(self, scores: Tensor, chosen: Tensor, texts: Tensor) -> Auxiliary:
        counts = texts >= 0
        count = scores.shape[-1]
        by_expert = chosen[..., None] == torch.arange(count, device=chosen.device)
        load = (by_expert.any(1) & counts[:, None]).sum(0)
        loss = scores.new_zeros(())
        if self.balance_loss:
            everyone = torch.arange(count, device=scores.device).expand_as(scores)
            probs = ops.expert_weights(scores, chosen=everyone, scoring=self.scoring)
            balance = ops.balance_loss(probs, chosen=chosen, texts=texts)
            loss = loss + self.balance_loss * balance
        if self.z_loss:
            loss = loss + self.z_loss * ops.z_loss(scores, counts=counts)
        return Auxiliary(loss, load)


def _largest(x: Tensor, k: int) -> Tensor:
    return torch.sort(x, dim=-1, descending=True, stable=True).indices[..., :k]
