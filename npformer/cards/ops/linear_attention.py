"""The card of linear attention."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case
from npformer.cards.op_card import OpCard
from npformer.cards.recurrent import (
    LINEAR,
    draw_recurrence,
    example_recurrence,
    invariants,
    scales_of,
    walked_back,
)
from npformer.cards.scales import FloatInfo, Scales
from npformer.cards.strategies import Source
from npformer.ops import linear_attention
from npformer.ops.linear_attention import linear_attention_forward

card = OpCard.of(linear_attention)
card.words = {
    "y": "what the query reads from the state",
    "dq": "the state, seen from y",
    "dk": "the state's gradient times the value",
    "dv": "the state's gradient, seen from the key",
    "dlog_decay": "the product of what is left of the state and its gradient",
    "dstate": "what is left of the first state's gradient",
}
ONE = {"q": [[[[1.0]]]], "k": [[[[2.0]]]], "v": [[[[3.0]]]]}
card.edge("one position", ONE)
card.edge("no positions, a state", {n: np.zeros((1, 0, 2, 3)) for n in "qkv"}
          | {"state": np.ones((1, 2, 3, 3))})  # fmt: skip
card.edge("a decay that forgets all", {n: np.arange(1.0, 7).reshape(1, 3, 1, 2) for n in "qkv"}
          | {"log_decay": np.array([-1.0, -1e4, 0]).reshape(1, 3, 1, 1)})  # fmt: skip


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """With and without a decay and a first state."""
    return draw_recurrence(source, dtype, delta=False)


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    return example_recurrence(b, rng, delta=False), {}


_forward, _backward = map(inspect.unwrap, card.pair)


@card.scale
def scale(*, dy: Array, fp: FloatInfo, **inputs: Array) -> Scales:
    """The op on absolute values."""
    return scales_of((_forward, _backward), inputs, dy, fp)


invariants(card, (_forward, _backward), {
    "q": "reads-before-it-is-written", "v": "values-of-later-readers", "k": "keys-of-later-readers",
    "parts": "state-detached",
})  # fmt: skip


for _name, _text, _wrong in (
    ("reads-before-it-is-written", "dq is read from the state before the position wrote",
     {"q": lambda s: s.met(s.before, s.dy)}),
    ("values-of-later-readers", "dv lacks what the position's own query reads",
     {"v": lambda s: s.read(s.carried, s.k)}),
    ("keys-of-later-readers", "dk lacks what the position's own query reads",
     {"k": lambda s: s.met(s.carried, s.v)}),
    ("state-detached", "the state's gradient does not go back past a position",
     {"carried": lambda s: 0 * s.ds}),
    ("decay-not-carried-back", "the state's gradient goes back without the decay",
     {"carried": lambda s: s.ds, "first": lambda s: s.a * s.ds}),
    ("gradient-of-the-factor", "dlog_decay is the gradient of exp(log_decay)",
     {"decay": lambda s: np.vecdot(s.before, s.ds)}),
    ("decay-of-what-is-written", "dlog_decay has S_t, with what was just written, for a S_(t-1)",
     {"decay": lambda s: np.vecdot(s.after, s.ds)}),
    ("decay-of-later-readers", "dlog_decay lacks what the position's own query reads",
     {"decay": lambda s: np.vecdot(s.f, s.carried)}),
    ("first-state-decayed-once-less", "dstate is the gradient of what is left of the state",
     {"first": lambda s: s.ds / np.where(s.a > 1e-30, s.a, 1)}),
    ("first-state-constant", "dstate is 0: the first state is taken for a constant",
     {"first": lambda s: 0 * s.ds}),
):  # fmt: skip
    card.wrong_backward(_name, _text)(walked_back(LINEAR, **_wrong))


@card.wrong_backward("from-first-to-last", "the backward walks in the order of the forward")
def _order(dy, cache):
    turned = cache._replace(
        **{n: getattr(cache, n)[:, ::-1] for n in ("q", "k", "v", "decay")},
        states=np.concatenate([cache.states[:1], cache.states[:0:-1]]),
    )
    *of_time, last = walked_back(LINEAR)(dy[:, ::-1], turned._replace(given=(True, True)))
    right = [g[:, ::-1] for g in of_time]
    return *right[:3], *(d for d, was in zip((right[3], last), cache.given, strict=True) if was)


def _wrong_forward(name: str, wrong: str, y_of: Any) -> None:
    """A wrong output, y_of(q, k, v, log_decay, state), and the right cache."""

    def forward(q, k, v, log_decay=None, state=None):
        cache = linear_attention_forward(q, k, v, log_decay, state)[1]
        return y_of(q, k, v, log_decay, state), cache

    card.wrong_forward(name, wrong)(forward)


def _before(q, k, v, g, state):
    states = linear_attention_forward(q, k, v, g, state)[1].states
    return np.einsum("tbnhv,btnh->btnv", states[:-1], q)


_wrong_forward("read-before-written", "y reads the state that the position has not written to",
               _before)  # fmt: skip
_wrong_forward("state-ignored", "the first state is ignored",
               lambda q, k, v, g, state: linear_attention_forward(q, k, v, g)[0])  # fmt: skip
_wrong_forward(
    "decays-what-is-written", "what is written decays at once",
    lambda q, k, v, g, state: linear_attention_forward(
        q, k if g is None else k * np.exp(g), v, g, state)[0],
)  # fmt: skip
_wrong_forward(
    "scaled", "the queries are divided by the root of their size, which the caller does",
    lambda q, k, v, g, state: linear_attention_forward(q, k, v, g, state)[0] / q.shape[3] ** 0.5,
)  # fmt: skip
