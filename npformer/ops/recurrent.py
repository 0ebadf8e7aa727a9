"""What recurrences of a state (B, N, H, Hv) share: the decay, the first state, their gradients.

Chapter     walkthroughs/27_memory_as_a_matrix.md
"""

from __future__ import annotations

import numpy as np

from npformer.errors import ShapeError
from npformer.ops.array import Array


def check_decay(log_decay: Array, k: Array) -> None:
    """A decay is one number a head, or one a channel; raises ``ShapeError`` for another shape."""
    if log_decay.shape not in ((*k.shape[:3], 1), k.shape):
        raise ShapeError(
            f"log_decay has shape {log_decay.shape} beside k's {k.shape}; it must be "
            f"{(*k.shape[:3], 1)}, a number a head, or {k.shape}, one a channel"
        )


def decay_of(log_decay: Array | None, k: Array) -> Array:
    """exp(log_decay), (B, T, N, 1) or (B, T, N, H); 1 where there is none."""
    if log_decay is None:
        return np.broadcast_to(np.ones((), k.dtype), (*k.shape[:3], 1))
    check_decay(log_decay, k)
    return np.exp(log_decay)


def first_state(state: Array | None, k: Array, v: Array, count: int) -> Array:
    """Room for ``count`` states (count, B, N, H, Hv), of which the first is ``state``, or 0.

    Raises ``ShapeError`` for a state of another shape.
    """
    b, _, n, h = k.shape
    states = np.empty((count, b, n, h, v.shape[3]), k.dtype)
    if state is not None and state.shape != states.shape[1:]:
        raise ShapeError(f"state has shape {state.shape}; it must be {states.shape[1:]}")
    states[0] = 0 if state is None else state
    return states


def as_wide(dlog: Array, decay: Array) -> Array:
    """dlog (..., H), the share of each channel -> (..., 1) or (..., H), as wide as the decay."""
    return dlog if decay.shape[-1] == dlog.shape[-1] else dlog.sum(-1, keepdims=True)


def as_given(given: tuple[bool, bool], dlog_decay: Array, dstate: Array) -> tuple[Array, ...]:
    """The gradients of those that were given."""
    return tuple(d for d, was in zip((dlog_decay, dstate), given, strict=True) if was)
