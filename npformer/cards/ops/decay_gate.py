"""The card of the decay that a token makes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.degrees import overflows
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.pytorch import torch
from npformer.cards.scales import FloatInfo, Scales, logistic, walk
from npformer.cards.strategies import Source
from npformer.ops import decay_gate
from npformer.ops.decay_gate import decay_gate_backward, decay_gate_forward

card = OpCard.of(decay_gate)
card.owner = "GatedDeltaNet"
card.words = {
    "dx": "the rate times the logistic function",
    "dlog_rate": "the sum of dy y over the rows",
    "dbias": "the sum of dx over the rows",
}
ONE = {"log_rate": [0.5], "bias": [0.0]}
card.edge("the tails", {"x": [[-700.0], [-80], [-17], [0], [17], [80], [700]], **ONE})
card.edge("no rows", {"x": np.zeros((0, 1)), **ONE})
card.precise = lambda x, log_rate, bias: (
    -log_rate.exp() * torch.logaddexp(x + bias, torch.zeros_like(x))
)


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """At rank 1 to 4; rates up to exp(50)."""
    letters = source.choice(("btn", "bn", "n", "abtn"))
    limits = {"x": (-310, 10), "log_rate": (-310, 0), "bias": (-310, 10), "dy": (-310, 10)}
    spec = f"{letters}, n, n -> {letters}"
    return draw_case(source, spec, ("x", "log_rate", "bias"), dtype, limits=limits)


@card.scale
def scale(x: Array, log_rate: Array, bias: Array, *, dy: Array, fp: FloatInfo) -> Scales:
    """z is off by what x and bias are, which exp turns into an error of the step's own size."""
    z, off = x + bias, np.abs(x) + np.abs(bias)
    s, rate = logistic(z), np.exp(log_rate)
    known = 1 + np.abs(log_rate)
    flush = fp.tiny * (1 + rate)
    y = rate * (np.logaddexp(z, 0) * known + s * np.minimum(off, 1e4 + off * (z > -1e4))) + flush
    slope = rate * s * (known + logistic(-z) * np.minimum(off, 1e4)) + flush / fp.eps
    dx = np.abs(dy) * slope + fp.tiny
    axes = tuple(range(x.ndim - 1))
    grown = walk(int(np.prod(x.shape[:-1])))
    return {
        "y": y,
        "dx": dx,
        "dlog_rate": grown * ((np.abs(dy) + fp.tiny) * y).sum(axes) + fp.tiny,
        "dbias": grown * dx.sum(axes) + fp.tiny,
    }


@card.invariant("<dlog_rate, 1> is <dy, y>", broken_by="rate-itself")
def _euler(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """y is of degree 1 in the rate, so its derivative by the logarithm is y."""
    if overflows(case):
        return
    dy = case.dy.astype(np.float64)
    yield Finding(
        result["dlog_rate"].astype(np.float64).sum(), (dy * result["y"]).sum(),
        scales["dlog_rate"].sum() + (scales["y"] * np.abs(dy)).sum(),
    )  # fmt: skip


@card.invariant("the bias has the sum of dx", broken_by="bias-averaged")
def _bias(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    if overflows(case):
        return
    axes = tuple(range(case.dy.ndim - 1))
    total = result["dx"].astype(np.float64).sum(axes)
    yield Finding(result["dbias"], total, scales["dbias"] + scales["dx"].sum(axes))


def _rows(dy: Array) -> int:
    return max(int(np.prod(dy.shape[:-1])), 1)


for _name, _text, _wrong in (
    ("rate-itself", "dlog_rate is the gradient of exp(log_rate)",
     lambda dy, c, d: (d[0], d[1] / np.exp(c.log_rate), d[2])),
    ("bias-averaged", "dbias is averaged over the rows",
     lambda dy, c, d: (d[0], d[1], d[2] / _rows(dy))),
    ("sign", "dx has the sign of a growth", lambda dy, c, d: (-d[0], d[1], -d[2])),
    ("rate-missing", "dx lacks the rate",
     lambda dy, c, d: (d[0] / np.exp(c.log_rate), d[1], d[2])),
    ("slope-missing", "dx lacks the step's slope",
     lambda dy, c, d: (-dy * np.exp(c.log_rate), d[1], d[2])),
    ("slope-of-the-logistic", "the slope is the logistic function's own, not the logistic function",
     lambda dy, c, d: (d[0] * (1 - 1 / (1 + np.exp(-c.z))), d[1], d[2])),
    ("last-row", "dlog_rate is that of the last row",
     lambda dy, c, d: (d[0], (dy * c.y).reshape(-1, dy.shape[-1])[-1:].sum(0), d[2])),
):  # fmt: skip

    def _backward(dy, cache, wrong=_wrong):
        return wrong(dy, cache, decay_gate_backward(dy, cache))

    card.wrong_backward(_name, _text)(_backward)


@card.wrong_forward("exponential-step", "the step is exp(z)")
def _exponential(x, log_rate, bias):
    return -np.exp(log_rate + x + bias), decay_gate_forward(x, log_rate, bias)[1]


@card.wrong_forward("overflows", "log(1 + exp(z)) as it is written, which overflows for a large z")
def _overflows(x, log_rate, bias):
    y = -np.exp(log_rate) * np.log(1 + np.exp(x + bias))
    return y, decay_gate_forward(x, log_rate, bias)[1]
