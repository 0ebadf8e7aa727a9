r"""A recurrence of a state in chunks: within a chunk products of matrices, and one state a chunk.

In a chunk of C positions q and k are (B, N, C, H), v, u and y (B, N, C, Hv), a state is
(B, N, H, Hv), and spans and L are (B, N, C + 1, C + 1, 1) or (B, N, C + 1, C + 1, H).

Place 0 of a chunk is its first state, places 1 to C are its positions, and

    spans_ij = exp(sum of log_decay over the positions l with j < l <= i)      0 where j > i

is what is left at place i of what was written at place j. Sums and no quotients: exp(G_i) /
exp(G_j) of running sums G overflows under a strong decay, and G_i - G_j loses digits.

    A weight L_ij of the pair (i, j), spans_ij times its gradient, reaches every log_decay_l
    between the two, so dlog_decay_l is the sum of L over i >= l > j.

Chapter     walkthroughs/27_memory_as_a_matrix.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.errors import ConfigError
from npformer.ops.array import Array
from npformer.ops.heads import swap
from npformer.ops.recurrent import as_wide


def pieces(length: int, chunk: int) -> list[slice]:
    """The positions of each chunk; the last may have fewer. Raises ConfigError for none a chunk."""
    if chunk < 1:
        raise ConfigError(f"chunk is {chunk}; it must be at least 1, the positions of a chunk")
    starts = range(0, length, chunk)
    return [slice(start, min(start + chunk, length)) for start in starts]


def of_chunk(x: Array | None, piece: slice) -> Array:
    """x (B, T, N, H) -> (B, N, C, H), a view."""
    assert x is not None
    return swap(x[:, piece])


def spans_of(log_decay: Array) -> Array:
    """log_decay (B, N, C, 1|H) -> spans (B, N, C + 1, C + 1, 1|H)."""
    c = log_decay.shape[2]
    later = np.tri(c, c + 1, dtype=bool)[..., None]  # (C, C + 1, 1): position l is behind place j
    total = np.cumsum(np.where(later, log_decay[:, :, :, None], 0), axis=2)
    spans = np.zeros((*log_decay.shape[:2], c + 1, c + 1, log_decay.shape[3]), log_decay.dtype)
    spans[:, :, 0, 0] = 1
    spans[:, :, 1:] = np.exp(total) * np.tri(c, c + 1, 1, bool)[..., None]
    return spans


def spans_backward(weights: Array) -> Array:
    """L (B, N, C + 1, C + 1, 1|H), spans times their gradients -> dlog_decay (B, N, C, 1|H)."""
    c = weights.shape[2] - 1
    later = np.tri(c, c + 1, dtype=bool)[..., None]
    behind = np.cumsum(weights[:, :, :0:-1], axis=2)[:, :, ::-1]  # the sum over i >= l
    return np.where(later, behind, 0).sum(axis=3)


def paired(x: Array, k: Array, spans: Array) -> Array:
    """x, k (B, N, C, H) -> P (B, N, C, C), x_i . k_j with the decay between the two."""
    if spans.shape[-1] == 1:
        return (x @ k.swapaxes(2, 3)) * spans[:, :, 1:, 1:, 0]
    return np.einsum("bnih,bnjh,bnijh->bnij", x, k, spans[:, :, 1:, 1:])


def paired_backward(dp: Array, x: Array, k: Array, spans: Array) -> tuple[Array, Array, Array]:
    """dP (B, N, C, C) -> dx, dk (B, N, C, H), L (B, N, C, C, 1|H)."""
    spans = spans[:, :, 1:, 1:]
    if spans.shape[-1] == 1:
        decayed = dp * spans[..., 0]
        weights = (decayed * (x @ k.swapaxes(2, 3)))[..., None]
        return decayed @ k, decayed.swapaxes(2, 3) @ x, weights
    decayed = dp[..., None] * spans  # (B, N, C, C, H)
    dx = np.einsum("bnijh,bnjh->bnih", decayed, k)
    dk = np.einsum("bnijh,bnih->bnjh", decayed, x)
    return dx, dk, decayed * (x[:, :, :, None] * k[:, :, None])


def solve_lower(m: Array, r: Array) -> Array:
    """M (..., C, C) lower triangular with 1 on its diagonal, r (..., C, Hv) -> M^-1 r.

    The first half of the unknowns needs the first half of the equations alone; given it, the second
    half is such a problem again. An inverse by powers of I - M would be made of fewer products,
    and loses all digits where a key is repeated: the powers grow with 2^C, and cancel.
    """
    c = m.shape[-1]
    if c < 2:
        return r
    first = solve_lower(m[..., : c // 2, : c // 2], r[..., : c // 2, :])
    rest = r[..., c // 2 :, :] - m[..., c // 2 :, : c // 2] @ first
    return np.concatenate([first, solve_lower(m[..., c // 2 :, c // 2 :], rest)], axis=-2)


def solve_lower_transposed(m: Array, d: Array) -> Array:
    """M as there, d (..., C, Hv) -> M^-T d; from the last row to the first, M^T is lower too."""
    turned = m.swapaxes(-1, -2)[..., ::-1, ::-1]
    return solve_lower(turned, d[..., ::-1, :])[..., ::-1, :]


class Chunk(NamedTuple):
    """A chunk's queries and keys with the decays that they meet."""

    q: Array  # (B, N, C, H)
    k: Array  # (B, N, C, H)
    spans: Array  # (B, N, C + 1, C + 1, 1|H)
    since: Array  # (B, N, C, 1|H), left of the first state at each position
    until: Array  # (B, N, C, 1|H), left of each position at the end
    whole: Array  # (B, N, 1|H, 1), left of the first state at the end


