"""Wrong versions of attention: a bias, a softcap, a sink."""

from __future__ import annotations

import numpy as np

from npformer.cards.ops import attention_by_hand as right
from npformer.cards.ops.attention import card
from npformer.cards.ops.attention_by_hand import backward, forward
from npformer.cards.ordinary import OUTPUT, Ordinary
from npformer.ops.array import sum_to
from npformer.ops.attention import attention_backward, attention_forward

_OUTPUT_DQ = Ordinary("a look at y, dq, dk and dv alone", results=("y", "dq", "dk", "dv"))
_LAST = "q (1, 1, 1, 1), k (1, 1, 1, 1), v (1, 1, 1, 1), sink (1,)"


def _of_bias(name, wrong, dbias, **seen):
    card.wrong_backward(name, wrong, **seen)(backward(dbias=dbias))


_of_bias(
    "bias-frozen",
    "the bias gets no gradient",
    lambda ds, shape, slope: np.zeros(shape),
    seen="meta-pytorch/attention-gym#20",
    smallest="q (1, 1, 1, 1), k (1, 1, 1, 1), v (1, 1, 1, 1), bias (1, 1), sink (1,)",
    missed_by=_OUTPUT_DQ,
)


def _first(x):
    """x (B, ...), 0 for every sentence but the first."""
    return x * (np.arange(len(x)) == 0).reshape(-1, 1, 1, 1)


_of_bias("dbias-of-one-sentence", "dbias is the first sentence's, not summed over the batch",
         lambda ds, shape, slope: sum_to(_first(ds), shape))  # fmt: skip
_of_bias("dbias-averaged", "dbias is a mean over what the bias was broadcast on",
         lambda ds, shape, slope: sum_to(ds, shape) * np.prod(shape) / max(ds.size, 1))  # fmt: skip
_of_bias("dbias-through-the-softcap", "dbias has the slope of a cap that comes before the bias",
         lambda ds, shape, slope: sum_to(right.uncap(ds, slope), shape))  # fmt: skip


@card.wrong_backward("dbias-scaled", "dbias has the scale, which is that of q k alone")
def _scaled(dy, cache):
    def dbias(ds, shape, slope):
        return sum_to(ds, shape) * cache.scale

    return backward(dbias=dbias)(dy, cache)


@card.wrong_backward("dbias-from-dprobs", "dbias lacks the mean: it is the sum of dprobs * probs")
def _before(dy, cache):
    def dbias(ds, shape, slope):
        return sum_to(cache.probs * right.dprobs(dy, cache.v), shape)

    return backward(dbias=dbias)(dy, cache)


card.wrong_forward("bias-subtracted", "the bias is subtracted from the scores")(
    forward(add=lambda scores, bias: scores if bias is None else scores - bias)
)


@card.wrong_forward("bias-scaled", "the bias is added before the scale, which stretches it too")
def _stretched(q, k, v, mask=None, bias=None, sink=None, *, scale=None, **options):
    factor = 1 / np.sqrt(q.shape[-1]).item() if scale is None else scale
    bias = None if bias is None else bias * factor
    return attention_forward(q, k, v, mask, bias, sink, scale=scale, **options)


@card.wrong_forward("bias-lost-beside-a-mask", "where there is a mask, the bias is forgotten")
def _lost(q, k, v, mask=None, bias=None, *others, **options):
    if mask is not None and bias is not None:
        bias = np.zeros_like(bias)
    return attention_forward(q, k, v, mask, bias, *others, **options)


@card.wrong_forward("bias-of-another-head", "a bias of one head each is read from the last head on")
def _turned(q, k, v, mask=None, bias=None, *others, **options):
    if bias is not None and bias.ndim > 2:
        bias = np.flip(bias, -3)
    return attention_forward(q, k, v, mask, bias, *others, **options)


card.wrong_backward(
    "softcap-absent-from-backward",
    "the backward takes capped scores for plain ones: dscores lacks the slope",
    seen="Dao-AILab/flash-attention#1065",
    smallest=_LAST,
    missed_by=OUTPUT,
)(backward(uncap=lambda ds, slope: ds))
card.wrong_backward("slope-twice", "dscores is multiplied by the softcap's slope twice")(
    backward(uncap=lambda ds, slope: ds if slope is None else ds * slope * slope)
)


@card.wrong_backward("slope-before-the-softmax", "dprobs has the slope, where dscores must have it")
def _early(dy, cache):
    def dprobs(dy, v):
        return right.uncap(right.dprobs(dy, v), cache.slope)

    return backward(dprobs=dprobs, uncap=lambda ds, slope: ds)(dy, cache)


def _cap(function):
    """The forward with ``function(scores, cap)`` for the capped scores and their slope."""
    return forward(cap=lambda s, cap: (s, None) if cap is None else function(s, cap))


card.wrong_forward("softcap-not-scaled-back", "the scores are tanh(x / cap), without its factor")(
    _cap(lambda s, cap: (np.tanh(s / cap), (1 - np.tanh(s / cap) ** 2) / cap))
)
card.wrong_forward("softcap-clamps", "the scores are clamped to the cap, not bent")(
    _cap(lambda s, cap: (np.clip(s, -cap, cap), (np.abs(s) < cap).astype(s.dtype)))
)
card.wrong_forward("slope-of-capped-scores", "the slope is taken at the score once capped")(
    _cap(lambda s, cap: (right.cap(s, cap)[0], 1 - np.tanh(right.cap(s, cap)[0] / cap) ** 2))
)


@card.wrong_forward("softcap-before-the-scale", "q k is capped, and scaled afterwards")
def _before_scale(q, k, v, *others, scale=None, softcap=None, **options):
    factor = 1 / np.sqrt(q.shape[-1]).item() if scale is None else scale
    cap = None if softcap is None else softcap * abs(factor)
    return attention_forward(q, k, v, *others, scale=scale, softcap=cap, **options)


