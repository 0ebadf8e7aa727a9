"""What must hold of a result by itself, which autograd cannot state.

Each function gets the component, the case, the result under test and its scales, and yields the
``Finding``s to compare. The scale of a sum is the sum of its terms' scales. Where something must
be zero exactly (nothing flows through a mask), the scale is 0: any deviation is infinitely wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from npformer.ops.array import rows
from npformer.verify.case import Case, Component, Finding, Result

Findings = Iterator[Finding]


def linear(_: Component, case: Case, result: Result, scales: Result) -> Findings:
    """y - bias has degree 1 in x and in weight, so <dx, x> and <dweight, weight> are one number."""
    if max(np.abs(a).max(initial=0.0) for a in (*case.inputs.values(), case.dy)) > 1e15:
        return  # the products would overflow float32
    x, weight = case.inputs["x"], case.inputs["weight"]
    yield Finding(
        "<dx, x> = <dweight, weight>",
        np.sum(result["dx"].astype(np.float64) * x),
        np.sum(result["dweight"].astype(np.float64) * weight),
        np.sum(scales["dx"] * np.abs(x)) + np.sum(scales["dweight"] * np.abs(weight)),
    )


def embedding(_: Component, case: Case, result: Result, scales: Result) -> Findings:
    """Rows that nobody looked up, and the padding row, have no gradient; the rest share dy out."""
    ids, padding = case.static["ids"], case.static["padding_idx"]
    dweight = result["dweight"]
    still = np.ones(len(dweight), bool)
    still[ids.reshape(-1)] = False
    if padding is not None:
        still[padding] = True
    yield Finding("unused and padding rows have no gradient", dweight[still], 0.0, 0.0)
    used = rows(case.dy.astype(np.float64))[ids.reshape(-1) != padding]  # (R, D)
    total = np.abs(used).sum(0) + np.finfo(case.dy.dtype).tiny
    yield Finding("dweight sums to dy", dweight.astype(np.float64).sum(0), used.sum(0), total)


def softmax(_: Component, case: Case, result: Result, scales: Result) -> Findings:
    """y sums to 1, dx to 0."""
    axis = case.static["axis"]
    if not case.inputs["x"].shape[axis]:
        return
    y, dx = (result[name].astype(np.float64) for name in ("y", "dx"))
    yield Finding("softmax sums to 1", y.sum(axis), 1.0, scales["y"].sum(axis))
    yield Finding("dx sums to 0", dx.sum(axis), 0.0, scales["dx"].sum(axis))


def log_softmax(_: Component, case: Case, result: Result, scales: Result) -> Findings:
    """exp(y) sums to 1, dx to 0."""
    axis = case.static["axis"]
    if not case.inputs["x"].shape[axis]:
        return
    p = np.exp(result["y"].astype(np.float64))
    dx = result["dx"].astype(np.float64)
    yield Finding("exp(y) sums to 1", p.sum(axis), 1.0, (p * (1 + scales["y"])).sum(axis))
    yield Finding("dx sums to 0", dx.sum(axis), 0.0, scales["dx"].sum(axis))


def attention(_: Component, case: Case, result: Result, scales: Result) -> Findings:
    """Nothing flows through a mask; a vector added to every key changes nothing."""
    q, k, _v = case.inputs.values()
    allowed = _allowed(case)  # (B, N, T, S)
    blind = ~np.any(allowed.transpose(0, 2, 1, 3), axis=-1)  # (B, T, N)
    unseen = ~np.any(allowed.transpose(0, 3, 1, 2), axis=-1)  # (B, S, N)
    yield Finding("a query that sees nothing gives 0", result["y"][blind], 0.0, 0.0)
    yield Finding("a query that sees nothing has no gradient", result["dq"][blind], 0.0, 0.0)
    yield Finding("a hidden key has no gradient", result["dk"][unseen], 0.0, 0.0)
    yield Finding("a hidden value has no gradient", result["dv"][unseen], 0.0, 0.0)
    dk = result["dk"].astype(np.float64)
    yield Finding("dk sums to 0 over keys", dk.sum(1), 0.0, scales["dk"].sum(1))
    seen = np.where(blind[..., None], 0.0, case.dy.astype(np.float64))
    dv = result["dv"].astype(np.float64)
    yield Finding("dv sums to dy", dv.sum(1), seen.sum(1), scales["dv"].sum(1))


def attention_permutation(
    component: Component, case: Case, result: Result, scales: Result
) -> Findings:
    """Keys and values are a set: reordered, they give the same y and the same gradients."""
    if case.static["causal"]:
        return
    order = np.random.default_rng(0).permutation(case.inputs["k"].shape[1])
    mask = case.static["mask"]
    if mask is not None:
        mask = np.broadcast_to(mask, _allowed(case).shape)[..., order]
    moved = Case(
        {**case.inputs, "k": case.inputs["k"][:, order], "v": case.inputs["v"][:, order]},
        {**case.static, "mask": mask},
        case.dy,
    )
    other = component.run(moved)
    yield Finding("y ignores the order of keys", other["y"], result["y"], scales["y"])
    yield Finding("dq ignores the order of keys", other["dq"], result["dq"], scales["dq"])
    for name in ("dk", "dv"):
        yield Finding(
            f"{name} follows the order of keys",
            other[name],
            result[name][:, order],
            scales[name][:, order],
        )


def _allowed(case: Case) -> np.ndarray:
    (b, t, n, _), s = case.inputs["q"].shape, case.inputs["k"].shape[1]
    allowed = np.ones((b, n, t, s), bool)
    if case.static["causal"]:
        allowed = np.tril(allowed)
    return allowed if case.static["mask"] is None else allowed & case.static["mask"]


def layer_norm(_: Component, case: Case, result: Result, scales: Result) -> Findings:
    """Shifting a row changes nothing, so dx sums to 0; stretching it changes nearly nothing."""
    dx = result["dx"].astype(np.float64)
    yield Finding("dx sums to 0 over a row", dx.sum(-1), 0.0, scales["dx"].sum(-1))
    # Stretching a row changes nothing but for eps: rstd^3 eps D <g xhat> of dx along xhat is left.
    # xhat must be known better here than the op knows it.
    if np.finfo(np.longdouble).eps >= np.finfo(case.dy.dtype).eps:
        return
    wide = case.cast(np.longdouble)
    x, weight, _bias = wide.inputs.values()
    centred = x - x.mean(-1, keepdims=True)
    rstd = 1 / np.sqrt((centred**2).mean(-1, keepdims=True) + case.static["eps"])
    xhat = centred * rstd
    left = (rstd[..., 0] ** 3) * case.static["eps"] * (wide.dy * weight * xhat).sum(-1)
    scale = (scales["dx"] * np.abs(xhat)).sum(-1)
    yield Finding("dx is orthogonal to xhat but for eps", (dx * xhat).sum(-1), left, scale)


def relu(_: Component, case: Case, result: Result, scales: Result) -> Findings:
    """Where x <= 0 nothing passes; at the corner itself the derivative is 0, as in PyTorch."""
    closed = ~(case.inputs["x"] > 0)
    yield Finding("no gradient where x <= 0", result["dx"][closed], 0.0, 0.0)
    yield Finding("all of it where x > 0", result["dx"][~closed], case.dy[~closed], 0.0)


def odd_part(component: Component, case: Case, result: Result, scales: Result) -> Findings:
    """x times a gate with gate(x) + gate(-x) = 1: y(x) - y(-x) = x, and dx(x) + dx(-x) = dy."""
    mirrored = case.with_inputs({"x": -case.inputs["x"]})
    other = component.run(mirrored)
    both = component.scales(mirrored)
    yield Finding(
        "y(x) - y(-x) = x", result["y"] - other["y"], case.inputs["x"], scales["y"] + both["y"]
    )
    yield Finding(
        "dx(x) + dx(-x) = dy", result["dx"] + other["dx"], case.dy, scales["dx"] + both["dx"]
    )


def dropout(_: Component, case: Case, result: Result, scales: Result) -> Findings:
    """The gradient passes where the value passed, by the same factor."""
    x, dy = case.inputs["x"], case.dy
    zero = (result["y"] == 0) & (x != 0) & (np.abs(x) > 1e-300)
    yield Finding("nothing passes a dropped unit", result["dx"][zero], 0.0, 0.0)
    if case.static["rng"] is None or case.static["p"] == 0:
        yield Finding("inference is the identity", result["y"], x, 0.0)
        yield Finding("inference passes dy on", result["dx"], dy, 0.0)


def cross_entropy(_: Component, case: Case, result: Result, scales: Result) -> Findings:
    """Adding a constant to a row of logits changes nothing, so dlogits sums to 0 over a row."""
    dlogits = result["dlogits"].astype(np.float64)
    yield Finding("dlogits sums to 0", dlogits.sum(-1), 0.0, scales["dlogits"].sum(-1))
    if case.static["ignore_index"] is not None:
        ignored = np.asarray(case.static["targets"] == case.static["ignore_index"])
        yield Finding("an ignored row has no gradient", dlogits[ignored], 0.0, 0.0)
