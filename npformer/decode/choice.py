"""What a search asks of the model at each step: the best next tokens, found where the logits are.

A model whose logits lie in a device's memory answers by itself, with ``step_best`` and
``step_top``, so that a few numbers a row leave the device in place of the whole vocabulary. For
any other model its ``step`` is asked, and the choice is made here.

Chapter     walkthroughs/12_decoding.md
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.decode.rollout import CachedModel, check_finite
from npformer.decode.top import top_ids
from npformer.ops.array import Array


def best_next(model: CachedModel, ids: Array, state: Any, banned: tuple[int, ...]) -> Array:
    """One step with ids (R,) -> the id (R,) of each row's largest logit that is not ``banned``.

    Of equal logits the smallest id wins. ``NonFiniteError`` if the best logit is not finite.
    """
    step_best = getattr(model, "step_best", None)
    if step_best is not None:
        best, tokens = step_best(ids, state, banned)
        check_finite(best)
        return tokens
    logits = model.step(ids, state)
    logits[:, list(banned)] = -np.inf
    tokens = logits.argmax(axis=1)
    check_finite(np.take_along_axis(logits, tokens[:, None], axis=1))
    return tokens


def top_next(
    model: CachedModel, ids: Array, state: Any, k: int, banned: tuple[int, ...]
) -> tuple[Array, Array]:
    """One step with ids (R,) -> log probabilities (R, K) and ids (R, K) of the k best next tokens.

    As ``extensions``, which says what they are. ``NonFiniteError`` if the best is not finite.
    """
    step_top = getattr(model, "step_top", None)
    if step_top is None:
        return extensions(model.step(ids, state), k, banned)
    log_probs, tokens = step_top(ids, state, k, banned)
    check_finite(log_probs[:, 0])
    return log_probs, tokens


def extensions(logits: Array, k: int, banned: tuple[int, ...]) -> tuple[Array, Array]:
    """logits (R, V) -> log probabilities (R, K) and ids (R, K) of the k best tokens, best first.

    The log probabilities, float64, are over the whole vocabulary; ``banned`` ids are only kept
    from being chosen. Of equal logits the smaller id comes first. K is k, or V if that is less.
    An id with log probability -inf is no choice. Changes ``logits``.
    """
    peak = logits.max(axis=1, keepdims=True)
    check_finite(peak)
    log_sum = peak + np.log(np.exp(logits - peak).sum(axis=1, keepdims=True, dtype=np.float64))
    logits[:, list(banned)] = -np.inf
    ids = top_ids(logits, k)
    log_probs = np.take_along_axis(logits, ids, axis=1) - log_sum
    check_finite(log_probs[:, 0])
    return log_probs, ids
