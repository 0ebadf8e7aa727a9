"""The card of the paper's table of sines and cosines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.altered import altered
from npformer.cards.case import Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.module_card import ModuleCard
from npformer.cards.nn.positions.draws import added
from npformer.cards.ordinary import option
from npformer.nn.positions import SinusoidalPositions
from npformer.nn.positions.base import rows_at
from npformer.ops.positions import sinusoidal_positions

card = ModuleCard.of(SinusoidalPositions)
card.inputs, card.output = {"x": "BTD"}, "BTD"
card.only_adds = True
card.draw(added("interleaved", "half"))


def _pairs(d: int, interleaved: bool) -> tuple[slice, slice]:
    """The columns of sines and those of cosines."""
    half = (d + 1) // 2
    return (slice(0, d, 2), slice(1, d, 2)) if interleaved else (slice(half), slice(half, d))


def _interleaved(table: Any) -> bool:
    """By the row of position 0, whose sines are 0: of two columns the layouts are one."""
    return table.shape[1] < 3 or bool(table[0, 1])


def _remade(module: Any, layout: str = "") -> Any:
    table = module._table
    layout = layout or ("interleaved" if _interleaved(table) else "half")
    return sinusoidal_positions(*table.shape, layout=layout, dtype=table.dtype)


def _alone(component: Any, case: Case, at: Any = None) -> Any:
    """What is added: the y of tokens that are 0, (B, T, D) in float64."""
    static = {**case.static, **({} if at is None else {"at": at})}
    zeros = {"x": np.zeros_like(case.inputs["x"])}
    found = component.forward(Case(zeros, static, case.dy))
    return found.astype(np.float64)


@card.invariant("each sine and its cosine are a point of the unit circle", "sines-alone")
def _circle(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    d = case.dy.shape[-1]
    first, second = _pairs(d, case.static["build"][2] == "interleaved")
    rows = _alone(component, case)
    sines, cosines = rows[..., first][..., : d // 2], rows[..., second]
    yield Finding(sines**2 + cosines**2, 1.0, 4.0)


@card.invariant("at position 0 every sine is 0 and every cosine 1", "counted-from-one")
def _zero(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    first, second = _pairs(case.dy.shape[-1], case.static["build"][2] == "interleaved")
    rows = _alone(component, case, at=0)[:, :1]
    yield Finding(rows[..., first], 0.0, 0.0)
    yield Finding(rows[..., second], 1.0, 0.0)


@card.invariant("two tokens' rows have a product that their distance alone decides",
                "exponent-of-the-column")  # fmt: skip
def _distance(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    b, t, d = case.dy.shape
    if not b or d % 2:
        return
    here, there = (_alone(component, case, at=at)[0] for at in (0, 3))
    yield Finding(there @ there.T, here @ here.T, 8.0 * d)


@card.invariant("dx is dy, bit for bit", broken_by="table-subtracted-again")
def _through(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    yield Finding(result["dx"], case.dy, 0.0)


@card.wrong_method(
    "from-the-start",
    "a later piece of a sentence gets the first positions",
    SinusoidalPositions.forward,
    seen="mosaicml/examples#244",
    smallest="x (1, 1, 1)",
    missed_by=option("sentences in one piece", at=0),
)
def _from_the_start(self, x, at=0):
    return self.forward(x)


@card.wrong_method("first-sentence", "every sentence gets the first one's positions",
                   SinusoidalPositions.forward)  # fmt: skip
def _first_sentence(self, x, at=0):
    several = isinstance(at, np.ndarray) and at.ndim > 1 and len(x)
    return self.forward(x, at[0] if several else at)


@card.wrong_method("counted-from-one", "the first position is 1 where the table begins at 0",
                   SinusoidalPositions.forward)  # fmt: skip
def _from_one(self, x, at=0):
    table = _remade(self)
    with altered(self, _table=np.concatenate([table[1:], table[-1:]])):
        return self.forward(x, at)


@card.wrong_method("other-layout", "sines and cosines are laid out in the other of the two ways",
                   SinusoidalPositions.forward)  # fmt: skip
def _other(self, x, at=0):
    table = _remade(self, "half" if _interleaved(self._table) else "interleaved")
    return x + rows_at(table, at, x.shape[1]), self.forward(x, at)[1]


@card.wrong_method("sines-alone", "the columns of cosines have sines too",
                   SinusoidalPositions.forward)  # fmt: skip
def _sines(self, x, at=0):
    y, cache = self.forward(x, at)
    first, second = _pairs(x.shape[-1], _interleaved(self._table))
    rows = rows_at(self._table, at, x.shape[1])
    y[..., second] = x[..., second] + rows[..., first][..., : rows[..., second].shape[-1]]
    return y, cache


@card.wrong_method("exponent-of-the-column", "the exponent is a column's number over D, where two "
                   "columns share one", SinusoidalPositions.forward)  # fmt: skip
def _column(self, x, at=0):
    length, d = self._table.shape
    first, second = _pairs(d, _interleaved(self._table))
    angles = np.arange(length)[:, None] / 10_000.0 ** (np.arange(d) / d)
    table = np.empty((length, d))
    table[:, first], table[:, second] = np.sin(angles[:, first]), np.cos(angles[:, second])
    return x + rows_at(table.astype(x.dtype), at, x.shape[1]), self.forward(x, at)[1]


@card.wrong_method("in-half-precision", "the table is kept in half precision",
                   SinusoidalPositions.forward)  # fmt: skip
def _half(self, x, at=0):
    table = self._table.astype(np.float16).astype(x.dtype)
    return x + rows_at(table, at, x.shape[1]), self.forward(x, at)[1]


@card.wrong_method("input-detached", "the sum is a constant: nothing goes back to the tokens",
                   SinusoidalPositions.backward)  # fmt: skip
def _detached(self, dy, cache):
    return np.zeros_like(dy)


@card.wrong_method("table-subtracted-again", "the backward takes the table off dy, as if it undid "
                   "the forward", SinusoidalPositions.backward)  # fmt: skip
def _undone(self, dy, cache):
    return dy - rows_at(self._table, cache.at, dy.shape[1])
