"""The card of attention in tiles: plain attention's, and what tiles may not change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.ops import attention as plain
from npformer.cards.ops import attention_invariants as invariants
from npformer.cards.ops.attention_by_hand import heads_of
from npformer.cards.pytorch import ops, torch
from npformer.cards.scales import Scales
from npformer.cards.strategies import Source, rarely
from npformer.ops import tiled_attention
from npformer.ops.attention import attention_forward
from npformer.ops.masks import packed_mask
from npformer.ops.tiled_attention import merged

card = OpCard.of(tiled_attention)
card.plain = plain.card.plain
for words, (inputs, static) in plain.card.edges.items():
    card.edge(words, inputs, **static, tile=2)
card.edge(
    "documents, one of them empty, and padding",
    {
        name: np.arange(12.0).reshape(1, 6, 1, 2) / 6 - by
        for name, by in zip("qkv", (0, 1, 2), strict=True)
    },
    offsets=np.array([0, 1, 1, 4]),
    tile=4,
)


def _precise(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    mask: torch.Tensor | None = None,
    *others: Any,
    offsets: torch.Tensor | None = None,
    tile: int = 256,
    **options: Any,
) -> torch.Tensor:
    """Plain attention's, with the documents in the mask."""
    if offsets is not None:
        packed = ops.packed_mask(offsets, q.shape[1])
        mask = packed if mask is None else mask & packed
    precise = plain.card.precise
    assert precise is not None
    return precise(q, k, v, mask, *others, **options)


card.precise = _precise


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """Cases of plain attention in tiles of every size; some with documents packed into a row."""
    packed = rarely(source, 3)
    case = plain.draw(source, dtype, packed=packed)
    offsets = None
    if packed:
        ends = [source.integer(0, case.inputs["q"].shape[1]) for _ in range(3)]
        offsets = np.array([0, *sorted(ends)])
    static = {**case.static, "offsets": offsets, "tile": source.choice((2, 1, 3, 128))}
    return Case(case.inputs, static, case.dy)


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    shapes = {"q": (b, 5, 4, 4), "k": (b, 5, 2, 4), "v": (b, 5, 2, 6), "sink": (4,)}
    inputs = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    return inputs, {"mask": rng.random((b, 1, 5, 5)) < 0.6, "tile": 2}


card.variants = ({"causal": True, "window": 2, "softcap": 1.5, "offsets": np.array([0, 2, 5])},)


@card.scale
def scale(*, mask: Any = None, offsets: Any = None, tile: int = 256, **arguments: Any) -> Scales:
    """Plain attention's: the errors of lse are those of the scores that it is made of."""
    if offsets is not None:
        packed = packed_mask(offsets, arguments["q"].shape[1])
        mask = packed if mask is None else mask & packed
    return plain.scale(mask=mask, **arguments)


BROKEN_BY = {
    invariants._blind_output: "blind-rows-are-means",
    invariants._blind_gradient: "documents-ignored",
    invariants._hidden_key: "window-of-tiles",
    invariants._hidden_value: "window-of-tiles",
    invariants._common_key: "row-sum-missing",
    invariants._weights: "last-tile-dropped",
    invariants._euler: "dq-of-the-last-tile",
    invariants._constant: "row-sum-missing",
    invariants._repeated: "dk-of-one-head",
    invariants._one_more: "sink-in-every-tile",
    invariants._as_mask: "window-of-tiles",
}
"""What holds of attention with its matrix, and which wrong version here does not."""

for each in plain.card.invariants:
    if each.look in BROKEN_BY:
        card.invariant(each.what, broken_by=BROKEN_BY[each.look])(each.look)


@card.invariant("a tile of any size gives the same", broken_by="stretch-forgotten")
def _any_tile(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    if component.lenient:  # somebody's own may have no tiles
        return
    tile = 1 if case.static["tile"] > 1 else 128
    other = component.run(Case(case.inputs, {**case.static, "tile": tile}, case.dy))
    for name, value in result.items():
        yield Finding(other[name], value, scales[name])


@card.invariant("the row sum of dy * y is that of dprobs * probs", broken_by="divided-too-early")
def _row_sum(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """The one number a row that the backward needs before its first tile, by both ways."""
    wide = case.cast(np.longdouble)
    if not all(np.isfinite(a).all() for a in wide.inputs.values()):
        return
    options: Any = {name: case.static[name] for name in ("scale", "softcap")}
    options |= {"mask": invariants._allowed(case), **wide.inputs}
    _, cache = attention_forward(**options)
    dprobs = np.einsum("btnh,bsnh->bnts", wide.dy, heads_of(cache.v, cache.q.shape[2]))
    right = (cache.probs * dprobs).sum(-1).swapaxes(1, 2)  # (B, T, N)
    found = (result["y"] * wide.dy).sum(-1)
    yield Finding(found, right, (scales["y"] * np.abs(case.dy)).sum(-1))


@card.invariant("two halves of the keys, merged, are the whole", broken_by="lse-base-two")
def _halves(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """The step of ring attention: y and lse of both are merged, and serve each half's backward."""
    if component.lenient or not all(np.isfinite(a).all() for a in case.inputs.values()):
        return
    forward, backward = component.pair
    s = case.inputs["k"].shape[1]
    seen = invariants._allowed(case)
    options = {name: case.static[name] for name in ("scale", "softcap", "tile")}
    halves = []
    for part in (slice(0, s // 2), slice(s // 2, s)):
        inputs = {n: a[:, part] if n in ("k", "v") else a for n, a in case.inputs.items()}
        if part.start:  # one of them has the sink
            inputs.pop("sink", None)
        if "bias" in inputs and inputs["bias"].shape[-1] == s:
            inputs["bias"] = inputs["bias"][..., part]
        halves.append(forward(**inputs, mask=seen[..., part], **options))
    (y, first), (other, second) = halves
    y, lse = merged(y, first.lse, other, second.lse)
    yield Finding(y, result["y"], scales["y"])
    both = [backward(case.dy, cache._replace(y=y, lse=lse)) for _, cache in halves]
    dq, dk, dv = (list(each) for each in zip(*(found[:3] for found in both), strict=True))
    yield Finding(dq[0].astype(np.float64) + dq[1], result["dq"], scales["dq"])
    yield Finding(np.concatenate(dk, 1), result["dk"], scales["dk"])
    yield Finding(np.concatenate(dv, 1), result["dv"], scales["dv"])
