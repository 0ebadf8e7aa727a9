"""The card of Muon."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.optim.adam import adam_scale
from npformer.cards.optimizer_card import OptimizerCard, Settings, changed, weight_after
from npformer.cards.ordinary import only, option
from npformer.cards.scales import walk
from npformer.optim.adamw import AdamW
from npformer.optim.muon import Muon, adjusted, is_hidden, muon_update
from npformer.optim.newton_schulz import COEFFICIENTS, LEAST_NORM, STEPS, newton_schulz

card = OptimizerCard.of(Muon)
card.static = {
    "muon_momentum": (0.95, 0.9, 0.0),
    "beta1, beta2, eps": ((0.9, 0.999, 1e-8), (0.9, 0.98, 1e-3)),
    "weight_decay": (0.0, 0.1),
    "adjust_lr_fn": ("match_rms_adamw", "original"),
}
Q, K = "layers.0.q_proj.weight", "layers.0.k_proj.weight"
card.weights = (
    {"layers.0.weight": "ab"},
    {Q: "ab", K: "cb", "layers.0.bias": "a"},
    {"embedding.weight": "ab"},
    {"layers.0.positions.weight": "ab"},
)
card.least = dict.fromkeys("abc", 1)


@card.scale
def _scale(weight: Array, gradients: Array, s: Settings) -> Array:
    """The weight, and every step with what Newton-Schulz makes of its input's rounding."""
    if not is_hidden(s["path"], weight.shape):
        return adam_scale(weight, gradients, s, 0.0) + np.abs(weight) / 2 * len(gradients)
    total, beta = np.abs(weight), s["muon_momentum"]
    momentum, size = np.zeros_like(weight), np.zeros_like(weight)
    for gradient in gradients:
        momentum = beta * momentum + (1 - beta) * gradient
        size = beta * size + (1 - beta) * np.abs(gradient)
        m = beta * momentum + (1 - beta) * gradient
        around = beta * size + (1 - beta) * np.abs(gradient)
        step = s["learning_rate"] * adjusted(weight.shape, s["adjust_lr_fn"])
        total = total + step * _spread(m, around) + np.abs(weight) / 2 * (s["weight_decay"] > 0)
    return total


def _spread(m: Array, around: Array) -> Array:
    """S of newton_schulz(m), the same for all entries, where m is off by ``around`` in eps.

    What is off at one step passes the steps that remain. In the singular vectors' frame an error
    is multiplied entry by entry by divided differences of the polynomial that remains, which are
    largest at the largest rise between two singular values, or between one and another's negative.
    The error spreads over the whole matrix, so it is measured by its norm.
    """
    a, b, c = COEFFICIENTS
    norm = max(float(np.linalg.norm(m)), LEAST_NORM)
    x, error = m / norm, float(np.linalg.norm(around)) / norm
    off = 0.0
    for k in range(STEPS + 1):
        off += _rise(x, STEPS - k) * error
        absolute = np.abs(x)
        gram = absolute @ absolute.T
        work = abs(a) * absolute + (abs(b) * gram + abs(c) * gram @ gram) @ absolute
        x = _step(x)
        error = walk(max(m.shape)) * float(np.linalg.norm(work))
    return np.full(
        m.shape, float(np.abs(newton_schulz(m)).max(initial=0.0)) + off / math.sqrt(m.size)
    )


def _step(x: Array) -> Array:
    a, b, c = COEFFICIENTS
    gram = x @ x.T
    return a * x + (b * gram + c * gram @ gram) @ x


def _rise(x: Array, steps: int) -> float:
    """How much ``steps`` more steps can multiply an error by."""
    a, b, c = COEFFICIENTS
    values = np.append(np.linalg.svd(x, compute_uv=False), 0.0)
    values = np.concatenate([values, -values])
    after, slope = values, np.ones_like(values)
    for _ in range(steps):
        slope = slope * (a + 3 * b * after**2 + 5 * c * after**4)
        after = a * after + b * after**3 + c * after**5
    apart = values[:, None] - values
    with np.errstate(all="ignore"):
        between = np.where(np.abs(apart) > 1e-6, (after[:, None] - after) / apart, slope)
    return float(np.abs(between).max())


