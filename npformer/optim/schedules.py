"""Learning rates as pure functions of the update number, which counts from 1.

Chapter     walkthroughs/10_optimizers.md
"""

from __future__ import annotations

import math

from npformer.optim.config import OptimConfig


def noam(update: int, d_model: int, warmup: int, factor: float = 1.0) -> float:
    """The paper's schedule (Vaswani et al., 2017, equation 3), times ``factor``.

        d_model^-0.5 * min(update^-0.5, update * warmup^-1.5)

    It rises in a straight line for ``warmup`` updates, then falls with the inverse square root.
    The two sides meet at update = warmup, where the rate is (d_model * warmup)^-0.5.
    """
    rise = update * warmup**-1.5 if warmup else math.inf
    return factor * d_model**-0.5 * min(update**-0.5, rise)


def cosine(update: int, updates: int, warmup: int, peak: float) -> float:
    """A straight rise to ``peak``, then half a cosine (Loshchilov & Hutter, 2017, equation 5).

        peak * update / warmup                                        while update < warmup
        peak * (1 + cos(pi * (update - warmup) / span)) / 2           after that

    The span is such that the rate would be 0 one update after the last of ``updates``.
    """
    if update < warmup:
        return peak * update / warmup
    start = max(warmup, 1)
    progress = min((update - start) / max(updates + 1 - start, 1), 1.0)
    return peak * (1 + math.cos(math.pi * progress)) / 2


def constant(update: int, warmup: int, peak: float) -> float:
    """``peak * min(1, update / warmup)``: a straight rise, then no change."""
    return peak * min(1.0, update / warmup) if warmup else peak


def learning_rate(config: OptimConfig, d_model: int, update: int, updates: int) -> float:
    """The rate of ``update`` (1 to ``updates``) under the schedule that ``config`` names."""
    if config.schedule == "noam":
        return noam(update, d_model, config.warmup, config.learning_rate)
    if config.schedule == "cosine":
        return cosine(update, updates, config.warmup, config.learning_rate)
    return constant(update, config.warmup, config.learning_rate)
