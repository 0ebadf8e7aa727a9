r"""The gated delta rule in chunks: gated_delta_rule.py's map in products of matrices.

Shapes      as in gated_delta_rule.py; within a chunk of C positions P, A, M : (B, N, C, C)
            r, w, u : (B, N, C, Hv), and S (B, N, H, Hv) is the state in front of it

Forward     What a position writes, u_i, depends on what those before it in the chunk wrote. With
            spans_ij what is left at i of what was written at j (see chunks.py),

                w_i = v_i - (k_i * spans_i0)^T S - sum_(j<i) A_ij u_j
                A_ij = sum_H(k_i * spans_ij * k_j)                   0 unless j < i

            and u = beta w: C equations, of which each has the unknowns of those before it.

                M = I + beta A                                       lower triangular, diagonal 1
                r = v - (k * spans_0) S
                u = M^-1 (beta r)
                w = r - A u

            Given u, the rest is linear attention with u in the place of v: y and the state behind
            (see chunked_linear_attention.py).

Backward    That of linear attention gives du, and the solution's backward is one more, of the
            transposed equations. With g = M^-T du, the gradient of beta r,

                dM    = -g u^T
                dA_ij = -beta_i g_i . u_j                            j < i
                dbeta = sum_Hv(g * r) - sum_j((g u^T) * A) = sum_Hv(g * w)
                dr    = beta g = dv
                dk_i += -spans_i0 * S dr_i  + sum_j dA_ij spans_ij * k_j
                dk_j +=                       sum_i dA_ij spans_ij * k_i
                dS   += -sum_i (k_i * spans_i0) dr_i^T
                L_ij += dA_ij k_i * spans_ij * k_j       L_i0 += -k_i * spans_i0 * S dr_i

Reading     beta g at a position is the dw of gated_delta_rule.py, and dbeta the same line. M^-1 is
            the product of all I - beta k k^T of the chunk in one matrix of C x C: the WY form of
            Householder's reflections (Bischof & Van Loan, 1987), which Yang et al. (2024,
            arXiv:2406.06484) brought here. It is not made; the equations are solved.

            Without the decay a backward of its own may be tempting, and then it needs all of these
            terms too: one that lacked the terms with S of dk and dbeta was public (fla#862).

Chapter     walkthroughs/27_memory_as_a_matrix.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.ops.array import Array
from npformer.ops.chunks import (
    Chunk,
    carried,
    chunk_backward,
    chunk_of,
    of_chunk,
    paired,
    paired_backward,
    pieces,
    read,
    solve_lower,
    solve_lower_transposed,
    spans_backward,
)
from npformer.ops.heads import swap
from npformer.ops.recurrent import as_given, as_wide, check_decay, first_state
from npformer.seam import op


class ChunkedGatedDeltaRuleCache(NamedTuple):
    q: Array  # (B, T, N, H)
    k: Array  # (B, T, N, H)
    v: Array  # (B, T, N, Hv)
    beta: Array  # (B, T, N)
    log_decay: Array | None  # (B, T, N, 1) or (B, T, N, H)
    states: Array  # (chunks + 1, B, N, H, Hv), the first one included
    chunk: int
    has_state: bool  # whether the first state was given

    @property
    def last(self) -> Array:
        """The state after the last position (B, N, H, Hv)."""
        return self.states[-1]


@op
def chunked_gated_delta_rule_forward(
    q: Array,
    k: Array,
    v: Array,
    beta: Array,
    log_decay: Array | None = None,
    state: Array | None = None,
    *,
    chunk: int = 64,
) -> tuple[Array, ChunkedGatedDeltaRuleCache]:
    """q (B, T, N, H), k (B, T, N, H), v (B, T, N, Hv), beta (B, T, N) -> y (B, T, N, Hv), cache.

    The arguments are those of ``gated_delta_rule_forward``, and so is ``cache.last``; ``chunk``
    positions are one chunk. Raises ShapeError as there, ConfigError for a chunk below 1.
    """
    if log_decay is not None:
        check_decay(log_decay, k)
    every = pieces(k.shape[1], chunk)
    states = first_state(state, k, v, 1 + len(every))
    y = np.empty(v.shape, v.dtype)
    for i, piece in enumerate(every):
        each = chunk_of(q, k, log_decay, piece)
        *_, u = _written(each, of_chunk(v, piece), _column(beta, piece), states[i])
        swap(y[:, piece])[...] = read(each, u, states[i])
        states[i + 1] = carried(each, u, states[i])
    has_state = state is not None
    return y, ChunkedGatedDeltaRuleCache(q, k, v, beta, log_decay, states, chunk, has_state)


@op
def chunked_gated_delta_rule_backward(
    dy: Array, cache: ChunkedGatedDeltaRuleCache, dlast: Array | None = None
) -> tuple[Array, ...]:
    """dy (B, T, N, Hv) -> dq, dk (B, T, N, H), dv (B, T, N, Hv), dbeta (B, T, N), and those that
    were given of dlog_decay and dstate.

    ``dlast`` (B, N, H, Hv) is the gradient of the last state, 0 unless given.
    """
    q, k, v, beta, log_decay, states, chunk, has_state = cache
    dq, dk, dv, dbeta = (np.empty(a.shape, a.dtype) for a in (q, k, v, beta))
    dlog_decay = np.empty(() if log_decay is None else log_decay.shape, k.dtype)
    ds = np.zeros_like(states[0]) if dlast is None else dlast
    for i, piece in reversed([*enumerate(pieces(k.shape[1], chunk))]):
        each, b, s = chunk_of(q, k, log_decay, piece), _column(beta, piece), states[i]
        a, w, u = _written(each, of_chunk(v, piece), b, s)
        part, dk_part, du, ds, weights = chunk_backward(of_chunk(dy, piece), each, u, s, ds)
        dq[:, piece] = swap(part)

        g = solve_lower_transposed(_matrix(a, b), du)  # (B, N, C, Hv)
        dr = b * g
        da = np.tril(-dr @ u.swapaxes(2, 3), -1)  # (B, N, C, C)
        dk_read, dk_written, pairs = paired_backward(da, each.k, each.k, each.spans)
        dk_state = -(dr @ s.swapaxes(2, 3)) * each.since  # (B, N, C, H)
        ds = ds - (each.k * each.since).swapaxes(2, 3) @ dr
        weights[:, :, 1:, 1:] += pairs
        weights[:, :, 1:, 0] += as_wide(each.k * dk_state, each.since)

        dk[:, piece] = swap(dk_part + dk_state + dk_read + dk_written)
        dv[:, piece], dbeta[:, piece] = swap(dr), swap(np.vecdot(g, w))
        if log_decay is not None:
            dlog_decay[:, piece] = swap(spans_backward(weights))
    return dq, dk, dv, dbeta, *as_given((log_decay is not None, has_state), dlog_decay, ds)


def _written(chunk: Chunk, v: Array, beta: Array, state: Array) -> tuple[Array, Array, Array]:
    """A (B, N, C, C), w and u (B, N, C, Hv), the errors and what is written."""
    a = np.tril(paired(chunk.k, chunk.k, chunk.spans), -1)
    r = v - (chunk.k * chunk.since) @ state
    u = solve_lower(_matrix(a, beta), beta * r)
    return a, r - a @ u, u


def _matrix(a: Array, beta: Array) -> Array:
    """M (B, N, C, C)."""
    return np.eye(a.shape[2], dtype=a.dtype) + beta * a


def _column(beta: Array, piece: slice) -> Array:
    """beta (B, T, N) -> (B, N, C, 1) of a chunk."""
    return swap(beta[:, piece])[..., None]
