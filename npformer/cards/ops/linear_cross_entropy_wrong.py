"""Wrong versions of output projection and cross-entropy in one."""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.cards.case import Array
from npformer.cards.ops.linear_cross_entropy import card
from npformer.cards.ordinary import ONES, OUTPUT, option
from npformer.ops.linear_cross_entropy import (
    linear_cross_entropy_backward,
    linear_cross_entropy_forward,
)


def _upstream(wrong: Any) -> Any:
    """A backward that is given another dloss: wrong(dloss, cache)."""

    def backward(dloss: Array, cache: Any) -> Any:
        return linear_cross_entropy_backward(np.asarray(wrong(dloss, cache)), cache)

    return backward


@card.wrong_backward(
    "first-upstream-for-all",
    "every row's gradient is multiplied by the first row's dloss, after rows were summed",
    seen="linkedin/Liger-Kernel#968",
    smallest="x (2, 1), weight (1, 1), targets (2,)",
    missed_by=ONES,
)
def _first(dloss, cache):
    first = np.asarray(dloss).reshape(-1)[:1]
    return linear_cross_entropy_backward(
        np.broadcast_to(first, np.size(dloss)).reshape(np.shape(dloss)), cache
    )


@card.wrong_backward(
    "upstream-one-row-late",
    "a row is multiplied by the dloss of the row before it: a kernel's pointer is not moved on",
    seen="NVIDIA/TransformerEngine#2139",
    smallest="x (2, 1), weight (1, 1), targets (2,)",
    missed_by=ONES,
)
def _late(dloss, cache):
    return linear_cross_entropy_backward(
        np.roll(np.reshape(dloss, -1), 1).reshape(np.shape(dloss)), cache
    )


@card.wrong_backward(
    "none-gets-zero",
    'the loss of reduction "none" is right, and its gradient 0',
    seen="microsoft/DirectML#739",
    smallest="x (1, 1), weight (1, 1), targets (1,)",
    missed_by=OUTPUT,
)
def _zero(dloss, cache):
    dx, dweight = linear_cross_entropy_backward(dloss, cache)
    return (dx * 0, dweight * 0) if np.ndim(dloss) else (dx, dweight)


@card.wrong_backward("upstream-ignored", "the gradients made in the forward are not multiplied")
def _for_one(dloss, cache):
    return linear_cross_entropy_backward(np.ones_like(dloss), cache)


@card.wrong_backward("weight-averaged", "dweight is averaged over the rows that count")
def _averaged(dloss, cache):
    dx, dweight = linear_cross_entropy_backward(dloss, cache)
    return dx, dweight / max(len(cache.targets), 1)


