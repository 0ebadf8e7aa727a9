"""MLX's answers, from its build for CPUs."""

from __future__ import annotations

import inspect

import mlx.core as mx
import mlx.nn as nn

from tests.conformance import questions as ask
from tests.conformance.answers import Answers, tried

ATTEND = mx.fast.scaled_dot_product_attention


def heads(numbers):
    return mx.array(numbers, mx.float32).reshape(1, 1, -1, 1)  # (B, N, T, H)


def attention(found):
    seen = mx.array(ask.HIDDEN_SEEN)
    masks = {
        "hidden by a boolean mask": seen,
        "hidden by -inf": mx.where(seen, 0.0, -mx.inf),
        "hidden by the lowest number": mx.where(seen, 0.0, ask.LOWEST),
    }
    inputs = [heads(x) for x in (ask.HIDDEN_Q, ask.HIDDEN_K, ask.HIDDEN_V)]

    def hidden(mask):
        def attend(q, k, v):
            return ATTEND(q, k, v, scale=1.0, mask=mask)

        (y,), (dq, dk, dv) = mx.vjp(attend, inputs, [heads(ask.HIDDEN_DY)])
        return y[0, 0, 0], dq[0, 0, 0], dk, dv

    def causal():
        for (t, _), numbers in ask.CAUSAL_V.items():
            q, v = heads([0] * t), heads(numbers)

            def attend(v, q=q):
                return ATTEND(q, 0 * v, v, scale=1.0, mask="causal")

            (y,), (dv,) = mx.vjp(attend, [v], [mx.ones_like(q)])
            yield from (y, dv)

    who = "`fast.scaled_dot_product_attention`"
    for question, mask in masks.items():
        found.add(question, who, lambda m=mask: hidden(m))
    found.add("causal", who, causal)


def slope(function, x):
    return mx.grad(lambda x: function(x).sum())(mx.array(x, mx.float32))


def norms(found):
    x = mx.array(ask.GELU_X)
    found.add("gelu", "`nn.gelu`", lambda: (nn.gelu(x), slope(nn.gelu, ask.GELU_X)))

    def norm(kind, *more):
        made = kind(2)
        (y,), (dx,) = mx.vjp(made, [mx.array(ask.NORM_X)], [mx.array(ask.NORM_DY)])
        eps = inspect.signature(kind).parameters["eps"].default
        made.set_dtype(mx.float16)
        half = made(mx.array(ask.NORM_HALF, mx.float16))
        return f"{eps:g}", y, dx, *(kind(2)(mx.array(m)) for m in more), half

    found.add("layer norm", "`nn.LayerNorm`", lambda: norm(nn.LayerNorm, ask.NORM_FAR))
    found.add("rms norm", "`nn.RMSNorm`", lambda: norm(nn.RMSNorm))


def losses(found):
    logits = mx.array([ask.LOGITS])

    def loss(label, **settings):
        def value(x):
            return nn.losses.cross_entropy(x, mx.array([label]), reduction="mean", **settings)

        given, dlogits = mx.value_and_grad(value)(logits)
        return given, dlogits

    def smoothed():
        value, dlogits = loss(ask.TARGET, label_smoothing=ask.SMOOTHING)
        return value, dlogits, mx.softmax(logits, -1) - dlogits

    who = "`nn.losses.cross_entropy`"
    found.add("smoothing", who, smoothed)
    found.add("no weight", f"{who}, weights", lambda: loss(ask.TARGET, weights=mx.zeros(1)))


def kinks(found):
    def by_both():
        return mx.grad(mx.maximum, (0, 1))(mx.array(2.0), mx.array(2.0))

    found.add(
        "ties",
        "`max`, `topk`, `maximum`",
        lambda: (
            tried(lambda: slope(mx.max, ask.TIES)),
            tried(lambda: slope(lambda x: x.max(0), ask.TIES)),
            tried(lambda: slope(lambda x: mx.topk(x, 1), ask.TIES)),
            tried(by_both),
        ),
    )
    found.add(
        "kinks",
        "`nn.relu`, `abs`, `clip`, `nn.relu6`",
        lambda: (
            slope(nn.relu, [0]),
            slope(mx.abs, [0]),
            slope(lambda x: mx.clip(x, -1, 1), [-1, 1]),
            slope(nn.relu6, [0, 6]),
        ),
    )


if __name__ == "__main__":
    mx.set_default_device(mx.cpu)
    found = Answers()
    for part in (attention, norms, losses, kinks):
        part(found)
    found.print("mlx", "mlx-cpu")
