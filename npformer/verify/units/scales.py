"""The natural scale S of every op's result and gradients: how large its rounding error may be.

Each function takes the op's arrays and upstream gradient in float64, and returns S by the name
of the result (``y``) or gradient (``dx``, ``dweight``, ...), of that result's shape. The recipe
is always the same: follow the formula, turn every difference into a sum of absolute values, and
carry along the relative error that earlier steps have already made (the condition factors ``c``
below). Constant factors near 1 are left out; the bound of 4 is for them.

``fp.tiny`` is the smallest normal number of the dtype under test. Below it, rounding is absolute:
eps * tiny is the smallest subnormal, so ``tiny`` times the number of terms is the scale there.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from npformer.ops.array import Array, rows

Scales = dict[str, Array]


class Precision(NamedTuple):
    """The dtype under test."""

    eps: float
    tiny: float


def precision(dtype: Any) -> Precision:
    """eps and the smallest normal number of ``dtype``."""
    return Precision(float(np.finfo(dtype).eps), float(np.finfo(dtype).tiny))


def _walk(terms: int) -> float:
    """Rounding adds up like a random walk over a sum's terms: sqrt(K) / 4, which counts past 16.

    Higham & Mary (2019), "A new approach to probabilistic rounding error analysis".
    """
    return max(1.0, math.sqrt(terms) / 4)


def _softmax(z: Array, error: Array | float, axis: int = -1) -> tuple[Array, Array, Array]:
    """p = softmax(z), c = p's relative error in eps, and log of the sum of exp(z - max z).

    exp turns an absolute error of its argument into a relative one of its value. The argument
    z - max is off by |z - max| in eps, besides ``error``, what z itself was off by; the divisor
    is a p-weighted mean of the same errors.
    """
    with np.errstate(invalid="ignore"):
        shifted = z - z.max(axis, keepdims=True, initial=-np.inf)
    shifted = np.where(np.isfinite(z), shifted, -np.inf)
    e = np.exp(shifted)
    total = e.sum(axis, keepdims=True)
    p = np.divide(e, total, out=np.zeros_like(e), where=total > 0)
    off = np.where(p > 0, np.abs(np.where(np.isfinite(shifted), shifted, 0.0)) + error, 0.0)
    c = 1 + off + (p * off).sum(axis, keepdims=True)
    log_total = np.log(np.where(total > 0, total, 1.0))
    return p, c, log_total


def linear(
    x: Array, weight: Array, bias: Array | None = None, *, dy: Array, fp: Precision
) -> Scales:
    """Dot products: |A| |B|. A sum: the sum of its absolute terms."""
    x2, dy2 = np.abs(rows(x)), np.abs(rows(dy))  # (R, I), (R, O)
    r, o, i = len(x2), *weight.shape
    y = _walk(i) * (np.abs(x) @ np.abs(weight).T + fp.tiny * (1 + i))
    scales = {
        "y": y if bias is None else y + np.abs(bias),
        "dx": _walk(o) * (np.abs(dy) @ np.abs(weight) + fp.tiny * o),
        "dweight": _walk(r) * (dy2.T @ x2 + fp.tiny * r),
    }
    return scales if bias is None else {**scales, "dbias": _walk(r) * dy2.sum(0) + fp.tiny}


def embedding(weight: Array, *, ids: Array, dy: Array, fp: Precision, **_: Any) -> Scales:
    """A copy is exact; the gradient is a sum over the places where an id occurs."""
    dweight = np.zeros(weight.shape)
    np.add.at(dweight, ids.reshape(-1), np.abs(rows(dy)))
    return {"y": np.abs(weight)[ids] + fp.tiny, "dweight": dweight + fp.tiny}


def softmax(x: Array, *, axis: int, dy: Array, fp: Precision) -> Scales:
    """dx = y (dy - sum dy y): y's own error, and that of every y inside the sum."""
    p, c, _ = _softmax(x, 0.0, axis)
    each = p * np.abs(dy)
    inner = (each * c).sum(axis, keepdims=True) + c * each.sum(axis, keepdims=True)
    return {
        "y": p * c + fp.tiny,
        "dx": c * each + p * inner + fp.tiny * (1 + np.abs(dy).max(initial=0)),
    }


