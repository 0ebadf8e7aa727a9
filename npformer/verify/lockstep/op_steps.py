"""Which step inside an op is wrong, from what the suspect's cache shows besides the result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from npformer import ops
from npformer.verify.lockstep.visits import Array, Visit

CLOSE = 1e-4
"""Two arrays are one formula's where they differ by less of the largest entry."""

_LINEAR = {"dx": "dy weight", "dweight": "dy^T x", "dbias": "the sum of dy over the rows"}
_NORM = {
    "dx": "dx, through the mean and the deviation",
    "dweight": "the sum of dy * xhat over the rows",
    "dbias": "the sum of dy over the rows",
}


def inside(visit: Visit, result: str) -> str:
    """The step of an op that makes ``result`` wrong."""
    op = visit.site.kind
    try:
        look = _OPS.get(op)
        words = look(visit, result) if look is not None else ""
    except (AttributeError, TypeError, ValueError, IndexError, KeyError):
        words = ""  # a cache of another form shows nothing
    return words or ("its value" if result == "y" else result)


def _linear(visit: Visit, result: str) -> str:
    if result != "y":
        return _LINEAR.get(result, result)
    a = visit.arguments
    product = a["x"] @ a["weight"].T
    if close(product, visit.output):
        return "the bias"
    return "x weight^T"


def _embedding(visit: Visit, result: str) -> str:
    return "the look-up" if result == "y" else "the sum over the places of a word"


def _layer_norm(visit: Visit, result: str) -> str:
    if result != "y":
        return _NORM.get(result, result)
    a = visit.arguments
    _, cache = ops.layer_norm_forward(a["x"], a["weight"], a["bias"], eps=a["eps"])
    own = visit.cache
    if not hasattr(own, "xhat") or close(own.xhat, cache.xhat):
        return "weight and bias" if hasattr(own, "xhat") else ""
    factor = np.vecdot(own.xhat, cache.xhat) / np.vecdot(cache.xhat, cache.xhat)
    if close(factor[..., None] * cache.xhat, own.xhat):
        return "the deviation, rstd"
    return "the mean and the deviation"


def _attention(visit: Visit, result: str) -> str:
    a = {name: _wide(value) for name, value in visit.arguments.items()}
    y, cache = ops.attention_forward(**a)
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


def _attention_back(visit: Visit, result: str) -> str:
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


def _right_attention(visit: Visit) -> dict[str, Array]:
    a = {name: _wide(value) for name, value in visit.arguments.items()}
    back = visit.back
    assert back is not None
    _, cache = ops.attention_forward(**a)
    found = ops.attention_backward(_wide(back.dy), cache)
    return dict(zip(("dq", "dk", "dv"), found, strict=True))


def _gradients(visit: Visit) -> dict[str, Array]:
    back = visit.back
    assert back is not None
    names = ("dq", "dk", "dv")
    return dict(zip(names, (_wide(g) for g in back.gradients), strict=True))


def _dropout(visit: Visit, result: str) -> str:
    back = visit.back
    x, y = (
        (visit.arguments["x"], visit.output)
        if result == "y"
        else (back and back.dy, back and back.gradients[0])
    )
    assert x is not None and y is not None
    keep = getattr(visit.cache, "keep", None)
    if keep is None:
        return "what inference does"
    if np.array_equal(np.asarray(y) != 0, (np.asarray(x) != 0) & keep):
        return "the factor 1 / (1 - p)"
    return "the mask"


def _cross_entropy(visit: Visit, result: str) -> str:
    a = dict(visit.arguments)
    a["logits"] = _wide(a["logits"])
    y, cache = ops.cross_entropy_forward(**a)
    divisor = getattr(visit.cache, "divisor", None)
    if divisor is not None and not close(np.asarray(divisor), np.asarray(cache.divisor)):
        return "the mean's divisor"
    if result == "y":
        return "the sum of the losses"
    back = visit.back
    assert back is not None
    expected = ops.cross_entropy_backward(_wide(back.dy), cache)
    own = back.gradients[0]
    assert own is not None
    if close(own, np.asarray(expected / cache.divisor)) or close(own, expected * cache.divisor):
        return "the mean's divisor"
    wrong = np.abs(own - expected).reshape(len(cache.valid), -1).max(-1) > CLOSE * _largest(
        expected
    )
    if wrong.any() and not wrong[cache.valid].any():
        return "the rows that are ignored"
    return "p less the target"


def _activation(visit: Visit, result: str) -> str:
    return "the function" if result == "y" else "its derivative"


_OPS: dict[str, Callable[[Visit, str], str]] = {
    "linear": _linear,
    "embedding": _embedding,
    "layer_norm": _layer_norm,
    "attention": _attention,
    "dropout": _dropout,
    "cross_entropy": _cross_entropy,
    **dict.fromkeys(("relu", "gelu", "silu"), _activation),
}


def _wide(value: Any) -> Any:
    real = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    return value.astype(np.float64) if real else value


def _largest(a: Array) -> float:
    return float(np.abs(a).max(initial=0.0))


def close(a: Any, b: Any) -> bool:
    """Whether two arrays are one formula's, up to rounding."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or not np.isfinite(a).all():
        return False
    return _largest(a - b) <= CLOSE * max(_largest(b), 1e-30)
