"""The card of scaled dot-product attention."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.ordinary import CONTIGUOUS, only, option
from npformer.cards.pytorch import ops, torch
from npformer.cards.scales import FloatInfo, Scales, softmax_errors
from npformer.cards.steps import close, wide
from npformer.cards.strategies import Source, draw_rng
from npformer.ops import attention
from npformer.ops.attention import AttentionCache, attention_backward, attention_forward
from npformer.ops.masks import causal_mask
from npformer.ops.softmax import softmax_forward

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


def _precise(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    mask: torch.Tensor | None = None,
    *,
    causal: bool = False,
    scale: float | None = None,
) -> torch.Tensor:
    """PyTorch's, which gives NaN for a hidden inf, of what is left without it."""
    if mask is not None:
        unseen = ~mask.broadcast_to(len(q), q.shape[2], q.shape[1], k.shape[1]).any(2)  # (B, N, S)
        unseen = unseen.mT[..., None]  # (B, S, N, 1)
        k, v = (torch.where(unseen & ~x.isfinite(), 0, x) for x in (k, v))
    return ops.attention(q, k, v, mask, causal=causal, scale=scale)


card.precise = _precise


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """T != S, values of another size than keys; masks of every rank, some rows hidden whole."""

    def static(sizes: dict[str, int]) -> dict[str, Any]:
        shape = source.choice((None, "b11s", "bnts", "ts", "11", "b1ts"))
        mask = None
        if shape is not None:
            full = {**sizes, "1": 1}
            mask = draw_rng(source).random([full[a] for a in shape]) < source.choice((0.7, 0.3, 0))
        causal = source.choice((False, True))
        return {"mask": mask, "causal": causal, "scale": source.choice((None, 0.3, -1.5))}

    return draw_case(
        source,
        "btnh, bsnh, bsnv -> btnv",
        ("q", "k", "v"),
        dtype,
        static=static,
        least={"h": 1, "s": 1},
    )


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    shapes = {"q": (b, 3, 2, 4), "k": (b, 5, 2, 4), "v": (b, 5, 2, 6)}
    inputs = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    return inputs, {"mask": rng.random((b, 1, 3, 5)) < 0.6}