def log_softmax(x: Array, *, axis: int, dy: Array, fp: Precision) -> Scales:
    """y = (x - max) - log sum: the 1 is log's absolute error where the sum is near 1."""
    p, c, log_total = _softmax(x, 0.0, axis)
    shifted = np.abs(x - x.max(axis, keepdims=True, initial=-np.inf))
    shifted = np.where(np.isnan(shifted), 0.0, shifted)
    total = np.abs(dy).sum(axis, keepdims=True)
    return {
        "y": shifted + log_total + (p * c).sum(axis, keepdims=True) + fp.tiny,
        "dx": np.abs(dy) + p * c * total + fp.tiny * (1 + total),
    }


def attention(
    q: Array,
    k: Array,
    v: Array,
    *,
    mask: Array | None,
    causal: bool,
    scale: float | None,
    dy: Array,
    fp: Precision,
) -> Scales:
    """Scores are dot products of length H; softmax turns their error into p's relative error c."""
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
        allowed = np.tril(allowed)
    if mask is not None:
        allowed = allowed & mask
    p, c, _ = _softmax(np.where(allowed, scores, -np.inf), size)
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


def layer_norm(
    x: Array, weight: Array, bias: Array, *, eps: float, dy: Array, fp: Precision
) -> Scales:
    """xhat is off by c = rstd (|x| + mean |x|), and by the relative error kappa of rstd.

    The variance is a mean square, off by 2 <xhat c> in eps and, where eps c is no longer small (a
    row of equal, large numbers), by eps <c^2>: what is under the root may then be all noise.
    """
    mu = x.mean(-1, keepdims=True)
    size = np.abs(x) + np.abs(x).mean(-1, keepdims=True)
    sure = np.maximum(np.abs(x - mu) - fp.eps * size, 0)  # of a row's deviations, what is no noise
    rstd = 1 / np.sqrt((sure**2).mean(-1, keepdims=True) + eps)
    xhat = np.abs(x - mu) * rstd
    c = rstd * (size + fp.tiny)
    kappa = 1 + (xhat * c + fp.eps * c * c).mean(-1, keepdims=True)
    xhat_off = c + xhat * kappa
    g = np.abs(dy * weight)
    g_xhat = (g * xhat).mean(-1, keepdims=True)
    inner = kappa * (g + g.mean(-1, keepdims=True) + xhat * g_xhat)
    inner = inner + xhat_off * g_xhat + xhat * (g * xhat_off).mean(-1, keepdims=True)
    every, walk = tuple(range(x.ndim - 1)), _walk(len(rows(x)))
    return {
        "y": xhat_off * np.abs(weight) + np.abs(bias) + fp.tiny * (1 + np.abs(weight)),
        # Terms may be scaled by rstd^3 x^2 after they have underflowed, as PyTorch's are.
        "dx": rstd * inner + fp.tiny * (1 + rstd) ** 3 * (1 + np.abs(x)) ** 2,
        "dweight": walk * (np.abs(dy) * xhat_off + fp.tiny).sum(every) + fp.tiny,
        "dbias": walk * np.abs(dy).sum(every) + fp.tiny,
    }


def relu(x: Array, *, dy: Array, fp: Precision) -> Scales:
    """Selections are exact."""
    return {"y": np.abs(x) + fp.tiny, "dx": np.abs(dy) + fp.tiny}