@card.wrong_forward("bias-capped", "the bias is added before the cap, which bends it too")
def _bent(q, k, v, mask=None, bias=None, sink=None, *, softcap=None, scale=None, **options):
    if softcap is None or bias is None:
        given = {**options, "softcap": softcap, "scale": scale}
        return attention_forward(q, k, v, mask, bias, sink, **given)
    factor = 1 / np.sqrt(q.shape[-1]).item() if scale is None else scale
    whole = right.cap(right.scores(q, k, factor) + bias, softcap)[0]
    y, cache = attention_forward(q, k, v, mask, whole, sink, scale=0.0, **options)
    return y, cache._replace(scale=factor, bias_shape=bias.shape)


@card.wrong_forward(
    "mask-before-the-softcap",
    "hidden scores are -inf before the cap, which makes them -cap: the keys are seen",
)
def _masked_first(q, k, v, mask=None, bias=None, sink=None, *, softcap=None, **options):
    if softcap is None:
        return attention_forward(q, k, v, mask, bias, sink, **options)
    t, s = q.shape[1], k.shape[1]
    seen = right.allowed(t, s, mask, options.pop("causal", False), options.pop("window", None))
    floor = np.where(seen, 0, -softcap).astype(q.dtype)
    scale = options.get("scale")
    factor = 1 / np.sqrt(q.shape[-1]).item() if scale is None else scale
    whole = np.where(seen, right.cap(right.scores(q, k, factor), softcap)[0], floor)
    whole = whole if bias is None else whole + bias
    y, cache = attention_forward(q, k, v, None, whole, sink, **{**options, "scale": 0.0})
    return y, cache._replace(scale=factor, bias_shape=None if bias is None else bias.shape)


def _of_sink(name, wrong, dsink, **seen):
    card.wrong_backward(name, wrong, **seen)(backward(dsink=dsink))


_of_sink(
    "sink-frozen",
    "the sink gets no gradient",
    lambda probs, mean: np.zeros(probs.shape[1]),
    seen="Dao-AILab/flash-attention#1973",
    smallest=_LAST,
    missed_by=_OUTPUT_DQ,
)
_of_sink("sink-sign", "dsink has the wrong sign",
         lambda probs, mean: (probs * mean).sum((0, 2, 3)))  # fmt: skip
_of_sink("sink-not-weighted", "dsink lacks the sink's own share",
         lambda probs, mean: -mean.sum((0, 2, 3)))  # fmt: skip
_of_sink("sink-diagonal", "dsink has the factor 1 - probs too, as if the sink had a value",
         lambda probs, mean: -(probs * (1 - probs) * mean).sum((0, 2, 3)))  # fmt: skip
_of_sink("sink-averaged", "dsink is a mean over the queries",
         lambda probs, mean: right.dsink(probs, mean) / max(probs.shape[2], 1))  # fmt: skip
_of_sink("sink-of-one-sentence", "dsink is the first sentence's, not summed over the batch",
         lambda probs, mean: right.dsink(_first(probs), mean))  # fmt: skip


@card.wrong_backward(
    "sink-absent-from-backward",
    "the backward makes the weights anew without the sink: they sum to 1",
    seen="Dao-AILab/flash-attention#2102",
    smallest=_LAST,
    missed_by=OUTPUT,
)
def _absent(dy, cache):
    if cache.sink_probs is None:
        return attention_backward(dy, cache)
    total = cache.probs.sum(-1, keepdims=True)
    return attention_backward(
        dy, cache._replace(probs=cache.probs / np.where(total == 0, 1, total))
    )


def _of_the_others(probs, dprobs, sink_probs):
    """The mean over the keys alone, which a row that the sink takes whole divides by 0."""
    ds, mean = right.dscores(probs, dprobs, sink_probs)
    if sink_probs is None:
        return ds, mean
    with np.errstate(all="ignore"):
        mean = mean / (1 - sink_probs)
    return probs * (dprobs - mean), mean


card.wrong_backward(
    "sink-takes-all",
    "the mean is divided by the share that the sink leaves: wrong, and NaN where it leaves none",
    seen="NVIDIA/cudnn-frontend#676",
    smallest=_LAST,
    missed_by=OUTPUT,
)(backward(dscores=_of_the_others))


def _renormalised(scores, sink, seen):
    probs, sunk = right.softmax(scores, sink, seen)
    total = probs.sum(-1, keepdims=True)
    return (probs, sunk) if sunk is None else (probs / np.where(total == 0, 1, total), sunk)


card.wrong_forward("sink-renormalised", "the weights are divided by what the sink leaves")(
    forward(softmax=_renormalised)
)


def _overflowing(scores, sink, seen):
    if sink is None:
        return right.softmax(scores, sink, seen)
    highest = scores.max(-1, keepdims=True)
    highest = np.where(highest == -np.inf, 0, highest)
    e, last = np.exp(scores - highest), np.exp(sink[:, None, None] - highest)
    total = e.sum(-1, keepdims=True) + last
    return e / total, last / total


card.wrong_forward("sink-beyond-the-maximum", "the sink is not in the maximum: it overflows")(
    forward(softmax=_overflowing)
)


@card.wrong_forward("sink-scaled", "the sink is multiplied by the scale, as scores are")
def _scaled_sink(q, k, v, mask=None, bias=None, sink=None, *, scale=None, **options):
    factor = 1 / np.sqrt(q.shape[-1]).item() if scale is None else scale
    sink = None if sink is None else sink * sink.dtype.type(factor)
    return attention_forward(q, k, v, mask, bias, sink, scale=scale, **options)
