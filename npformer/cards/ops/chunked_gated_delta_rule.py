"""The card of the gated delta rule in chunks: that of the recurrence, and what chunks add."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from npformer.cards.case import Array
from npformer.cards.op_card import OpCard
from npformer.cards.ops import gated_delta_rule as plain
from npformer.cards.ops.chunked_linear_attention import as_recurrence, changed
from npformer.cards.ordinary import only
from npformer.cards.pytorch import ops
from npformer.cards.recurrent import in_chunks, invariants
from npformer.ops import chunked_gated_delta_rule
from npformer.ops.chunked_gated_delta_rule import (
    chunked_gated_delta_rule_backward,
    chunked_gated_delta_rule_forward,
)
from npformer.ops.chunks import chunk_of, paired, pieces, read, solve_lower
from npformer.ops.gated_delta_rule import gated_delta_rule_forward
from npformer.ops.heads import swap

card = OpCard.of(chunked_gated_delta_rule)
card.owner = "GatedDeltaNet"
in_chunks(card, plain, lambda *arrays, chunk=64, **more: ops.gated_delta_rule(*arrays, **more))

_forward, _backward = map(inspect.unwrap, card.pair)
invariants(card, (_forward, _backward), {
    "q": "queries-within-the-chunk", "v": "values-within-the-chunk", "k": "keys-of-writing-only",
    "parts": "chunks-apart",
})  # fmt: skip
card.invariant("y is that of the recurrence", "solved-by-one-step")(as_recurrence(plain._forward))
card.invariant("a key finds what it has just written", "solved-by-one-step")(plain.found_again)


def _state_terms(dy: Array, cache: Any, right: tuple[Array, ...]) -> tuple[Array, Array]:
    """What dk and dbeta have of the keys that read the state in front of their chunk."""
    dk, dbeta = np.empty_like(right[1]), np.empty_like(right[3])
    for i, piece in enumerate(pieces(dy.shape[1], cache.chunk)):
        each = chunk_of(cache.q, cache.k, cache.log_decay, piece)
        beta, s = cache.beta[:, piece, :, None], cache.states[i]
        dr = right[2][:, piece]  # (B, C, N, Hv)
        dk[:, piece] = -swap(swap(dr) @ s.swapaxes(2, 3) * each.since)
        g = np.divide(dr, beta, out=np.zeros_like(dr), where=beta != 0)
        dbeta[:, piece] = -np.vecdot(g, swap((each.k * each.since) @ s))
    return dk, dbeta


@card.wrong_backward(
    "branch-without-a-decay",
    "without a decay, dk and dbeta lack what the keys read from the state in front of the chunk",
    seen="fla-org/flash-linear-attention#862",
    smallest="q (1, 1, 1, 1), k (1, 1, 1, 1), v (1, 1, 1, 1), beta (1, 1, 1), state (1, 1, 1, 1)",
    missed_by=only("a decay", lambda case: "log_decay" in case.inputs),
)
def _branch(dy, cache):
    right = chunked_gated_delta_rule_backward(dy, cache)
    if cache.log_decay is not None:
        return right
    dk, dbeta = _state_terms(dy, cache, right)
    return right[0], right[1] - dk, right[2], right[3] - dbeta, *right[4:]


@card.wrong_backward("keys-of-writing-only", "dk lacks what the keys read from the state in front")
def _writing(dy, cache):
    right = chunked_gated_delta_rule_backward(dy, cache)
    return right[0], right[1] - _state_terms(dy, cache, right)[0], *right[2:]


@card.wrong_backward("queries-within-the-chunk", "dq lacks what the state in front of a chunk has")
def _queries(dy, cache):
    right = chunked_gated_delta_rule_backward(dy, cache)
    blind = cache._replace(states=np.zeros_like(cache.states))
    return chunked_gated_delta_rule_backward(dy, blind)[0], *right[1:]


for _name, _of, _text in (
    ("values-within-the-chunk", "v", "dv lacks what later chunks read"),
    ("keys-within-the-chunk", "k", "dk lacks what later chunks read"),
    ("beta-within-the-chunk", "beta", "dbeta lacks what later chunks read"),
    ("decay-within-the-chunk", "log_decay", "dlog_decay lacks what later chunks read"),
):
    card.wrong_backward(_name, _text)(changed(_of, chunked_gated_delta_rule_backward))


@card.wrong_backward("chunks-apart", "dstate is that of the first chunk, as if no other read it")
def _apart(dy, cache):
    gradients = chunked_gated_delta_rule_backward(dy, cache)
    if not cache.has_state:
        return gradients
    only_first = np.array(dy)
    only_first[:, cache.chunk :] = 0
    return *gradients[:-1], chunked_gated_delta_rule_backward(only_first, cache)[-1]


@card.wrong_backward("beta-once", "dbeta has the beta of beta r alone, and not that of the matrix")
def _once(dy, cache):
    right = chunked_gated_delta_rule_backward(dy, cache)
    dbeta = np.array(right[3])
    for i, piece in enumerate(pieces(dy.shape[1], cache.chunk)):
        each, s = chunk_of(cache.q, cache.k, cache.log_decay, piece), cache.states[i]
        r = cache.v[:, piece] - swap((each.k * each.since) @ s)
        beta, dr = cache.beta[:, piece, :, None], right[2][:, piece]
        g = np.divide(dr, beta, out=np.zeros_like(dr), where=beta != 0)
        dbeta[:, piece] = np.vecdot(g, r)
    return *right[:3], dbeta, *right[4:]


@card.wrong_forward("solved-by-one-step", "u = (I - beta A) beta r, the first step of the solution")
def _one_step(q, k, v, beta, log_decay=None, state=None, *, chunk=64):
    _, cache = chunked_gated_delta_rule_forward(q, k, v, beta, log_decay, state, chunk=chunk)
    y = np.empty(v.shape, v.dtype)
    for i, piece in enumerate(pieces(k.shape[1], chunk)):
        each, s = chunk_of(q, k, log_decay, piece), cache.states[i]
        b = swap(beta[:, piece])[..., None]
        a = np.tril(paired(each.k, each.k, each.spans), -1)
        r = b * (swap(v[:, piece]) - (each.k * each.since) @ s)
        swap(y[:, piece])[...] = read(each, r - b * a @ r, s)
    return y, cache


@card.wrong_forward("beta-of-the-column", "the equations have beta_j in the place of beta_i")
def _column(q, k, v, beta, log_decay=None, state=None, *, chunk=64):
    _, cache = chunked_gated_delta_rule_forward(q, k, v, beta, log_decay, state, chunk=chunk)
    y = np.empty(v.shape, v.dtype)
    for i, piece in enumerate(pieces(k.shape[1], chunk)):
        each, s = chunk_of(q, k, log_decay, piece), cache.states[i]
        b = swap(beta[:, piece])[..., None]
        a = np.tril(paired(each.k, each.k, each.spans), -1)
        r = b * (swap(v[:, piece]) - (each.k * each.since) @ s)
        u = solve_lower(np.eye(a.shape[2], dtype=a.dtype) + a * b.swapaxes(2, 3), r)
        swap(y[:, piece])[...] = read(each, u, s)
    return y, cache


@card.wrong_forward("each-chunk-by-itself", "a chunk begins with the first state again")
def _itself(q, k, v, beta, log_decay=None, state=None, *, chunk=64):
    _, cache = chunked_gated_delta_rule_forward(q, k, v, beta, log_decay, state, chunk=chunk)
    parts = [v[:, :0]]
    for here in pieces(k.shape[1], chunk):
        g = None if log_decay is None else log_decay[:, here]
        of_keys = q[:, here], k[:, here], v[:, here], beta[:, here]
        parts.append(gated_delta_rule_forward(*of_keys, g, state)[0])
    return np.concatenate(parts, 1), cache