def gelu(x: Array, *, approximate: str, dy: Array, fp: Precision) -> Scales:
    """y = x gate and dx = dy (gate + x gate'). In the left tail Phi is conditioned like
    exp(-x^2 / 2), by a factor 1 + x^2; the tanh form's gate like exp(2u), by 1 + 2 |u|.

    The scale is relative to y itself, in both tails: 1 + erf there, which loses everything, fails.
    """
    near = np.minimum(np.abs(x), 1e2)  # farther out both derivatives are 0 or 1 in every dtype
    if approximate == "tanh":
        # The gate is the logistic function of 2u, and its slope gate (1 - gate) (2u)'.
        u = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
        slope = 2 * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)
        upper, lower = _logistic(2 * u), _logistic(-2 * u)
        # 1 - gate is off by as much as the gate is, but by no more than itself.
        lower = lower + np.minimum(upper, lower / fp.eps)
        density, condition, reach = upper * lower * slope, 1 + 2 * np.abs(u), near * slope
    else:
        upper = np.array([0.5 * math.erfc(-t / math.sqrt(2)) for t in x.ravel()]).reshape(x.shape)
        density = np.exp(-np.minimum(x * x, 1e4) / 2) / math.sqrt(2 * math.pi)
        condition = 1 + np.where(x < 0, near * near, 0.0)
        reach = near
    bell = near * density * (1 + near * near)
    flush = fp.tiny / fp.eps  # the gate 1 / (1 + exp(t)) is 0 where exp(t) overflows
    return {
        "y": np.abs(x) * (upper * condition + flush) + fp.tiny,
        "dx": np.abs(dy) * (upper * condition + bell + flush * (1 + reach))
        + fp.tiny * (1 + near**3),
    }


def _logistic(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def silu(x: Array, *, dy: Array, fp: Precision) -> Scales:
    """y = x s with s the logistic function, whose tail is conditioned like exp(x): c = 1 + |x|.

    dx = dy s (1 + x (1 - s)), where 1 - s is off by as much as s is.
    """
    s = _logistic(x)
    c = 1 + np.where(x < 0, np.minimum(np.abs(x), 1e4), 0.0)
    near, flush = np.minimum(np.abs(x), 1e4), fp.tiny / fp.eps
    return {
        "y": np.abs(x) * (s * c + flush) + fp.tiny,
        "dx": np.abs(dy) * (s * c * (1 + near) + flush * (1 + near)) + fp.tiny * (1 + near),
    }


def dropout(x: Array, *, p: float, dy: Array, fp: Precision, **_: Any) -> Scales:
    """One product with 1 / (1 - p)."""
    return {"y": np.abs(x) / (1 - p) + fp.tiny, "dx": np.abs(dy) / (1 - p) + fp.tiny}


def cross_entropy(
    logits: Array,
    *,
    targets: Array,
    label_smoothing: float,
    ignore_index: int | None,
    weight: Array | None,
    reduction: str,
    dy: Array,
    fp: Precision,
) -> Scales:
    """loss = sum_c q_c w_c (-log p_c), with q the smoothed target; then log-softmax's scale."""
    vocab = logits.shape[-1]
    p, c, log_total = _softmax(logits, 0.0)
    shifted = np.abs(logits - logits.max(-1, keepdims=True, initial=-np.inf))
    nll = shifted + log_total + (p * c).sum(-1, keepdims=True)
    w = np.ones(vocab) if weight is None else np.abs(weight).astype(np.float64)
    valid = np.ones(targets.shape, bool) if ignore_index is None else targets != ignore_index
    index = np.where(valid, targets, 0)
    q = np.full(logits.shape, label_smoothing / max(vocab, 1))
    hit = np.take_along_axis(q, index[..., None], -1) + 1 - label_smoothing
    np.put_along_axis(q, index[..., None], hit, -1)
    qw = q * w * valid[..., None]  # (..., V)
    losses = np.where(qw > 0, qw * nll, 0.0).sum(-1)  # a class ruled out, with -inf, costs nothing
    walk = _walk(losses.size)
    each = qw + qw.sum(-1, keepdims=True) * p * c  # of dlogits, before reduction
    dy = np.abs(np.asarray(dy))
    if reduction == "none":
        return {
            "y": losses + fp.tiny,
            "dlogits": each * dy[..., None] + fp.tiny * (1 + dy[..., None]),
        }
    count = (w[index] * valid).sum() if reduction == "mean" else 1.0
    over = 1 / count if count > 0 else 0.0
    return {
        "y": np.asarray(walk * losses.sum() * over + fp.tiny),
        "dlogits": each * dy * over + fp.tiny * (1 + dy),
    }
