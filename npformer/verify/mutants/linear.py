"""Wrong gradients of linear and embedding."""

from __future__ import annotations

import numpy as np

from npformer.ops.array import rows
from npformer.ops.embedding import embedding_backward
from npformer.ops.linear import linear_backward, linear_forward
from npformer.verify.mutants.mutant import Family

linear = Family("linear")


@linear.backward("swapped-factors", "x and dy change places in dweight: right when it is symmetric")
def _swapped(dy, cache):
    dx, dweight, dbias = linear_backward(dy, cache)
    return dx, (rows(cache.x).T @ rows(dy)).reshape(dweight.shape), dbias


@linear.backward("weight-not-transposed", "dx uses the weight in the forward's orientation")
def _orientation(dy, cache):
    dx, dweight, dbias = linear_backward(dy, cache)
    turned = cache.weight.reshape(cache.weight.shape[::-1]).T
    return (rows(dy) @ turned).reshape(dx.shape), dweight, dbias


@linear.backward("bias-averaged", "the bias gradient is averaged over the batch")
def _bias_mean(dy, cache):
    dx, dweight, dbias = linear_backward(dy, cache)
    return dx, dweight, None if dbias is None else dbias / max(len(rows(dy)), 1)


@linear.backward("bias-first-axis-only", "the bias gradient is summed over the first axis only")
def _bias_first_axis(dy, cache):
    dx, dweight, dbias = linear_backward(dy, cache)
    if dbias is not None and dy.ndim > 1 and dy.size:
        dbias = dy.sum(0)[(0,) * (dy.ndim - 2)]
    return dx, dweight, dbias


@linear.backward("weight-averaged", "dweight is averaged over the rows")
def _weight_mean(dy, cache):
    dx, dweight, dbias = linear_backward(dy, cache)
    return dx, dweight / max(len(rows(dy)), 1), dbias


@linear.backward("weight-last-row", "dweight holds the last row's product alone")
def _weight_last(dy, cache):
    dx, dweight, dbias = linear_backward(dy, cache)
    if len(rows(dy)):
        dweight = np.outer(rows(dy)[-1], rows(cache.x)[-1])
    return dx, dweight, dbias


@linear.backward("single-precision", "dx is computed silently in float32")
def _float32(dy, cache):
    dx, dweight, dbias = linear_backward(dy, cache)
    narrow = rows(dy).astype(np.float32) @ cache.weight.astype(np.float32)
    return narrow.reshape(dx.shape).astype(dx.dtype), dweight, dbias


@linear.backward("double-out", "the gradient comes back in float64 whatever went in")
def _float64(dy, cache):
    dx, dweight, dbias = linear_backward(dy, cache)
    return dx * np.float64(1.0), dweight, dbias


@linear.forward("bias-dropped", "the bias is left out of the forward")
def _no_bias(x, weight, bias=None):
    y, cache = linear_forward(x, weight)
    return y, cache._replace(has_bias=bias is not None)


@linear.backward("input-overwritten", "the upstream gradient is scaled in place")
def _in_place(dy, cache):
    gradients = linear_backward(dy, cache)
    if dy.flags.writeable:
        dy *= 2
    return gradients


embedding = Family("embedding")


@embedding.backward("repeats-lost", "grad[ids] += dy: of a repeated id, one occurrence counts")
def _repeats(dy, cache):
    dweight = np.zeros((cache.entries, dy.shape[-1]), dy.dtype)
    dweight[cache.ids] += dy
    if cache.padding_idx is not None:
        dweight[cache.padding_idx] = 0
    return dweight


@embedding.backward("padding-trained", "the padding row gets a gradient")
def _padding(dy, cache):
    return embedding_backward(dy, cache._replace(padding_idx=None))


@embedding.backward("counts-divided", "a row's gradient is averaged over its occurrences")
def _averaged(dy, cache):
    counts = np.bincount(cache.ids.reshape(-1), minlength=cache.entries)
    return (embedding_backward(dy, cache) / np.maximum(counts, 1)[:, None]).astype(dy.dtype)


@embedding.backward("row-zero-is-padding", "row 0 is taken for padding whatever padding_idx says")
def _row_zero(dy, cache):
    return embedding_backward(dy, cache._replace(padding_idx=0))


@embedding.backward("flattened-in-the-wrong-order", "ids are flattened in Fortran order, dy in C")
def _order(dy, cache):
    ids = cache.ids.reshape(-1, order="F").reshape(cache.ids.shape)
    return embedding_backward(dy, cache._replace(ids=ids))


MUTANTS = (*linear.mutants, *embedding.mutants)
