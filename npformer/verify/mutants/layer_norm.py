"""Wrong layer norms."""

from __future__ import annotations

import numpy as np

from npformer.ops.array import rows
from npformer.ops.layer_norm import LayerNormCache, layer_norm_backward
from npformer.verify.mutants.mutant import Family

layer_norm = Family("layer_norm")


def _dx(dy, cache, mean=True, along=True):
    """The formula with one of its terms left out."""
    g = dy * cache.weight
    dx = g
    if mean:
        dx = dx - g.mean(-1, keepdims=True)
    if along:
        dx = dx - cache.xhat * (g * cache.xhat).mean(-1, keepdims=True)
    return cache.rstd * dx


@layer_norm.backward("weight-outside", "the weight is applied outside the mean terms: right at 1")
def _outside(dy, cache):
    _, dweight, dbias = layer_norm_backward(dy, cache)
    plain = cache._replace(weight=np.ones_like(cache.weight))
    return cache.weight * layer_norm_backward(dy, plain)[0], dweight, dbias


@layer_norm.backward("weight-forgotten", "the weight is left out of dx")
def _forgotten(dy, cache):
    _, dweight, dbias = layer_norm_backward(dy, cache)
    plain = cache._replace(weight=np.ones_like(cache.weight))
    return layer_norm_backward(dy, plain)[0], dweight, dbias


@layer_norm.backward("mean-term-dropped", "the road through mu is left out")
def _no_mean(dy, cache):
    _, dweight, dbias = layer_norm_backward(dy, cache)
    return _dx(dy, cache, mean=False), dweight, dbias


@layer_norm.backward("xhat-term-dropped", "the road through rstd is left out")
def _no_along(dy, cache):
    _, dweight, dbias = layer_norm_backward(dy, cache)
    return _dx(dy, cache, along=False), dweight, dbias


@layer_norm.backward("statistics-constant", "mu and rstd are treated as constants: dx = rstd g")
def _constants(dy, cache):
    _, dweight, dbias = layer_norm_backward(dy, cache)
    return _dx(dy, cache, mean=False, along=False), dweight, dbias


@layer_norm.backward("sum-for-mean", "sums stand where the means over D belong")
def _sums(dy, cache):
    _, dweight, dbias = layer_norm_backward(dy, cache)
    g = dy * cache.weight
    inner = g.sum(-1, keepdims=True) + cache.xhat * (g * cache.xhat).sum(-1, keepdims=True)
    return cache.rstd * (g - inner), dweight, dbias


@layer_norm.backward("rstd-missing", "dx lacks the factor rstd")
def _no_rstd(dy, cache):
    dx, dweight, dbias = layer_norm_backward(dy, cache)
    return dx / cache.rstd, dweight, dbias


@layer_norm.backward("rstd-squared", "dx has the factor rstd twice")
def _rstd_twice(dy, cache):
    dx, dweight, dbias = layer_norm_backward(dy, cache)
    return dx * cache.rstd, dweight, dbias


@layer_norm.backward("bias-last-row", "at rank 3 and more, only the last matrix reaches dbias")
def _last_rows(dy, cache):
    dx, dweight, dbias = layer_norm_backward(dy, cache)
    return dx, dweight, rows(dy[-1]).sum(0) if dy.ndim > 2 and len(dy) else dbias


@layer_norm.backward("weight-gradient-of-y", "dweight is summed with dy * weight, not with dy")
def _dweight(dy, cache):
    dx, dweight, dbias = layer_norm_backward(dy, cache)
    return dx, dweight * cache.weight, dbias


@layer_norm.backward("zero", "dx is zero: right for an upstream gradient of ones at weight = 1")
def _zero(dy, cache):
    _, dweight, dbias = layer_norm_backward(dy, cache)
    return np.zeros_like(dy), dweight, dbias


@layer_norm.backward("single-precision", "dx is computed silently in float32")
def _float32(dy, cache):
    _, dweight, dbias = layer_norm_backward(dy, cache)
    narrow = LayerNormCache(*(np.asarray(a, np.float32) for a in cache))
    return layer_norm_backward(dy.astype(np.float32), narrow)[0].astype(dy.dtype), dweight, dbias


def _forward(x, weight, bias, rstd):
    xhat = (x - x.mean(-1, keepdims=True)) * rstd
    return xhat * weight + bias, LayerNormCache(xhat, rstd, weight)


@layer_norm.forward("unbiased-variance", "the variance is divided by D - 1")
def _unbiased(x, weight, bias, *, eps=1e-5):
    d = x.shape[-1]
    variance = x.var(-1, keepdims=True) * (d / max(d - 1, 1))
    return _forward(x, weight, bias, (1 / np.sqrt(variance + eps)).astype(x.dtype))


@layer_norm.forward("eps-outside-the-root", "eps is added to the deviation, not to the variance")
def _outside_root(x, weight, bias, *, eps=1e-5):
    return _forward(x, weight, bias, (1 / (x.std(-1, keepdims=True) + eps)).astype(x.dtype))


@layer_norm.forward("eps-forgotten", "eps is left out: a row of equal numbers divides by 0")
def _no_eps(x, weight, bias, *, eps=1e-5):
    return _forward(x, weight, bias, (1 / x.std(-1, keepdims=True)).astype(x.dtype))


@layer_norm.forward("mean-of-squares", "the variance is <x^2> - <x>^2, which cancels")
def _cancels(x, weight, bias, *, eps=1e-5):
    variance = (x * x).mean(-1, keepdims=True) - x.mean(-1, keepdims=True) ** 2
    return _forward(x, weight, bias, (1 / np.sqrt(variance + eps)).astype(x.dtype))


@layer_norm.forward("batch-statistics", "the statistics are taken over the first axis")
def _batch(x, weight, bias, *, eps=1e-5):
    rstd = (1 / np.sqrt(x.var(0, keepdims=True) + eps)).astype(x.dtype)
    xhat = (x - x.mean(0, keepdims=True)) * rstd
    return xhat * weight + bias, LayerNormCache(xhat, rstd, weight)


MUTANTS = (*layer_norm.mutants,)
