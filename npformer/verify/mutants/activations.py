"""Wrong ReLU, GELU, SiLU and dropout."""

from __future__ import annotations

import math

import numpy as np

from npformer.ops.dropout import DropoutCache, dropout_backward, dropout_forward, keep_mask
from npformer.ops.gelu import GeluCache, gelu_backward, gelu_forward
from npformer.ops.silu import silu_backward
from npformer.verify.mutants.mutant import Family

relu = Family("relu")


@relu.backward("open-at-zero", "the mask is y >= 0, which holds everywhere: every gradient passes")
def _open(dy, cache):
    return np.where(cache.y >= 0, dy, 0)


@relu.backward("times-y", "the gradient is multiplied by y, not by the sign of y")
def _times(dy, cache):
    return dy * cache.y


@relu.backward("mask-of-dy", "the mask is taken of dy")
def _mask_of_dy(dy, cache):
    return np.where(dy > 0, dy, 0)


@relu.backward("leaky", "a hundredth of the gradient passes where x < 0")
def _leaky(dy, cache):
    return np.where(cache.y > 0, dy, dy.dtype.type(0.01) * dy)


gelu = Family("gelu")


def _exact(function):
    """A wrong derivative of the exact form; the tanh form stays right."""

    def backward(dy, cache):
        if cache.approximate != "none":
            return gelu_backward(dy, cache)
        return function(dy, cache)

    return backward


@gelu.backward("density-dropped", "the density term x phi(x) is left out")
@_exact
def _no_density(dy, cache):
    return dy * cache.gate


@gelu.backward("density-without-x", "the density term lacks its factor x")
@_exact
def _no_x(dy, cache):
    density = np.exp(-cache.x * cache.x / 2) / math.sqrt(2 * math.pi)
    return (dy * (cache.gate + density)).astype(dy.dtype)


@gelu.backward("density-without-root", "the density lacks 1 / sqrt(2 pi)")
@_exact
def _no_root(dy, cache):
    return dy * (cache.gate + cache.x * np.exp(-cache.x * cache.x / 2))


@gelu.backward("forms-exchanged", "the exact form's derivative is used for the tanh form")
def _exchanged(dy, cache):
    return gelu_backward(dy, cache._replace(approximate="none"))


@gelu.backward("inner-cube-dropped", "the tanh form's inner derivative lacks its cubic term")
def _inner(dy, cache):
    if cache.approximate == "none":
        return gelu_backward(dy, cache)
    slope = 2 * math.sqrt(2 / math.pi) * cache.gate * (1 - cache.gate)
    return dy * (cache.gate + cache.x * slope)


@gelu.forward("tail-cancels", "Phi is (1 + erf) / 2, which loses every digit in the left tail")
def _tail(x, *, approximate="none"):
    y, cache = gelu_forward(x, approximate=approximate)
    if approximate != "none":
        return y, cache
    erf = np.vectorize(math.erf, otypes=[np.float64])(x * math.sqrt(0.5)).astype(x.dtype)
    gate = x.dtype.type(0.5) * (1 + erf)
    return x * gate, GeluCache(x, gate, approximate)


@gelu.forward("constants-rounded", "the tanh form's constants are rounded to 0.8 and 0.0447")
def _rounded(x, *, approximate="none"):
    if approximate == "none":
        return gelu_forward(x)
    gate = (1 / (1 + np.exp(-2 * 0.8 * (x + 0.0447 * x**3)))).astype(x.dtype)
    return x * gate, GeluCache(x, gate, approximate)


@gelu.forward("quick", "x sigmoid(1.702 x) is used for the exact form")
def _quick(x, *, approximate="none"):
    if approximate != "none":
        return gelu_forward(x, approximate=approximate)
    gate = (1 / (1 + np.exp(-1.702 * x))).astype(x.dtype)
    return x * gate, GeluCache(x, gate, approximate)


silu = Family("silu")


@silu.backward("gate-alone", "the gate's own derivative is left out")
def _gate(dy, cache):
    return dy * cache.gate


@silu.backward("sigmoid-derivative", "the derivative is the logistic function's, s (1 - s)")
def _logistic(dy, cache):
    return dy * cache.gate * (1 - cache.gate)


@silu.backward("y-for-x", "y stands where x belongs in s + x s (1 - s)")
def _y_for_x(dy, cache):
    y = cache.x * cache.gate
    return silu_backward(dy, cache._replace(x=y))


dropout = Family("dropout")


@dropout.backward("fresh-mask", "the backward draws a mask of its own")
def _fresh(dy, cache):
    if cache.keep is None:
        return dy
    p = 1 - 1 / cache.scale
    keep = keep_mask(dy.shape, p, np.random.default_rng(1))
    return np.where(keep, dy * cache.scale, 0)


@dropout.backward("gradient-unscaled", "the backward lacks 1 / (1 - p)")
def _unscaled(dy, cache):
    return dropout_backward(dy, cache._replace(scale=1.0))


@dropout.backward("mask-forgotten", "the gradient passes dropped units")
def _everywhere(dy, cache):
    return dy * cache.scale


@dropout.backward("mask-inverted", "the gradient passes exactly the dropped units")
def _inverted(dy, cache):
    return dy if cache.keep is None else dropout_backward(dy, cache._replace(keep=~cache.keep))


@dropout.forward("forward-unscaled", "what is kept is not scaled by 1 / (1 - p)")
def _forward_unscaled(x, p, rng):
    y, cache = dropout_forward(x, p, rng)
    return (x if cache.keep is None else np.where(cache.keep, x, 0)), cache


@dropout.forward("scaled-at-inference", "inference multiplies by 1 - p")
def _inference(x, p, rng):
    if rng is None:
        return x * (1 - p), DropoutCache(None, 1.0)
    return dropout_forward(x, p, rng)


@dropout.forward("p-is-keep-probability", "p is taken for the probability to keep")
def _keep(x, p, rng):
    return dropout_forward(x, 1 - p if 0 < p < 1 else p, rng)


MUTANTS = (*relu.mutants, *gelu.mutants, *silu.mutants, *dropout.mutants)
