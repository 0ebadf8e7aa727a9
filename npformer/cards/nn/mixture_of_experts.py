"""The card of the mixture of experts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_draws import draw_lengths, draw_settings
from npformer.cards.module_invariants import adds_up, own_positions
from npformer.cards.strategies import Source, draw_rng
from npformer.nn.mixture_of_experts import MixtureOfExperts
from npformer.ops.array import rows
from npformer.ops.expert_weights import SCORINGS, affinity
from npformer.ops.masks import first_tokens

card = ModuleCard.of(MixtureOfExperts)
card.inputs, card.output = {"x": "BTD"}, "BTD"
card.words = {"dx": "the sum over the experts, the router and the shared network"}
MARGIN = 1e-4
"""Where two experts are closer than this for a token, a derivative may cross over to the other."""


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """Every scoring, a shared network, groups, a bias of the choice; with and without losses."""
    c = draw_settings(source)
    b, t, _ = draw_lengths(source)
    experts = source.choice((4, 3, 1, 6))
    groups = source.choice((1, 2)) if experts in (4, 6) else 1
    kept = source.choice((1, None)) if groups > 1 else None
    most = experts if kept is None else kept * experts // groups
    settings = {
        "experts": experts,
        "experts_per_token": source.integer(1, min(3, most)),
        "scoring": source.choice(SCORINGS),
        "normalize": source.choice((True, False)),
        "scale": source.choice((1.0, 2.5)),
        "shared_d_ff": source.choice((None, 3)),
        "shared_gate": source.choice((False, True)),
        "groups": groups,
        "kept_groups": kept,
        "balance_bias": source.choice((False, True)),
        "balance_loss": source.choice((0.0, 0.5)),
        "z_loss": source.choice((0.0, 0.3)),
        "capacity": source.choice((None, 0.7, 1.2)),
        "bias": source.choice((False, True)),
    }
    settings["router_bias"] = settings["bias"]
    activation = source.choice(("swiglu", "relu_squared", "geglu", "silu"))
    static: dict[str, Any] = {
        "build": (c["d_model"], c["d_ff"], activation),
        "settings": settings,
        "texts": None,
    }
    if source.choice((False, True)):
        counts = draw_rng(source).random((b, t)) < 0.7
        static["texts"] = first_tokens(counts)
    return {"B": b, "T": t, "D": c["d_model"]}, static


def _call(module: Any, inputs: list[Any], keywords: dict[str, Any]) -> Any:
    """The losses are added to every entry of y, so that each has an upstream gradient."""
    y, cache = module.forward(*inputs, **keywords)
    if cache.auxiliary is None:
        return y, lambda dy: module.backward(dy, cache)
    loss = np.asarray(cache.auxiliary.loss, y.dtype)
    return y + loss, lambda dy: module.backward(dy, cache, np.asarray(dy.sum(), dy.dtype))


def _call_twin(module: Any, inputs: list[Any], keywords: dict[str, Any]) -> Any:
    y = module(*inputs, **keywords)
    if not isinstance(y, tuple):
        return y
    y, auxiliary = y
    return y + auxiliary.loss


card.call, card.call_twin = _call, _call_twin


@card.smooth
def _clear(module: Any, case: Case) -> bool:
    """Whether every token prefers those it chose by more than ``MARGIN``."""
    x = rows(case.inputs["x"].astype(np.float64))
    fit = affinity(module.router.forward(x)[0], module.scoring)  # (R, E)
    if module.balance_bias is not None:
        fit = fit + module.balance_bias.data
    if module.groups == 1:
        return _apart(fit, module.experts_per_token)
    grouped = fit.reshape(len(fit), module.groups, fit.shape[-1] // module.groups)
    best = np.sort(grouped, axis=-1)[..., -2:].sum(-1)  # (R, groups)
    return _apart(best, module.kept_groups or module.groups) and _apart(
        np.sort(grouped, axis=-1)[..., ::-1].reshape(fit.shape), 0
    )


def _apart(fit: Array, k: int) -> bool:
    """Whether the k-th best is far from the one after it; for k = 0, each from the next."""
    gaps = -np.diff(-np.sort(-fit, axis=-1), axis=-1)  # (R, E - 1)
    gaps = gaps if not k else gaps[:, k - 1 : k]
    return not gaps.size or bool(np.abs(gaps).min() > MARGIN)


def settings_of(case: Case) -> dict[str, Any]:
    return case.static["settings"]


def counted(case: Case) -> Array | None:
    return case.static["texts"]


card.frozen = lambda case: {"balance_bias": ...} if settings_of(case)["balance_bias"] else {}
card.invariant("two parts of a batch add up to the whole", "mean-of-the-batch")(
    lambda component, case, result, scales: (
        adds_up("texts")(component, case, result, scales) if counted(case) is None else iter(())
    )
)


@card.invariant("a position's y is its own, whatever the others are", "shared-of-the-mean")
def _own(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    if counted(case) is None:
        yield from own_positions(component, case, result, scales)


def _idle(static: Mapping[str, Any]) -> set[str]:
    """The router, where a share is 1 whatever the scores and no loss reads them."""
    s = static["settings"]
    whole = s["normalize"] or (s["experts"] == 1 and s["scoring"] == "softmax")
    alone = s["experts_per_token"] == 1 and static.get("texts") is None
    router = {"router.weight", "router.bias"} if s["router_bias"] else {"router.weight"}
    return router if alone and whole else set()


card.idle = _idle


@card.invariant("the share of one expert teaches the router nothing", "router-told-twice")
def _one(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    if _idle(case.static):
        yield Finding(result["grad router.weight"], 0.0, 0.0)


@card.invariant("a bias of the choice has no gradient", broken_by="bias-trained")
def _bias(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    if "grad balance_bias" in result:
        yield Finding(result["grad balance_bias"], 0.0, 0.0)
