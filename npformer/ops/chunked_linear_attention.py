r"""Linear attention in chunks: the same map as linear_attention.py, made of products of matrices.

Shapes      as in linear_attention.py; within a chunk of C positions P : (B, N, C, C), and
            S (B, N, H, Hv) is the state in front of it, S' the one behind it

Forward     A position of the chunk reads what the state holds, decayed since then, and what the
            positions of the chunk wrote, itself among them. With spans_ij what is left at i of
            what was written at j (see chunks.py), 0 the chunk's begin and C its end,

                P_ij = sum_H(q_i * spans_ij * k_j)                   0 where j > i
                y_i  = (q_i * spans_i0)^T S + sum_j P_ij v_j
                S'   = spans_C0 * S + sum_j (spans_Cj * k_j) v_j^T

Backward    Three products, and each factor has two others. From the last chunk to the first,

                dv_j = sum_i P_ij dy_i + dS'^T (spans_Cj * k_j)
                dP   = dy v^T
                dq_i = sum_j dP_ij spans_ij * k_j + spans_i0 * S dy_i
                dk_j = sum_i dP_ij spans_ij * q_i + spans_Cj * dS' v_j
                dS   = sum_i (q_i * spans_i0) dy_i^T + spans_C0 * dS'

            and the gradient of each of the spans, times it, is a weight L:

                L_ij = dP_ij q_i * spans_ij * k_j    L_i0  = q_i * spans_i0 * S dy_i
                L_Cj += k_j * spans_Cj * dS' v_j     L_C0 += sum_Hv(spans_C0 * S * dS')
                dlog_decay_l = sum of L_ij over i >= l > j

Reading     With one chunk as long as the text and no state this is attention without a softmax, and
            T x T; with chunks of one position it is the recurrence. That the two are one map is the
            duality of Dao & Gu (2024, arXiv:2405.21060). Between the two the arithmetic grows with
            T (C + H) Hv, the steps in Python with T / C, and memory with one state a chunk.

            A decay for each channel is no factor of P but one inside its sum, which then is no
            product of two matrices. There chunks of 8 take as long as the recurrence, and longer
            ones longer; what is left to gain is memory.

Chapter     walkthroughs/27_memory_as_a_matrix.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.ops.array import Array
from npformer.ops.chunks import (
    carried,
    chunk_backward,
    chunk_of,
    of_chunk,
    pieces,
    read,
    spans_backward,
)
from npformer.ops.heads import swap
from npformer.ops.recurrent import as_given, check_decay, first_state
from npformer.seam import op


class ChunkedLinearAttentionCache(NamedTuple):
    q: Array  # (B, T, N, H)
    k: Array  # (B, T, N, H)
    v: Array  # (B, T, N, Hv)
    log_decay: Array | None  # (B, T, N, 1) or (B, T, N, H)
    states: Array  # (chunks + 1, B, N, H, Hv), the first one included
    chunk: int
    has_state: bool  # whether the first state was given

    @property
    def last(self) -> Array:
        """The state after the last position (B, N, H, Hv)."""
        return self.states[-1]


@op
def chunked_linear_attention_forward(
    q: Array,
    k: Array,
    v: Array,
    log_decay: Array | None = None,
    state: Array | None = None,
    *,
    chunk: int = 64,
) -> tuple[Array, ChunkedLinearAttentionCache]:
    """q (B, T, N, H), k (B, T, N, H), v (B, T, N, Hv) -> y (B, T, N, Hv), cache.

    The arguments are those of ``linear_attention_forward``, and so is ``cache.last``; ``chunk``
    positions are one chunk. Raises ShapeError as there, ConfigError for a chunk below 1.
    """
    if log_decay is not None:
        check_decay(log_decay, k)
    every = pieces(k.shape[1], chunk)
    states = first_state(state, k, v, 1 + len(every))
    y = np.empty(v.shape, v.dtype)
    for i, piece in enumerate(every):
        each, values = chunk_of(q, k, log_decay, piece), of_chunk(v, piece)
        swap(y[:, piece])[...] = read(each, values, states[i])
        states[i + 1] = carried(each, values, states[i])
    return y, ChunkedLinearAttentionCache(q, k, v, log_decay, states, chunk, state is not None)


@op
def chunked_linear_attention_backward(
    dy: Array, cache: ChunkedLinearAttentionCache, dlast: Array | None = None
) -> tuple[Array, ...]:
    """dy (B, T, N, Hv) -> dq, dk (B, T, N, H), dv (B, T, N, Hv), and those that were given of
    dlog_decay and dstate.

    ``dlast`` (B, N, H, Hv) is the gradient of the last state, 0 unless given.
    """
    q, k, v, log_decay, states, chunk, has_state = cache
    dq, dk, dv = (np.empty(a.shape, a.dtype) for a in (q, k, v))
    dlog_decay = np.empty(() if log_decay is None else log_decay.shape, k.dtype)
    ds = np.zeros_like(states[0]) if dlast is None else dlast
    for i, piece in reversed([*enumerate(pieces(k.shape[1], chunk))]):
        each, values = chunk_of(q, k, log_decay, piece), of_chunk(v, piece)
        gradients = chunk_backward(of_chunk(dy, piece), each, values, states[i], ds)
        *of_inputs, ds, weights = gradients
        for whole, part in zip((dq, dk, dv), of_inputs, strict=True):
            whole[:, piece] = swap(part)
        if log_decay is not None:
            dlog_decay[:, piece] = swap(spans_backward(weights))
    return dq, dk, dv, *as_given((log_decay is not None, has_state), dlog_decay, ds)
