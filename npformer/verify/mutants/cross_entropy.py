"""Wrong cross-entropy losses."""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.ops.array import rows
from npformer.ops.cross_entropy import cross_entropy_backward, cross_entropy_forward
from npformer.verify.mutants.mutant import Family

cross_entropy = Family("cross_entropy")


def _divided_by(count, y, cache):
    """The mean with another divisor."""
    dtype = cache.exps.dtype
    return np.asarray(y * (cache.divisor / count), dtype), cache._replace(divisor=dtype.type(count))


@cross_entropy.forward("mean-over-all-tokens", "the mean counts ignored tokens too")
def _all_tokens(logits, targets, **static):
    y, cache = cross_entropy_forward(logits, targets, **static)
    if static["reduction"] != "mean" or static["weight"] is not None:
        return y, cache
    return _divided_by(max(targets.size, 1), y, cache)


@cross_entropy.forward(
    "mean-of-rows-under-weights", "the mean divides by the rows, not the weights"
)
def _rows(logits, targets, **static):
    y, cache = cross_entropy_forward(logits, targets, **static)
    if static["reduction"] != "mean":
        return y, cache
    return _divided_by(max(int(cache.valid.sum()), 1), y, cache)


@cross_entropy.forward("mean-of-means", "the mean is of the sentences' means, not of the tokens")
def _mean_of_means(logits, targets, **static):
    y, cache = cross_entropy_forward(logits, targets, **static)
    if static.get("reduction", "mean") != "mean" or targets.ndim < 2 or not targets.size:
        return y, cache
    losses, _ = cross_entropy_forward(logits, targets, **{**static, "reduction": "none"})
    weight = static.get("weight")
    w = np.ones(1, logits.dtype) if weight is None else weight
    w_t = np.where(cache.valid, np.broadcast_to(w, logits.shape[-1])[cache.targets], 0)
    counts = w_t.reshape(targets.shape).sum(-1, keepdims=True)  # (..., 1)
    divisor = np.where(counts > 0, counts, 1) * max(int((counts > 0).sum()), 1)
    y = np.asarray((losses / divisor).sum(), logits.dtype)
    every: Any = np.broadcast_to(divisor, targets.shape).reshape(-1)  # one for each row
    return y, cache._replace(divisor=every.astype(logits.dtype))


@cross_entropy.backward("single-precision", "the gradient is computed silently in float32")
def _float32(dloss, cache):
    narrow = {
        name: value.astype(np.float32)
        for name, value in cache._asdict().items()
        if isinstance(value, np.ndarray) and value.dtype.kind == "f"
    }
    wrong = cross_entropy_backward(np.asarray(dloss, np.float32), cache._replace(**narrow))
    return wrong.astype(cache.exps.dtype)


@cross_entropy.backward("divided-twice", "the gradient is divided by the token count twice")
def _twice(dloss, cache):
    return cross_entropy_backward(dloss, cache) / cache.divisor


@cross_entropy.backward("not-divided", "the mean's gradient is the sum's")
def _undivided(dloss, cache):
    return cross_entropy_backward(dloss, cache._replace(divisor=1))


@cross_entropy.backward("upstream-ignored", "the upstream gradient is taken for 1")
def _upstream(dloss, cache):
    return cross_entropy_backward(np.ones_like(dloss), cache)


@cross_entropy.backward("ignored-rows-trained", "ignored rows get a gradient")
def _ignored(dloss, cache):
    return cross_entropy_backward(dloss, cache._replace(valid=np.ones_like(cache.valid)))


@cross_entropy.backward("target-not-subtracted", "the gradient is p, without the target taken off")
def _no_target(dloss, cache):
    wrong = cross_entropy_backward(dloss, cache)
    d = np.where(cache.valid, _upstream_rows(dloss, cache), 0)
    flat = rows(wrong).copy()
    flat[np.arange(len(flat)), cache.targets] += d * cache.a
    return flat.reshape(cache.shape)


@cross_entropy.backward("sign", "the gradient is target - p")
def _sign(dloss, cache):
    return -cross_entropy_backward(dloss, cache)


@cross_entropy.backward("smoothing-forgotten", "label smoothing is left out of the backward")
def _unsmoothed(dloss, cache):
    return cross_entropy_backward(dloss, cache._replace(s=cache.s * 0, s_sum=cache.s_sum * 0))


@cross_entropy.backward("smoothing-weights-uniform", "smoothing ignores the class weights")
def _uniform(dloss, cache):
    even = np.full_like(cache.s, cache.s.mean())
    return cross_entropy_backward(dloss, cache._replace(s=even))


@cross_entropy.forward(
    "smoothing-over-the-others", "smoothing spreads over the V - 1 other classes"
)
def _others(logits, targets, *, label_smoothing, **static):
    classes = logits.shape[-1]
    # Over the others alone: the target keeps 1 - e, which is e' = e V / (V - 1) of the usual kind.
    spread = label_smoothing * classes / (classes - 1) if classes > 1 else label_smoothing
    return cross_entropy_forward(logits, targets, label_smoothing=spread, **static)


@cross_entropy.forward("smoothing-counts-ignored", "the smoothing's mean counts ignored rows")
def _counts(logits, targets, *, label_smoothing, **static):
    y, cache = cross_entropy_forward(logits, targets, label_smoothing=label_smoothing, **static)
    if not label_smoothing or static["reduction"] == "none":
        return y, cache
    z = rows(logits)
    z = z - z.max(-1, keepdims=True, initial=-np.inf)
    extra = (np.log(np.exp(z).sum(-1)) - z.mean(-1))[~cache.valid].sum() * label_smoothing
    return np.asarray(y + extra / cache.divisor, logits.dtype), cache


@cross_entropy.forward("clipped", "the log is of probabilities clipped at 1e-9")
def _clipped(logits, targets, *, label_smoothing, **static):
    y, cache = cross_entropy_forward(logits, targets, label_smoothing=label_smoothing, **static)
    if label_smoothing:
        return y, cache
    p = cache.exps[np.arange(len(cache.targets)), cache.targets] / cache.total
    losses = np.where(cache.valid, -np.log(np.maximum(p, 1e-9)) * cache.a, 0)
    clipped = losses.reshape(y.shape) if static["reduction"] == "none" else losses.sum()
    return np.asarray(clipped / cache.divisor, logits.dtype), cache


@cross_entropy.forward("no-max", "the maximum is not subtracted, and exp overflows")
def _no_max(logits, targets, **static):
    y, cache = cross_entropy_forward(logits, targets, **static)
    exps = np.exp(rows(logits))
    total = exps.sum(-1)
    lost = np.log(total) - np.log(cache.total) - rows(logits).max(-1, initial=-np.inf)
    if static["reduction"] == "none":
        y = (y + np.where(cache.valid, lost, 0).reshape(y.shape)).astype(logits.dtype)
    return y, cache._replace(exps=exps, total=total)


def _upstream_rows(dloss, cache):
    d = np.broadcast_to(np.asarray(dloss).reshape(-1), cache.targets.shape)
    return d / cache.divisor


MUTANTS = (*cross_entropy.mutants,)
