"""tinygrad's answers, on its device that is written in Python; the others need a compiler."""

from __future__ import annotations

import inspect

from tinygrad import Tensor, dtypes, nn
from tinygrad.helpers import Context

from tests.conformance import questions as ask
from tests.conformance.answers import Answers, own_masks, pairs, tried


def tensor(numbers, dtype=dtypes.float32):
    return Tensor(numbers, dtype=dtype)


def heads(numbers):
    return Tensor(numbers, dtype=dtypes.float32).reshape(1, 1, -1, 1)  # (B, N, T, H)


def back(y, dy, *inputs):
    """y and the gradients of the inputs, as lists."""
    return y.tolist(), *(grad.tolist() for grad in y.gradient(*inputs, gradient=dy))


def slope(function, x):
    x = tensor(x)
    return function(x).sum().gradient(x)[0].tolist()


def attention(found):
    seen = Tensor(ask.HIDDEN_SEEN)
    masks = {
        "hidden by a boolean mask": seen,
        "hidden by -inf": seen.where(0.0, float("-inf")),
        "hidden by the lowest number": seen.where(0.0, ask.LOWEST),
    }

    def hidden(mask):
        q, k, v = map(heads, (ask.HIDDEN_Q, ask.HIDDEN_K, ask.HIDDEN_V))
        y = q.scaled_dot_product_attention(k, v, attn_mask=mask)
        y, dq, dk, dv = back(y, heads(ask.HIDDEN_DY), q, k, v)
        return y[0][0][0], dq[0][0][0], dk, dv

    def causal():
        for (t, _), numbers in ask.CAUSAL_V.items():
            q, v = heads([0.0] * t), heads(numbers)
            y = q.scaled_dot_product_attention(v * 0, v, is_causal=True)
            yield from back(y, q + 1, v)

    who = "`scaled_dot_product_attention`"
    for question, mask in masks.items():
        found.add(question, who, lambda m=mask: hidden(m))
    found.add("causal", who, causal)

    def dropped():
        """Without the gradient, which asks for a compiler even on this device."""
        shape, s = (ask.DROP_B, ask.DROP_N, ask.DROP_T, ask.DROP_T), ask.DROP_T
        one = [[float(row == column) for column in range(s)] for row in range(s)]
        eye, q = Tensor([[one] * ask.DROP_N] * ask.DROP_B), Tensor.zeros(shape)
        with Context(TRAINING=1):
            weights = q.scaled_dot_product_attention(q, eye, dropout_p=ask.DROP_P).tolist()
        top = max(w for b in weights for head in b for row in head for w in row)
        return own_masks(weights), top * s, None

    found.add("dropout", who, dropped)


def norms(found):
    def gelu():
        return Tensor(ask.GELU_X).gelu().tolist(), slope(Tensor.gelu, ask.GELU_X)

    found.add("gelu", "`gelu`", gelu)

    def norm(kind, *more):
        x = tensor(ask.NORM_X)
        y, dx = back(kind(2)(x), Tensor(ask.NORM_DY), x)
        eps = inspect.signature(kind).parameters["eps"].default
        made = kind(2)
        made.weight = made.weight.cast(dtypes.float16)
        if getattr(made, "bias", None) is not None:
            made.bias = made.bias.cast(dtypes.float16)
        half = made(tensor(ask.NORM_HALF, dtypes.float16)).tolist()
        return f"{eps:g}", y, dx, *(kind(2)(tensor(m)).tolist() for m in more), half

    found.add("layer norm", "`nn.LayerNorm`", lambda: norm(nn.LayerNorm, ask.NORM_FAR))
    found.add("rms norm", "`nn.RMSNorm`", lambda: norm(nn.RMSNorm))


def losses(found):
    def loss(label, **settings):
        logits = tensor([ask.LOGITS])
        value = logits.sparse_categorical_crossentropy(Tensor([label]), **settings)
        return value.item(), value.gradient(logits)[0].tolist()

    def smoothed():
        value, dlogits = loss(ask.TARGET, label_smoothing=ask.SMOOTHING)
        return value, dlogits, (Tensor([ask.LOGITS]).softmax() - Tensor(dlogits)).tolist()

    who = "`sparse_categorical_crossentropy`"
    found.add("smoothing", who, smoothed)
    found.add(
        "all ignored",
        f"{who}, ignore_index",
        lambda: loss(ask.IGNORED, ignore_index=ask.IGNORED),
    )
    found.add("outside", who, lambda: pairs(loss, ask.OUTSIDE))


def kinks(found):
    def by_both():
        a, b = tensor([2.0]), tensor([2.0])
        return [grad.tolist() for grad in a.maximum(b).sum().gradient(a, b)]

    found.add(
        "ties",
        "`max`, `topk`, `maximum`",
        lambda: (
            slope(Tensor.max, ask.TIES),
            slope(lambda x: x.max(0), ask.TIES),
            tried(lambda: slope(lambda x: x.topk(1)[0], ask.TIES)),
            by_both(),
        ),
    )
    found.add(
        "kinks",
        "`relu`, `abs`, `clip`, `relu6`",
        lambda: (
            slope(Tensor.relu, [0.0]),
            slope(Tensor.abs, [0.0]),
            slope(lambda x: x.clip(-1, 1), [-1.0, 1.0]),
            slope(Tensor.relu6, [0.0, 6.0]),
        ),
    )


if __name__ == "__main__":
    Tensor.manual_seed(0)
    found = Answers()
    for part in (attention, norms, losses, kinks):
        part(found)
    found.print("tinygrad")
