"""Mixture of experts (Shazeer et al., 2017, arXiv:1701.06538): each token chooses a few networks.

    scores  = router(x)                                   one for each expert
    chosen  = the k best; a choice, without a gradient     see routing.py
    weights = what the chosen count, from their scores     see expert_weights.py
    y       = sum over the chosen of weights * expert(x), + shared(x), or its share:
              sigmoid(shared_gate(x)) * shared(x)

The rows are sorted by expert on the way in and brought back on the way out, so that each expert's
are one product. Two losses besides the model's keep the router usable: one for the balance, one
against large scores. They are sums over the tokens that count, as the model's own loss is.

Chapter     walkthroughs/25_choosing_experts.md
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.nn.experts import Experts, ExpertsCache
from npformer.nn.feed_forward import FeedForward, make_feed_forward
from npformer.nn.gated_feed_forward import GatedFeedForward
from npformer.nn.linear import Linear
from npformer.nn.module import Array, Module, Parameter
from npformer.ops.array import rows
from npformer.ops.balance_loss import (
    BalanceLossCache,
    balance_loss_backward,
    balance_loss_forward,
)
from npformer.ops.checks import check_choice
from npformer.ops.combine import CombineCache, combine_backward, combine_forward
from npformer.ops.dispatch import DispatchCache, dispatch_backward, dispatch_forward
from npformer.ops.expert_weights import (
    SCORINGS,
    ExpertWeightsCache,
    affinity,
    expert_weights_backward,
    expert_weights_forward,
)
from npformer.ops.linear import LinearCache
from npformer.ops.routing import (
    balanced_bias,
    check_choice_of,
    choose_experts,
    sorted_by_expert,
    within_text_capacity,
)
from npformer.ops.sigmoid import SigmoidCache, sigmoid_backward, sigmoid_forward
from npformer.ops.z_loss import ZLossCache, z_loss_backward, z_loss_forward


class Auxiliary(NamedTuple):
    """What a mixture adds to the loss, and how many tokens each expert had."""

    loss: Array  # (), a sum over the tokens that count
    load: Any  # (..., E), of the tokens that count; the leading axis is of layers; None of none


def summed(each: Iterable[Auxiliary]) -> Auxiliary | None:
    """The losses added, the loads (layers, E) one after the other; None of none."""
    each = list(each)
    if not each:
        return None
    loads = [a.load for a in each if a.load is not None]
    loss = np.sum([a.loss for a in each], axis=0)
    return Auxiliary(loss, np.concatenate(loads) if loads else None)


class AuxiliaryCache(NamedTuple):
    probs: ExpertWeightsCache | None  # of all experts
    balance: BalanceLossCache | None
    scores: ZLossCache | None


class SharedGateCache(NamedTuple):
    proj: LinearCache
    sigmoid: SigmoidCache
    open: Array  # (..., T, 1)
    y: Array  # (..., T, D), of the shared network


class MixtureOfExpertsCache(NamedTuple):
    router: LinearCache
    weights: ExpertWeightsCache
    dispatch: DispatchCache
    experts: ExpertsCache
    combine: CombineCache
    shared: Any  # the cache of the shared network
    shared_gate: SharedGateCache | None
    auxiliary: Auxiliary | None  # where it was asked for
    losses: AuxiliaryCache | None
    shape: tuple[int, ...]  # of x


class MixtureOfExperts(Module):
    """``experts`` feed-forward networks of which each token has ``experts_per_token``.

    Args:
        scoring, normalize, scale: as in ``expert_weights``.
        router_bias: whether scores have a bias, as gpt-oss's.
        shared_d_ff: the width of a network that every token has besides; none unless given.
        shared_gate: whether a token has a share of that network, by a sigmoid of its own (Qwen 2).
        groups, kept_groups: a token chooses among its best groups of experts.
        balance_bias: whether the choice has a bias, which is no weight and has no gradient.
        balance_loss, z_loss: what the auxiliary losses count beside the model's.
        capacity: where texts are given, which is in training, an expert takes so many times its
            even share of a text's choices, of the first tokens, and the others are dropped.

    Raises ConfigError for what cannot be chosen, another scoring or activation, a size below 1.
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
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        check_choice_of(experts, experts_per_token, groups, kept_groups)
        check_choice("scoring", scoring, SCORINGS)
        self.experts_per_token = experts_per_token
        self.scoring, self.normalize, self.scale = scoring, normalize, scale
        self.groups, self.kept_groups = groups, kept_groups
        self.balance_loss, self.z_loss, self.capacity = balance_loss, z_loss, capacity
        self.router = Linear(d_model, experts, router_bias, rng=rng, dtype=dtype)
        self.balance_bias: Parameter | None = None
        if balance_bias:
            self.balance_bias = Parameter(np.zeros(experts, dtype), trainable=False)
        self.experts = Experts(experts, d_model, d_ff, activation, bias=bias, rng=rng, dtype=dtype)
        self.shared: FeedForward | GatedFeedForward | None = None
        if shared_d_ff is not None:
            self.shared = make_feed_forward(
                d_model, shared_d_ff, activation, bias=bias, rng=rng, dtype=dtype
            )
        self.shared_gate: Linear | None = None
        if shared_d_ff is not None and shared_gate:
            self.shared_gate = Linear(d_model, 1, bias=False, rng=rng, dtype=dtype)

    def forward(
        self, x: Array, texts: Array | None = None, chosen: Array | None = None
    ) -> tuple[Array, MixtureOfExpertsCache]:
        """x (..., T, D) -> y (..., T, D), cache.

        With ``texts`` (..., T), as in ``balance_loss`` the text of each token or -1 if it does not
        count, the cache has the auxiliary losses as ``auxiliary``, and the backward adds their
        gradient. ``chosen`` (R, k) are the experts of each of the R tokens where the scores do not
        choose, but a hash of the ids say; the weights are the scores' all the same.
        """
        x_rows = rows(x)  # (R, D)
        scores, router = self.router.forward(x_rows)  # (R, E)
        chosen = self.choose(scores) if chosen is None else chosen  # (R, k)
        weights, of_weights = expert_weights_forward(
            scores,
            chosen=chosen,
            scoring=self.scoring,
            normalize=self.normalize,
            scale=self.scale,
        )
        kept = None if texts is None else self.fits(chosen, texts.reshape(-1))
        places = sorted_by_expert(chosen, scores.shape[-1], kept)
        sent, dispatch = dispatch_forward(x_rows, slots=places.slots)  # (P, D)
        h, experts = self.experts.forward(sent, places.sizes)  # (P, D)
        y, combine = combine_forward(h, weights, slots=places.slots)  # (R, D)
        y = y.reshape(x.shape)
        more, shared, shared_gate = self._through_shared(x)
        y = y + more
        auxiliary = losses = None
        if texts is not None:
            texts = texts.reshape(-1)  # (R,)
            loss, losses = self._auxiliary(scores, chosen, texts)
            load = np.bincount(chosen[texts >= 0].reshape(-1), minlength=scores.shape[-1])
            auxiliary = Auxiliary(loss, load)
        return y, MixtureOfExpertsCache(
            router,
            of_weights,
            dispatch,
            experts,
            combine,
            shared,
            shared_gate,
            auxiliary,
            losses,
            x.shape,
        )

    def backward(
        self, dy: Array, cache: MixtureOfExpertsCache, dloss: Array | float = 1.0
    ) -> Array:
        """dy (..., T, D) -> dx (..., T, D): by the experts, the router, and the shared network.

        ``dloss`` is the upstream gradient of the auxiliary losses, 1 where they are part of a sum.
        """
        dh, dweights = combine_backward(rows(dy), cache.combine)
        dx = dispatch_backward(self.experts.backward(dh, cache.experts), cache.dispatch)
        dscores = expert_weights_backward(dweights, cache.weights)
        if cache.losses is not None:
            dscores = dscores + self._auxiliary_backward(dloss, cache.losses)
        dx = (dx + self.router.backward(dscores, cache.router)).reshape(cache.shape)
        return dx + self._back_through_shared(dy, cache.shared, cache.shared_gate)

    def _through_shared(self, x: Array) -> tuple[Any, Any, SharedGateCache | None]:
        """x (..., T, D) -> what the shared network adds, 0 without one; the caches."""
        if self.shared is None:
            return 0, None, None
        y, network = self.shared.forward(x)
        if self.shared_gate is None:
            return y, network, None
        score, proj = self.shared_gate.forward(x)
        gate, sigmoid = sigmoid_forward(score)  # (..., T, 1)
        return gate * y, network, SharedGateCache(proj, sigmoid, gate, y)

    def _back_through_shared(self, dy: Array, network: Any, gate: SharedGateCache | None) -> Any:
        """dy (..., T, D) -> what comes back to x by the shared network and by its gate."""
        if self.shared is None:
            return 0
        if self.shared_gate is None or gate is None:
            return self.shared.backward(dy, network)
        dgate = (dy * gate.y).sum(axis=-1, keepdims=True)
        dx = self.shared_gate.backward(sigmoid_backward(dgate, gate.sigmoid), gate.proj)
        return dx + self.shared.backward(gate.open * dy, network)

    def choose(self, scores: Array) -> Array:
        """scores (R, E) -> the experts of each token (R, k).

        Without a bias and without groups the scores themselves tell: every scoring rises with them.
        """
        k, groups = self.experts_per_token, self.groups
        if self.balance_bias is None and groups == 1:
            return choose_experts(scores, k)
        fit = affinity(scores, self.scoring)
        bias = None if self.balance_bias is None else self.balance_bias.data
        return choose_experts(fit, k, bias=bias, groups=groups, kept=self.kept_groups)

    def fits(self, chosen: Array, texts: Array) -> Array | None:
        """chosen (R, k), texts (R,) -> which choices are not dropped, (R, k); None for all."""
        if self.capacity is None:
            return None
        experts = len(self.router.weight.data)
        return within_text_capacity(chosen, texts, experts, self.capacity)

    def rebalance(self, load: Array, rate: float) -> None:
        """Move the bias of the choice after a step in which expert e had load[e] tokens."""
        if self.balance_bias is not None:
            self.balance_bias.data[...] = balanced_bias(self.balance_bias.data, load, rate)

    def _auxiliary(
        self, scores: Array, chosen: Array, texts: Array
    ) -> tuple[Array, AuxiliaryCache]:
        """scores (R, E), chosen (R, k), texts (R,) -> the sum of the losses (), cache."""
        loss = np.zeros((), scores.dtype)
        probs = balance = of_scores = None
        if self.balance_loss:
            everyone = np.broadcast_to(np.arange(scores.shape[-1]), scores.shape)
            p, probs = expert_weights_forward(scores, chosen=everyone, scoring=self.scoring)
            value, balance = balance_loss_forward(p, chosen=chosen, texts=texts)
            loss = loss + scores.dtype.type(self.balance_loss) * value
        if self.z_loss:
            value, of_scores = z_loss_forward(scores, counts=texts >= 0)
            loss = loss + scores.dtype.type(self.z_loss) * value
        return np.asarray(loss), AuxiliaryCache(probs, balance, of_scores)

    def _auxiliary_backward(self, dloss: Array | float, cache: AuxiliaryCache) -> Any:
        """dloss () -> dscores (R, E); 0 where there is no such loss."""
        dtype = self.router.weight.data.dtype.type
        dscores: Any = 0
        if cache.balance is not None and cache.probs is not None:
            dprobs = balance_loss_backward(dtype(self.balance_loss * dloss), cache.balance)
            dscores = expert_weights_backward(dprobs, cache.probs)
        if cache.scores is not None:
            dscores = dscores + z_loss_backward(dtype(self.z_loss * dloss), cache.scores)
        return dscores
