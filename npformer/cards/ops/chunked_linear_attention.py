"""The card of linear attention in chunks: the recurrence's, and what chunks may not change."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.ops import linear_attention as plain
from npformer.cards.pytorch import ops
from npformer.cards.recurrent import in_chunks, invariants
from npformer.ops import chunked_linear_attention
from npformer.ops.chunked_linear_attention import (
    chunked_linear_attention_backward,
    chunked_linear_attention_forward,
)

card = OpCard.of(chunked_linear_attention)
card.owner = "Mamba2"
in_chunks(card, plain, lambda *arrays, chunk=64, **more: ops.linear_attention(*arrays, **more))

_forward, _backward = map(inspect.unwrap, card.pair)
invariants(card, (_forward, _backward), {
    "q": "queries-within-the-chunk", "v": "values-within-the-chunk", "k": "keys-within-the-chunk",
    "parts": "chunks-apart",
})  # fmt: skip


def as_recurrence(of: Any) -> Any:
    """Whether y is that of the recurrence, the forward ``of``."""

    def look(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
        yield Finding(result["y"], of(**case.inputs)[0], scales["y"])

    return look


card.invariant("y is that of the recurrence", "state-not-decayed")(as_recurrence(plain._forward))


def changed(name: str, right: Any) -> Any:
    """A gradient replaced by that of a text cut into its chunks, each with the right first state.

    So nothing comes back into the chunk from those behind it.
    """

    def backward(dy, cache):
        gradients = list(right(dy, cache))
        names = ["q", "k", "v", *(["beta"] if hasattr(cache, "beta") else [])]
        names += ["log_decay"] if cache.log_decay is not None else []
        index = names.index(name) if name in names else None
        if index is None or not dy.shape[1]:
            return tuple(gradients)
        parts = []
        for i, start in enumerate(range(0, dy.shape[1], cache.chunk)):
            here = slice(start, start + cache.chunk)
            own = {n: getattr(cache, n)[:, here] for n in names}
            alone = cache._replace(**own, states=cache.states[i : i + 2])
            parts.append(right(dy[:, here], alone)[index])
        gradients[index] = np.concatenate(parts, 1)
        return tuple(gradients)

    return backward


def _queries(dy, cache):
    """Without the first state of each chunk."""
    _, *others = chunked_linear_attention_backward(dy, cache)
    blind = cache._replace(states=np.zeros_like(cache.states))
    return chunked_linear_attention_backward(dy, blind)[0], *others


card.wrong_backward("queries-within-the-chunk", "dq lacks what the state in front of a chunk has")(
    _queries
)
for _name, _of, _text in (
    ("values-within-the-chunk", "v", "dv lacks what later chunks read"),
    ("keys-within-the-chunk", "k", "dk lacks what later chunks read"),
    ("decay-within-the-chunk", "log_decay", "dlog_decay lacks what later chunks read"),
):
    card.wrong_backward(_name, _text)(changed(_of, chunked_linear_attention_backward))


@card.wrong_backward("chunks-apart", "dstate is that of the first chunk, as if no other read it")
def _apart(dy, cache):
    gradients = chunked_linear_attention_backward(dy, cache)
    if not cache.has_state:
        return gradients
    only = np.array(dy)
    only[:, cache.chunk :] = 0
    return *gradients[:-1], chunked_linear_attention_backward(only, cache)[-1]


@card.wrong_backward("decay-by-its-own-state", "the decay of a chunk's state is that of no other "
                     "position: dlog_decay lacks it")  # fmt: skip
def _boundary(dy, cache):
    gradients = list(chunked_linear_attention_backward(dy, cache))
    if cache.log_decay is None:
        return tuple(gradients)
    blind = cache._replace(states=np.zeros_like(cache.states))
    gradients[3] = chunked_linear_attention_backward(dy, blind)[3]
    return tuple(gradients)


@card.wrong_backward("first-state-constant", "dstate is 0: the first state is taken for a constant")
def _constant(dy, cache):
    gradients = chunked_linear_attention_backward(dy, cache)
    return (*gradients[:-1], 0 * gradients[-1]) if cache.has_state else gradients


@card.wrong_forward("state-not-decayed", "a chunk's first state does not decay within the chunk")
def _not_decayed(q, k, v, log_decay=None, state=None, *, chunk=64):
    y, cache = chunked_linear_attention_forward(q, k, v, log_decay, state, chunk=chunk)
    if log_decay is None:
        return y, cache
    y = np.array(y)
    for i, start in enumerate(range(0, q.shape[1], chunk)):
        here = slice(start, start + chunk)
        total = np.cumsum(log_decay[:, here], 1)
        y[:, here] += np.einsum("btnh,bnhv->btnv", q[:, here] * (1 - np.exp(total)),
                                cache.states[i])  # fmt: skip
    return y, cache


@card.wrong_forward("own-position-left-out", "a position does not read what it writes itself")
def _own(q, k, v, log_decay=None, state=None, *, chunk=64):
    y, cache = chunked_linear_attention_forward(q, k, v, log_decay, state, chunk=chunk)
    return y - (q * k).sum(-1, keepdims=True) * v, cache


@card.wrong_forward("each-chunk-by-itself", "a chunk begins with the first state again")
def _itself(q, k, v, log_decay=None, state=None, *, chunk=64):
    y, cache = chunked_linear_attention_forward(q, k, v, log_decay, state, chunk=chunk)
    y = np.array(y)
    for start in range(0, q.shape[1], chunk):
        here = slice(start, start + chunk)
        g = None if log_decay is None else log_decay[:, here]
        y[:, here] = chunked_linear_attention_forward(q[:, here], k[:, here], v[:, here], g, state)[
            0
        ]
    return y, cache