def chunk_of(q: Array, k: Array, log_decay: Array | None, piece: slice) -> Chunk:
    """q, k (B, T, N, H), log_decay (B, T, N, 1|H) or None -> one of their chunks."""
    q, k = of_chunk(q, piece), of_chunk(k, piece)
    none = np.zeros((1, 1, k.shape[2], 1), k.dtype)
    spans = spans_of(none if log_decay is None else of_chunk(log_decay, piece))
    until = spans[:, :, -1, 1:]
    return Chunk(q, k, spans, spans[:, :, 1:, 0], until, spans[:, :, -1, 0, :, None])


def read(chunk: Chunk, u: Array, state: Array) -> Array:
    """u (B, N, C, Hv), what the positions write; the first state -> y (B, N, C, Hv)."""
    return (chunk.q * chunk.since) @ state + paired(chunk.q, chunk.k, chunk.spans) @ u


def carried(chunk: Chunk, u: Array, state: Array) -> Array:
    """u, the first state (B, N, H, Hv) -> the state behind the chunk."""
    return chunk.whole * state + (chunk.k * chunk.until).swapaxes(2, 3) @ u


def chunk_backward(
    dy: Array, chunk: Chunk, u: Array, state: Array, dnext: Array
) -> tuple[Array, Array, Array, Array, Array]:
    """dy and dnext, the gradient of the state behind the chunk -> dq, dk, du, dstate, L.

    Of ``read`` and ``carried``: L (B, N, C + 1, C + 1, 1|H) is for ``spans_backward``.
    """
    q, k, spans, since, until, whole = chunk
    p = paired(q, k, spans)
    du = p.swapaxes(2, 3) @ dy + (k * until) @ dnext
    dq, dk, pairs = paired_backward(dy @ u.swapaxes(2, 3), q, k, spans)
    dq_state = dy @ state.swapaxes(2, 3) * since  # (B, N, C, H)
    dk_state = u @ dnext.swapaxes(2, 3) * until
    dstate = (q * since).swapaxes(2, 3) @ dy + whole * dnext
    b, n, c = q.shape[:3]
    weights = np.zeros((b, n, c + 1, c + 1, spans.shape[4]), q.dtype)
    weights[:, :, 1:, 1:] = pairs
    weights[:, :, 1:, 0] += as_wide(q * dq_state, since)
    weights[:, :, -1, 1:] += as_wide(k * dk_state, until)
    weights[:, :, -1, 0] += as_wide((whole * state * dnext).sum(-1), spans)
    return dq + dq_state, dk + dk_state, du, dstate, weights
