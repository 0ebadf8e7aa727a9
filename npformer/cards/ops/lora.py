"""The card of the frozen linear map with an update of low rank."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.degrees import overflows, same_degree
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.scales import FloatInfo, Scales, walk
from npformer.cards.strategies import Source, draw_rng
from npformer.ops import lora
from npformer.ops.array import rows
from npformer.ops.lora import lora_backward, lora_forward

card = OpCard.of(lora)
card.owner = "LoRALinear"
card.constants = ("weight", "bias")
card.words = {
    "dx": "dy weight + dh down",
    "ddown": "dh^T x",
    "dup": "the scaled dy^T h",
}
W = np.array([[1.0, -2.0, 0.5], [0.0, 1.0, 3.0]])
card.edge("up is 0, as at the start", {"x": [[1.0, 2, 3]], "down": [[1.0, -1, 2]],
                                       "up": [[0.0], [0.0]]}, weight=W, scale=2.0)  # fmt: skip
card.edge("no rows", {"x": np.zeros((0, 3)), "down": np.ones((2, 3)), "up": np.ones((2, 2))},
          weight=W)  # fmt: skip
card.edge("rank 0", {"x": np.ones((2, 3)), "down": np.zeros((0, 3)), "up": np.zeros((2, 0))},
          weight=W, bias=np.ones(2))  # fmt: skip


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """With and without a bias, at rank 1 to 4; scales of 1 and others."""

    def static(sizes: dict[str, int]) -> dict[str, Any]:
        rng, o = draw_rng(source), sizes["o"]
        found = {
            "weight": rng.standard_normal((o, sizes["i"])).astype(dtype),
            "scale": source.choice((1.0, 2.0, 0.25)),
        }
        return {**found, "bias": rng.standard_normal(o).astype(dtype)} if bias else found

    bias = source.choice((True, False))
    lead = source.choice(("bt", "b", "", "abt"))
    spec = f"{lead}i, qi, oq -> {lead}o"
    return draw_case(source, spec, ("x", "down", "up"), dtype, static=static)


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    shapes = {"x": (b, 3, 4), "down": (2, 4), "up": (5, 2)}
    inputs = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    return inputs, {"weight": rng.standard_normal((5, 4)), "scale": 2.0}


@card.scale
def scale(
    x: Array,
    down: Array,
    up: Array,
    *,
    weight: Array,
    bias: Array | None = None,
    scale: float = 1.0,
    dy: Array,
    fp: FloatInfo,
) -> Scales:
    """Products of absolute values, one after the other; their walks add."""
    lead = x.shape[:-1]
    x, dy, down, up = np.abs(rows(x)), np.abs(rows(dy)), np.abs(down), np.abs(up)
    q, (o, i), r, s = len(down), weight.shape, len(x), abs(scale)
    weight = np.abs(weight)
    h = x @ down.T + fp.tiny * (1 + i)
    dh = s * (dy @ up) + fp.tiny * (1 + o)
    y = walk(i) * (x @ weight.T + fp.tiny * (1 + i)) + (walk(q) + walk(i)) * s * (h @ up.T)
    dx = walk(o) * (dy @ weight + fp.tiny * (1 + o)) + (walk(q) + walk(o)) * (dh @ down)
    return {
        "y": (y if bias is None else y + np.abs(bias)).reshape(*lead, o),
        "dx": dx.reshape(*lead, i),
        "ddown": (walk(r) + walk(o)) * (dh.T @ x) + fp.tiny * (1 + r),
        "dup": (walk(r) + walk(i)) * s * (dy.T @ h) + fp.tiny * (1 + r),
    }


# Only the product up down matters: what one gains the other may lose.
card.invariant("<up, dup> = <down, ddown> for each rank", broken_by="scale-twice-in-up")(
    same_degree("up", "down", (0, 1))
)


@card.invariant("y is the merged weight's: x (weight + scale up down)^T", broken_by="unscaled")
def _merged(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    a, static = case.inputs, case.static
    if max(np.abs(each).max(initial=0.0) for each in a.values()) > 1e15:
        return
    wide = {name: array.astype(np.float64) for name, array in a.items()}
    merged = static["weight"] + static.get("scale", 1.0) * (wide["up"] @ wide["down"])
    bias = static.get("bias")
    expected = wide["x"] @ merged.T + (0 if bias is None else bias)
    yield Finding(result["y"], expected, scales["y"])


@card.invariant("<dx, x> = <dy, y - bias>", broken_by="frozen-path-dropped")
def _degree(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """y - bias has degree 1 in x."""
    if overflows(case):
        return
    x, bias = case.inputs["x"], case.static.get("bias")
    y = result["y"].astype(np.float64) - (0 if bias is None else bias)
    yield Finding(
        np.sum(result["dx"].astype(np.float64) * x),
        np.sum(case.dy * y),
        np.sum(scales["dx"] * np.abs(x)) + np.sum(np.abs(case.dy) * scales["y"]),
    )


def _wrong(name: str, wrong: str, **seen: Any) -> Any:
    """A backward of which some gradients are replaced: formula(dy, cache, right)."""

    def decorate(formula: Any) -> Any:
        def backward(dy, cache):
            right = dict(zip(("dx", "ddown", "dup"), lora_backward(dy, cache), strict=True))
            return tuple({**right, **formula(rows(dy), cache, right)}.values())

        return card.wrong_backward(name, wrong, **seen)(backward)

    return decorate


@_wrong("scale-twice-in-up", "scale is in dup twice: h was scaled, and dy again")
def _(dy, cache, right):
    return {"dup": right["dup"] * cache.scale}


@_wrong("scale-forgotten-in-down", "scale is left out of ddown")
def _(dy, cache, right):
    return {"ddown": (dy @ cache.up).T @ rows(cache.x)}


@_wrong("adapter-path-dropped", "dx is the frozen weight's alone, without dh down")
def _(dy, cache, right):
    return {"dx": (dy @ cache.weight).reshape(cache.x.shape)}


@_wrong("frozen-path-dropped", "dx is the adapter's alone: frozen is taken for detached")
def _(dy, cache, right):
    return {"dx": (cache.scale * (dy @ cache.up) @ cache.down).reshape(cache.x.shape)}


@_wrong("scale-forgotten-in-dx", "scale is left out of the adapter's part of dx")
def _(dy, cache, right):
    dx = dy @ cache.weight + dy @ cache.up @ cache.down
    return {"dx": dx.reshape(cache.x.shape)}


@_wrong("down-averaged", "ddown is averaged over the rows")
def _(dy, cache, right):
    return {"ddown": right["ddown"] / max(len(dy), 1)}


@_wrong("down-detached", "h is detached, so that down never learns")
def _(dy, cache, right):
    return {"ddown": np.zeros_like(right["ddown"])}


@_wrong("down-through-the-weight", "dh is made with the frozen weight's gradient, not with up")
def _(dy, cache, right):
    dh = cache.scale * (dy @ cache.weight) @ cache.down.T
    return {"ddown": dh.T @ rows(cache.x)}


@card.wrong_forward("unscaled", "scale is left out of the forward, and not of the backward")
def _unscaled(x, down, up, *, weight, bias=None, scale=1.0):
    y, _ = lora_forward(x, down, up, weight=weight, bias=bias)
    return y, lora_forward(x, down, up, weight=weight, bias=bias, scale=scale)[1]


@card.wrong_forward("scale-by-the-rank-again", "alpha / Q is divided by Q once more")
def _twice(x, down, up, *, weight, bias=None, scale=1.0):
    scale = scale / max(len(down), 1)
    return lora_forward(x, down, up, weight=weight, bias=bias, scale=scale)


@card.wrong_forward("bias-scaled", "the bias is scaled with the update")
def _bias(x, down, up, *, weight, bias=None, scale=1.0):
    scaled = None if bias is None else scale * bias
    return lora_forward(x, down, up, weight=weight, bias=scaled, scale=scale)
