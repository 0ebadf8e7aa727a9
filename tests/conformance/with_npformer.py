"""npformer's answers."""

from __future__ import annotations

import inspect

import numpy as np

from npformer.ops.attention import attention_backward, attention_forward
from npformer.ops.cross_entropy import cross_entropy_backward, cross_entropy_forward
from npformer.ops.expert_weights import expert_weights_backward, expert_weights_forward
from npformer.ops.gelu import gelu_backward, gelu_forward
from npformer.ops.layer_norm import layer_norm_backward, layer_norm_forward
from npformer.ops.relu import relu_backward, relu_forward
from npformer.ops.rms_norm import rms_norm_backward, rms_norm_forward
from npformer.ops.routing import choose_experts
from npformer.ops.swiglu_clamped import swiglu_clamped_backward, swiglu_clamped_forward
from tests.conformance import questions as ask
from tests.conformance.answers import Answers, pairs


def answers() -> Answers:
    """All rows of npformer."""
    found = Answers()
    _attention(found)
    _norms(found)
    _losses(found)
    _kinks(found)
    return found


def _array(numbers, dtype=np.float32):
    return np.array(numbers, dtype)


def _heads(numbers):
    return _array(numbers).reshape(1, -1, 1, 1)  # (B, T, N, H)


def _attention(found):
    seen = np.array(ask.HIDDEN_SEEN)
    by_number = {
        "hidden by -inf": np.where(seen, 0, -np.inf).astype(np.float32),
        "hidden by the lowest number": np.where(seen, 0, ask.LOWEST).astype(np.float32),
    }

    def hidden(mask=None, bias=None):
        q, k, v = map(_heads, (ask.HIDDEN_Q, ask.HIDDEN_K, ask.HIDDEN_V))
        y, cache = attention_forward(q, k, v, mask, bias)
        dq, dk, dv, *_ = attention_backward(_heads(ask.HIDDEN_DY), cache)
        return y[0, 0], dq[0, 0], dk, dv

    who = "`attention_forward`"
    found.add("hidden by a boolean mask", who, lambda: hidden(mask=seen))
    for question, bias in by_number.items():
        found.add(question, who, lambda bias=bias: hidden(bias=bias[None, None]))

    def causal():
        for (t, _), v in ask.CAUSAL_V.items():
            values = _heads(v)
            y, cache = attention_forward(_heads([0] * t), 0 * values, values, causal=True)
            yield from (y, attention_backward(np.ones_like(y), cache)[2])

    found.add("causal", who, causal)


def _norms(found):
    found.add("gelu", "`gelu_forward`", lambda: _both(gelu_forward, gelu_backward, ask.GELU_X))

    def default(forward):
        return f"{inspect.signature(forward).parameters['eps'].default:g}"

    def layer(x, dtype=np.float32):
        return layer_norm_forward(_array(x, dtype), np.ones(2, dtype), np.zeros(2, dtype))

    def layer_norm():
        y, cache = layer(ask.NORM_X)
        dx = layer_norm_backward(_array(ask.NORM_DY), cache)[0]
        half = layer(ask.NORM_HALF, np.float16)[0]
        return default(layer_norm_forward), y, dx, layer(ask.NORM_FAR)[0], half

    def rms_norm():
        y, cache = rms_norm_forward(_array(ask.NORM_X))
        dx = rms_norm_backward(_array(ask.NORM_DY), cache)
        half = rms_norm_forward(_array(ask.NORM_HALF, np.float16))[0]
        return default(rms_norm_forward), y, dx[0] if isinstance(dx, tuple) else dx, half

    found.add("layer norm", "`layer_norm_forward`", layer_norm)
    found.add("rms norm", "`rms_norm_forward`", rms_norm)


def _both(forward, backward, x):
    y, cache = forward(_array(x))
    return y, backward(np.ones_like(y), cache)


def _losses(found):
    logits = _array([ask.LOGITS])
    p = np.exp(logits) / np.exp(logits).sum()

    def loss(label, **settings):
        value, cache = cross_entropy_forward(logits, np.array([label]), **settings)
        return value, cross_entropy_backward(np.ones_like(value), cache)

    def smoothed():
        value, dlogits = loss(ask.TARGET, label_smoothing=ask.SMOOTHING)
        return value, dlogits, p - dlogits

    who = "`cross_entropy_forward`"
    found.add("smoothing", who, smoothed)
    found.add("all ignored", who, lambda: loss(ask.IGNORED))
    found.add("no weight", who, lambda: loss(ask.TARGET, weight=_array(ask.NO_WEIGHT)))
    found.add("outside", who, lambda: pairs(loss, ask.OUTSIDE))


def _kinks(found):
    def ties():
        """The gradient of the chosen expert's weight, in units of the sigmoid's slope there."""
        x = _array([ask.TIES])
        options = dict(scoring="sigmoid", normalize=False)
        y, cache = expert_weights_forward(x, choose_experts(x, 1), **options)
        return None, None, expert_weights_backward(np.ones_like(y), cache) / (y * (1 - y)), None

    def clamped():
        bound = _array([-1, 1])
        _, cache = swiglu_clamped_forward(np.ones_like(bound), bound, limit=1.0)
        _, dup = swiglu_clamped_backward(np.ones_like(bound), cache)
        _, inside = swiglu_clamped_forward(np.ones_like(bound), 0 * bound, limit=1.0)
        return dup / swiglu_clamped_backward(np.ones_like(bound), inside)[1]

    found.add("ties", "`choose_experts`, `expert_weights_forward`", ties)
    found.add(
        "kinks",
        "`relu_forward`, `swiglu_clamped_forward`",
        lambda: (_both(relu_forward, relu_backward, [0])[1], None, clamped(), None),
    )


if __name__ == "__main__":
    answers().print("numpy")
