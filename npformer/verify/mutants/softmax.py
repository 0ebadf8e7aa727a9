"""Wrong softmax and log-softmax."""

from __future__ import annotations

import numpy as np

from npformer.ops.log_softmax import LogSoftmaxCache, log_softmax_backward, log_softmax_forward
from npformer.ops.softmax import SoftmaxCache, softmax_backward, softmax_forward
from npformer.verify.mutants.mutant import Family

softmax = Family("softmax")


@softmax.backward("divided-by-batch", "dx is divided by the batch size: right at batch 1")
def _batch(dy, cache):
    return softmax_backward(dy, cache) / max(len(dy), 1)


@softmax.backward("no-leading-y", "dx is dy - sum(dy y), without the y in front")
def _leading(dy, cache):
    return dy - (dy * cache.y).sum(cache.axis, keepdims=True)


@softmax.backward("mean-for-sum", "the mean of dy y stands where its sum belongs")
def _mean(dy, cache):
    terms = max(dy.shape[cache.axis], 1)
    return cache.y * (dy - (dy * cache.y).sum(cache.axis, keepdims=True) / terms)


@softmax.backward("diagonal-only", "the Jacobian's off-diagonal terms are dropped: dy y (1 - y)")
def _diagonal(dy, cache):
    return dy * cache.y * (1 - cache.y)


@softmax.backward("sum-of-dy", "the sum is of dy, not of dy y")
def _sum_of_dy(dy, cache):
    return cache.y * (dy - dy.sum(cache.axis, keepdims=True))


@softmax.backward("zero", "nothing comes back: right for an upstream gradient of ones")
def _zero(dy, cache):
    return np.zeros_like(dy)


@softmax.backward("last-axis-always", "the sum runs over the last axis whatever ``axis`` says")
def _last_axis(dy, cache):
    return cache.y * (dy - (dy * cache.y).sum(-1, keepdims=True))


@softmax.forward("no-max", "the maximum is not subtracted, and exp overflows")
def _no_max(x, *, axis=-1):
    e = np.exp(x)
    y = e / e.sum(axis, keepdims=True)
    return y, SoftmaxCache(y, axis)


@softmax.forward("epsilon-below", "1e-9 is added to the denominator")
def _epsilon(x, *, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True, initial=-np.inf))
    y = e / (e.sum(axis, keepdims=True) + 1e-9)
    return y.astype(x.dtype), SoftmaxCache(y, axis)


@softmax.forward("one-max-for-all", "the maximum is taken over the whole array, and rows underflow")
def _global_max(x, *, axis=-1):
    e = np.exp(x - x.max(initial=-np.inf))
    y = e / e.sum(axis, keepdims=True)
    return y, SoftmaxCache(y, axis)


@softmax.forward("single-precision", "y is computed silently in float32")
def _float32(x, *, axis=-1):
    y, _ = softmax_forward(x.astype(np.float32), axis=axis)
    return y.astype(x.dtype), SoftmaxCache(y.astype(x.dtype), axis)


log_softmax = Family("log_softmax")


@log_softmax.backward("y-for-exp-y", "y stands where exp(y) belongs")
def _no_exp(dy, cache):
    return dy - cache.y * dy.sum(cache.axis, keepdims=True)


@log_softmax.backward("softmax-backward", "the softmax's formula is used on exp(y)")
def _wrong_formula(dy, cache):
    p = np.exp(cache.y)
    return p * (dy - (dy * p).sum(cache.axis, keepdims=True))


@log_softmax.backward("sum-dropped", "dy - exp(y): right where dy sums to 1")
def _no_sum(dy, cache):
    return dy - np.exp(cache.y)


@log_softmax.backward("mean-for-sum", "the mean of dy stands where its sum belongs")
def _mean_log(dy, cache):
    terms = max(dy.shape[cache.axis], 1)
    return dy - np.exp(cache.y) * dy.sum(cache.axis, keepdims=True) / terms


@log_softmax.backward("sign", "the softmax is added, not subtracted")
def _sign(dy, cache):
    return 2 * dy - log_softmax_backward(dy, cache)


@log_softmax.forward("log-of-softmax", "the log is taken of a softmax that has underflowed to 0")
def _log_of(x, *, axis=-1):
    _, cache = log_softmax_forward(x, axis=axis)
    y = np.log(softmax_forward(x, axis=axis)[0])
    return y, cache


@log_softmax.forward("clipped", "probabilities are clipped at 1e-7 before the log")
def _clipped(x, *, axis=-1):
    y = np.log(np.maximum(softmax_forward(x, axis=axis)[0], 1e-7)).astype(x.dtype)
    return y, LogSoftmaxCache(y, axis)


MUTANTS = (*softmax.mutants, *log_softmax.mutants)