@card.scale
def scale(
    q: Array,
    k: Array,
    v: Array,
    *,
    mask: Array | None,
    causal: bool,
    scale: float | None,
    dy: Array,
    fp: FloatInfo,
) -> Scales:
    """Scores are dot products of length H; softmax turns their error into p's relative error c."""
    k, v = (np.where(np.isfinite(x), x, 0.0) for x in (k, v))  # what is not finite is hidden
    factor = abs(1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    qh, kh, vh, dyh = (np.abs(a).swapaxes(1, 2) for a in (q, k, v, dy))  # (B, N, T or S, H)
    size = factor * (qh @ kh.swapaxes(-1, -2)) + fp.tiny * q.shape[-1]
    scores = (
        factor
        * (q.swapaxes(1, 2) @ k.transpose(0, 2, 3, 1))
        * (1.0 if scale is None or scale > 0 else -1.0)
    )  # (B, N, T, S)
    allowed = np.ones(scores.shape[-2:], bool)
    if causal:
        allowed = causal_mask(*allowed.shape)
    if mask is not None:
        allowed = allowed & mask
    p, c, _ = softmax_errors(np.where(allowed, scores, -np.inf), size)
    pc = p * c + fp.tiny
    da = dyh @ vh.swapaxes(-1, -2)  # |dL/dp|, (B, N, T, S)
    mean = (p * da).sum(-1, keepdims=True)
    ds = factor * (
        pc * (da + mean) + p * ((pc * da).sum(-1, keepdims=True)) + fp.tiny * da.shape[-1]
    )
    return {
        "y": (pc @ vh).swapaxes(1, 2) + fp.tiny,
        "dq": (ds @ kh).swapaxes(1, 2) + fp.tiny,
        "dk": (ds.swapaxes(-1, -2) @ qh).swapaxes(1, 2) + fp.tiny,
        "dv": (pc.swapaxes(-1, -2) @ dyh).swapaxes(1, 2) + fp.tiny,
    }


def _allowed(case: Case) -> Array:
    """(B, N, T, S)."""
    (b, t, n, _), s = case.inputs["q"].shape, case.inputs["k"].shape[1]
    allowed = np.ones((b, n, t, s), bool)
    if case.static["causal"]:
        allowed = allowed & causal_mask(t, s)
    return allowed if case.static["mask"] is None else allowed & case.static["mask"]


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
    """(B, S, N), True for a key that no query sees."""
    return ~np.any(_allowed(case).transpose(0, 3, 1, 2), axis=-1)


@card.invariant("dk sums to 0 over keys", broken_by="softmax-diagonal")
def _common_key(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """A vector added to every key changes nothing."""
    yield Finding(result["dk"].astype(np.float64).sum(1), 0.0, scales["dk"].sum(1))


@card.invariant("dv sums to dy", broken_by="mask-after-softmax")
def _weights(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    seen = np.where(_blind(case)[..., None], 0.0, case.dy.astype(np.float64))
    yield Finding(result["dv"].astype(np.float64).sum(1), seen.sum(1), scales["dv"].sum(1))


@card.invariant("the order of keys changes nothing but theirs", broken_by="dk-without-transpose")
def _order(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
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
    for name in ("y", "dq"):
        yield Finding(other[name], result[name], scales[name])
    for name in ("dk", "dv"):
        yield Finding(other[name], result[name][:, order], scales[name][:, order])


@card.steps
def _step(visit: Any, result: str) -> str:
    a = {name: wide(value) for name, value in visit.arguments.items()}
    y, cache = attention_forward(**a)
    own = getattr(visit.cache, "probs", None)
    if own is None or np.shape(own) != cache.probs.shape:
        return "" if result == "y" else _attention_back(visit, result)
    if not close(own, cache.probs):
        return _probabilities(np.asarray(own, np.float64), cache.probs)
    if result == "y":
        return "the product with the values"
    return _attention_back(visit, result)


def _probabilities(own: Array, right: Array) -> str:
    if ((own > 0) != (right > 0)).any():
        return "the mask"
    if not close(own.sum(-1), right.sum(-1)):
        return "the softmax"
    with np.errstate(all="ignore"):
        # log p differs from the scores by a constant a row: a factor is left where they are scaled.
        logs = [np.where(right > 0, np.log(p), 0.0) for p in (own, right)]
    allowed = right > 0
    count = np.maximum(allowed.sum(-1, keepdims=True), 1)
    mine, theirs = (np.where(allowed, x - x.sum(-1, keepdims=True) / count, 0.0) for x in logs)
    factor = (mine * theirs).sum() / max((theirs * theirs).sum(), 1e-300)
    return "the scale of the scores" if close(mine, factor * theirs) else "the scores"


def _attention_back(visit: Any, result: str) -> str:
    if result == "dv":
        return "probs^T dy"
    gradients = _gradients(visit)
    right = _right_attention(visit)
    wrong = [n for n in ("dq", "dk") if not close(gradients[n], right[n])]
    own, expected = gradients[result], right[result]
    factor = (own * expected).sum() / max((expected * expected).sum(), 1e-300)
    if wrong == ["dq", "dk"] and not close(own, factor * expected):
        return "the softmax's backward, dscores"
    if close(own, factor * expected):
        return f"the scale of {result}"
    return "scale * dscores k" if result == "dq" else "scale * dscores^T q"


def _right_attention(visit: Any) -> dict[str, Array]:
    a = {name: wide(value) for name, value in visit.arguments.items()}
    back = visit.back
    assert back is not None
    _, cache = attention_forward(**a)
    found = attention_backward(wide(back.dy), cache)
    return dict(zip(("dq", "dk", "dv"), found, strict=True))


def _gradients(visit: Any) -> dict[str, Array]:
    back = visit.back
    assert back is not None
    names = ("dq", "dk", "dv")
    return dict(zip(names, (wide(g) for g in back.gradients), strict=True))


def _plain(case):
    return not _blind(case).any() and all(
        np.abs(a).max(initial=0) < 1e3 for a in case.inputs.values()
    )


def _square(case):
    return case.inputs["q"].shape[1] == case.inputs["k"].shape[1]


@card.wrong_backward("scale-missing-from-dq", "dq lacks the scale")
def _dq_scale(dy, cache):
    dq, dk, dv = attention_backward(dy, cache)
    return dq / cache.scale, dk, dv


@card.wrong_backward("scale-missing-from-dk", "dk lacks the scale")
def _dk_scale(dy, cache):
    dq, dk, dv = attention_backward(dy, cache)
    return dq, dk / cache.scale, dv


@card.wrong_backward("scale-twice", "dq is scaled twice")
def _twice(dy, cache):
    dq, dk, dv = attention_backward(dy, cache)
    return dq * cache.scale, dk, dv


@card.wrong_backward("softmax-diagonal", "the softmax's sum over keys is left out of dscores")
def _diagonal(dy, cache):
    q, k, v, probs, scale = cache
    _, _, dv = attention_backward(dy, cache)
    dscores = scale * probs * np.einsum("btnh,bsnh->bnts", dy, v)
    dq = np.einsum("bnts,bsnh->btnh", dscores, k)
    return dq, np.einsum("bnts,btnh->bsnh", dscores, q), dv


@card.wrong_backward("dv-from-uniform-weights", "dv ignores the weights: every key gets the same")
def _uniform(dy, cache):
    dq, dk, dv = attention_backward(dy, cache)
    even = np.ones_like(cache.probs) / max(cache.probs.shape[-1], 1)
    return dq, dk, np.einsum("bnts,btnh->bsnh", even, dy).astype(dv.dtype)


@card.wrong_backward("dv-from-unmasked-weights", "dv uses weights that were never masked")
def _unmasked_dv(dy, cache):
    dq, dk, _ = attention_backward(dy, cache)
    scores = np.einsum("btnh,bsnh->bnts", cache.q, cache.k) * cache.scale
    probs, _ = softmax_forward(scores)
    return dq, dk, np.einsum("bnts,btnh->bsnh", probs, dy)


@card.wrong_backward("dk-without-transpose", "dscores is reshaped to (S, T), not transposed, in dk")
def _dk_transpose(dy, cache):
    dq, dk, dv = attention_backward(dy, cache)
    b, n, t, s = cache.probs.shape
    turned = _dscores(dy, cache).reshape(b, n, s, t)
    return dq, np.einsum("bnst,btnh->bsnh", turned, cache.q), dv


@card.wrong_backward("heads-mixed", "heads are reshaped without being permuted back")
def _heads(dy, cache):
    dq, dk, dv = attention_backward(dy, cache)
    return dq.swapaxes(1, 2).reshape(dq.shape), dk, dv


@card.wrong_backward("dk-from-k", "dscores is multiplied by k in dk, where q belongs")
def _dk_from_k(dy, cache):
    dq, _, dv = attention_backward(dy, cache)
    return dq, np.einsum("bnts,bsnh->bsnh", _dscores(dy, cache), cache.k), dv


@card.wrong_backward("single-precision", "the gradients are computed silently in float32")
def _float32(dy, cache):
    q, k, v, probs = (np.asarray(a, np.float32) for a in cache[:4])
    narrow = AttentionCache(q, k, v, probs, cache.scale)
    wrong = attention_backward(dy.astype(np.float32), narrow)
    return tuple(gradient.astype(dy.dtype) for gradient in wrong)


@card.wrong_backward("dv-averaged", "dv is averaged over the queries that read it")
def _dv_mean(dy, cache):
    dq, dk, dv = attention_backward(dy, cache)
    return dq, dk, dv / max(dy.shape[1], 1)


def _dscores(dy, cache):
    dprobs = np.einsum("btnh,bsnh->bnts", dy, cache.v)
    inner = (dprobs * cache.probs).sum(-1, keepdims=True)
    return cache.scale * cache.probs * (dprobs - inner)


def _triangle(q, k, by=0):
    """What a query sees where ``causal`` is set: the last one all keys, and ``by`` more."""
    t, s = q.shape[1], k.shape[1]
    return np.tri(t, s, s - t + by, dtype=bool)


def _by_hand(q, k, v, mask, causal, scale, softmax):
    """The forward with ``softmax(scores, allowed)`` in the middle."""
    scale = 1 / np.sqrt(q.dtype.type(q.shape[-1])) if scale is None else scale
    scores = (np.einsum("btnh,bsnh->bnts", q, k) * scale).astype(q.dtype)
    allowed = np.ones(scores.shape, bool) if mask is None else np.broadcast_to(mask, scores.shape)
    if causal:
        allowed = allowed & _triangle(q, k)
    probs = softmax(scores, allowed).astype(q.dtype)
    return np.einsum("bnts,bsnh->btnh", probs, v), AttentionCache(q, k, v, probs, float(scale))


@card.wrong_forward(
    "mask-after-softmax", "the mask is applied to the weights, which then sum to less"
)
def _mask_after(q, k, v, mask=None, *, causal=False, scale=None):
    def softmax(scores, allowed):
        return np.where(allowed, softmax_forward(scores)[0], 0)

    return _by_hand(q, k, v, mask, causal, scale, softmax)


@card.wrong_forward(
    "finite-mask",
    "-1e9 stands for -inf: rows that see nothing attend to everything",
    seen="karpathy/minGPT#75",
    smallest="q (1, 1, 1, 1), k (1, 1, 1, 1), v (1, 1, 1, 1)",
    missed_by=only("no query that sees nothing, and scores of ordinary size", _plain),
)
def _finite(q, k, v, mask=None, *, causal=False, scale=None):
    def softmax(scores, allowed):
        return softmax_forward(np.where(allowed, scores, scores.dtype.type(-1e9)))[0]

    return _by_hand(q, k, v, mask, causal, scale, softmax)


@card.wrong_forward(
    "mask-inverted",
    "True hides where it should show",
    seen="harvard-edge/cs249r_book#1785",
    smallest="q (1, 1, 1, 1), k (1, 1, 1, 1), v (1, 1, 1, 1)",
    missed_by=option("no mask", mask=None),
)
def _inverted(q, k, v, mask=None, *, causal=False, scale=None):
    return attention_forward(q, k, v, None if mask is None else ~mask, causal=causal, scale=scale)


@card.wrong_forward(
    "nan-rows",
    "a query that sees nothing gives NaN",
    seen="pytorch/pytorch#41508",
    smallest="q (1, 1, 1, 1), k (1, 1, 1, 1), v (1, 1, 1, 1)",
    missed_by=only("no query that sees nothing", lambda case: not _blind(case).any()),
)
def _nan(q, k, v, mask=None, *, causal=False, scale=None):
    def softmax(scores, allowed):
        return softmax_forward(np.where(allowed, scores, -np.inf).astype(scores.dtype))[0]

    return _by_hand(q, k, v, mask, causal, scale, softmax)


def _shifted(by):
    def forward(q, k, v, mask=None, *, causal=False, scale=None):
        if causal:
            mask = _triangle(q, k, by) if mask is None else mask & _triangle(q, k, by)
        return attention_forward(q, k, v, mask, scale=scale)

    return forward


card.wrong_forward("causal-leak", "the causal mask is off by one: a position sees the next")(
    _shifted(1)
)


card.wrong_forward("causal-blind", "the causal mask is off by one: a position does not see itself")(
    _shifted(-1)
)


@card.wrong_forward("scaled-by-model-width", "the scale is 1 / sqrt(N H), the model's width")
def _width(q, k, v, mask=None, *, causal=False, scale=None):
    if scale is None:
        scale = 1 / np.sqrt(max(q.shape[-1] * q.shape[-2], 1)).item()
    return attention_forward(q, k, v, mask, causal=causal, scale=scale)


@card.wrong_forward(
    "scale-forgotten",
    "scores are not divided by sqrt(H)",
    seen="delzac/cntkx#10",
    smallest="q (1, 1, 1, 2), k (1, 2, 1, 2), v (1, 2, 1, 1)",
    missed_by=only("heads of size 1", lambda case: case.inputs["q"].shape[-1] == 1),
)
def _unscaled(q, k, v, mask=None, *, causal=False, scale=None):
    return attention_forward(q, k, v, mask, causal=causal, scale=1.0 if scale is None else scale)


def _from_the_start(q, k):
    """The first query sees the first key, the second two: right where T = S."""
    return np.tri(q.shape[1], k.shape[1], dtype=bool)


@card.wrong_forward(
    "causal-aligned-at-the-start",
    "query t sees the keys up to t, although the keys begin before the queries",
    seen="gittensor-ai-lab/sparkinfer#3",
    smallest="q (1, 2, 1, 1), k (1, 1, 1, 1), v (1, 1, 1, 1)",
    missed_by=only("as many queries as keys", _square),
)
def _aligned_at_start(q, k, v, mask=None, *, causal=False, scale=None):
    if causal:
        triangle = _from_the_start(q, k)
        mask = triangle if mask is None else mask & triangle
    return attention_forward(q, k, v, mask, scale=scale)


@card.wrong_forward(
    "backward-aligned-at-the-start",
    "the backward has the causal mask at the start, the forward at the end",
    seen="xlite-dev/ffpa-attn#300",
    smallest="q (1, 2, 1, 1), k (1, 1, 1, 1), v (1, 1, 1, 1)",
    missed_by=only("as many queries as keys", _square),
)
def _backward_aligned(q, k, v, mask=None, *, causal=False, scale=None):
    y, _ = attention_forward(q, k, v, mask, causal=causal, scale=scale)
    return y, _aligned_at_start(q, k, v, mask, causal=causal, scale=scale)[1]


@card.wrong_forward(
    "causal-only-beside-a-mask",
    "without a mask of its own, attention forgets that it is causal",
    seen="facebookresearch/xformers#103",
    smallest="q (1, 2, 1, 1), k (1, 1, 1, 1), v (1, 1, 1, 1)",
    missed_by=only("a mask in every case", lambda case: case.static["mask"] is not None),
)
def _beside_a_mask(q, k, v, mask=None, *, causal=False, scale=None):
    return attention_forward(q, k, v, mask, causal=causal and mask is not None, scale=scale)


@card.wrong_forward(
    "another-sentences-mask",
    "masks are repeated sentence by sentence, and heads stand head by head",
    seen="lsdefine/attention-is-all-you-need-keras#36",
    smallest="q (2, 1, 2, 1), k (2, 1, 2, 1), v (2, 1, 2, 1)",
    missed_by=only("a batch of one sentence", lambda case: len(case.inputs["q"]) == 1),
)
def _anothers(q, k, v, mask=None, *, causal=False, scale=None):
    b, n = len(q), q.shape[2]
    if mask is not None and mask.ndim == 4 and len(mask) == b and b:
        order = (np.arange(n)[:, None] * b + np.arange(b)) // max(n, 1)  # (N, B)
        heads = np.broadcast_to(mask, (b, n, *mask.shape[2:]))
        mask = heads[order.T, np.arange(n)]  # (B, N, T, S)
    return attention_forward(q, k, v, mask, causal=causal, scale=scale)


@card.wrong_backward(
    "dy-read-as-contiguous",
    "dy's memory is read row after row, whatever its strides",
    seen="Dao-AILab/flash-attention#355",
    smallest="q (1, 2, 1, 1), k (1, 1, 1, 1), v (1, 1, 1, 2)",
    missed_by=CONTIGUOUS,
)
def _memory(dy, cache):
    return attention_backward(dy.ravel(order="K").reshape(dy.shape), cache)