@card.invariant("gradients a thousand times as large give the same step", broken_by="decay-coupled")
def _any_size(of: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """Of a layer's matrix, whose norm is above the least that counts."""
    (path, weight), *more = case.inputs.items()
    if more or not is_hidden(path, weight.shape):
        return
    if min(np.linalg.norm(g.astype(np.float64)) for g in case.static["gradients"]) < 1e-3:
        return
    other = of.run(changed(case, gradients=lambda g: 1024 * g))
    yield Finding(other["y"].astype(np.float64), result["y"].astype(np.float64), scales["y"])


@card.invariant("a transposed matrix takes the transposed step", broken_by="rows-normalised")
def _transposed(of: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    (path, weight), *more = case.inputs.items()
    if more or not is_hidden(path, weight.shape) or case.static["adjust_lr_fn"] == "original":
        return
    turned = changed(case, weight=lambda w: w.T.copy(), gradients=lambda g: g.swapaxes(1, 2).copy())
    yield Finding(
        of.run(turned)["y"].T.astype(np.float64), result["y"].astype(np.float64), 2 * scales["y"]
    )


@card.invariant("a matrix outside the layers is AdamW's", broken_by="embeddings-too")
def _outside(of: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    if list(case.inputs) == ["embedding.weight"]:
        names = ("beta1", "beta2", "eps", "weight_decay")
        other = weight_after(AdamW, case, **{name: case.static[name] for name in names})
        yield Finding(result["y"].astype(np.float64), other.astype(np.float64), 2 * scales["y"])


def _update(name: str, wrong: str, **seen: Any) -> Any:
    return card.wrong_method(name, wrong, muon_update, **seen)


def _ortho(name: str, wrong: str, **seen: Any) -> Any:
    return card.wrong_method(name, wrong, newton_schulz, **seen)


def _factor(name: str, wrong: str, **seen: Any) -> Any:
    return card.wrong_method(name, wrong, adjusted, **seen)


ONE = "layers.0.weight (1, 1), gradients (1, 1, 1)"


@card.wrong_method(
    "fused-matrices",
    "matrices that are projections of their own are orthogonalised as one, stacked",
    Muon.apply,
    seen="pytorch/torchtitan#4532",
    smallest=f"{Q} (1, 1), {K} (1, 1), layers.0.bias (1,), gradients (1, 3)",
    missed_by=only("one matrix", lambda case: len(case.inputs) == 1),
)
def _fused(self, learning_rate, grad_scale=1.0, start=0, stop=None):
    paths = [
        path for path in self.flat.between(start, stop) if is_hidden(path, self.flat.shapes[path])
    ]
    spans = self.flat.spans()
    if len(paths) < 2 or spans[paths[0]].stop != spans[paths[1]].start:
        return Muon.apply(self, learning_rate, grad_scale, start, stop)
    first, last = spans[paths[0]].start, spans[paths[1]].stop
    before = self.flat.data.copy()
    Muon.apply(self, learning_rate, grad_scale, start, stop)
    rows = last - first
    width = self.flat.shapes[paths[0]][-1]
    momentum = np.concatenate([self.kept[path]["momentum"] for path in paths[:2]])
    gradient = grad_scale * self.flat.grad[first:last].reshape(rows // width, width)
    m = gradient + self.muon_momentum * (momentum - gradient)
    weight = self.flat.data[first:last].reshape(m.shape)
    weight[...] = before[first:last].reshape(m.shape) * (1 - learning_rate * self.weight_decay)
    weight -= learning_rate * adjusted(m.shape, self.adjust) * newton_schulz(m)


@_factor("adjustment-forgotten", "a step is not scaled by the matrix's shape",
         seen="google-deepmind/optax#1249",
    smallest="layers.0.weight (1, 1), gradients (2, 1, 1)",
         missed_by=only("square matrices and the factor 1", lambda case: (
             case.static["adjust_lr_fn"] == "original"
             and all(a.ndim < 2 or a.shape[0] <= a.shape[1] for a in case.inputs.values())
         )))  # fmt: skip
def _unadjusted(shape, adjust):
    return 1.0


@_factor("fifth-forgotten", "the factor of match_rms_adamw lacks its 0.2",
         seen="NVIDIA-NeMo/Emerging-Optimizers#80", smallest=ONE,
         missed_by=option("the original factor", adjust_lr_fn="original"))  # fmt: skip
def _no_fifth(shape, adjust):
    return adjusted(shape, adjust) * (5 if adjust == "match_rms_adamw" else 1)


@_factor("sides-exchanged", "outputs and inputs have changed places in the factor")
def _exchanged(shape, adjust):
    return adjusted(shape[::-1], adjust)


@_factor("ratio-unbounded", "the original factor is sqrt(O / I) for wide matrices too")
def _unbounded(shape, adjust):
    return math.sqrt(shape[0] / shape[1]) if adjust == "original" else adjusted(shape, adjust)


@_update("decay-scaled-twice", "the decay is scaled by the matrix's shape, as the step is")
def _decay_scaled(weight, gradient, momentum, *, learning_rate, weight_decay, adjust, **s):
    factor = adjusted(weight.shape, adjust)
    decay = weight_decay * factor
    muon_update(weight, gradient, momentum, learning_rate=learning_rate, adjust=adjust,
                weight_decay=decay, **s)  # fmt: skip


@_update("no-look-ahead", "the mean itself is orthogonalised, without Nesterov's step ahead")
def _plain(weight, gradient, momentum, *, learning_rate, beta, weight_decay, adjust):
    momentum += (1 - beta) * (gradient - momentum)
    weight *= 1 - learning_rate * weight_decay
    weight -= learning_rate * adjusted(weight.shape, adjust) * newton_schulz(momentum)


@_update("gradient-orthogonalised", "the gradient is made orthogonal, and then averaged")
def _early(weight, gradient, momentum, *, learning_rate, beta, weight_decay, adjust):
    gradient = newton_schulz(gradient)
    momentum += (1 - beta) * (gradient - momentum)
    m = gradient + beta * (momentum - gradient)
    weight *= 1 - learning_rate * weight_decay
    weight -= learning_rate * adjusted(weight.shape, adjust) * m


@_update("decay-coupled", "the decay is added to the gradient, and made orthogonal with it")
def _coupled(weight, gradient, momentum, *, weight_decay, **s):
    muon_update(weight, gradient + weight_decay * weight, momentum, weight_decay=0.0, **s)


@_update("uphill", "the step goes up the gradient")
def _uphill(weight, gradient, momentum, **s):
    momentum *= -1
    muon_update(weight, -gradient, momentum, **s)
    momentum *= -1


@_ortho("one-step-less", "four steps are made in the place of five")
def _four(g, steps=STEPS):
    return newton_schulz(g, steps - 1)


@_ortho("not-turned-back", "a tall matrix is turned for the products, and not turned back")
def _not_back(g, steps=STEPS):
    return newton_schulz(g, steps).T.reshape(g.shape)


@_ortho("converging-coefficients", "the coefficients are those that converge, 15/8, -10/8, 3/8")
def _converging(g, steps=STEPS):
    x = g / max(np.linalg.norm(g.astype(np.float64)), LEAST_NORM)
    for _ in range(steps):
        gram = x @ x.T
        x = 1.875 * x + (-1.25 * gram + 0.375 * gram @ gram) @ x
    return x.astype(g.dtype)


@_ortho("rows-normalised", "each row is divided by its norm, and nothing is made orthogonal")
def _rows(g, steps=STEPS):
    return g / np.maximum(np.linalg.norm(g, axis=-1, keepdims=True), LEAST_NORM)


@card.wrong_method(
    "embeddings-too", "every matrix is orthogonalised, the embedding's too", is_hidden
)
def _every(path, shape):
    return len(shape) == 2


@card.wrong_method(
    "tables-of-layers-too", "a layer's table of relative positions is orthogonalised", is_hidden
)
def _tables(path, shape):
    return len(shape) == 2 and any(part.isdigit() for part in path.split("."))


@card.wrong_method("no-matrix-at-all", "AdamW updates everything", is_hidden)
def _none(path, shape):
    return False
