"""The card of scaled dot-product attention.

Its invariants, steps and wrong versions are in the files beside it whose names begin alike.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, draw_case
from npformer.cards.op_card import OpCard
from npformer.cards.ops.attention_by_hand import allowed, heads_of, summed
from npformer.cards.pytorch import ops, torch
from npformer.cards.scales import FloatInfo, Scales, softmax_errors
from npformer.cards.strategies import Source, draw_array, draw_rng, rarely
from npformer.ops import attention
from npformer.ops.array import sum_to

card = OpCard.of(attention)
card.owner = "MultiHeadAttention"
card.edge(
    "everything hidden",
    {"q": np.ones((1, 2, 1, 3)), "k": np.ones((1, 4, 1, 3)), "v": np.ones((1, 4, 1, 2))},
    mask=np.zeros((1, 1, 1, 4), bool),
)
card.edge(
    "one row hidden",
    {
        "q": np.ones((1, 2, 1, 3)),
        "k": np.eye(4, 3)[None, :, None, :],
        "v": np.eye(4, 2)[None, :, None, :],
    },
    mask=np.array([[True] * 4, [False] * 4]),
)
card.edge(
    "fewer keys than queries, causal",
    {
        "q": np.ones((1, 4, 1, 3)),
        "k": np.eye(2, 3)[None, :, None, :],
        "v": np.eye(2)[None, :, None, :],
    },
    causal=True,
)
for words, k_holds, v_holds in (
    ("an infinite key hidden", np.inf, 0.0),
    ("an infinite value hidden", 0.0, -np.inf),
    ("a hidden value that overflows dy v", 0.0, 3e38),
):
    card.edge(
        words,
        {
            "q": np.arange(6.0).reshape(1, 3, 1, 2) - 2,
            "k": np.array([[1, 2], [-1, 1], [k_holds, -k_holds], [0, 1]])[None, :, None, :],
            "v": np.array([[1, 0], [0, 2], [v_holds, v_holds], [-1, 1]])[None, :, None, :],
        },
        mask=np.arange(4)[None, :] != 2,
    )


_GROUPS = {
    "q": np.arange(24.0).reshape(1, 2, 4, 3) / 8 - 1,
    "k": np.eye(6, 3).reshape(1, 3, 2, 3),
    "v": np.arange(12.0).reshape(1, 3, 2, 2) - 5,
}
card.edge("a group hidden whole, with a sink", {**_GROUPS, "sink": np.arange(4.0) - 1},
          mask=(np.arange(4) > 1)[None, :, None, None])  # fmt: skip
card.edge("a sink of -inf", {**_GROUPS, "sink": np.array([-np.inf, 0.0, -np.inf, 2.0])})
card.edge("a bias of -inf, a row of them",
          {**_GROUPS, "bias": np.array([[0.0, -np.inf, 1.0], [-np.inf] * 3])})  # fmt: skip
card.edge("scores far beyond the softcap", {**_GROUPS, "q": 1e3 * _GROUPS["q"]}, softcap=2.0)
card.edge("a window of one key", _GROUPS, window=1, causal=True)
card.edge("a window that ends before the queries",
          {**_GROUPS, "k": _GROUPS["k"][:, :1], "v": _GROUPS["v"][:, :1]}, window=1)  # fmt: skip


def _precise(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    mask: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    sink: torch.Tensor | None = None,
    *,
    softcap: float | None = None,
    scale: float | None = None,
    **where: Any,
) -> torch.Tensor:
    """PyTorch's, which gives NaN for a hidden inf, of what is left without it.

    Capped scores are handed over as a bias: PyTorch's own slope, 1 - tanh^2, loses its digits.
    """
    if mask is not None:
        seen = mask.broadcast_to(len(q), q.shape[2], q.shape[1], k.shape[1]).any(2)  # (B, N, S)
        seen = seen.unflatten(1, (k.shape[2], _each(q, k))).any(2).mT[..., None]  # (B, S, G, 1)
        k, v = (torch.where(~seen & ~x.isfinite(), 0, x) for x in (k, v))
    if softcap is not None:
        scores = torch.einsum("btnh,bsnh->bnts", q, k.repeat_interleave(_each(q, k), 2))
        scores = scores * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
        u = scores.detach() / softcap
        slope = 4 * torch.sigmoid(2 * u) * torch.sigmoid(-2 * u)
        cap = softcap * torch.tanh(u) + (scores - scores.detach()) * slope
        bias, scale = (cap if bias is None else cap + bias), 0.0
    return ops.attention(q, k, v, mask, bias, sink, scale=scale, **where)


card.precise = _precise


def _each(q: Any, k: Any) -> int:
    """How many heads read one group."""
    return q.shape[2] // max(k.shape[2], 1)


def _plain(case: Case) -> bool:
    return case.inputs["q"].shape[2] == case.inputs["k"].shape[2]


card.plain = _plain


@card.draw
def draw(source: Source, dtype: Any, *, packed: bool = False) -> Case:
    """T != S, values of another size than keys; masks of every rank, some rows hidden whole.

    Each of the variants in some of the cases, and none in some. ``packed``: with T = S.
    """
    grouped = rarely(source, 3)
    full: dict[str, int] = {}

    def static(sizes: dict[str, int]) -> dict[str, Any]:
        full.update(sizes)
        full["1"] = 1
        full["s"] = sizes["t"] if packed else sizes["s"]
        if grouped:
            full["n"] = full["g"] * full["r"]
        shape = source.choice((None, "b11s", "bnts", "ts", "11", "b1ts"))
        mask = None
        if shape is not None:
            mask = draw_rng(source).random([full[a] for a in shape]) < source.choice((0.7, 0.3, 0))
        return {
            "mask": mask,
            "causal": source.choice((False, True)),
            "window": source.choice((1, 2, 3)) if rarely(source, 3) else None,
            "scale": source.choice((None, 0.3, -1.5)),
            "softcap": source.choice((1.0, 0.3, 20.0)) if rarely(source, 4) else None,
        }

    spec = "btgrh, bsgh, bsgv -> btgrv" if grouped else "btnh, bsnh, bsnv -> btnv"
    spec = spec.replace("s", "t") if packed else spec
    least = {"h": 1, "s": 1, "r": 1, "g": 1}
    case = draw_case(source, spec, ("q", "k", "v"), dtype, static=static, least=least)
    inputs, dy = dict(case.inputs), case.dy
    if grouped:
        inputs["q"], dy = (
            a.reshape(*a.shape[:2], full["n"], a.shape[4]) for a in (inputs["q"], dy)
        )
    if rarely(source, 4):
        shape = source.choice(("nts", "bnts", "ts", "1nts", "b11s", "n11"))
        inputs["bias"] = draw_array(source, tuple(full[a] for a in shape), np.dtype(dtype))
    if rarely(source, 4):
        far = 3 if rarely(source, 3) else 0
        inputs["sink"] = draw_array(source, (full["n"],), np.dtype(dtype), far)
    return Case(inputs, case.static, dy)


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    shapes = {"q": (b, 3, 2, 4), "k": (b, 5, 2, 4), "v": (b, 5, 2, 6)}
    inputs = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    return inputs, {"mask": rng.random((b, 1, 3, 5)) < 0.6}


card.variants = ({"causal": True, "window": 2, "softcap": 1.5},)


@card.scale
def scale(
    q: Array,
    k: Array,
    v: Array,
    bias: Array | None = None,
    sink: Array | None = None,
    *,
    mask: Array | None = None,
    causal: bool = False,
    window: int | None = None,
    scale: float | None = None,
    softcap: float | None = None,
    dy: Array,
    fp: FloatInfo,
) -> Scales:
    """Scores are dot products of length H; softmax turns their error into p's relative error c."""
    groups = k.shape[2]
    k, v = (np.where(np.isfinite(x), x, 0.0) for x in (k, v))  # what is not finite is hidden
    k, v = (heads_of(x, q.shape[2]) for x in (k, v))
    factor = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    scores = factor * (q.swapaxes(1, 2) @ k.transpose(0, 2, 3, 1))  # (B, N, T, S)
    factor = abs(factor)
    qh, kh, vh, dyh = (np.abs(a).swapaxes(1, 2) for a in (q, k, v, dy))  # (B, N, T or S, H)
    size = factor * (qh @ kh.swapaxes(-1, -2)) + fp.tiny * q.shape[-1]
    slope: Any = 1.0
    if softcap is not None:
        slope = np.square(1 / np.cosh(scores / softcap))
        scores = softcap * np.tanh(scores / softcap)
        # The slope is off by 2 size / softcap of itself, in eps.
        c_slope = slope * (1 + 2 * size / softcap) + fp.tiny / fp.eps
        size, slope = size * slope + np.abs(scores), c_slope
    if bias is not None:
        scores = scores + bias
        seen_bias = np.where(np.isfinite(bias), np.abs(bias), 0.0)
        size = size + seen_bias + np.where(np.isfinite(scores), np.abs(scores), 0.0)
    seen = allowed(q.shape[1], k.shape[1], mask, causal, window)
    scores = np.where(seen, scores, -np.inf)
    if sink is not None:
        last = np.broadcast_to(sink[:, None, None], (*scores.shape[:3], 1))
        scores, size = np.concatenate([scores, last], -1), _with(size, last)
    p, c, _ = softmax_errors(scores, size)
    pc = p * c + fp.tiny
    if sink is not None:
        p, pc, p_sink, pc_sink = p[..., :-1], pc[..., :-1], p[..., -1:], pc[..., -1:]
    da = dyh @ vh.swapaxes(-1, -2)  # |dL/dp|, (B, N, T, S)
    mean = (p * da).sum(-1, keepdims=True)
    off = (pc * da).sum(-1, keepdims=True)
    each = pc * (da + mean) + p * off + fp.tiny * da.shape[-1]
    ds = factor * each * slope
    found = {
        "y": (pc @ vh).swapaxes(1, 2) + fp.tiny,
        "dq": (ds @ kh).swapaxes(1, 2) + fp.tiny,
        "dk": summed((ds.swapaxes(-1, -2) @ qh).swapaxes(1, 2), groups) + fp.tiny,
        "dv": summed((pc.swapaxes(-1, -2) @ dyh).swapaxes(1, 2), groups) + fp.tiny,
    }
    if bias is not None:
        found["dbias"] = sum_to(each, bias.shape) + fp.tiny
    if sink is not None:
        found["dsink"] = (pc_sink * mean + p_sink * off).sum((0, 2, 3)) + fp.tiny
    return found


def _with(size: Array, last: Array) -> Array:
    """The errors of the scores, and after them the sink's, which is what it is given as."""
    return np.concatenate([size, np.zeros(last.shape)], -1)
