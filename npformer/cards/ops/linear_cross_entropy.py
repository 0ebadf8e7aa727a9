"""The card of the output projection and cross-entropy in one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.scales import FloatInfo, Scales, softmax_errors, walk
from npformer.cards.strategies import Source, draw_rng
from npformer.ops import linear_cross_entropy
from npformer.ops.array import rows

card = OpCard.of(linear_cross_entropy)
card.words = {"dx": "dlogits weight", "dweight": "dlogits^T x"}
X = [[1.0, -1.0], [0.5, 2.0]]
W = [[1.0, 0.0], [-1.0, 2.0], [0.5, 0.5]]
card.edge("all targets ignored", {"x": X, "weight": W}, targets=np.array([-100, -100]), z_loss=0.1)
card.edge("no rows", {"x": np.zeros((0, 2)), "weight": W}, targets=np.zeros(0, int))
card.edge("one class", {"x": X, "weight": W[:1]}, targets=np.array([0, 0]), label_smoothing=0.1)
card.edge(
    "an ignored row of infinities",
    {"x": [[np.inf, 1.0], [0.5, 2.0]], "weight": W},
    targets=np.array([-100, 1]),
    label_smoothing=0.1,
)
card.edge(
    "the first block's maximum is the largest",
    {"x": [[30.0, 0.0]], "weight": [[10.0, 0], [0.0, 1], [-10.0, 0]]},
    targets=np.array([2]),
    class_block=1,
)
card.edge(
    "every block raises the maximum",
    {"x": [[30.0, 0.0]], "weight": [[-10.0, 0], [0.0, 1], [10.0, 0]]},
    targets=np.array([0]),
    class_block=1,
    softcap=50.0,
)


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """Blocks of one row or class, of some, and of all; smoothing, z-loss, a cap, reductions."""
    reduction = source.choice(("mean", "sum", "none"))
    lead = source.choice(("b", "bt", ""))

    def static(sizes: dict[str, int]) -> dict[str, Any]:
        rng = draw_rng(source)
        targets = np.asarray(rng.integers(0, sizes["v"], [sizes[a] for a in lead]))
        ignore_index = source.choice((-100, 0, None))
        if ignore_index is not None:
            share = source.choice((0.3, 0.0, 1.0))
            targets = np.where(rng.random(targets.shape) < share, ignore_index, targets)
        return {
            "targets": targets,
            "label_smoothing": source.choice((0.0, 0.1, 0.5)),
            "z_loss": source.choice((0.0, 1e-4, 0.3)),
            "softcap": source.choice((None, 30.0, 2.0)),
            "ignore_index": ignore_index,
            "reduction": reduction,
            "row_block": source.choice((256, 1, 2, 16)),
            "class_block": source.choice((4096, 1, 2, 16)),
        }

    output = lead if reduction == "none" and lead else "."
    return draw_case(
        source,
        f"{lead}d, vd -> {output}",
        ("x", "weight"),
        dtype,
        static=static,
        least={"v": 1},
        limits={"x": (-30, 4), "weight": (-30, 4)},
    )


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    inputs = {"x": rng.standard_normal((b, 3, 4)), "weight": rng.standard_normal((6, 4))}
    static = {"targets": rng.integers(0, 6, (b, 3)), "ignore_index": 2, "label_smoothing": 0.1}
    return inputs, {**static, "z_loss": 0.01, "softcap": 5.0, "class_block": 4}


@card.scale
def scale(
    x: Array,
    weight: Array,
    *,
    targets: Array,
    label_smoothing: float,
    z_loss: float,
    softcap: float | None,
    ignore_index: int | None,
    reduction: str,
    dy: Array,
    fp: FloatInfo,
    **blocks: int,
) -> Scales:
    """A product's scale for the logits; then cross-entropy's, then a product's again."""
    valid = np.ones(targets.shape, bool) if ignore_index is None else targets != ignore_index
    h, t = rows(x)[valid.reshape(-1)], targets[valid]  # (M, D), (M,)
    classes, width = weight.shape
    raw = h @ weight.T  # (M, V)
    error = walk(width) * (np.abs(h) @ np.abs(weight).T + fp.tiny * (1 + width))
    logits, slope, capped = raw, np.ones_like(raw), np.ones_like(raw)
    if softcap is not None:
        tanh = np.tanh(raw / softcap)
        logits, slope = softcap * tanh, 1 - tanh**2
        capped = 1 + tanh**2 + 2 * np.abs(tanh) * slope * error / softcap
        error = error * slope + np.abs(logits)
    p, c, log_total = softmax_errors(logits, error)
    c = c * walk(classes)
    top = logits.max(-1, keepdims=True, initial=-np.inf)
    log_total_error = np.abs(top) + log_total + (p * c).sum(-1, keepdims=True)  # (M, 1)
    nll = np.abs(logits - top) + error + log_total + (p * c).sum(-1, keepdims=True)
    q = np.full(logits.shape, label_smoothing / max(classes, 1))
    q[np.arange(len(t)), t] += 1 - label_smoothing
    whole = np.abs(top + log_total)
    square = z_loss * whole * (whole + 2 * log_total_error)
    # The sum of the logits is measured from 0, not from their maximum.
    smooth = (
        label_smoothing * walk(classes) * (np.abs(top) + np.abs(logits).mean(-1, keepdims=True))
    )
    losses = (q * nll).sum(-1) + (square + smooth)[:, 0]  # (M,)
    dlogits = q + p * (c * (1 + 2 * z_loss * whole) + 2 * z_loss * log_total_error)
    count = len(t) if reduction == "mean" else 1
    d = np.broadcast_to(np.abs(np.asarray(dy)), valid.shape)[valid] / max(count, 1)
    dlogits = dlogits * capped * d[:, None] + fp.tiny * (1 + d[:, None])
    dx = np.zeros((*valid.shape, width))
    dx[valid] = walk(classes) * (dlogits @ np.abs(weight)) + fp.tiny * (1 + classes)
    scales = {
        "dx": dx,
        "dweight": walk(len(t)) * (dlogits.T @ np.abs(h)) + fp.tiny * (1 + len(t)),
    }
    if reduction == "none":
        y = np.zeros(valid.shape)
        y[valid] = losses + fp.tiny
        return {"y": y, **scales}
    y = walk(len(t)) * losses.sum() / max(count, 1) + fp.tiny
    return {"y": np.asarray(y), **scales}


