"""What must hold of attention by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.ops import attention_by_hand
from npformer.cards.ops.attention import card
from npformer.ops.masks import packed_mask


def _allowed(case: Case) -> Array:
    """(B, N, T, S)."""
    (b, t, n, _), s = case.inputs["q"].shape, case.inputs["k"].shape[1]
    mask, window = case.static.get("mask"), case.static.get("window")
    seen = attention_by_hand.allowed(t, s, mask, case.static["causal"], window)
    if (offsets := case.static.get("offsets")) is not None:
        seen = seen & packed_mask(offsets, s)
    return np.broadcast_to(seen, (b, n, t, s))


def _blind(case: Case) -> Array:
    """(B, T, N), True for a query that sees nothing."""
    return ~np.any(_allowed(case).transpose(0, 2, 1, 3), axis=-1)


@card.invariant("a query that sees nothing gives 0", broken_by="finite-mask")
def _blind_output(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    yield Finding(result["y"][_blind(case)], 0.0, 0.0)


@card.invariant("a query that sees nothing has no gradient", broken_by="finite-mask")
def _blind_gradient(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    yield Finding(result["dq"][_blind(case)], 0.0, 0.0)


@card.invariant("a hidden key has no gradient", broken_by="finite-mask")
def _hidden_key(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    yield Finding(result["dk"][_unseen(case)], 0.0, 0.0)


@card.invariant("a hidden value has no gradient", broken_by="dv-from-unmasked-weights")
def _hidden_value(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    yield Finding(result["dv"][_unseen(case)], 0.0, 0.0)


def _unseen(case: Case) -> Array:
    """(B, S, G), True for a key that no query sees."""
    unseen = ~np.any(_allowed(case).transpose(0, 3, 1, 2), axis=-1)  # (B, S, N)
    groups = case.inputs["k"].shape[2]
    return unseen.reshape(*unseen.shape[:2], groups, unseen.shape[2] // max(groups, 1)).all(-1)


@card.invariant("dk sums to 0 over keys", broken_by="softmax-diagonal")
def _common_key(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """A vector added to every key changes nothing, unless there is a softcap or a sink."""
    if case.static.get("softcap") is None and "sink" not in case.inputs:
        yield Finding(result["dk"].astype(np.float64).sum(1), 0.0, scales["dk"].sum(1))


@card.invariant("dv sums to dy", broken_by="mask-after-softmax")
def _weights(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """The weights of a query sum to 1, unless a sink takes its share."""
    if "sink" in case.inputs or np.isinf(case.inputs.get("bias", 0.0)).any():
        return
    seen = np.where(_blind(case)[..., None], 0.0, case.dy.astype(np.float64))
    groups = case.inputs["k"].shape[2]
    dy = attention_by_hand.summed(seen, groups).sum(1)
    yield Finding(result["dv"].astype(np.float64).sum(1), dy, scales["dv"].sum(1))


@card.invariant("<dq, q> = <dk, k> in every group", broken_by="scale-missing-from-dq")
def _euler(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """Scores know q and k by their products alone: stretching one is stretching the other."""
    q, k = (np.where(np.isfinite(a), a, 0).astype(np.float64) for a in
            (case.inputs["q"], case.inputs["k"]))  # fmt: skip
    largest = max(np.abs(a).max(initial=0.0) for a in (q, k, case.dy))
    if largest > 1e6 or not np.isfinite(result["dk"]).all():
        return

    def each(dq: Array, dk: Array) -> tuple[Array, Array]:
        of_q = attention_by_hand.summed(dq * q, k.shape[2]).sum((1, 3))
        return of_q, (dk * k).sum((1, 3))  # (B, G)

    left, right = each(result["dq"].astype(np.float64), result["dk"].astype(np.float64))
    q, k = np.abs(q), np.abs(k)
    yield Finding(left, right, sum(each(scales["dq"], scales["dk"])))


@card.invariant("dbias and dsink sum to 0", broken_by="dbias-from-dprobs")
def _constant(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """A number added to every score of a row, its sink's too, changes nothing."""
    names = [name for name in ("dbias", "dsink") if name in result]
    if "dbias" in names:
        total = sum(result[name].astype(np.float64).sum() for name in names)
        yield Finding(total, 0.0, sum(scales[name].sum() for name in names))


