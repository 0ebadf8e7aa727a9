"""The card of the gated delta rule."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.recurrent import (
    DELTA,
    draw_recurrence,
    example_recurrence,
    invariants,
    scales_of,
    walked_back,
)
from npformer.cards.scales import FloatInfo, Scales
from npformer.cards.strategies import Source
from npformer.ops import gated_delta_rule
from npformer.ops.gated_delta_rule import gated_delta_rule_forward

card = OpCard.of(gated_delta_rule)
card.words = {
    "y": "what the query reads from the state",
    "dq": "the state, seen from y",
    "dk": "the difference of what the key wrote and what it read",
    "dv": "beta times the gradient of what is written",
    "dbeta": "the product of the error and the gradient of what is written",
    "dlog_decay": "the product of what is left of the state and its gradient",
    "dstate": "what is left of the first state's gradient",
}
ONE = {"q": [[[[1.0]]]], "k": [[[[2.0]]]], "v": [[[[3.0]]]], "beta": [[[0.5]]]}
NONE = {n: np.zeros((1, 0, 2, 3)) for n in "qkv"} | {"beta": np.zeros((1, 0, 2))}
THREE = {n: np.arange(1.0, 7).reshape(1, 3, 1, 2) / 6 for n in "qkv"}
card.edge("one position", ONE)
card.edge("no positions, a state", NONE | {"state": np.ones((1, 2, 3, 3))})
card.edge("nothing is written", THREE | {"beta": np.zeros((1, 3, 1))})
card.edge("a decay that forgets all", THREE
          | {"beta": np.ones((1, 3, 1)),
             "log_decay": np.array([-1.0, -1e4, 0]).reshape(1, 3, 1, 1)})  # fmt: skip


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """With and without a decay and a first state; beta of either sign."""
    return draw_recurrence(source, dtype, delta=True)


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    return example_recurrence(b, rng, delta=True), {}


PAIR = _forward, _backward = tuple(map(inspect.unwrap, card.pair))


@card.scale
def scale(*, dy: Array, fp: FloatInfo, **inputs: Array) -> Scales:
    """The op on absolute values."""
    return scales_of((_forward, _backward), inputs, dy, fp)


invariants(card, (_forward, _backward), {
    "q": "reads-before-it-is-written", "v": "beta-not-in-the-value", "k": "key-writes-only",
    "parts": "state-detached",
})  # fmt: skip


def found_again(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """With keys of length 1, beta = 1 and the key for a query, y is the value."""
    k = case.inputs["k"].astype(np.float64)
    length = np.sqrt((k**2).sum(-1, keepdims=True))
    if not k.size or (length < 1e-3).any():
        return
    unit = (k / length).astype(case.dy.dtype)
    one = np.ones(case.inputs["beta"].shape, case.dy.dtype)
    known = case.with_inputs({"q": unit, "k": unit, "beta": one})
    size = scales_of(PAIR, known.cast(np.float64).inputs, case.dy.astype(np.float64), FLOATS)["y"]
    yield Finding(component.forward(known), known.inputs["v"], 2 * size)


FLOATS = FloatInfo(0.0, float(np.finfo(np.float32).tiny))
card.invariant("a key finds what it has just written", "reads-before-writing")(found_again)


for _name, _text, _wrong in (
    ("reads-before-it-is-written", "dq is read from the state before the position wrote",
     {"q": lambda s: s.met(s.before, s.dy)}),
    ("key-writes-only", "dk has the term of writing alone; the key reads too",
     {"k": lambda s: s.met(s.ds, s.beta * s.v)}),
    ("key-reads-only", "dk has the term of reading alone; the key writes too",
     {"k": lambda s: -s.met(s.f, s.dw)}),
    ("reads-all-of-the-state", "dk's reading term has the state before it was forgotten",
     {"k": lambda s: s.met(s.ds, s.beta * s.v) - s.met(s.before, s.dw)}),
    ("sign-of-the-error", "dk's reading term is added",
     {"k": lambda s: s.met(s.ds, s.beta * s.v) + s.met(s.f, s.dw)}),
    ("error-constant", "the state's gradient does not go back through what the key read",
     {"carried": lambda s: s.a * s.ds, "decay": lambda s: np.vecdot(s.f, s.ds)}),
    ("error-without-beta", "what goes back through what the key read lacks beta",
     {"carried": lambda s: s.a * (s.ds - s.k[..., None] * s.du[..., None, :])}),
    ("beta-not-in-the-value", "dv lacks beta", {"v": lambda s: s.du}),
    ("beta-of-the-value", "dbeta has the value in the place of the error",
     {"beta": lambda s: np.vecdot(s.du, s.v + s.read(s.f, s.k))}),
    ("state-detached", "the state's gradient does not go back past a position",
     {"carried": lambda s: 0 * s.ds}),
    ("decay-not-carried-back", "the state's gradient goes back without the decay",
     {"carried": lambda s: s.df, "first": lambda s: s.a * s.df}),
    ("gradient-of-the-factor", "dlog_decay is the gradient of exp(log_decay)",
     {"decay": lambda s: np.vecdot(s.before, s.df)}),
    ("decay-past-the-error", "dlog_decay lacks the path through what the key read",
     {"decay": lambda s: np.vecdot(s.f, s.ds)}),
    ("first-state-constant", "dstate is 0: the first state is taken for a constant",
     {"first": lambda s: 0 * s.ds}),
):  # fmt: skip
    card.wrong_backward(_name, _text)(walked_back(DELTA, **_wrong))


def _wrong_forward(name: str, wrong: str, step: Any) -> None:
    """A wrong output and the right cache; step(s, k, v, beta, a) -> what y reads, the next s."""

    def forward(q, k, v, beta, log_decay=None, state=None):
        _, cache = gated_delta_rule_forward(q, k, v, beta, log_decay, state)
        s, y = cache.states[0], np.empty(v.shape, v.dtype)
        for t in range(k.shape[1]):
            rate, a = beta[:, t, :, None, None], cache.decay[:, t, ..., None]
            read, s = step(s, k[:, t, :, :, None], v[:, t, :, None], rate, a)
            y[:, t] = np.einsum("bnhv,bnh->bnv", read, q[:, t])
        return y, cache

    card.wrong_forward(name, wrong)(forward)


def _found(s: Array, k: Array) -> Array:
    return (k * s).sum(2, keepdims=True)  # (B, N, 1, Hv)


def _twice(read: Array) -> tuple[Array, Array]:
    return read, read


_wrong_forward(
    "error-before-forgetting", "the error is that of the state before it was forgotten",
    lambda s, k, v, beta, a: _twice(a * s + k * beta * (v - _found(s, k))),
)  # fmt: skip
_wrong_forward(
    "forgets-what-it-writes", "what is written is forgotten at once",
    lambda s, k, v, beta, a: _twice(a * (s + k * beta * (v - _found(s, k)))),
)  # fmt: skip
_wrong_forward(
    "value-in-full", "beta is on what is erased and not on what is written",
    lambda s, k, v, beta, a: _twice(a * s + k * (v - beta * _found(a * s, k))),
)  # fmt: skip
_wrong_forward(
    "nothing-erased", "the value is written and not the error: linear attention with a rate",
    lambda s, k, v, beta, a: _twice(a * s + k * beta * v),
)  # fmt: skip
_wrong_forward(
    "reads-before-writing", "y reads the state before the position wrote",
    lambda s, k, v, beta, a: (a * s, a * s + k * beta * (v - _found(a * s, k))),
)  # fmt: skip
