"""What the cards of recurrences have alike: cases, scales, invariants, a walk with one mistake."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.degrees import overflows
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.scales import FloatInfo, Scales, walk
from npformer.cards.strategies import Source, draw_array, draw_exponents, draw_sizes
from npformer.cards.values import LAYOUTS, in_layout
from npformer.ops.recurrent import as_given, as_wide

WIDE, NARROW = (-8, 10), (-8, 0)
"""Powers of ten that an array may be multiplied by; with long keys a state grows fast."""
LONGEST, LARGEST_HEAD = 9, 8
CHUNKS = (2, 1, 3, 64)
FORGOTTEN = 100
"""exp(-100) leaves nothing that a digit could be of."""


def draw_recurrence(source: Source, dtype: Any, *, delta: bool, chunks: bool = False) -> Case:
    """With and without a decay, a number a head or one a channel, and a first state."""
    z = draw_sizes(source, "btnhv", {"h": 1, "v": 1})
    b, t, n, h, v = (z[letter] for letter in "btnhv")
    t, h = min(t, LONGEST), min(h, LARGEST_HEAD)
    shapes: dict[str, tuple[int, ...]]
    shapes = {"q": (b, t, n, h), "k": (b, t, n, h), "v": (b, t, n, v)}
    if delta:
        shapes["beta"] = (b, t, n)
    decay = source.choice(("head", "channel", "none"))
    if decay != "none":
        shapes["log_decay"] = (b, t, n, 1 if decay == "head" else h)
    if source.choice((True, False)):
        shapes["state"] = (b, n, h, v)
    narrow = ("k", "beta", "log_decay") if delta else ("log_decay",)
    names = [*shapes, "dy"]
    exponents = draw_exponents(source, len(names), [NARROW if x in narrow else WIDE for x in names])
    kind = np.dtype(dtype)
    arrays = {
        name: draw_array(source, shape, kind, exponent)
        for (name, shape), exponent in zip(shapes.items(), exponents, strict=False)
    }
    if decay != "none":
        arrays["log_decay"] = in_layout(-np.abs(arrays["log_decay"]), source.choice(LAYOUTS[:5]))
    static = {"chunk": source.choice(CHUNKS)} if chunks else {}
    dy = draw_array(source, shapes["v"], kind, exponents[-1], upstream=True)
    return Case(arrays, static, dy)


def example_recurrence(b: int, rng: np.random.Generator, *, delta: bool) -> dict[str, Array]:
    """Generic arrays, with a decay of each channel and a state."""
    t, n, h, v = 5, 2, 3, 4
    shapes = {"q": (b, t, n, h), "k": (b, t, n, h), "v": (b, t, n, v)}
    found = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    if delta:
        found["beta"] = rng.random((b, t, n))
    found["log_decay"] = -rng.random((b, t, n, h))
    found["state"] = rng.standard_normal((b, n, h, v))
    return found


def scales_of(
    pair: tuple[Any, Any], inputs: Mapping[str, Array | None], dy: Array, fp: FloatInfo
) -> Scales:
    """The recurrence on absolute values, times what the roundings of a step's sums add up to.

    With -|v| and -|beta| the error -|v| - F^T k and what is written, beta times it, are sums too.
    exp is off by |log_decay| in eps.
    """
    given = {name: a for name, a in inputs.items() if a is not None}
    size = {name: np.abs(a) for name, a in given.items() if name != "log_decay"}
    if "beta" in size:
        size |= {"v": -size["v"], "beta": -size["beta"]}
    if "log_decay" in given:
        size["log_decay"] = given["log_decay"]
    y, cache = pair[0](**size)
    found = {"y": y, **dict(zip((f"d{n}" for n in given), pair[1](abs(dy), cache), strict=True))}
    t, h, v = dy.shape[1], given["k"].shape[3], dy.shape[3]
    decays = np.abs(given.get("log_decay", np.zeros(1)))
    strongest = decays[decays < FORGOTTEN].max(initial=0.0)
    factor = walk(t * (h + v)) * (1 + strongest)
    largest = [1 + np.abs(a).max(initial=0.0) for a in (*size.values(), dy)]
    flush = fp.tiny * float(np.prod(largest)) * (1 + t * h)
    return {name: factor * np.abs(a) + flush for name, a in found.items()}


def in_chunks(card: OpCard, plain: Any, precise: Callable[..., Any]) -> None:
    """The recurrence ``plain``, a card's module, cut into chunks: its words, edges, cases, scales.

    Some lengths are a multiple of the chunk's and others are not.
    """
    delta = "beta" in card.letters
    card.words, card.precise = plain.card.words, precise
    for words, (inputs, static) in plain.card.edges.items():
        card.edge(words, inputs, **static, chunk=2)
    card.draw(lambda source, dtype: draw_recurrence(source, dtype, delta=delta, chunks=True))
    card.example(lambda b, rng: (example_recurrence(b, rng, delta=delta), {"chunk": 2}))

    @card.scale
    def _scale(*, dy: Array, fp: FloatInfo, chunk: int = 64, **inputs: Array) -> Scales:
        found: Scales = plain.scale(dy=dy, fp=fp, **inputs)
        return found


def invariants(card: OpCard, pair: tuple[Any, Any], broken_by: dict[str, str]) -> None:
    """What the degrees of the arguments say, and a text in two parts. By key, what breaks each."""
    delta = "beta" in card.letters

    def equal(weights: dict[str, float], axes: tuple[int, ...]) -> Any:
        """The weighted sum of <da, a> is 0, for each batch, head and whatever else is left."""

        def look(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
            if overflows(case):
                return
            left, size = 0.0, 0.0
            values = {**case.inputs, "y": result["y"], "dy": case.dy}
            for name, weight in weights.items():
                if name not in values:
                    continue
                a = values["dy" if name == "y" else name].astype(np.float64)
                d = result["y" if name == "y" else f"d{name}"].astype(np.float64)
                over = (
                    axes if a.ndim == 4 and name != "state" else (1,) if name == "beta" else (2, 3)
                )
                s = scales["y" if name == "y" else f"d{name}"]
                left = left + weight * (d * a).sum(over)
                size = size + abs(weight) * (s * np.abs(a)).sum(over)
            yield Finding(np.asarray(left), 0.0, size)

        return look

    card.invariant("<dq, q> is <dy, y> at every position", broken_by["q"])(
        equal({"q": 1, "y": -1}, (3,))
    )
    card.invariant("<dv, v> and <dstate, state> of a head add up to <dy, y>", broken_by["v"])(
        equal({"v": 1, "state": 1, "y": -1}, (1, 3))
    )
    if delta:
        card.invariant(
            "longer keys and queries, with a smaller beta and state, change nothing", broken_by["k"]
        )(equal({"q": 1, "k": 1, "beta": -2, "state": -1}, (1, 3)))
    else:
        card.invariant(
            "longer keys, a larger state and shorter queries change nothing", broken_by["k"]
        )(equal({"k": 1, "state": 1, "q": -1}, (1, 3)))

    @card.invariant(
        "the second part of a text from the last state of the first, and the first with the "
        "gradient of that state, are the whole",
        broken_by["parts"],
    )
    def _parts(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
        half = case.dy.shape[1] // 2
        if not half or overflows(case):
            return
        of_time = {name: a for name, a in case.inputs.items() if name != "state"}
        first = {name: a[:, :half] for name, a in of_time.items()}
        if "state" in case.inputs:
            first["state"] = case.inputs["state"]
        static = {name: value for name, value in case.static.items() if value is not None}
        y, cache = pair[0](**first, **static)
        second = {**{name: a[:, half:] for name, a in of_time.items()}, "state": cache.last}
        other = component.run(Case(second, static, case.dy[:, half:]))
        yield Finding(np.concatenate([y, other["y"]], 1), result["y"], 2 * scales["y"])
        gradients = pair[1](case.dy[:, :half], cache, other["dstate"])
        for name, gradient in zip(first, gradients, strict=True):
            whole, s = result[f"d{name}"], scales[f"d{name}"]
            both = [gradient] if name == "state" else [gradient, other[f"d{name}"]]
            yield Finding(np.concatenate(both, 1), whole, 2 * s)


class RecurrentStep(NamedTuple):
    """What a backward has at one position; ``ds`` is that of S_t, ``w`` and ``beta`` of delta."""

    q: Array  # (B, N, H)
    k: Array  # (B, N, H)
    v: Array  # (B, N, Hv): what is written by a linear attention, the error w by a delta rule
    beta: Array  # (B, N, 1), 1 in linear attention
    a: Array  # (B, N, 1|H, 1)
    before: Array  # (B, N, H, Hv), S_(t-1)
    after: Array  # (B, N, H, Hv), S_t
    dy: Array  # (B, N, Hv)
    ds: Array  # (B, N, H, Hv)
    carried: Array  # (B, N, H, Hv), without what y_t has to say

    def read(self, s: Array, by: Array) -> Array:
        """s (B, N, H, Hv), by (B, N, H) -> (B, N, Hv)."""
        return np.einsum("bnhv,bnh->bnv", s, by)

    def met(self, s: Array, by: Array) -> Array:
        """s (B, N, H, Hv), by (B, N, Hv) -> (B, N, H)."""
        return np.einsum("bnhv,bnv->bnh", s, by)

    @property
    def f(self) -> Array:
        """F_t."""
        return self.a * self.before

    @property
    def du(self) -> Array:
        return self.read(self.ds, self.k)

    @property
    def dw(self) -> Array:
        return self.beta * self.du

    @property
    def df(self) -> Array:
        return self.ds - self.k[..., None] * self.dw[..., None, :]


Formula = Callable[[RecurrentStep], Array]
LINEAR: dict[str, Formula] = {
    "q": lambda s: s.met(s.after, s.dy),
    "k": lambda s: s.met(s.ds, s.v),
    "v": lambda s: s.du,
    "decay": lambda s: np.vecdot(s.f, s.ds),
    "carried": lambda s: s.a * s.ds,
}
DELTA: dict[str, Formula] = {
    "q": LINEAR["q"],
    "k": lambda s: s.met(s.ds, s.beta * s.v) - s.met(s.f, s.dw),
    "v": lambda s: s.dw,
    "beta": lambda s: np.vecdot(s.du, s.v),
    "decay": lambda s: np.vecdot(s.f, s.df),
    "carried": lambda s: s.a * s.df,
}


def walked_back(formulas: dict[str, Formula], **wrong: Formula) -> Any:
    """A backward in time by ``formulas``, some of which are ``wrong``."""
    of = {**formulas, **wrong}
    last = of.pop("first", lambda s: s.ds)

    def backward(dy: Array, cache: Any) -> tuple[Array, ...]:
        q, k, states, decay = cache.q, cache.k, cache.states, cache.decay
        v = cache.w if "beta" in of else cache.v
        beta = cache.beta[..., None] if "beta" in of else np.ones((*k.shape[:3], 1), k.dtype)
        found: dict[str, list[Array]] = {name: [] for name in of}
        ds = np.zeros_like(states[0])
        step = None
        for t in reversed(range(k.shape[1])):
            into = ds + q[:, t, :, :, None] * dy[:, t, :, None]
            step = RecurrentStep(q[:, t], k[:, t], v[:, t], beta[:, t], decay[:, t, ..., None],
                                 states[t], states[t + 1], dy[:, t], into, ds)  # fmt: skip
            for name, formula in of.items():
                found[name].insert(0, formula(step))
            ds = found["carried"][0]
        if step is not None:
            ds = last(step._replace(ds=ds))
        one = {n: np.stack(x, 1) if x else np.empty(0) for n, x in found.items() if n != "carried"}
        shapes = {"q": q.shape, "k": k.shape, "v": v.shape, "beta": k.shape[:3]}
        outputs = tuple(one[n].reshape(shapes[n]) for n in shapes if n in one)
        dlog = as_wide(one["decay"].reshape(k.shape), decay)
        return *outputs, *as_given(cache.given, dlog, ds)

    return backward