@card.invariant("the order of keys changes nothing but theirs", broken_by="dk-without-transpose")
def _order(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """Keys and values are a set: reordered, they give the same y and the same gradients."""
    where = (case.static.get(name) for name in ("window", "offsets"))
    if case.static["causal"] or any(each is not None for each in where):
        return
    s = case.inputs["k"].shape[1]
    order = np.random.default_rng(0).permutation(s)
    mask, changes = case.static["mask"], {n: case.inputs[n][:, order] for n in ("k", "v")}
    if mask is not None:
        mask = np.broadcast_to(mask, _allowed(case).shape)[..., order]
    last = [n for n in ("bias",) if n in case.inputs and case.inputs[n].shape[-1] == s]
    changes |= {n: case.inputs[n][..., order] for n in last}
    moved = Case({**case.inputs, **changes}, {**case.static, "mask": mask}, case.dy)
    other = component.run(moved)
    for name in ("y", "dq"):
        yield Finding(other[name], result[name], scales[name])
    for name in ("dk", "dv"):
        yield Finding(other[name], result[name][:, order], scales[name][:, order])
    for name in last:
        d = f"d{name}"
        yield Finding(other[d], result[d][..., order], scales[d][..., order])


@card.invariant(
    "grouped heads are heads with a k and v repeated, whose gradients are summed",
    broken_by="group-averaged",
)
def _repeated(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    n, groups = case.inputs["q"].shape[2], case.inputs["k"].shape[2]
    if n == groups:
        return
    more = {name: attention_by_hand.heads_of(case.inputs[name], n) for name in ("k", "v")}
    other = component.run(case.with_inputs(more))
    for name in ("y", "dq"):
        yield Finding(other[name], result[name], scales[name])
    for name in ("dk", "dv"):
        each = attention_by_hand.summed(other[name].astype(np.float64), groups)
        yield Finding(result[name], each, scales[name])


@card.invariant("a sink is one more key, of value 0", broken_by="sink-frozen")
def _one_more(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """A key of 0 has the score 0, and a bias makes that the sink's."""
    if "sink" not in case.inputs or component.lenient:  # somebody's own may take no bias
        return
    sink, seen = case.inputs["sink"], _allowed(case)
    shape = seen.shape
    bias = np.broadcast_to(case.inputs.get("bias", np.zeros((), sink.dtype)), shape)
    inputs = {name: a for name, a in case.inputs.items() if name != "sink"}
    last = np.broadcast_to(sink[:, None, None], (*shape[:3], 1))
    for name in ("k", "v"):
        inputs[name] = np.pad(inputs[name], ((0, 0), (0, 1), (0, 0), (0, 0)))
    inputs["bias"] = np.concatenate([bias, last], -1)
    seen = np.concatenate([seen, np.ones((*shape[:3], 1), bool)], -1)
    nowhere: dict[str, Any] = {name: None for name in ("window", "offsets") if name in case.static}
    static = {**case.static, "mask": seen, "causal": False, **nowhere}
    other = component.run(Case(inputs, static, case.dy))
    for name in ("y", "dq"):
        yield Finding(other[name], result[name], scales[name])
    for name in ("dk", "dv"):
        yield Finding(other[name][:, :-1], result[name], scales[name])
    dsink = other["dbias"][..., -1].astype(np.float64).sum((0, 2))
    yield Finding(result["dsink"], dsink, scales["dsink"])


@card.invariant("a window is a mask", broken_by="window-one-more")
def _as_mask(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """Of w keys, the last at the query's own position; both written out, pair by pair."""
    if (w := case.static.get("window")) is None or component.lenient:  # nor a mask
        return
    t, s = case.inputs["q"].shape[1], case.inputs["k"].shape[1]
    back = np.arange(t)[:, None] + (s - t) - np.arange(s)  # keys between, (T, S)
    seen = (back >= 0) & (back < w) if case.static["causal"] else np.abs(back) < w
    mask = case.static["mask"]
    mask = seen if mask is None else mask & seen
    static = {**case.static, "mask": mask, "causal": False, "window": None}
    other = component.run(Case(case.inputs, static, case.dy))
    for name, value in result.items():
        yield Finding(value, other[name], scales[name])
