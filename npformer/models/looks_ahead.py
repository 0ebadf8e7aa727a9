r"""Losses of tokens behind the next one: a model that trains on more than its next token.

Shapes      h : (B, T, D), what the logits are made of    ids, targets : (B, T)

Forward     h^0 = h, and for k = 1, 2, ... K, over the positions t that have an id t + k,

                h^k_t = module_k(h^(k-1)_t, embedding(ids_(t+k)))
                loss += weight / K * cross_entropy(output(h^k_t), targets_(t+k))

            Embedding and output are the model's own, for all k.

Backward    From the last k to the first. h^(k-1) is read by the next module and by the output, so
            its gradient is a sum, and that of h itself is one more term beside the logits'. Every k
            adds to the gradients of the embedding and of the output.

Reading     targets_t is ids_(t+1), so module k reads, at t, the token that stage k - 1 was asked
            for there. A position has no such loss where its text ends before: in a row of several
            texts, module k is given the next text's tokens behind the end of one, and what it makes
            of them is seen by no position that has a loss.

Chapter     walkthroughs/22_decoder_only.md
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from npformer.models.loss import LOSS, NO_TARGET
from npformer.nn.embedding import Embedding
from npformer.nn.mixture_of_experts import Auxiliary, summed
from npformer.nn.module import Array
from npformer.nn.multi_token_prediction import MultiTokenPrediction, MultiTokenPredictionCache
from npformer.ops.embedding import EmbeddingCache
from npformer.ops.masks import first_tokens
from npformer.seam import method


class StageCache(NamedTuple):
    """Of one module and its loss."""

    embedding: EmbeddingCache
    module: MultiTokenPredictionCache
    output: Any  # of what made the logits
    loss: Any  # of the loss's op
    length: int  # of the state that the module read, one more than its own


class AheadCache(NamedTuple):
    stages: list[StageCache]
    share: float  # what each of their sums counts
    auxiliary: Auxiliary  # the sum of the losses, and the loads of the modules' experts


class LooksAhead:
    """What a ``Model`` with ``ahead``, a module for each token behind the next one, has besides."""

    ahead: list[MultiTokenPrediction]
    config: Any
    embedding: Embedding
    embedding_scale: float
    _read_out: Callable[[Array], tuple[Array, Any]]
    """The last states (..., D) -> logits (..., V), cache."""
    _read_out_gradient: Callable[[Array, Any], Array]
    """dlogits (..., V), cache -> the states' (..., D)."""

    @method
    def _look_ahead(
        self,
        h: Array,
        ids: Array,
        targets: Array,
        rng: np.random.Generator | None = None,
        *,
        documents: Array | None = None,
        mask: Array | None = None,
        at: Array | None = None,
    ) -> tuple[Array, AheadCache]:
        """h (B, T, D), ids and targets (B, T) -> the sum of the losses (), cache.

        Where targets are ``NO_TARGET`` there is none. ``documents`` (B, T), ``mask`` (B, 1, T, T)
        and ``at`` (B, T) are those of rows of several texts.
        """
        stages: list[StageCache] = []
        share = self.config.predict_ahead_loss / len(self.ahead)
        total = np.zeros((), h.dtype)
        for k, module in enumerate(self.ahead, 1):
            length, h, asked = h.shape[1], h[:, :-1], targets[:, k:]
            more: dict[str, Any] = {}
            if documents is not None and mask is not None and at is not None:
                asked = np.where(documents[:, k:] == documents[:, :-k], asked, NO_TARGET)
                more = {"mask": mask[:, :, :-k, :-k], "at": at[:, :-k]}
            if self.config.experts is not None:
                more["texts"] = first_tokens(asked != NO_TARGET, more.get("at"))
            e, embedding = self.embedding.forward(ids[:, k:])
            h, of_module = module.forward(h, e * self.embedding_scale, rng=rng, **more)
            logits, output = self._read_out(h)
            loss, of_loss = LOSS.forward(logits, asked, ignore_index=NO_TARGET, reduction="sum")
            total = total + h.dtype.type(share) * loss
            stages.append(StageCache(embedding, of_module, output, of_loss, length))
        of_experts = (stage.module.auxiliary for stage in stages)
        auxiliary = summed([Auxiliary(total, None), *(a for a in of_experts if a is not None)])
        assert auxiliary is not None
        return np.asarray(auxiliary.loss), AheadCache(stages, share, auxiliary)

    @method
    def _look_ahead_backward(self, dloss: Array | float, cache: AheadCache) -> Array:
        """dloss () -> dh (B, T, D); 1 where the losses are part of a sum."""
        dtype = self.embedding.weight.data.dtype
        dh: Any = 0.0  # of the stage's own state, by the next one
        for module, stage in zip(reversed(self.ahead), reversed(cache.stages), strict=True):
            dlogits = LOSS.backward(np.asarray(cache.share * dloss, dtype), stage.loss)
            dh = dh + self._read_out_gradient(dlogits, stage.output)
            read, de = module.backward(dh, stage.module)
            self.embedding.backward(de * self.embedding_scale, stage.embedding)
            dh = np.zeros((len(read), stage.length, read.shape[2]), read.dtype)
            dh[:, : read.shape[1]] = read  # the last position has no id behind it
        return np.asarray(dh)
