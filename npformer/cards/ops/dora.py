"""The card of the frozen weight with new directions and lengths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.degrees import overflows, same_degree
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.ordinary import DX, OWN_FORWARD
from npformer.cards.scales import FloatInfo, Scales, walk
from npformer.cards.strategies import Source, draw_rng
from npformer.ops import dora
from npformer.ops.array import rows
from npformer.ops.dora import adapted_weight, dora_backward, dora_forward, row_norms

card = OpCard.of(dora)
card.owner = "DoRALinear"
card.constants = ("weight", "bias", "norm")
card.words = {
    "dx": "g v",
    "ddown": "scale up^T dv",
    "dup": "scale dv down^T",
    "dmagnitude": "the sum of dy * z over the rows, by the norm",
}
W = np.array([[1.0, -2.0, 0.5], [0.0, 1.0, 3.0]])
START = {"x": [[1.0, 2, 3]], "down": [[1.0, -1, 2]], "up": [[0.0], [0.0]]}
card.edge("up is 0, as at the start", {**START, "magnitude": row_norms(W)}, weight=W, scale=2.0)
card.edge("the same with its norm given", {**START, "magnitude": row_norms(W)}, weight=W,
          scale=2.0, norm=row_norms(W))  # fmt: skip
card.edge("a magnitude of 0 and one below 0", {**START, "magnitude": [0.0, -1.0]}, weight=W)


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """With the norm computed and given, with and without a bias, at rank 1 to 4."""

    def static(sizes: dict[str, int]) -> dict[str, Any]:
        rng, o = draw_rng(source), sizes["o"]
        found = {
            "weight": rng.standard_normal((o, sizes["i"])).astype(dtype),
            "scale": source.choice((1.0, 2.0, 0.25)),
        }
        if bias:
            found["bias"] = rng.standard_normal(o).astype(dtype)
        if given:
            found["norm"] = (0.5 + np.abs(rng.standard_normal(o))).astype(dtype)
        return found

    given, bias = source.choice((False, True)), source.choice((True, False))
    lead = source.choice(("bt", "b", "", "abt"))
    return draw_case(
        source,
        f"{lead}i, qi, oq, o -> {lead}o",
        ("x", "down", "up", "magnitude"),
        dtype,
        static=static,
        least={"i": 1},
        limits={"down": (-30, 4), "up": (-30, 4), "x": (-30, 30), "dy": (-30, 30)},
    )


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    shapes = {"x": (b, 3, 4), "down": (2, 4), "up": (5, 2), "magnitude": (5,)}
    inputs = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    return inputs, {"weight": rng.standard_normal((5, 4)), "scale": 2.0}


@card.scale
def scale(
    x: Array,
    down: Array,
    up: Array,
    magnitude: Array,
    *,
    weight: Array,
    bias: Array | None = None,
    scale: float = 1.0,
    norm: Array | None = None,
    dy: Array,
    fp: FloatInfo,
) -> Scales:
    """v is known to the absolute values that it is the sum of; its norm to their share of it."""
    lead, (o, i), q, s = x.shape[:-1], weight.shape, len(down), abs(scale)
    v = adapted_weight(weight, down, up, scale)
    x, dy, m = np.abs(rows(x)), np.abs(rows(dy)), np.abs(magnitude)
    off = np.abs(weight) + (1 + walk(q)) * s * (np.abs(up) @ np.abs(down)) + fp.tiny
    c = np.ones(o)  # relative error of the norm, in eps
    detached = norm is not None
    if norm is None:
        norm = row_norms(v)
        c = walk(i) + (np.abs(v) * off).sum(1) / norm**2
    f = m / norm + fp.tiny
    r = len(x)
    z = walk(i) * (x @ off.T + fp.tiny * (1 + i))  # what z is off by, and more than |z|
    g = dy * f * (1 + c) + fp.tiny  # the same of g
    dm = (walk(r) + c) * (dy * z).sum(0) / norm + fp.tiny * (1 + r)
    dv = walk(r) * (g.T @ x + fp.tiny * (1 + r))
    if not detached:
        dv += off * (m * dm * (1 + 2 * c) / norm**2)[:, None]
    y = f * (1 + c) * z + fp.tiny
    return {
        "y": (y if bias is None else y + np.abs(bias)).reshape(*lead, o),
        "dx": (walk(o) * (g @ off + fp.tiny * (1 + o))).reshape(*lead, i),
        "ddown": walk(o) * s * (np.abs(up).T @ dv) + fp.tiny * (1 + o),
        "dup": walk(i) * s * (dv @ np.abs(down).T) + fp.tiny * (1 + i),
        "dmagnitude": dm,
    }


# Only the product up down matters: what one gains the other may lose.
card.invariant("<up, dup> = <down, ddown> for each rank", broken_by="scale-forgotten-in-up")(
    same_degree("up", "down", (0, 1))
)


@card.invariant("<dmagnitude, magnitude> = <dx, x> = <dy, y - bias>", broken_by="magnitude-twice")
def _degree(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """y - bias has degree 1 in the magnitude and in x, so the three are one number."""
    if overflows(case):
        return
    bias = case.static.get("bias")
    y = result["y"].astype(np.float64) - (0 if bias is None else bias)
    off = np.sum(np.abs(case.dy) * scales["y"])
    for name in ("magnitude", "x"):
        a = case.inputs[name]
        yield Finding(
            np.sum(result[f"d{name}"].astype(np.float64) * a),
            np.sum(case.dy * y),
            np.sum(scales[f"d{name}"] * np.abs(a)) + off,
        )


def _wrong(name: str, wrong: str, **seen: Any) -> Any:
    """A backward of which some gradients are replaced: formula(dy, cache, right, v)."""

    def decorate(formula: Any) -> Any:
        names = ("dx", "ddown", "dup", "dmagnitude")

        def backward(dy, cache):
            right = dict(zip(names, dora_backward(dy, cache), strict=True))
            v = adapted_weight(cache.weight, cache.down, cache.up, cache.scale)
            return tuple({**right, **formula(rows(dy), cache, right, v)}.values())

        return card.wrong_backward(name, wrong, **seen)(backward)

    return decorate


def _factors(dv, cache):
    """What dup and ddown are if that is dv."""
    return {"ddown": cache.scale * (cache.up.T @ dv), "dup": cache.scale * (dv @ cache.down.T)}


def _dv(dy, cache):
    """dv of a norm that is a constant."""
    return (dy * (cache.magnitude / cache.norm)).T @ rows(cache.x)


@_wrong("norm-detached", "the norm is taken for a constant though it was computed from v")
def _(dy, cache, right, v):
    return _factors(_dv(dy, cache), cache)


@_wrong("norm-never-detached", "a norm that was given is differentiated as if computed from v")
def _(dy, cache, right, v):
    along = cache.magnitude * right["dmagnitude"] / cache.norm**2
    return _factors(_dv(dy, cache) - v * along[:, None], cache)


@_wrong("norm-term-added", "the part along v is added where it should be taken away")
def _(dy, cache, right, v):
    along = 0 if cache.detached else cache.magnitude * right["dmagnitude"] / cache.norm**2
    return _factors(_dv(dy, cache) + v * np.reshape(along, (-1, 1)), cache)


@_wrong(
    "lora-s-backward",
    "down and up get the gradient of a sum, without magnitude and norm",
    seen="ooples/AiDotNet#256",
    smallest="x (1,), down (1, 1), up (1, 1), magnitude (1,), weight (1, 1)",
    missed_by=DX,
)
def _(dy, cache, right, v):
    return _factors(dy.T @ rows(cache.x), cache)


@_wrong(
    "magnitude-twice",
    "dmagnitude is made of the output, which the magnitude has scaled already",
    seen="axolotl-ai-cloud/axolotl#3528",
    smallest="x (1,), down (1, 1), up (1, 1), magnitude (1,), weight (1, 1)",
    missed_by=DX,
)
def _(dy, cache, right, v):
    return {"dmagnitude": right["dmagnitude"] * cache.magnitude / cache.norm}


@_wrong("norm-forgotten-in-magnitude", "dmagnitude is not divided by the norm")
def _(dy, cache, right, v):
    return {"dmagnitude": (dy * cache.z).sum(0)}


@_wrong("scale-forgotten-in-up", "scale is left out of dup")
def _(dy, cache, right, v):
    return {"dup": right["dup"] / cache.scale}


@_wrong("frozen-weight-in-dx", "dx is made with the frozen weight, as if up were still 0")
def _(dy, cache, right, v):
    g = dy * (cache.magnitude / cache.norm)
    return {"dx": (g @ cache.weight).reshape(cache.x.shape)}


@_wrong("magnitude-forgotten-in-dx", "dx is dy v, without magnitude and norm")
def _(dy, cache, right, v):
    return {"dx": (dy @ v).reshape(cache.x.shape)}


@card.wrong_forward(
    "norm-of-the-frozen-weight",
    "the norm is the frozen weight's, not the sum's",
    seen="Comfy-Org/ComfyUI#15458",
    smallest="x (1,), down (1, 1), up (1, 1), magnitude (1,), weight (1, 1)",
    missed_by=OWN_FORWARD,
)
def _frozen_norm(x, down, up, magnitude, *, weight, bias=None, scale=1.0, norm=None):
    norm = row_norms(weight) if norm is None else norm
    return dora_forward(x, down, up, magnitude, weight=weight, bias=bias, scale=scale, norm=norm)


@card.wrong_forward("not-squared-under-the-root", "the norm is the sum of absolute values")
def _absolute(x, down, up, magnitude, *, weight, bias=None, scale=1.0, norm=None):
    v = adapted_weight(weight, down, up, scale)
    norm = np.abs(v).sum(1) if norm is None else norm
    return dora_forward(x, down, up, magnitude, weight=weight, bias=bias, scale=scale, norm=norm)


@card.wrong_forward("bias-by-the-magnitude", "the bias is scaled with the rows")
def _bias(x, down, up, magnitude, *, weight, bias=None, scale=1.0, norm=None):
    static = {"weight": weight, "scale": scale, "norm": norm}
    y, cache = dora_forward(x, down, up, magnitude, **static)
    return (y if bias is None else y + bias * magnitude / cache.norm), cache
