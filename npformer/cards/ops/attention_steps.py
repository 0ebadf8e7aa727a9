"""Which step inside attention is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.cards.case import Array
from npformer.cards.ops.attention import card
from npformer.cards.steps import close, wide
from npformer.ops.attention import attention_backward, attention_forward

_ALONE = {
    "dv": "probs^T dy",
    "dbias": "the sum of dscores over what the bias was broadcast on",
    "dsink": "the sink's share times the row sum of dprobs * probs",
}
"""What makes a gradient by itself."""


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
    if result in _ALONE:
        return _ALONE[result]
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
    return dict(zip(("dq", "dk", "dv"), found[:3], strict=True))


def _gradients(visit: Any) -> dict[str, Array]:
    back = visit.back
    assert back is not None
    names = ("dq", "dk", "dv")
    return dict(zip(names, (wide(g) for g in back.gradients[:3]), strict=True))