@card.wrong_backward("last-block-alone", "dweight holds the last block of rows, not their sum")
def _last(dloss, cache):
    dx, dweight = linear_cross_entropy_backward(dloss, cache)
    count = len(cache.targets)
    start = (max(count - 1, 0) // cache.blocks[0]) * cache.blocks[0]
    kept = cache.valid.copy()
    kept.reshape(-1)[np.flatnonzero(cache.valid)[:start]] = False
    mine = {n: getattr(cache, n)[start:] for n in ("x", "targets", "top", "total")}
    d = np.broadcast_to(np.asarray(dloss), cache.valid.shape)
    return dx, linear_cross_entropy_backward(d, cache._replace(valid=kept, **mine))[1]


@card.wrong_backward("z-loss-half", "the 2 of the square's derivative is missing")
def _half(dloss, cache):
    return linear_cross_entropy_backward(dloss, cache._replace(z_loss=cache.z_loss / 2))


@card.wrong_backward("z-loss-forgotten", "the gradient lacks the square of log_total")
def _no_square(dloss, cache):
    return linear_cross_entropy_backward(dloss, cache._replace(z_loss=0.0))


@card.wrong_backward("cap-forgotten", "the gradient does not pass the cap's slope")
def _uncapped(dloss, cache):
    if cache.softcap is None:
        return linear_cross_entropy_backward(dloss, cache)
    # The capped logits as those of a projection without a cap: the same p, and a slope of 1.
    h, w = cache.x, cache.weight
    logits = cache.softcap * np.tanh(h @ w.T / cache.softcap)
    dlogits = _dense_gradient(dloss, cache, logits)
    return _projected(dlogits, cache)


@card.wrong_backward("cap-slope-of-the-raw", "the cap's slope is taken at the logits, not at tanh")
def _raw_slope(dloss, cache):
    if cache.softcap is None:
        return linear_cross_entropy_backward(dloss, cache)
    raw = cache.x @ cache.weight.T
    logits = cache.softcap * np.tanh(raw / cache.softcap)
    dlogits = _dense_gradient(dloss, cache, logits)
    return _projected(dlogits * (1 - (raw / cache.softcap) ** 2), cache)


@card.wrong_backward("smoothing-over-a-block", "smoothing spreads over the classes of a block")
def _over_block(dloss, cache):
    k = min(cache.blocks[1], max(len(cache.weight), 1))
    share = cache.label_smoothing * (len(cache.weight) / k)
    logits = cache.x @ cache.weight.T
    if cache.softcap is not None:
        logits = cache.softcap * np.tanh(logits / cache.softcap)
    dlogits = _dense_gradient(dloss, cache, logits, spread=share)
    if cache.softcap is not None:
        dlogits = dlogits * (1 - (logits / cache.softcap) ** 2)
    return _projected(dlogits, cache)


@card.wrong_backward("target-of-each-block", "the target is taken off at its place in every block")
def _every_block(dloss, cache):
    dx, dweight = linear_cross_entropy_backward(dloss, cache)
    k = cache.blocks[1]
    d = np.broadcast_to(np.asarray(dloss, dx.dtype), cache.valid.shape)[cache.valid]
    extra = np.zeros((len(cache.targets), len(cache.weight)), dx.dtype)
    for row, target in enumerate(cache.targets):
        extra[row, target % k :: k] = d[row] / cache.divisor * (1 - cache.label_smoothing)
        extra[row, target] = 0
    if cache.softcap is not None:
        extra = extra * (1 - np.tanh(cache.x @ cache.weight.T / cache.softcap) ** 2)
    more = _projected(-extra, cache)
    return dx + more[0], dweight + more[1]


@card.wrong_backward("ignored-rows-trained", "an ignored row is trained towards class 0")
def _ignored(dloss, cache):
    dx, dweight = linear_cross_entropy_backward(dloss, cache)
    return dx + (~cache.valid)[..., None] * (np.abs(cache.weight[0]) + 1).astype(dx.dtype), dweight


@card.wrong_forward("mean-over-all-tokens", "the mean counts ignored tokens too")
def _all_tokens(x, weight, targets, *, reduction, **static):
    y, cache = linear_cross_entropy_forward(x, weight, targets, reduction=reduction, **static)
    if reduction != "mean":
        return y, cache
    count = max(targets.size, 1)
    return np.asarray(y * (cache.divisor / count), y.dtype), cache._replace(divisor=count)


@card.wrong_forward(
    "mean-of-blocks", "each block of rows divides by its own count, and the means are summed"
)
def _own_count(x, weight, targets, *, reduction, **static):
    y, cache = linear_cross_entropy_forward(x, weight, targets, reduction=reduction, **static)
    if reduction != "mean" or len(cache.targets) <= cache.blocks[0]:
        return y, cache
    count = cache.blocks[0]
    return np.asarray(y * (cache.divisor / count), y.dtype), cache._replace(divisor=count)


@card.wrong_forward(
    "blocks-not-rescaled", "what was summed before a block raised the maximum is not rescaled"
)
def _unscaled(x, weight, targets, *, class_block, **static):
    y, cache = linear_cross_entropy_forward(x, weight, targets, class_block=class_block, **static)
    logits = cache.x @ weight.T
    if cache.softcap is not None:
        logits = cache.softcap * np.tanh(logits / cache.softcap)
    total, top = np.zeros_like(cache.total), np.full_like(cache.top, -np.inf)
    for start in range(0, len(weight), class_block):
        block = logits[:, start : start + class_block]
        top = np.maximum(top, block.max(-1, initial=-np.inf))
        total = total + np.exp(block - top[:, None]).sum(-1)
    lost = np.log(total) - np.log(cache.total)
    if static["reduction"] == "none":
        y = y.copy()
        y[cache.valid] += lost
    else:
        y = y + np.asarray(lost.sum() / cache.divisor)
    return np.asarray(y, x.dtype), cache._replace(total=total)


@card.wrong_forward(
    "log-of-the-total-missing",
    "the squared log of the sum is top + total: the logarithm is left out",
    seen="linkedin/Liger-Kernel#239",
    smallest="x (1,), weight (1, 1), targets ()",
    missed_by=option("no z-loss", z_loss=0.0),
)
def _no_log(x, weight, targets, *, z_loss, **static):
    y, cache = linear_cross_entropy_forward(x, weight, targets, z_loss=z_loss, **static)
    right, wrong = cache.top + np.log(cache.total), cache.top + cache.total
    more = z_loss * (wrong**2 - right**2)
    if static["reduction"] == "none":
        y = y.copy()
        y[cache.valid] += more
        return y, cache
    return np.asarray(y + more.sum() / cache.divisor, x.dtype), cache


@card.wrong_forward("smoothing-forgotten", "label smoothing is left out of the forward")
def _unsmoothed(x, weight, targets, *, label_smoothing, **static):
    return linear_cross_entropy_forward(x, weight, targets, **static)


@card.wrong_backward("single-precision", "the gradients are computed silently in float32")
def _float32(dloss, cache):
    narrow = {
        name: value.astype(np.float32)
        for name, value in cache._asdict().items()
        if isinstance(value, np.ndarray) and value.dtype.kind == "f"
    }
    wrong = linear_cross_entropy_backward(np.asarray(dloss, np.float32), cache._replace(**narrow))
    return tuple(gradient.astype(cache.x.dtype) for gradient in wrong)


def _dense_gradient(dloss, cache, logits, spread=None):
    """The right gradient of all (capped) logits (M, V), with ``spread`` for the smoothing."""
    d = np.broadcast_to(np.asarray(dloss, logits.dtype), cache.valid.shape)[cache.valid]
    d = d / cache.divisor
    p = np.exp(logits - cache.top[:, None]) / cache.total[:, None]
    square = 1 + 2 * cache.z_loss * (cache.top + np.log(cache.total))
    s = (cache.label_smoothing if spread is None else spread) / max(len(cache.weight), 1)
    dlogits = d[:, None] * (p * square[:, None] - s)
    dlogits[np.arange(len(d)), cache.targets] -= d * (1 - cache.label_smoothing)
    return dlogits.astype(logits.dtype)


def _projected(dlogits, cache):
    dx = np.zeros((*cache.valid.shape, cache.x.shape[-1]), cache.x.dtype)
    dx[cache.valid] = dlogits @ cache.weight
    return dx, (dlogits.T @ cache.x).astype(dx.dtype)