@card.invariant("<dx, x> = <dweight, weight>", broken_by="weight-averaged")
def _degree(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """Only products of the two are in the logits, so the two are one number."""
    x, weight = (np.where(np.isfinite(a), a, 0) for a in case.inputs.values())
    yield Finding(
        np.asarray(np.sum(result["dx"].astype(np.float64) * x)),
        np.sum(result["dweight"].astype(np.float64) * weight),
        np.sum(scales["dx"] * np.abs(x)) + np.sum(scales["dweight"] * np.abs(weight)),
    )


@card.invariant("blocks of another size change nothing", broken_by="blocks-not-rescaled")
def _blocks(of: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    whole = dataclasses.replace(
        case, static={**case.static, "row_block": 4096, "class_block": 4096}
    )
    other = of.run(whole)
    for name, value in result.items():
        yield Finding(value.astype(np.float64), other[name].astype(np.float64), 2 * scales[name])


@card.invariant("an ignored row has no gradient", broken_by="ignored-rows-trained")
def _no_share(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    if case.static["ignore_index"] is not None:
        ignored = np.asarray(case.static["targets"] == case.static["ignore_index"])
        yield Finding(result["dx"].astype(np.float64)[ignored], 0.0, 0.0)


@card.invariant("the classes' gradients sum to 0", broken_by="target-of-each-block")
def _shift(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """One vector added to every class's weight moves all logits alike, and no loss."""
    if not case.static["z_loss"] and case.static["softcap"] is None:
        total = result["dweight"].astype(np.float64).sum(0)
        yield Finding(total, 0.0, scales["dweight"].sum(0))
