"""Losses of tokens behind the next one: a model that trains on more than its next token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torch_ref import ops
from torch_ref.nn import Embedding, MultiTokenPrediction
from torch_ref.nn.mixture_of_experts import Auxiliary, summed
from torch_ref.ops.masks import first_tokens

NO_TARGET = -100
"""In place of a target that has no loss: what ``F.cross_entropy`` ignores unless told otherwise."""
SumOfLosses = Callable[[Tensor, Tensor], Tensor]
"""What is projected to the logits (B, T, D), targets (B, T) with ``NO_TARGET`` -> ()."""


class LooksAhead:
    """What a ``Model`` with ``ahead``, a module for each token behind the next one, has besides."""

    ahead: Sequence[MultiTokenPrediction]
    config: Any
    embedding: Embedding
    embedding_scale: float
    logits: Callable[[Tensor], Tensor]
    _scaled: Callable[[Tensor], Tensor]

    def _look_ahead(
        self,
        h: Tensor,
        ids: Tensor,
        targets: Tensor,
        rng: np.random.Generator | None = None,
        *,
        documents: Tensor | None = None,
        mask: Tensor | None = None,
        at: Tensor | None = None,
        loss_of: SumOfLosses | None = None,
    ) -> Auxiliary:
        """h (B, T, D), ids and targets (B, T) -> the sum of the losses, with the experts' own."""
        loss_of = loss_of or self._loss
        losses: list[Tensor] = []
        of_experts: list[Auxiliary] = []
        for k, module in enumerate(self.ahead, 1):
            h, asked = h[:, :-1], targets[:, k:]
            more: dict[str, Any] = {}
            if documents is not None and mask is not None and at is not None:
                asked = torch.where(documents[:, k:] == documents[:, :-k], asked, NO_TARGET)
                more = {"mask": mask[:, :, :-k, :-k], "at": at[:, :-k]}
            if self.config.experts is not None:
                more["texts"] = first_tokens(asked != NO_TARGET, more.get("at"))
            h = module(h, self.embedding(ids[:, k:]) * self.embedding_scale, rng=rng, **more)
            if isinstance(h, tuple):
                h, auxiliary = h
                of_experts.append(auxiliary)
            losses.append(loss_of(self._scaled(h), asked))
        mean = torch.stack(losses).mean()
        return summed([Auxiliary(self.config.predict_ahead_loss * mean, None), *of_experts])

    def _loss(self, y: Tensor, targets: Tensor) -> Tensor:
        loss: Tensor = ops.cross_entropy(
            self.logits(y), targets, ignore_index=NO_TARGET, reduction="sum"
        )
        return loss
