r"""Linear attention: a matrix that every position adds to, and from which its query reads.

Shapes      q, k : (B, T, N, H)    v, y : (B, T, N, Hv)    S : (B, N, H, Hv)
            log_decay : (B, T, N, 1), a number a head, or (B, T, N, H), one a channel of the keys

Forward     S_t = a_t * S_(t-1) + k_t v_t^T           a_t = exp(log_decay_t), of the rows of S
            y_t = S_t^T q_t                           S_0 = state, or 0

Backward    S_t is read by y_t and goes on into S_(t+1). So its gradient is made from the last
            position to the first, as S from the first to the last. With dS_t = dL/dS_t,

                dS_t         = q_t dy_t^T + a_(t+1) * dS_(t+1)      dlast behind the last
                dq_t         = S_t dy_t
                dk_t         = dS_t v_t
                dv_t         = dS_t^T k_t
                dlog_decay_t = a_t * sum_Hv(S_(t-1) * dS_t)         over H too if a head has one
                dstate       = a_1 * dS_1

Reading     Unrolled, y_t = sum_(s <= t) (q_t . a_(s+1) ... a_t k_s) v_s: attention without its
            softmax. The sum over the past is taken once, into S, whose size does not grow with T;
            so decoding is this op with T = 1 and the last state for ``state``.

            With a decay for a head this is Mamba-2's recurrence (Dao & Gu, 2024, arXiv:2405.21060):
            q is its C, k its B, v its input times the step, log_decay the step times A. With one
            for a channel it is gated linear attention (Yang et al., 2024, arXiv:2312.06635), and
            without any the recurrence of Katharopoulos et al. (2020, arXiv:2006.16236). Feature
            maps and the factor 1 / sqrt(H) are the caller's.

            Multiply q . dq - k . dk out: what of the pairs (t, s) does not begin or end at t
            cancels, so it is dlog_decay_t - dlog_decay_(t+1). The backward here multiplies by
            S_(t-1) instead, for a difference of sums loses digits.

            All T states are kept for the backward. chunked_linear_attention.py is the same map with
            one in each chunk, and with products of matrices.

Chapter     walkthroughs/27_memory_as_a_matrix.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.ops.array import Array
from npformer.ops.recurrent import as_given, as_wide, decay_of, first_state
from npformer.seam import op


class LinearAttentionCache(NamedTuple):
    q: Array  # (B, T, N, H)
    k: Array  # (B, T, N, H)
    v: Array  # (B, T, N, Hv)
    decay: Array  # (B, T, N, 1) or (B, T, N, H)
    states: Array  # (T + 1, B, N, H, Hv), the first one included
    given: tuple[bool, bool]  # whether log_decay and state were

    @property
    def last(self) -> Array:
        """The state after the last position (B, N, H, Hv)."""
        return self.states[-1]


@op
def linear_attention_forward(
    q: Array,
    k: Array,
    v: Array,
    log_decay: Array | None = None,
    state: Array | None = None,
) -> tuple[Array, LinearAttentionCache]:
    """q (B, T, N, H), k (B, T, N, H), v (B, T, N, Hv) -> y (B, T, N, Hv), cache.

    ``log_decay`` (B, T, N, 1) or (B, T, N, H) and ``state`` (B, N, H, Hv) are none unless given.
    The state after the last position is ``cache.last``.
    Raises ShapeError for a decay or a state of another shape.
    """
    decay = decay_of(log_decay, k)
    states = first_state(state, k, v, 1 + k.shape[1])
    y = np.empty(v.shape, v.dtype)
    for t in range(k.shape[1]):
        written = k[:, t, :, :, None] * v[:, t, :, None]  # (B, N, H, Hv)
        states[t + 1] = decay[:, t, ..., None] * states[t] + written
        y[:, t] = np.einsum("bnhv,bnh->bnv", states[t + 1], q[:, t])
    given = (log_decay is not None, state is not None)
    return y, LinearAttentionCache(q, k, v, decay, states, given)


@op
def linear_attention_backward(
    dy: Array, cache: LinearAttentionCache, dlast: Array | None = None
) -> tuple[Array, ...]:
    """dy (B, T, N, Hv) -> dq, dk (B, T, N, H), dv (B, T, N, Hv), and those that were given of
    dlog_decay and dstate.

    ``dlast`` (B, N, H, Hv) is the gradient of the last state, 0 unless given.
    """
    q, k, v, decay, states, given = cache
    dq, dk, dv = (np.empty(a.shape, a.dtype) for a in (q, k, v))
    dlog_decay = np.empty(decay.shape, decay.dtype)
    ds = np.zeros_like(states[0]) if dlast is None else dlast
    for t in reversed(range(k.shape[1])):
        ds = ds + q[:, t, :, :, None] * dy[:, t, :, None]  # (B, N, H, Hv)
        dq[:, t] = np.einsum("bnhv,bnv->bnh", states[t + 1], dy[:, t])
        dk[:, t] = np.einsum("bnhv,bnv->bnh", ds, v[:, t])
        dv[:, t] = np.einsum("bnhv,bnh->bnv", ds, k[:, t])
        ds = decay[:, t, ..., None] * ds
        dlog_decay[:, t] = as_wide(np.vecdot(states[t], ds), decay)
    return dq, dk, dv, *as_given(given, dlog_decay, ds)
