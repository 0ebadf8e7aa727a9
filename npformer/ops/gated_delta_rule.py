r"""The gated delta rule: forget, look up what the key has, and write the difference to the value.

Shapes      q, k : (B, T, N, H)    v, y, w, u : (B, T, N, Hv)    beta : (B, T, N)
            log_decay : (B, T, N, 1), a number a head, or (B, T, N, H), one a channel of the keys
            S, F : (B, N, H, Hv)

Forward     F_t = a_t * S_(t-1)                       a_t = exp(log_decay_t), of the rows of S
            w_t = v_t - F_t^T k_t                     the error: v less what the key finds
            u_t = beta_t w_t
            S_t = F_t + k_t u_t^T
            y_t = S_t^T q_t                           S_0 = state, or 0

Backward    The same lines from the last to the first, and from the last position to the first.
            With dS_t = dL/dS_t,

                dS_t         = q_t dy_t^T + a_(t+1) * dF_(t+1)      dlast behind the last
                dq_t         = S_t dy_t
                du_t         = dS_t^T k_t
                dbeta_t      = sum_Hv(du_t * w_t)
                dv_t         = dw_t = beta_t du_t
                dk_t         = dS_t u_t - F_t dw_t
                dF_t         = dS_t - k_t dw_t^T
                dlog_decay_t = sum_Hv(F_t * dF_t)                   over H too if a head has one
                dstate       = a_1 * dF_1

Reading     A sum of k v^T, as in linear_attention.py, can't take anything back: a key that comes
            twice holds the sum of both values. Here w_t is 0 if the key has its value already, and
            with beta = 1 and a key of length 1 the old value is gone: S_t^T k_t = v_t. One step of
            gradient descent on |S^T k - v|^2 / 2 with the rate beta is the same line (Schlag,
            Irie & Schmidhuber, 2021, arXiv:2102.11174). The key occurs twice, reading and
            writing, so dk has two terms.

            The decay comes first, so that the error is that of what is left (Yang, Kautz &
            Hatamizadeh, 2024, arXiv:2412.06464). With one for each channel this is Kimi's delta
            attention (2025, arXiv:2510.26692); without any, the delta rule. beta in (0, 1) and keys
            of length 1 keep I - beta k k^T from growing anything; neither is asked for here.

            chunked_gated_delta_rule.py is the same map in products of matrices.

Chapter     walkthroughs/27_memory_as_a_matrix.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.ops.array import Array
from npformer.ops.recurrent import as_given, as_wide, decay_of, first_state
from npformer.seam import op


class GatedDeltaRuleCache(NamedTuple):
    q: Array  # (B, T, N, H)
    k: Array  # (B, T, N, H)
    beta: Array  # (B, T, N)
    decay: Array  # (B, T, N, 1) or (B, T, N, H)
    w: Array  # (B, T, N, Hv)
    states: Array  # (T + 1, B, N, H, Hv), the first one included
    given: tuple[bool, bool]  # whether log_decay and state were

    @property
    def last(self) -> Array:
        """The state after the last position (B, N, H, Hv)."""
        return self.states[-1]


@op
def gated_delta_rule_forward(
    q: Array,
    k: Array,
    v: Array,
    beta: Array,
    log_decay: Array | None = None,
    state: Array | None = None,
) -> tuple[Array, GatedDeltaRuleCache]:
    """q (B, T, N, H), k (B, T, N, H), v (B, T, N, Hv), beta (B, T, N) -> y (B, T, N, Hv), cache.

    ``log_decay`` (B, T, N, 1) or (B, T, N, H) and ``state`` (B, N, H, Hv) are none unless given.
    The state after the last position is ``cache.last``.
    Raises ShapeError for a decay or a state of another shape.
    """
    decay = decay_of(log_decay, k)
    states = first_state(state, k, v, 1 + k.shape[1])
    y, w = np.empty(v.shape, v.dtype), np.empty(v.shape, v.dtype)
    for t in range(k.shape[1]):
        f = decay[:, t, ..., None] * states[t]  # (B, N, H, Hv)
        w[:, t] = v[:, t] - np.einsum("bnhv,bnh->bnv", f, k[:, t])
        u = beta[:, t, :, None] * w[:, t]  # (B, N, Hv)
        states[t + 1] = f + k[:, t, :, :, None] * u[:, :, None]
        y[:, t] = np.einsum("bnhv,bnh->bnv", states[t + 1], q[:, t])
    given = (log_decay is not None, state is not None)
    return y, GatedDeltaRuleCache(q, k, beta, decay, w, states, given)


@op
def gated_delta_rule_backward(
    dy: Array, cache: GatedDeltaRuleCache, dlast: Array | None = None
) -> tuple[Array, ...]:
    """dy (B, T, N, Hv) -> dq, dk (B, T, N, H), dv (B, T, N, Hv), dbeta (B, T, N), and those that
    were given of dlog_decay and dstate.

    ``dlast`` (B, N, H, Hv) is the gradient of the last state, 0 unless given.
    """
    q, k, beta, decay, w, states, given = cache
    dq, dk, dv, dbeta = (np.empty(a.shape, a.dtype) for a in (q, k, w, beta))
    dlog_decay = np.empty(decay.shape, decay.dtype)
    ds = np.zeros_like(states[0]) if dlast is None else dlast
    for t in reversed(range(k.shape[1])):
        f, u = decay[:, t, ..., None] * states[t], beta[:, t, :, None] * w[:, t]
        ds = ds + q[:, t, :, :, None] * dy[:, t, :, None]  # (B, N, H, Hv)
        dq[:, t] = np.einsum("bnhv,bnv->bnh", states[t + 1], dy[:, t])
        du = np.einsum("bnhv,bnh->bnv", ds, k[:, t])
        dbeta[:, t] = np.vecdot(du, w[:, t])
        dv[:, t] = dw = beta[:, t, :, None] * du  # (B, N, Hv)
        dk[:, t] = np.einsum("bnhv,bnv->bnh", ds, u) - np.einsum("bnhv,bnv->bnh", f, dw)
        df = ds - k[:, t, :, :, None] * dw[:, :, None]
        dlog_decay[:, t] = as_wide(np.vecdot(f, df), decay)
        ds = decay[:, t, ..., None] * df
    return dq, dk, dv, dbeta, *as_given(given, dlog_decay, ds)
